// Who is in the fleet: the pools and endpoints of the structure in force. What is known of endpoints that stay is kept from one
// structure to the next, what an operator has drained stays drained, and newcomers are welcomed slowly.

import { forgiveAbsence } from '../../core/score/errors.ts';
import { endpointKey } from '../../core/share/digest.ts';
import type { LatLon, Snapshot } from '../../core/snapshot.ts';
import type { ProbeSpec } from '../types.ts';
import type { FleetCohorts } from './cohorts.ts';
import { type Known, newKnown, place } from './known.ts';
import { type FleetMemory, memoryOf, recallPools } from './memory.ts';
import { type PoolState, poolStateOf } from './ranking.ts';
import { forgetWaits } from './seen.ts';
import { isEligible } from './terms.ts';

/** In this time after it first appears, a pool's endpoints are all new: nobody needs a slow start beside the others. */
const FOUNDING_MS = 10_000;

/** Of a path over another edge: what is asked is one peer for all its paths, and far more often than endpoints are probed. */
const VIA_RISE = { rise: 2, fall: 2 } as const;

function riseOf({ rise, fall }: ProbeSpec): { rise: number; fall: number } {
  return { rise, fall };
}

export class Roster {
  pools: readonly PoolState[] = [];
  /** By `slot:generation`, and by slot. */
  #known = new Map<string, Known>();
  #bySlot: (Known | undefined)[] = [];
  /** Ids; kept here so that a reload does not enable what an operator has drained. */
  readonly #drained = new Set<string>();
  readonly #foundedMs = new Map<string, number>();

  /** Takes a new structure over; what is known of endpoints that stay (slot and generation) is kept. `probes` by pool name. */
  install(snapshot: Snapshot, probes: ReadonlyMap<string, ProbeSpec>, edge: LatLon | null, nowMs: number): void {
    const known = new Map<string, Known>();
    const before = new Map(this.pools.map((p) => [p.spec.name, p]));
    this.#bySlot = [];
    this.pools = snapshot.pools.map((spec, pool) => {
      const probe = probes.get(spec.name);
      if (!before.has(spec.name)) this.#foundedMs.set(spec.name, nowMs);
      const members = spec.endpoints.map((index) => {
        const endpoint = snapshot.endpoints[index]!;
        const key = `${endpoint.slot}:${endpoint.generation}`;
        const k = this.#known.get(key) ?? newKnown(endpoint, pool, probe, nowMs);
        k.pool = pool;
        if (probe !== undefined) k.health = { ...k.health, ...(endpoint.via === undefined ? riseOf(probe) : VIA_RISE) };
        k.shareKey = endpoint.via === undefined ? endpointKey(spec.name, endpoint.id) : null;
        place(k, endpoint, edge);
        if (this.#drained.has(endpoint.id)) this.#keepDrained(k);
        else k.isDraining = false;
        known.set(key, k);
        this.#bySlot[endpoint.slot] = k;
        return k;
      });
      const rows = snapshot.rows.map((row, at) => ({ at, spec: row })).filter((row) => row.spec.pool === pool);
      return poolStateOf(before.get(spec.name), spec, members, rows, nowMs);
    });
    for (const name of before.keys()) if (!snapshot.pools.some((p) => p.name === name)) this.#foundedMs.delete(name);
    this.#known = known;
    const ids = new Set(snapshot.endpoints.map((e) => e.id));
    for (const id of this.#drained) if (!ids.has(id)) this.#drained.delete(id);
  }

  at(slot: number): Known | undefined {
    return this.#bySlot[slot];
  }

  named(id: string): Known | undefined {
    return [...this.#known.values()].find((k) => k.spec.id === id);
  }

  known(): Iterable<Known> {
    return this.#known.values();
  }

  poolOf(k: Known): PoolState {
    return this.pools[k.pool]!;
  }

  memory(cohorts: FleetCohorts, nowMs: number): FleetMemory {
    return memoryOf(this.pools, this.#foundedMs, this.#drained, cohorts, nowMs);
  }

  /** Goes on with what another process knew. Gives of how many endpoints something was known. */
  recall(memory: FleetMemory, cohorts: FleetCohorts): number {
    for (const k of this.#known.values()) if (memory.drained.includes(k.spec.id)) this.#keepDrained(k);
    return recallPools(this.pools, this.#foundedMs, cohorts, memory);
  }

  /** Endpoints that (re)appeared since the last tick start slowly, with their old failures forgiven. */
  welcome(state: PoolState, nowMs: number): boolean {
    let isChanged = false;
    const isFounding = nowMs - (this.#foundedMs.get(state.spec.name) ?? nowMs) < FOUNDING_MS;
    for (const k of state.members) {
      const eligible = isEligible(k);
      if (eligible === k.wasEligible) continue;
      isChanged = true;
      k.wasEligible = eligible;
      if (!eligible) {
        k.leftServerMs = k.server.ms;
        continue;
      }
      forgiveAbsence(k.errors);
      forgetWaits(k);
      // Another way to an endpoint that is warm has nothing to warm up.
      if (k.spec.via !== undefined) continue;
      const isFirst = !k.hasServed;
      k.hasServed = true;
      if (isFirst && isFounding) continue;
      k.returnedAtMs = nowMs;
      k.isCold = true;
    }
    return isChanged;
  }

  /** False = it is so already. */
  setDraining(k: Known, isDraining: boolean): boolean {
    if (k.isDraining === isDraining) return false;
    if (isDraining) this.#drained.add(k.spec.id);
    else this.#drained.delete(k.spec.id);
    k.isDraining = isDraining;
    return true;
  }

  /** As an operator wanted it before. */
  #keepDrained(k: Known): void {
    this.#drained.add(k.spec.id);
    k.isDraining = true;
    if (k.why === 'not probed yet') k.why = 'drained by an operator';
  }

  /** Whether any endpoint has been judged, or there is none to judge. */
  anyKnown(): boolean {
    if (this.#known.size === 0) return true;
    for (const k of this.#known.values()) if (k.health.state !== 'unknown') return true;
    return false;
  }

  /** Whether every endpoint has been judged. */
  allKnown(): boolean {
    for (const k of this.#known.values()) if (k.health.state === 'unknown' && k.spec.via === undefined) return false;
    return true;
  }
}
