// The node's one link to Redis: it owns every connection. Nothing here is on the way of a request, and nothing here throws at
// whoever asks: an answer comes in time, or it is undefined, "not now". Redis may be away at the start, hang, lose its data or
// be full of what others wrote; the link only counts, says it once, and comes back by itself.

import type { Cluster, Redis } from 'ioredis';
import type { RedisConfig } from '../config/redis.ts';
import { Calls, LATE } from './calls.ts';
import { Circuit } from './circuit.ts';
import { newClient, newSubscriber } from './clients.ts';
import { evaluate, type Script } from './script.ts';
import { type Subscription, Subscriptions } from './subscriptions.ts';
import { Traffic } from './traffic.ts';
import type { CallResult, RedisCommands, RedisLinkOptions } from './types.ts';

export type { CallResult, RedisCommands, RedisLinkOptions, RedisMeter } from './types.ts';

/** Different refusals that are logged between two losses of the connection. */
const MAX_TOLD = 16;
/** Refusals by which a server says that it does not serve now. */
const AWAY = ['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN', 'READONLY', 'BUSY', 'NOAUTH'];

export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #subscribed = new Set<Subscription>();
  readonly #traffic = new Traffic();
  readonly #calls = new Calls();
  #config: RedisConfig | null = null;
  #client: Redis | Cluster | null = null;
  #subscriptions: Subscriptions | null = null;
  #circuit = new Circuit();
  #trial: NodeJS.Timeout | null = null;
  /** What was last said of the state; null = nothing yet. */
  #saidUp: boolean | null = null;
  readonly #told = new Set<string>();
  /** Who waits for the first word on the state. */
  readonly #waiting = new Set<() => void>();

  /** Connects in the background; null = there is no Redis, and every call is undefined. */
  constructor(config: RedisConfig | null, options: RedisLinkOptions) {
    this.#options = options;
    this.use(config);
  }

  /** Whether a Redis is configured at all. */
  get isConfigured(): boolean {
    return this.#config !== null;
  }

  /** Whether a call would be made now. */
  get isUp(): boolean {
    return this.#client?.status === 'ready' && !this.#circuit.isOpen;
  }

  /** Whether messages are heard. */
  get isListening(): boolean {
    return this.#subscriptions?.isReady ?? false;
  }

  /** On the sockets, since the start. */
  get bytes(): { readonly received: number; readonly sent: number } {
    return { received: this.#traffic.received, sent: this.#traffic.sent };
  }

  /**
   * Another Redis, or none, from now on. Connections to the old one are ended; subscriptions go on with the new one, and their
   * `onGap` tells when. Does nothing when the configuration is the same.
   */
  use(config: RedisConfig | null): void {
    if (JSON.stringify(config) === JSON.stringify(this.#config)) return;
    this.#disconnect();
    this.#config = config;
    if (config === null) return;
    const client = newClient(config, this.#options.random);
    this.#client = client;
    this.#traffic.watch(client);
    client.on('ready', () => this.#answered(client));
    client.on('close', () => this.#changed(client, 'the connection is lost'));
    client.on('error', (error: Error) => this.#changed(client, error.message || error.name));
    client.connect().catch(() => {}); // 'error' and 'close' tell
    this.#subscriptions = new Subscriptions(
      {
        connect: () => this.#newSubscriber(config, client),
        channelOf: (name) => this.channel(name),
        random: this.#options.random,
      },
      this.#subscribed,
    );
  }

  /**
   * A key of ours: `prefix:{tag}:rest:of:it`. Keys with the same tag live together in a Cluster, so that one script may use
   * them; different tags spread over its servers.
   */
  key(tag: string, ...rest: readonly string[]): string {
    return [`${this.#config?.prefix ?? 'fermat'}:{${tag}}`, ...rest].join(':');
  }

  /** A channel of ours, for `publish`. */
  channel(name: string): string {
    return `${this.#config?.prefix ?? 'fermat'}:${name}`;
  }

  /**
   * Runs commands; undefined = not now (no Redis, away, too slow, refused, too many waiting). Never rejects. `what` is a label of
   * the metrics: a fixed word. Of what was not answered in time nobody knows whether it was done.
   */
  async call<T>(what: string, run: (redis: RedisCommands) => Promise<T>): Promise<T | undefined> {
    const client = this.#client;
    if (client === null) return undefined;
    const result = !this.isUp ? 'away' : this.#calls.isFull ? 'busy' : null;
    if (result === null) return this.#ask(client, what, run, false);
    this.#options.meter?.called(what, result, 0);
    return undefined;
  }

  /** Runs a script on keys of one tag; undefined = not now, as with `call`. */
  script<T>(
    what: string,
    script: Script,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<T | undefined> {
    return this.call(what, (redis) => evaluate(redis, script, keys, args) as Promise<T>);
  }

  /** The same where the answer holds bytes: its strings are Buffers. */
  scriptBytes<T>(
    what: string,
    script: Script,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<T | undefined> {
    return this.call(what, (redis) => evaluate(redis, script, keys, args, true) as Promise<T>);
  }

  /** Resolves as soon as Redis is known to be there (true) or not; at the latest after `timeoutMs`. Never rejects. */
  async settled(timeoutMs: number): Promise<boolean> {
    if (this.#config === null || this.#saidUp !== null) return this.isUp;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
    return this.isUp;
  }

  /**
   * Hears what is published on `channel(name)`, over losses of the connection and changes of the configuration. `onGap`: from
   * now on messages come, and what was said before may have been missed: read what stands. It is called at first, too, as soon
   * as Redis is there. Gives the function that ends it.
   */
  subscribe(name: string, onMessage: (message: Buffer) => void, onGap: () => void): () => void {
    const one = {
      name,
      onMessage: (message: Buffer) => this.#attempt(name, () => onMessage(message)),
      onGap: () => this.#attempt(name, onGap),
    };
    this.#subscribed.add(one);
    this.#subscriptions?.added(one);
    return () => {
      if (this.#subscribed.delete(one)) this.#subscriptions?.removed(one);
    };
  }

  /** Ends every connection and subscription, for good. Calls under way end as undefined. */
  destroy(): void {
    this.#subscribed.clear();
    this.#disconnect();
    this.#config = null;
  }

  #disconnect(): void {
    this.#subscriptions?.end();
    this.#subscriptions = null;
    if (this.#trial !== null) clearTimeout(this.#trial);
    this.#trial = null;
    const client = this.#client;
    this.#client = null;
    client?.disconnect();
    this.#circuit = new Circuit();
    this.#saidUp = null;
    this.#told.clear();
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** A listener that fails must not take the connection with it. */
  #attempt(name: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#options.events.emit('error', 'redis.listener', `a message on ${name} could not be taken: ${error}`);
    }
  }

  #newSubscriber(config: RedisConfig, client: Redis | Cluster): Redis {
    const redis = newSubscriber(config, client, this.#options.random);
    this.#traffic.watch(redis);
    return redis;
  }

  /** Asks now, whatever the state. */
  async #ask<T>(
    client: Redis | Cluster,
    what: string,
    run: (redis: RedisCommands) => Promise<T>,
    isTrial: boolean,
  ): Promise<T | undefined> {
    const { clock, meter } = this.#options;
    const startedMs = clock();
    let result: CallResult = 'ok';
    try {
      // A Cluster has the same commands.
      const answer = await this.#calls.inTime(run(client as unknown as Redis), this.#config?.timeoutMs ?? 0);
      if (answer !== LATE) {
        this.#answered(client);
        return answer as T;
      }
      result = 'timeout';
      this.#failed(client, isTrial, 'it does not answer in time');
    } catch (error) {
      result = this.#refused(client, what, isTrial, error);
    } finally {
      meter?.called(what, result, clock() - startedMs);
    }
    return undefined;
  }

  #refused(client: Redis | Cluster, what: string, isTrial: boolean, error: unknown): CallResult {
    const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
    const [code = ''] = message.split(' ', 1);
    if (name !== 'ReplyError' || AWAY.includes(code)) {
      this.#failed(client, isTrial, message);
      return name === 'ReplyError' ? 'error' : 'lost';
    }
    this.#answered(client);
    if (!this.#told.has(`${what} ${code}`) && this.#told.size < MAX_TOLD) {
      this.#told.add(`${what} ${code}`);
      this.#options.events.emit('warn', 'redis.error', `Redis refuses ${what}: ${message}`, { what, code });
    }
    return 'error';
  }

  #failed(client: Redis | Cluster, isTrial: boolean, why: string): void {
    if (client !== this.#client) return;
    const waitMs = this.#circuit.failed(isTrial, this.#options.random);
    if (waitMs !== null) {
      // Whatever hangs on this connection is given up with it.
      if (isTrial && client.status === 'ready') client.disconnect(true);
      this.#tryAfter(client, waitMs);
    }
    this.#changed(client, why);
  }

  #tryAfter(client: Redis | Cluster, waitMs: number): void {
    this.#trial = setTimeout(() => {
      this.#trial = null;
      // One that connects anew is tried by that.
      if (client.status === 'ready')
        void this.#ask(client, 'ping', (redis) => echoed(redis, this.#options.random()), true);
      else this.#failed(client, true, 'it cannot be reached');
    }, waitMs);
    this.#trial.unref();
  }

  #answered(client: Redis | Cluster): void {
    if (client !== this.#client) return;
    this.#circuit.answered();
    if (this.#trial !== null) clearTimeout(this.#trial);
    this.#trial = null;
    this.#changed(client, '');
  }

  /** Says so, once, when Redis has come or gone. */
  #changed(client: Redis | Cluster, why: string): void {
    const { isUp } = this;
    if (client !== this.#client || isUp === this.#saidUp) return;
    this.#saidUp = isUp;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
    if (isUp) {
      this.#told.clear();
      this.#options.events.emit('info', 'redis.up', 'Redis is there: what nodes share is shared');
    } else {
      const message = `Redis is away: this node goes on with what it knows itself (${why})`;
      this.#options.events.emit('warn', 'redis.down', message);
    }
  }
}

/** Rejects when what comes back is the answer to something else: a connection that has lost bytes is of no more use. */
async function echoed(redis: RedisCommands, random: number): Promise<void> {
  const word = String(random);
  if ((await redis.echo(word)) !== word) throw new Error('the answers are not to what was asked');
}
