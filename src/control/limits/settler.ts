// Limits over several nodes: every 100 ms what their buckets were asked for goes to Redis, and this node's share of each rate comes
// back and is written into the bucket. Nobody waits for it: between two answers, and without any, workers go on with the share
// they have. When Redis has been away for a second, every node takes an even share, by how many there were.

import { randomBytes } from 'node:crypto';
import { LEAST_SHARE, type RateTable, SHUT, TICKS } from '../../core/limit/table.ts';
import type { RateLimitSpec } from '../../core/snapshot.ts';
import type { RedisLink } from '../redis/link.ts';
import { type Account, apply, due } from './accounts.ts';
import { PRESENT, SETTLE } from './scripts.ts';

/** Keys settled in one go; a script holds up Redis for some µs a key. */
const MOST_KEYS = 1024;
const KEYS_A_CALL = 128;
/** Keys spread over so many hash tags, and so over a Cluster. */
const SHARDS = 8;
/** How often the node says that it is there, and how long that is believed, ms. */
const PRESENT_MS = 500;
const PRESENT_TTL_MS = 2500;
/** Without an answer for so long, Redis is away, ms. */
const AWAY_MS = 1000;

export class Settler {
  readonly #table: RateTable;
  readonly #redis: RedisLink;
  readonly #clock: () => number;
  /** Of this process: two with the same name in the configuration are two. */
  readonly #me = randomBytes(6).toString('hex');
  #limits: ReadonlyMap<number, RateLimitSpec> = new Map();
  #nodes = 1;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #collectedMs: number;
  /** Where to go on among the keys that are due. */
  #word = 0;
  #presentMs = Number.NEGATIVE_INFINITY;
  #isSettling = false;
  #isAway = true;
  #settled = 0;

  constructor(table: RateTable, redis: RedisLink, clock: () => number) {
    this.#table = table;
    this.#redis = redis;
    this.#clock = clock;
    this.#collectedMs = clock();
  }

  /** Nodes that keep limits together, this one counted; as of the last answer. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Accounts settled since the start. */
  get settled(): number {
    return this.#settled;
  }

  get isAway(): boolean {
    return this.#isAway;
  }

  /** By index: the limits that are kept over several nodes. */
  install(limits: ReadonlyMap<number, RateLimitSpec>): void {
    if (this.#limits.size === 0 && limits.size > 0) this.#begin();
    this.#limits = limits;
    this.#force();
  }

  /** While there were no limits nobody asked Redis: that it has not answered says nothing. */
  #begin(): void {
    const nowMs = this.#clock();
    this.#collectedMs = nowMs;
    if (!this.#redis.isUp) return;
    this.#answeredMs = nowMs;
    this.#isAway = false;
  }

  /** To be called every 100 ms. */
  tick(): void {
    if (this.#limits.size === 0) return;
    const nowMs = this.#clock();
    const isAway = nowMs - this.#answeredMs > AWAY_MS;
    if (isAway !== this.#isAway) {
      this.#isAway = isAway;
      this.#force();
    }
    if (nowMs - this.#presentMs >= PRESENT_MS) {
      this.#presentMs = nowMs;
      void this.#present(PRESENT_TTL_MS);
    }
    if (!this.#isSettling && this.#redis.isUp) void this.#settle(nowMs);
  }

  /** The others share what this node leaves. */
  leave(): void {
    if (this.#limits.size > 0 && this.#redis.isUp) void this.#present(0);
  }

  async #present(ttlMs: number): Promise<void> {
    const keys = [this.#redis.key('limits', 'nodes')];
    const nodes = await this.#redis.script<number>('limits-nodes', PRESENT, keys, [this.#me, ttlMs]);
    if (typeof nodes !== 'number') return;
    this.#answeredMs = this.#clock();
    this.#nodes = Math.min(Math.max(nodes, 1), LEAST_SHARE);
  }

  async #settle(nowMs: number): Promise<void> {
    this.#isSettling = true;
    const windowMs = Math.max(nowMs - this.#collectedMs, 1);
    this.#collectedMs = nowMs;
    const limitOf = (index: number) => this.#limits.get(index);
    const { accounts, word } = due(this.#table, limitOf, this.#nodes, windowMs, nowMs, this.#word, MOST_KEYS);
    this.#word = word;
    await Promise.all(batchesOf(accounts).map(([shard, batch]) => this.#ask(shard, batch)));
    this.#isSettling = false;
  }

  async #ask(shard: number, batch: readonly Account[]): Promise<void> {
    const keys = batch.map(({ hi, lo }) => this.#redis.key(`limits-${shard}`, hex(hi) + hex(lo)));
    const args = [this.#me, ...batch.flatMap(({ numbers }) => numbers)];
    const shares = await this.#redis.script<unknown>('limits-settle', SETTLE, keys, args);
    if (!Array.isArray(shares) || shares.length !== batch.length) return;
    this.#answeredMs = this.#clock();
    this.#settled += batch.length;
    for (let i = 0; i < batch.length; i++) apply(this.#table, batch[i]!, shares[i]);
  }

  #force(): void {
    for (const [index, { redisDown }] of this.#limits) {
      const whileAway = redisDown === 'closed' ? SHUT : TICKS * this.#nodes;
      this.#table.force(index, this.#isAway ? whileAway : 0);
    }
  }
}

/** By shard, no more than a call takes. */
function batchesOf(accounts: readonly Account[]): [shard: number, Account[]][] {
  const batches: [number, Account[]][] = [];
  const open = new Map<number, Account[]>();
  for (const account of accounts) {
    const shard = account.hi & (SHARDS - 1);
    let batch = open.get(shard);
    if (batch === undefined || batch.length === KEYS_A_CALL) {
      batch = [];
      open.set(shard, batch);
      batches.push([shard, batch]);
    }
    batch.push(account);
  }
  return batches;
}

function hex(n: number): string {
  return (n >>> 0).toString(16).padStart(8, '0');
}
