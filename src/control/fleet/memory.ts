// What the fleet has learned, for the process that takes over: it would otherwise begin with priors, and send everybody the long
// way for some seconds. Endpoints are told by pool, id and URL, since slots are each process's own; moments need no translation,
// since the clock counts from the start of the machine. What does not fit is left out: then it is learned anew.

import type { CohortMemory } from '../../core/cohorts.ts';
import { type Home, newHome } from '../../core/home.ts';
import { type EjectReason, newOutlier } from '../../core/outlier.ts';
import type { ProbeResult } from '../types.ts';
import type { FleetCohorts } from './cohorts.ts';
import type { Known } from './known.ts';
import { base64Of, float64sOf, hasShape, isText, type Packed, packed, unpackInto } from './packed.ts';
import { idOf, type PoolState, rowKey } from './ranking.ts';

/** Counts up with every change of what is below, or of what it means. */
const FORM = 1;
/** A memory older than this, or from the future, is of another machine or another day. ms */
const MAX_AGE_MS = 300_000;

export interface FleetMemory {
  readonly form: number;
  readonly atMs: number;
  /** Ids of endpoints that an operator has drained. */
  readonly drained: readonly string[];
  readonly pools: readonly PoolMemory[];
}

export interface PoolMemory {
  readonly name: string;
  readonly foundedMs: number;
  readonly endpoints: readonly EndpointMemory[];
  /** Of rows, by residency. */
  readonly homes: readonly { readonly residency: string; readonly home: Packed }[];
  readonly cohorts: { readonly heads: string; readonly cells: string; readonly shared: string };
}

interface EndpointMemory {
  readonly id: string;
  readonly url: string;
  /** Its number in `cohorts`. */
  readonly number: number;
  readonly known: Packed;
  readonly lastProbe: Packed;
}

/** What is not handed over: whose it is, where it is, what is of this tick only, and what is in flight here. */
const OWN = [
  'spec',
  'pool',
  'isDraining',
  'lastProbe',
  'probeIntervalMs',
  'batch',
  'tickRequests',
  'tickRefused',
  'tickRetryAfterMs',
  'distanceKm',
  'inflight',
  'shareKey',
  'peers',
  'dispatchInflight',
] as const satisfies readonly (keyof Known)[];

const STATES = ['unknown', 'healthy', 'unhealthy'];
const REASONS: readonly (EjectReason | null)[] = [
  null,
  'connect',
  'reset',
  'timeout',
  'status',
  'ratio',
  'success-rate',
];

/** Its own fields of `k` alone, by reference. */
function learnedOf(k: Known): Partial<Known> {
  const learned: Partial<Record<keyof Known, unknown>> = { ...k };
  for (const name of OWN) delete learned[name];
  return learned as Partial<Known>;
}

export function memoryOf(
  states: readonly PoolState[],
  foundedMs: ReadonlyMap<string, number>,
  drained: Iterable<string>,
  cohorts: FleetCohorts,
  nowMs: number,
): FleetMemory {
  const pools = states.map(({ spec, members, rows }, pool) => ({
    name: spec.name,
    foundedMs: foundedMs.get(spec.name) ?? nowMs,
    endpoints: members.map((k) => ({
      id: k.spec.id,
      url: k.spec.url,
      number: idOf(k),
      known: packed(learnedOf(k)),
      lastProbe: packed(k.lastProbe),
    })),
    homes: rows.map((row) => ({ residency: rowKey(row.spec), home: packed(row.home) })),
    cohorts: packedCohorts(cohorts.memoryOf(pool)),
  }));
  return { form: FORM, atMs: nowMs, drained: [...drained], pools };
}

/** null = nothing that we know how to read. Only the outside is judged here; each part when it is taken. */
export function readMemory(given: unknown, nowMs: number): FleetMemory | null {
  const memory = given as Partial<FleetMemory> | null | undefined;
  if (memory?.form !== FORM || typeof memory.atMs !== 'number') return null;
  if (!(Math.abs(nowMs - memory.atMs) < MAX_AGE_MS)) return null;
  if (!Array.isArray(memory.pools) || !Array.isArray(memory.drained) || !memory.drained.every(isText)) return null;
  return memory as FleetMemory;
}

/** Takes over what is known of endpoints that are still there. Gives of how many. */
export function recallPools(
  states: readonly PoolState[],
  foundedMs: Map<string, number>,
  cohorts: FleetCohorts,
  memory: FleetMemory,
): number {
  let recalled = 0;
  states.forEach((state, pool) => {
    const given = memory.pools.find((p) => isPoolMemory(p) && p.name === state.spec.name);
    if (given === undefined) return;
    foundedMs.set(given.name, given.foundedMs);
    const numbers = recallPool(state, given);
    const learned = readCohorts(given.cohorts);
    if (learned !== null) cohorts.recall(pool, learned, (id) => numbers.get(id));
    recalled += numbers.size;
  });
  return recalled;
}

/** Gives the old number of every endpoint that was known → its present one. */
function recallPool(state: PoolState, memory: PoolMemory): ReadonlyMap<number, number> {
  const numbers = new Map<number, number>();
  for (const given of memory.endpoints) {
    const k = state.members.find(({ spec }) => spec.id === given.id && spec.url === given.url);
    if (k !== undefined && recallEndpoint(k, given)) numbers.set(given.number, idOf(k));
  }
  for (const row of state.rows) {
    const given = memory.homes.find(({ residency }) => residency === rowKey(row.spec));
    if (given !== undefined) recallHome(row.home, given.home);
  }
  return numbers;
}

function recallEndpoint(k: Known, { known, lastProbe }: EndpointMemory): boolean {
  const learned = learnedOf(k);
  // A reason to be ejected is null in ours, and a text in theirs.
  if (!hasShape({ ...learned, outlier: { ...newOutlier(), reason: null } }, known)) return false;
  const theirs = known as unknown as Known;
  if (!STATES.includes(theirs.health.state) || !REASONS.includes(theirs.outlier.reason)) return false;
  const { rise, fall } = k.health; // are configuration
  unpackInto(k, known as object);
  Object.assign(k.health, { rise, fall });
  k.lastProbe = probeOf(lastProbe);
  return true;
}

function recallHome(home: Home, given: Packed): void {
  if (hasShape({ ...newHome(0, 0) }, given)) unpackInto(home, given as object);
}

/** The last probe is only shown; one that is not whole is none. */
function probeOf(given: Packed): ProbeResult | null {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return null;
  const probe = given as Partial<Record<keyof ProbeResult, unknown>>;
  const times = [probe.dnsMs, probe.connectMs, probe.tlsMs, probe.firstByteMs, probe.status];
  const isWhole =
    typeof probe.ok === 'boolean' &&
    typeof probe.atMs === 'number' &&
    times.every((ms) => ms === null || typeof ms === 'number') &&
    (probe.error === null || isText(probe.error)) &&
    (probe.failure === null || isText(probe.failure));
  return isWhole ? (probe as unknown as ProbeResult) : null;
}

// ── cohorts ────────────────────────────────────────────────────────────────────────────────────────────────────────

const HEAD_DOUBLES = 3;
const SHARED_DOUBLES = 5;

/** Thousands of them: as arrays of numbers. */
function packedCohorts({ cohorts, shared }: CohortMemory): PoolMemory['cohorts'] {
  const heads = cohorts.flatMap(({ key, parent, cells }) => [key, parent, cells.length]);
  const cells = new Float64Array(cohorts.reduce((sum, cohort) => sum + cohort.cells.length, 0));
  let at = 0;
  for (const cohort of cohorts) {
    cells.set(cohort.cells, at);
    at += cohort.cells.length;
  }
  const flat = shared.flatMap(({ id, offset, mix, count, variance }) => [id, offset, mix, count, variance]);
  return {
    heads: base64Of(Float64Array.from(heads)),
    cells: base64Of(cells),
    shared: base64Of(Float64Array.from(flat)),
  };
}

/** null = it does not add up. */
function readCohorts(given: PoolMemory['cohorts'] | undefined): CohortMemory | null {
  const heads = float64sOf(given?.heads);
  const cells = float64sOf(given?.cells);
  const flat = float64sOf(given?.shared);
  if (heads === null || cells === null || flat === null) return null;
  if (heads.length % HEAD_DOUBLES !== 0 || flat.length % SHARED_DOUBLES !== 0) return null;
  if (![heads, cells, flat].every((numbers) => numbers.every(Number.isFinite))) return null;
  const cohorts: CohortMemory['cohorts'][number][] = [];
  let at = 0;
  for (let i = 0; i < heads.length; i += HEAD_DOUBLES) {
    const length = heads[i + 2]!;
    if (!(length >= 0 && at + length <= cells.length)) return null;
    cohorts.push({ key: heads[i]!, parent: heads[i + 1]!, cells: cells.slice(at, at + length) });
    at += length;
  }
  const shared: CohortMemory['shared'][number][] = [];
  for (let i = 0; i < flat.length; i += SHARED_DOUBLES) {
    const [id, offset, mix, count, variance] = flat.subarray(i, i + SHARED_DOUBLES) as unknown as number[];
    shared.push({ id: id!, offset: offset!, mix: mix!, count: count!, variance: variance! });
  }
  return { cohorts, shared };
}

function isPoolMemory(given: unknown): given is PoolMemory {
  const memory = given as Partial<PoolMemory> | null;
  if (typeof memory !== 'object' || memory === null) return false;
  const { name, foundedMs, endpoints, homes } = memory;
  const isWhole = isText(name) && Number.isFinite(foundedMs) && Array.isArray(endpoints) && Array.isArray(homes);
  return isWhole && [...endpoints, ...homes].every((part: unknown) => typeof part === 'object' && part !== null);
}
