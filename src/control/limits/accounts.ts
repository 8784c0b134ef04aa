// What there is to settle about buckets that several nodes share: which of those that were touched, with which numbers, and what
// becomes of the answer. Arithmetic over the shared table; who asks Redis, and when, is settler.ts.

import { eachTouched, lookedOf, ruleOf, setLooked } from '../../core/limit/sweep.ts';
import { B, LEAST_SHARE, type RateTable, TICKS } from '../../core/limit/table.ts';
import type { RateLimitSpec } from '../../core/snapshot.ts';
import { WHOLE } from './scripts.ts';

/** A key that is asked less than its even part is told of so seldom, ms. */
const SELDOM_MS = 1000;
/** What a node has told is believed for so long, ms: a few times as long as it takes to tell anew. */
const BELIEVED_MS = 600;
const BELIEVED_SELDOM_MS = 2500;
/** Demand is an average over about this time, ms: single requests do not move shares, a rush does. */
const SMOOTH_MS = 300;
/** After so long a key begins anew. */
const FORGET_MS = 2500;
/** No more than this is made up for, ms; of a key that begins anew, little more than from one time to the next. */
const LONGEST_MS = 2500;
const NEW_MS = 200;
/** A unit of the looks that are noted in buckets, ms; they wrap after 11 hours. */
const LOOK_MS = 10;
const LOOKS = 2 ** 22;

/** One key to be settled. */
export interface Account {
  readonly at: number;
  readonly hi: number;
  readonly lo: number;
  /** As SETTLE takes them. */
  readonly numbers: readonly string[];
}

/** The look that stands for a moment; never 0. */
export function lookAt(nowMs: number): number {
  return (Math.floor(nowMs / LOOK_MS) % (LOOKS - 1)) + 1;
}

/** ms between two looks, of 11 hours at most. */
function sinceMs(look: number, before: number): number {
  return ((look - before + LOOKS - 1) % (LOOKS - 1)) * LOOK_MS;
}

/** Whether control has looked at the bucket lately, so that what it knows is worth being kept. */
export function isKnown(table: RateTable, at: number, nowMs: number): boolean {
  const looked = lookedOf(table, at);
  return looked !== 0 && sinceMs(lookAt(nowMs), looked) < FORGET_MS;
}

export interface Due {
  readonly accounts: readonly Account[];
  /** Where the next call is to begin. */
  readonly word: number;
}

/**
 * The keys that are due, about `most`, from `word` of the touched on; the others' turn comes. `nodes`: how many there are. `windowMs`: since the last call.
 * What a bucket has counted is taken out of it.
 */
export function due(
  table: RateTable,
  limitOf: (index: number) => RateLimitSpec | undefined,
  nodes: number,
  windowMs: number,
  nowMs: number,
  word: number,
  most: number,
): Due {
  const look = lookAt(nowMs);
  const accounts: Account[] = [];
  const next = eachTouched(table, word, most, (at) => {
    const limit = limitOf(ruleOf(table, at));
    if (limit === undefined) return;
    const account = accountOf(table, at, limit, nodes, windowMs, look);
    if (account !== null) accounts.push(account);
  });
  return { accounts, word: next };
}

function accountOf(
  table: RateTable,
  at: number,
  { ratePerS, burst }: RateLimitSpec,
  nodes: number,
  windowMs: number,
  look: number,
): Account | null {
  const { buckets } = table;
  const looked = lookedOf(table, at);
  const gapMs = looked === 0 ? Number.POSITIVE_INFINITY : sinceMs(look, looked);
  const isNew = gapMs >= FORGET_MS;
  const overMs = isNew ? windowMs : Math.max(gapMs, LOOK_MS);
  const evenPart = ratePerS / (2 * nodes);
  const before = isNew ? 0 : buckets[at + B.DEMAND]! / 1000;
  const isSeldom = !isNew && gapMs < SELDOM_MS && before < evenPart;
  if (isSeldom && (Atomics.load(buckets, at + B.ASKED) * 1000) / overMs < evenPart) return null;
  const hi = Atomics.load(buckets, at + B.HI);
  const asked = Atomics.exchange(buckets, at + B.ASKED, 0);
  const passed = Math.max(Atomics.exchange(buckets, at + B.PASSED, 0), 0);
  const askedPerS = (asked * 1000) / overMs;
  const fading = isNew ? 0 : Math.exp(-overMs / SMOOTH_MS);
  const demand = before * fading + askedPerS * (1 - fading);
  buckets[at + B.DEMAND] = Math.min(Math.round(demand * 1000), 2 ** 31 - 1);
  setLooked(table, at, look);
  // Of the time that Redis was away only the last moments are told: the rest was each node's own, by its even share.
  const toldMs = Math.min(overMs, isNew ? NEW_MS : LONGEST_MS);
  const numbers = [
    ((burst * 1000) / ratePerS).toFixed(3),
    ((((passed * 1000) / ratePerS) * toldMs) / overMs).toFixed(3),
    (demand / ratePerS).toFixed(6),
    toldMs.toFixed(3),
    String(demand < evenPart ? BELIEVED_SELDOM_MS : BELIEVED_MS),
  ];
  return { at, hi, lo: buckets[at + B.LO]!, numbers };
}

/** Writes a share, in millionths as Redis gave it, into its bucket, unless that has become another key's. Foreign values are passed over. */
export function apply(table: RateTable, { at, hi, lo }: Account, share: unknown): void {
  const { buckets } = table;
  if (typeof share !== 'number' || !(share >= 0)) return;
  if (buckets[at + B.HI] !== hi || buckets[at + B.LO] !== lo) return;
  const part = Math.min(Math.max(share / WHOLE, 1 / LEAST_SHARE), 1);
  buckets[at + B.INTERVAL] = Math.round(TICKS / part);
}
