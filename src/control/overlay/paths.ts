// Which relay stands for which endpoint on the tick, and whether it is taken, stands by or is out of the question. Reads the
// terms that the ranker has just written; the rules of when a gate opens are core's (core/overlay/gate.ts).

import { type Gate, isBetterRelay, newGate, STANDBY_MS, settleGate } from '../../core/overlay/gate.ts';
import { NONE, type OverlayMode } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, CD } from '../../core/table.ts';
import type { Known } from '../fleet/known.ts';
import { isEligible } from '../fleet/terms.ts';

/** What is the matter with the direct path. */
const PATH = {
  GOOD: 0,
  /** Nobody is reached: over another edge somebody may be. */
  DOWN: 1,
  /** The endpoint is sick, or an operator wants nothing sent to it: no other way makes that better. */
  BARRED: 2,
} as const;
type Path = (typeof PATH)[keyof typeof PATH];

/** Of one pool. All by position in PoolState.members. */
export interface PoolOverlay {
  /** Of a path over a peer, the endpoint itself; NONE = it is an endpoint. */
  readonly targets: Int32Array;
  /** Of an endpoint, its relay now; NONE = no peer can be used. */
  readonly best: Int32Array;
  readonly gates: readonly Gate[];
  readonly paths: Uint8Array;
}

/** null = the pool has no paths over peers. What `before` knew of endpoints that stay is kept. */
export function poolOverlayOf(
  members: readonly Known[],
  indexes: readonly number[],
  before: { readonly overlay: PoolOverlay | null; readonly members: readonly Known[] } | undefined,
): PoolOverlay | null {
  if (!members.some(({ spec }) => spec.via !== undefined)) return null;
  const old = before?.overlay ?? null;
  const gateOf = (k: Known): Gate => {
    const at = old === null ? NONE : before!.members.indexOf(k);
    return at === NONE ? newGate() : old!.gates[at]!;
  };
  return {
    targets: Int32Array.from(members, ({ spec }) => (spec.via === undefined ? NONE : indexes.indexOf(spec.via.target))),
    best: new Int32Array(members.length).fill(NONE),
    gates: members.map(gateOf),
    paths: new Uint8Array(members.length),
  };
}

/** Once a tick, when the terms are there. */
export function settleOverlay(
  overlay: PoolOverlay,
  members: readonly Known[],
  terms: Float64Array,
  nowMs: number,
): void {
  const { targets, best, gates, paths } = overlay;
  const scoreOf = (i: number) =>
    isEligible(members[i]!) ? terms[i * CANDIDATE_DOUBLES + CD.SCORE]! : Number.POSITIVE_INFINITY;
  members.forEach((k, i) => {
    if (targets[i] !== NONE) return;
    paths[i] = pathOf(k);
    const held = best[i]!;
    if (held !== NONE && scoreOf(held) === Number.POSITIVE_INFINITY) best[i] = NONE;
  });
  members.forEach((_, i) => {
    const target = targets[i]!;
    if (target === NONE) return;
    const held = best[target]!;
    const heldMs = held === NONE ? Number.POSITIVE_INFINITY : scoreOf(held);
    if (isBetterRelay(scoreOf(i), heldMs)) best[target] = i;
  });
  members.forEach((_, i) => {
    if (targets[i] !== NONE) return;
    const relay = best[i]!;
    settleGate(gates[i]!, scoreOf(i), relay === NONE ? Number.POSITIVE_INFINITY : scoreOf(relay), nowMs);
  });
}

/**
 * What is put on the score of a member of the row: 0 = it is taken as any other, STANDBY_MS = for retries only, Infinity = not at
 * all. Endpoints are taken always.
 */
export function standbyMsOf(overlay: PoolOverlay, mode: OverlayMode, member: number): number {
  const { targets, best, gates, paths } = overlay;
  const target = targets[member]!;
  if (target === NONE) return 0;
  if (best[target] !== member || paths[target] === PATH.BARRED) return Number.POSITIVE_INFINITY;
  if (paths[target] === PATH.DOWN) return 0;
  return mode === 'fastest' && gates[target]!.isOpen ? 0 : STANDBY_MS;
}

/** Why it is taken or is not, for people; null = it is an endpoint itself. */
export function standingOf(overlay: PoolOverlay, mode: OverlayMode, member: number): string | null {
  const target = overlay.targets[member]!;
  if (target === NONE) return null;
  if (overlay.best[target] !== member) return 'another relay is better, or this one cannot be used';
  if (overlay.paths[target] === PATH.BARRED) return 'the endpoint itself is not to be used';
  if (overlay.paths[target] === PATH.DOWN) return 'taken: the direct path is down';
  if (mode === 'fastest' && overlay.gates[target]!.isOpen) return 'taken: faster than the direct path';
  return mode === 'fastest' ? 'stands by: the direct path is as good' : 'stands by: the direct path is up';
}

const PATH_REASONS: readonly unknown[] = ['connect', 'reset', 'timeout'];
const PATH_FAILURES: readonly unknown[] = ['dns', 'connect', 'tls', 'timeout'];

function pathOf(k: Known): Path {
  if (k.isDraining) return PATH.BARRED;
  const isAbsent = k.absentAtMs > k.answeredAtMs;
  if (k.outlier.isEjected) return isAbsent || PATH_REASONS.includes(k.outlier.reason) ? PATH.DOWN : PATH.BARRED;
  if (k.health.state === 'unhealthy') {
    return isAbsent || PATH_FAILURES.includes(k.lastProbe?.failure) ? PATH.DOWN : PATH.BARRED;
  }
  return isAbsent ? PATH.DOWN : PATH.GOOD;
}
