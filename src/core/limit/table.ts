// Buckets of rate limits in shared memory: one per limit and key, for all workers of a node together. A bucket is one integer, the
// theoretical arrival time of GCRA (ITU-T I.371, Annex A; the same as a token bucket that fills evenly), so that a single
// compare-and-swap takes a request out of it: the exception to "one writer" that limits stated per node are. Bounded: 131,072
// buckets in 5 MiB, eight to a set; a full set gives up the bucket that owes least. Forgetting one lets a key begin anew, never
// turns anybody away.
//
//   header │ limits: ticks per ms │ limits: intervals │ bits: touched since the last look │ sets: locks │ buckets, 32 bytes each
//
// The clock of a limit ticks TICKS times a request, so an interval is TICKS whatever the rate, and longer where this node has only
// a share of it. It wraps: at a million a second after 16 s, half of which may be owed; control frees what is over (sweep.ts).

import { EMPTY, TAKEN } from '../key-hash.ts';

/** Limits there may be at once. */
export const MAX_RATE_RULES = 1024;
export const BUCKETS = 131_072;
/** A share is exact to 1/TICKS. */
export const TICKS = 256;
/** The smallest share of a limit is one in so many. */
export const LEAST_SHARE = 4096;
/** Requests; what is owed stays below half of what the clock counts to. */
export const MAX_BURST = 1_000_000;
export const MAX_RATE_PER_S = 1_000_000;

/** Ints of a bucket. */
export const B = {
  HI: 0, // EMPTY = free, TAKEN = being written
  LO: 1,
  TAT: 2, // when the bucket will be full again, ticks of its limit
  INTERVAL: 3, // ticks a request takes; 0 = TICKS. Written by control
  ASKED: 4, // requests since control looked, of limits over several nodes
  PASSED: 5, // … that were let through
  RULE: 6, // index of the limit, and above it when control looked last: its own number
  DEMAND: 7, // thousandths of a request a second; control's own
} as const;
export const BUCKET_INTS = 8;
export const RULE_BITS = 10;
export const RULE_MASK = MAX_RATE_RULES - 1;
const WAYS = 8;
const SETS = BUCKETS / WAYS;

/** Ints of the header. */
const H = { EVICTED: 0 } as const;
const HEADER_INTS = 16;
const AT_SPEEDS = HEADER_INTS * 4;
const AT_FORCED = AT_SPEEDS + MAX_RATE_RULES * 8;
const AT_TOUCHED = AT_FORCED + MAX_RATE_RULES * 4;
const AT_LOCKS = AT_TOUCHED + BUCKETS / 8;
const AT_BUCKETS = AT_LOCKS + SETS * 4;
const BYTES = AT_BUCKETS + BUCKETS * BUCKET_INTS * 4;

/** Looks at a lock, some µs together: then its holder has been stopped in the middle, and is not waited for. */
const LOOKS = 2000;
/** Places that were gone when they were to be taken: control frees some at the same time. */
const TRIES = 4;

/** In place of an interval: nobody is let through. */
export const SHUT = -1;

/** What a bucket follows. Monomorphic; made once a Snapshot. */
export interface RateRule {
  /** < MAX_RATE_RULES; the same number means the same rule in all threads. */
  readonly index: number;
  readonly ticksPerMs: number;
  /** Requests that may come at once, in ticks. */
  readonly burstTicks: number;
  /** Counted, so that it can be settled with other nodes. */
  readonly isCounted: boolean;
}

export function newRateTable(): SharedArrayBuffer {
  return new SharedArrayBuffer(BYTES);
}

/** `ratePerS` > 0, ≤ MAX_RATE_PER_S; `burst` 1 … MAX_BURST requests. */
export function rateRule(index: number, ratePerS: number, burst: number, isCounted: boolean): RateRule {
  return { index, ticksPerMs: (ratePerS * TICKS) / 1000, burstTicks: Math.round(burst * TICKS), isCounted };
}

export class RateTable {
  readonly buckets: Int32Array;
  /** A bit a bucket: a request of a counted limit has come. */
  readonly touched: Int32Array;
  readonly #header: Int32Array;
  readonly #speeds: Float64Array;
  readonly #forced: Int32Array;
  readonly #locks: Int32Array;
  /** Of the last `take`: ms until it would be let through (0 = it was), requests left now, ms until the bucket is full. */
  waitMs = 0;
  left = 0;
  fullMs = 0;
  #at = -1;
  #interval = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.#header = new Int32Array(buffer, 0, HEADER_INTS);
    this.#speeds = new Float64Array(buffer, AT_SPEEDS, MAX_RATE_RULES);
    this.#forced = new Int32Array(buffer, AT_FORCED, MAX_RATE_RULES);
    this.touched = new Int32Array(buffer, AT_TOUCHED, BUCKETS / 32);
    this.#locks = new Int32Array(buffer, AT_LOCKS, SETS);
    this.buckets = new Int32Array(buffer, AT_BUCKETS, BUCKETS * BUCKET_INTS);
  }

  /** Buckets that were given up while they still owed. */
  get evicted(): number {
    return Atomics.load(this.#header, H.EVICTED);
  }

  /** Control: the limit is known from now on; what else is owed under its number is void by its speed. */
  setRule(rule: RateRule): void {
    this.#speeds[rule.index] = rule.ticksPerMs;
  }

  /** Control: every bucket of the limit takes this interval, whatever its own; 0 = its own again, SHUT = nobody passes. */
  force(index: number, interval: number): void {
    Atomics.store(this.#forced, index, interval);
  }

  /** Takes one request out of the key's bucket, if it has room. ≈ 0.1 µs; allocates nothing; never throws. */
  take(rule: RateRule, hi: number, lo: number, nowMs: number): boolean {
    const forced = Atomics.load(this.#forced, rule.index);
    const now = (nowMs * rule.ticksPerMs) | 0;
    const { buckets } = this;
    const at = this.#find(rule, hi, lo, now, nowMs);
    this.#at = at;
    if (at < 0) return this.#passUnseen(rule);
    if (rule.isCounted) this.#touch(at);
    if (forced === SHUT) return this.#shut();
    const own = forced === 0 ? buckets[at + B.INTERVAL]! : forced;
    const interval = own < TICKS ? TICKS : own;
    const room = rule.burstTicks < interval ? interval : rule.burstTicks;
    for (;;) {
      const tat = Atomics.load(buckets, at + B.TAT);
      const owed = owedAt(tat, now, rule.burstTicks);
      const next = owed + interval;
      if (next > room) {
        this.waitMs = (next - room) / rule.ticksPerMs;
        this.left = 0;
        this.fullMs = owed / rule.ticksPerMs;
        return false;
      }
      if (Atomics.compareExchange(buckets, at + B.TAT, tat, (now + next) | 0) !== tat) continue;
      if (rule.isCounted) Atomics.add(buckets, at + B.PASSED, 1);
      this.#interval = interval;
      this.waitMs = 0;
      this.left = Math.floor((room - next) / interval);
      this.fullMs = next / rule.ticksPerMs;
      return true;
    }
  }

  /** Where the bucket of the last `take` is, and what it took: for `giveBack`. -1 = there is none. */
  get lastAt(): number {
    return this.#at;
  }

  get lastInterval(): number {
    return this.#interval;
  }

  /** Undoes a `take`: another limit has turned the request away. */
  giveBack(rule: RateRule, at: number, interval: number): void {
    if (at < 0) return;
    Atomics.sub(this.buckets, at + B.TAT, interval);
    if (rule.isCounted) Atomics.sub(this.buckets, at + B.PASSED, 1);
  }

  /** The bucket of a key, where it has one: an offset into `buckets`, or -1. */
  find(hi: number, lo: number): number {
    const { buckets } = this;
    const first = setOf(hi, lo);
    for (let way = 0; way < WAYS; way++) {
      const at = first + way * BUCKET_INTS;
      if (buckets[at] === hi && buckets[at + B.LO] === lo) return at;
    }
    return -1;
  }

  #find(rule: RateRule, hi: number, lo: number, now: number, nowMs: number): number {
    const at = this.find(hi, lo);
    return at < 0 ? this.#add(rule, hi, lo, now, nowMs) : at;
  }

  /** One worker at a time adds to a set, or two that see a key for the first time at once would each give it a bucket. */
  #add(rule: RateRule, hi: number, lo: number, now: number, nowMs: number): number {
    const set = setOf(hi, lo) / (WAYS * BUCKET_INTS);
    let isOurs = false;
    for (let look = 0; look < LOOKS && !isOurs; look++) isOurs = Atomics.compareExchange(this.#locks, set, 0, 1) === 0;
    let at = this.find(hi, lo);
    for (let tries = 0; tries < TRIES && at < 0; tries++) at = this.#occupy(rule, hi, lo, now, nowMs);
    if (isOurs) Atomics.store(this.#locks, set, 0);
    return at;
  }

  #occupy(rule: RateRule, hi: number, lo: number, now: number, nowMs: number): number {
    const { buckets } = this;
    const at = this.#leastOwing(setOf(hi, lo), nowMs);
    const before = Atomics.load(buckets, at + B.HI);
    if (before === TAKEN || Atomics.compareExchange(buckets, at + B.HI, before, TAKEN) !== before) return -1;
    buckets[at + B.LO] = lo;
    buckets[at + B.INTERVAL] = 0;
    buckets[at + B.ASKED] = 0;
    buckets[at + B.PASSED] = 0;
    buckets[at + B.DEMAND] = 0;
    buckets[at + B.RULE] = rule.index;
    Atomics.store(buckets, at + B.TAT, now);
    Atomics.store(buckets, at + B.HI, hi);
    return at;
  }

  /** A free place of the set, or the one that can be spared best. */
  #leastOwing(first: number, nowMs: number): number {
    const { buckets } = this;
    let best = first;
    let leastMs = Number.POSITIVE_INFINITY;
    for (let way = 0; way < WAYS; way++) {
      const at = first + way * BUCKET_INTS;
      if (buckets[at] === EMPTY) return at;
      if (buckets[at] === TAKEN) continue;
      const ms = this.owedMs(at, nowMs);
      if (ms >= leastMs) continue;
      best = at;
      leastMs = ms;
    }
    if (leastMs > 0) Atomics.add(this.#header, H.EVICTED, 1);
    return best;
  }

  /** How long the bucket at an offset still owes, ms; 0 = it might as well not be there. */
  owedMs(at: number, nowMs: number): number {
    const speed = this.#speeds[this.buckets[at + B.RULE]! & RULE_MASK]!;
    if (speed === 0) return 0;
    const owed = (this.buckets[at + B.TAT]! - ((nowMs * speed) | 0)) | 0;
    return owed > 0 ? owed / speed : 0;
  }

  /** Gives the place of a bucket back. */
  free(at: number): void {
    const hi = Atomics.load(this.buckets, at + B.HI);
    if (hi === EMPTY || hi === TAKEN) return;
    Atomics.compareExchange(this.buckets, at + B.HI, hi, EMPTY);
  }

  #touch(at: number): void {
    Atomics.add(this.buckets, at + B.ASKED, 1);
    const place = at / BUCKET_INTS;
    const bit = 1 << (place & 31);
    const word = place >> 5;
    if ((this.touched[word]! & bit) === 0) Atomics.or(this.touched, word, bit);
  }

  /** All places of the set are being written to: nobody is turned away for that. */
  #passUnseen(rule: RateRule): boolean {
    this.waitMs = 0;
    this.left = Math.floor(rule.burstTicks / TICKS);
    this.fullMs = 0;
    return true;
  }

  #shut(): boolean {
    this.waitMs = SHUT;
    this.left = 0;
    this.fullMs = 0;
    return false;
  }
}

function setOf(hi: number, lo: number): number {
  return ((hi ^ Math.imul(lo, 0x9e3779b1)) & (SETS - 1)) * WAYS * BUCKET_INTS;
}

/** More than can ever be owed is what was owed long ago, from where the clock has come round. */
function owedAt(tat: number, now: number, burstTicks: number): number {
  const owed = (tat - now) | 0;
  const most = Math.max(burstTicks, TICKS * LEAST_SHARE) + TICKS;
  return owed < 0 || owed > most ? 0 : owed;
}
