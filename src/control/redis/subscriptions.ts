// What a node hears from others through Redis, on a connection of its own. Publishing is fire and forget: whatever was said
// while the connection was away is gone, so everyone who listens is told whenever listening (re)starts, and reads what stands.
// A connection that only listens looks alive for ever when the other side is gone; so it is asked now and then.

import type { Redis } from 'ioredis';
import { backOffMs } from './circuit.ts';

export interface Subscription {
  /** Of the channel, without the prefix. */
  readonly name: string;
  readonly onMessage: (message: Buffer) => void;
  /** From now on messages come: what was said before may have been missed. Called at first, too. */
  readonly onGap: () => void;
}

export interface SubscriptionsOptions {
  /** A new connection that is not connected yet. */
  readonly connect: () => Redis;
  /** As Redis has it. */
  readonly channelOf: (name: string) => string;
  readonly random: () => number;
}

const HEARTBEAT_MS = 5000;

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #all: Set<Subscription>;
  #redis: Redis | null = null;
  #isReady = false;
  #isEnded = false;
  #attempt = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `all` is the owner's, and outlives this: `added` and `removed` tell what became of it. */
  constructor(options: SubscriptionsOptions, all: Set<Subscription>) {
    this.#options = options;
    this.#all = all;
    if (all.size > 0) this.#open();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  added(subscription: Subscription): void {
    if (this.#redis === null && this.#timer === null) this.#open();
    else if (this.#isReady) void this.#listen(this.#redis!, [subscription]);
  }

  removed({ name }: Subscription): void {
    const isLast = ![...this.#all].some((other) => other.name === name);
    if (isLast && this.#isReady) this.#redis!.unsubscribe(this.#options.channelOf(name)).catch(() => {});
  }

  end(): void {
    this.#isEnded = true;
    this.#isReady = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#redis?.disconnect();
  }

  #open(): void {
    this.#timer = null;
    if (this.#isEnded) return;
    const redis = this.#options.connect();
    this.#redis = redis;
    redis.on('error', () => {}); // the connection for commands tells
    redis.on('messageBuffer', (channel: Buffer, message: Buffer) => this.#hear(channel.toString(), message));
    redis.once('end', () => this.#lost(redis));
    redis.connect().then(
      () => this.#listen(redis, [...this.#all]),
      () => redis.disconnect(),
    );
  }

  async #listen(redis: Redis, subscriptions: readonly Subscription[]): Promise<void> {
    try {
      const channels = new Set(subscriptions.map(({ name }) => this.#options.channelOf(name)));
      if (channels.size > 0) await redis.subscribe(...channels);
    } catch {
      redis.disconnect();
      return;
    }
    if (redis !== this.#redis || this.#isEnded) return;
    const isNew = !this.#isReady;
    this.#isReady = true;
    this.#attempt = 0;
    // Whoever came while this was under way has not been subscribed.
    const missed = isNew ? [...this.#all].filter((one) => !subscriptions.includes(one)) : [];
    if (missed.length > 0) void this.#listen(redis, missed);
    if (isNew) this.#beat(redis);
    for (const one of subscriptions) if (this.#all.has(one)) one.onGap();
  }

  #hear(channel: string, message: Buffer): void {
    for (const one of [...this.#all]) if (this.#options.channelOf(one.name) === channel) one.onMessage(message);
  }

  #beat(redis: Redis): void {
    this.#timer = setTimeout(async () => {
      try {
        await redis.ping();
        if (redis === this.#redis && this.#isReady) this.#beat(redis);
      } catch {
        redis.disconnect();
      }
    }, HEARTBEAT_MS);
    this.#timer.unref();
  }

  #lost(redis: Redis): void {
    if (redis !== this.#redis) return;
    this.#redis = null;
    this.#isReady = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#isEnded) return;
    this.#timer = setTimeout(() => this.#open(), backOffMs(this.#attempt++, this.#options.random));
    this.#timer.unref();
  }
}
