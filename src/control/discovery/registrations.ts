// Registrations of this node, and of the fleet: what one edge is told, all that share a Redis know. It is the signed message itself
// that is passed on, so that whoever can write to Redis still cannot put an endpoint into a pool, and what was taken once is not
// taken again. Without Redis, or while it is away, each edge knows what it is told; nothing here waits for it.

import type { RedisLink } from '../redis/link.ts';
import type { EventLog, Refusal } from '../types.ts';
import { type Desk, type Now, type Registered, type Registration, take, takeShared } from './registrar.ts';
import { MAX_SKEW_MS, MAX_TTL_MS } from './signing.ts';

const CHANNEL = 'registrations';
/** Messages that come together go to Redis together. ms */
const GATHER_MS = 20;
/** What others may have missed though it was published: everything is read again this often. ms */
const READ_MS = 30_000;
/** A client tells all edges of itself: of these only one passes it on, in this part of the TTL. */
const TOLD_RATIO = 1 / 6;
const MAX_TOLD = 10_000;
/** Endpoints of a pool in Redis, those that have left included. */
const MAX_KEPT = 10_000;
/** Of one read or published text: 1,000 endpoints take about 500 KB. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/** What is kept in Redis: [path, timestamp, signature, body]. */
type Kept = readonly [path: string, timestamp: string, signature: string, body: string];

export interface RegistrationsOptions {
  readonly redis: RedisLink;
  readonly events: EventLog;
  readonly deskOf: (pool: string) => Desk | null;
  /** Pools that take registrations. */
  readonly pools: () => readonly string[];
  readonly now: () => Now;
}

export class Registrations {
  readonly #options: RegistrationsOptions;
  /** What is in Redis, as far as we know, by pool and URL. */
  readonly #told = new Map<string, { readonly body: string; readonly atMs: number }>();
  #waiting: { readonly pool: string; readonly url: string; readonly kept: Kept }[] = [];
  #gathering: NodeJS.Timeout | null = null;
  #reading: NodeJS.Timeout | null = null;
  #unsubscribe: (() => void) | null = null;
  #hasComplained = false;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
  }

  start(): void {
    const { redis } = this.#options;
    const onGap = (): void => void this.#readAll();
    this.#unsubscribe = redis.subscribe(CHANNEL, (message) => this.#hear(message.toString('utf8')), onGap);
    this.#reading = setInterval(onGap, READ_MS).unref();
  }

  stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    if (this.#reading !== null) clearInterval(this.#reading);
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#gathering = null;
  }

  /** A message that a client sends. Never throws. */
  take(request: Registration): Registered | Refusal {
    const { deskOf, now, redis } = this.#options;
    const answer = take(request, deskOf, now());
    if (!('status' in answer) && redis.isConfigured) this.#pass(request, answer);
    return answer;
  }

  #pass({ path, timestamp, signature, body }: Registration, { pool, url, ttlMs }: Registered): void {
    const key = `${pool}\0${url}`;
    const atMs = Number(timestamp);
    const before = this.#told.get(key);
    if (ttlMs > 0 && before?.body === body && atMs - before.atMs < ttlMs * TOLD_RATIO) return;
    this.#note(key, body, atMs);
    this.#waiting.push({ pool, url, kept: [path, timestamp!, signature!, body] });
    this.#gathering ??= setTimeout(() => void this.#send(), GATHER_MS);
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    this.#gathering = null;
    const { redis } = this.#options;
    const waiting = this.#waiting;
    this.#waiting = [];
    const text = JSON.stringify(waiting.map(({ kept }) => kept));
    for (const pool of new Set(waiting.map((one) => one.pool))) {
      const mine = waiting.filter((one) => one.pool === pool);
      const fields = Object.fromEntries(mine.map(({ url, kept }) => [url, JSON.stringify(kept)]));
      const kept = await redis.call('register', async (commands) => {
        await commands.hset(keyOf(redis, pool), fields);
        return commands.pexpire(keyOf(redis, pool), 2 * MAX_TTL_MS);
      });
      // Not there: the next message of each of them is to be passed on, whenever it comes.
      if (kept === undefined) for (const { url } of mine) this.#told.delete(`${pool}\0${url}`);
    }
    await redis.call('register', (commands) => commands.publish(redis.channel(CHANNEL), text));
  }

  #hear(text: string): void {
    for (const kept of listIn(text)) this.#takeOver(kept);
  }

  /** Never rejects. */
  async #readAll(): Promise<void> {
    const { redis, pools } = this.#options;
    if (!redis.isConfigured) return;
    for (const pool of pools()) {
      const fields = await redis.call('registrations', async (commands) => {
        const key = keyOf(redis, pool);
        // What is larger than anything of ours is not ours.
        return (await commands.hlen(key)) > MAX_KEPT ? {} : commands.hgetall(key);
      });
      const stale: string[] = [];
      for (const [url, text] of Object.entries(fields ?? {})) {
        const [kept] = listIn(`[${text}]`);
        if (kept === undefined || this.#isStale(kept)) stale.push(url);
        if (kept !== undefined) this.#takeOver(kept);
      }
      if (stale.length > 0)
        await redis.call('registrations', (commands) => commands.hdel(keyOf(redis, pool), ...stale));
    }
  }

  #takeOver([path, timestamp, signature, body]: Kept): void {
    const { deskOf, now, events } = this.#options;
    const answer = takeShared({ method: 'POST', path, timestamp, signature, body }, deskOf, now());
    if (!('status' in answer)) return this.#note(`${answer.pool}\0${answer.url}`, body, Number(timestamp));
    if (answer.code !== 'unauthorized' || this.#hasComplained) return;
    this.#hasComplained = true;
    const message = 'Redis holds registrations that are not signed with the token of their pool: they are passed over';
    events.emit('warn', 'discovery.foreign', message, {});
  }

  /** Of no use to anybody any more. */
  #isStale([, timestamp]: Kept): boolean {
    return !(this.#options.now().wallMs - Number(timestamp) < MAX_TTL_MS + MAX_SKEW_MS);
  }

  #note(key: string, body: string, atMs: number): void {
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.set(key, { body, atMs });
  }
}

function keyOf(redis: RedisLink, pool: string): string {
  return redis.key(`registrations-${encodeURIComponent(pool)}`);
}

/** What has the form of a list of messages; others write to Redis, too. */
function listIn(text: string): Kept[] {
  if (text.length > MAX_TEXT_BYTES) return [];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.filter(isKept) : [];
  } catch {
    return [];
  }
}

function isKept(given: unknown): given is Kept {
  return Array.isArray(given) && given.length === 4 && given.every((part) => typeof part === 'string');
}
