// What is learned of cohorts: how an endpoint's answers to their clients compare, as a ratio, with what is expected of it for
// everybody at that moment. Few samples lean on the wider cohort, many stand alone; all fade. Pure: fed and asked by the control
// plane, never on the request path. The same code serves where the parent estimate is a prior of geography (bench/route/cohorts).
//
//   ln first byte = ln expected + (what all share just now) + (what is the cohort's own) + noise
//
// In the ln domain, since times are log-normal and what differs is a way: a ratio of the whole, not of its noise.

import { type CohortPath, EDGE_COHORT, LEVEL, type Level, levelOf } from './cohort.ts';
import { CELL, CELL_DOUBLES, type Cohort, cellOf, faded, keepCells, newCell, newCohort } from './cohort-cells.ts';

export { cohortName } from './cohort.ts';

/** What the wider cohort counts as, in samples, by level: DESIGN.md section 5. */
const KAPPA: Readonly<Record<Level, number>> = {
  [LEVEL.EDGE]: 0,
  [LEVEL.COUNTRY]: 2,
  [LEVEL.ASN]: 2,
  [LEVEL.PREFIX]: 6,
};
/** And counts as no more samples than this: then it is a moving average. */
const MAX_COUNT = 64;
/** Samples closer than this saw the same moment of the same queue: the later counts for less. */
const SPACING_MS = 40;
const LEAST_WEIGHT = 0.1;
/** A sample further off than this, in deviations, is taken as no further: one lost packet is no property of a country. */
const CLIP = 4;
const LEAST_CLIP = 0.4;
/** Deviation of one ln sample before any is known, and what that guess counts as. */
const GUESS_VARIANCE = 0.09;
const GUESS_COUNT = 8;
const LEAST_VARIANCE = 1e-4;
/** What all share is that of the last so many samples, begun at nothing as if so many had been seen. */
const SHARED_COUNT = 32;
const SHARED_PRIOR = 8;
/** A mean this many standard errors from nothing, of so many samples, is worth a look. */
const STRIKING = 3;
const STRIKING_COUNT = 6;
const MAX_STRIKING = 16;
/** No cohort’s way is more than e⁴ = 55 times as long or short as everybody’s: 4 ms, or data a continent away. */
const MAX_LN = 4;
/** Beyond e⁷ it is a clock's doing. */
const ABSURD_LN = 7;

/** What holds for an endpoint whoever asks. */
interface Shared {
  /** Mean of what is left of ln samples after the cohorts' estimates. */
  offset: number;
  /** Mean estimate of those who send to it now: what the expectation, being theirs, already contains. */
  mix: number;
  count: number;
  variance: number;
}

/** An estimate: `ln` of the ratio to what everybody gets, and its deviation if in truth there were no difference. */
export interface Estimate {
  ln: number;
  deviation: number;
  /** Samples of the narrowest cohort, faded. */
  count: number;
}

/** All that was learned: what another process may go on with. Endpoints are numbers, which are each process's own. */
export interface CohortMemory {
  /** Least recently used first. `cells`: CELL fields of every endpoint in turn. */
  readonly cohorts: readonly { readonly key: number; readonly parent: number; readonly cells: Float64Array }[];
  readonly shared: readonly (Readonly<Shared> & { readonly id: number })[];
}

export interface CohortLimits {
  readonly cohorts: number;
  readonly endpoints: number;
}

/** Per node and pool; DESIGN.md section 3. A cohort that asks for more endpoints forgets the one it knows least of. */
export const COHORT_LIMITS: CohortLimits = { cohorts: 4096, endpoints: 16 };

export class Cohorts {
  /** Cohorts that a sample has just made look different, for whoever wants to look closer, and clears it. Bounded. */
  readonly striking = new Set<number>();
  /** Those that have been looked at and need not be again: whoever looks keeps it. */
  readonly settled = new Set<number>();
  readonly #limits: CohortLimits;
  /** Least recently used first. */
  readonly #cohorts: Map<number, Cohort>;
  readonly #shared: Map<number, Shared>;

  /** Takes over what `from` has learned, which must not be used any more. */
  constructor(limits: CohortLimits = COHORT_LIMITS, from?: Cohorts) {
    this.#limits = limits;
    this.#cohorts = from === undefined ? new Map() : from.#cohorts;
    this.#shared = from === undefined ? new Map() : from.#shared;
    for (const key of this.#cohorts.keys()) {
      if (this.#cohorts.size <= limits.cohorts) break;
      this.#cohorts.delete(key);
    }
  }

  get size(): number {
    return this.#cohorts.size;
  }

  memory(): CohortMemory {
    const cohorts = [...this.#cohorts].map(([key, { parent, cells, used }]) => {
      return { key, parent, cells: cells.slice(0, used * CELL_DOUBLES) };
    });
    return { cohorts, shared: [...this.#shared].map(([id, shared]) => ({ id, ...shared })) };
  }

  /** Adds what another one has learned. `numberOf`: what it called an endpoint → what it is here; undefined = gone. */
  recall({ cohorts, shared }: CohortMemory, numberOf: (id: number) => number | undefined): void {
    for (const { id, ...rest } of shared) {
      const own = numberOf(id);
      if (own !== undefined) this.#shared.set(own, { ...rest });
    }
    for (const { key, parent, cells } of cohorts) {
      const cohort = this.#touch(key, parent);
      for (let from = 0; from + CELL_DOUBLES <= cells.length; from += CELL_DOUBLES) {
        const id = numberOf(cells[from + CELL.ID]!);
        if (id === undefined) continue;
        const at = newCell(cohort, id, this.#limits.endpoints, cells[from + CELL.AT_MS]!);
        cohort.cells.set(cells.subarray(from + CELL.COUNT, from + CELL_DOUBLES), at + CELL.COUNT);
      }
    }
  }

  /**
   * Takes one sample in: `ln` of first byte to expectation. `id`: of the endpoint, never used again for another. Gives whether
   * it was taken (finite, and of a client that is of some cohort or other). O(levels).
   */
  learn(path: CohortPath, id: number, ln: number, nowMs: number): boolean {
    if (!(Math.abs(ln) <= ABSURD_LN)) return false;
    const shared = this.#sharedOf(id);
    const country = this.#leaned(path.countryKey, id, 0, nowMs);
    const asn = this.#leaned(path.asnKey, id, country, nowMs);
    const own = this.#leaned(path.prefixKey, id, asn, nowMs);
    const left = clamp(ln - own - shared.offset, limitOf(shared.variance));
    shared.count = Math.min(shared.count + 1, SHARED_COUNT - SHARED_PRIOR);
    const gain = 1 / (shared.count + SHARED_PRIOR);
    shared.offset += left * gain;
    shared.mix += (own - shared.mix) * gain;
    const noiseGain = 1 / (shared.count + GUESS_COUNT);
    shared.variance = Math.max(shared.variance + (left * left - shared.variance) * noiseGain, LEAST_VARIANCE);
    const x = ln - shared.offset;
    this.#take(path.prefixKey, path.asnKey || path.countryKey, asn, id, x, shared.variance, nowMs);
    this.#take(path.asnKey, path.countryKey, country, id, x, shared.variance, nowMs);
    this.#take(path.countryKey, EDGE_COHORT, 0, id, x, shared.variance, nowMs);
    return true;
  }

  /** ln of how much longer this client's way is than everybody's; 0 when nothing is known of it or its like. */
  lnOf(path: CohortPath, id: number, nowMs: number): number {
    let ln = this.#leaned(path.countryKey, id, 0, nowMs);
    ln = this.#leaned(path.asnKey, id, ln, nowMs);
    return this.#leaned(path.prefixKey, id, ln, nowMs);
  }

  /** The same, with what all clients share: where the expectation is a guess (geography) and follows nothing. */
  wholeLnOf(path: CohortPath, id: number, nowMs: number): number {
    return (this.#shared.get(id)?.offset ?? 0) + this.lnOf(path, id, nowMs);
  }

  /**
   * The same of a cohort, with how far it can be trusted, into `out`; `ln` is beside what the present traffic already has in
   * it, so that expectation · exp(ln) is this cohort's own.
   */
  estimate(key: number, id: number, nowMs: number, out: Estimate): Estimate {
    const shared = this.#shared.get(id);
    out.ln = 0;
    out.deviation = 0;
    out.count = 0;
    if (shared === undefined) return out;
    this.#lean(key, id, Math.sqrt(shared.variance), nowMs, out);
    out.ln = clamp(out.ln - shared.mix, MAX_LN);
    return out;
  }

  /** Endpoints that the cohort or one it leans on knows of, into `out`; gives how many. */
  idsOf(key: number, out: number[]): number {
    let n = 0;
    for (let at = key; at !== EDGE_COHORT; ) {
      const cohort = this.#cohorts.get(at);
      if (cohort === undefined) break;
      for (let i = 0; i < cohort.used; i++) {
        const id = cohort.cells[i * CELL_DOUBLES + CELL.ID]!;
        let known = 0;
        while (known < n && out[known] !== id) known++;
        if (known === n) out[n++] = id;
      }
      at = cohort.parent;
    }
    return n;
  }

  /** The next wider cohort; EDGE_COHORT for a country, and for whoever is not known. */
  parentOf(key: number): number {
    return this.#cohorts.get(key)?.parent ?? EDGE_COHORT;
  }

  #sharedOf(id: number): Shared {
    let shared = this.#shared.get(id);
    if (shared === undefined) {
      shared = { offset: 0, mix: 0, count: 0, variance: GUESS_VARIANCE };
      this.#shared.set(id, shared);
    }
    return shared;
  }

  /** Forgets endpoints that are no more. */
  keep(ids: ReadonlySet<number>): void {
    for (const id of this.#shared.keys()) if (!ids.has(id)) this.#shared.delete(id);
    for (const cohort of this.#cohorts.values()) keepCells(cohort, ids);
  }

  #lean(key: number, id: number, deviation: number, nowMs: number, out: Estimate): void {
    if (key === EDGE_COHORT) return;
    const cohort = this.#cohorts.get(key);
    if (cohort === undefined) return;
    this.#lean(cohort.parent, id, deviation, nowMs, out);
    const at = cellOf(cohort, id);
    out.count = 0;
    if (at < 0) return;
    const { cells } = cohort;
    const n = cells[at + CELL.COUNT]! * faded(nowMs - cells[at + CELL.AT_MS]!);
    const own = n / (n + KAPPA[levelOf(key)]);
    // Few samples say little of their own scatter: it leans on everybody's, as their mean does on the parent's.
    const variance = (cells[at + CELL.VARIANCE]! * n + deviation * deviation * GUESS_COUNT) / (n + GUESS_COUNT);
    out.ln += (cells[at + CELL.MEAN]! - out.ln) * own;
    // Sums, not squares: the parent's samples are partly the child's own.
    out.deviation = own * Math.sqrt(variance / Math.max(n, 1e-9)) + (1 - own) * out.deviation;
    out.count = n;
  }

  /**
   * (n · own mean + κ · the parent's estimate) / (n + κ).
   * Source: James & Stein, "Estimation with quadratic loss", 1961; Efron & Morris, "Stein's paradox in statistics", 1977;
   * κ = variance within / variance between, as Bühlmann's credibility, "Experience rating and credibility", 1967.
   */
  #leaned(key: number, id: number, parent: number, nowMs: number): number {
    if (key === EDGE_COHORT) return parent;
    const cohort = this.#cohorts.get(key);
    const at = cohort === undefined ? -1 : cellOf(cohort, id);
    if (at < 0) return parent;
    const { cells } = cohort!;
    const n = cells[at + CELL.COUNT]! * faded(nowMs - cells[at + CELL.AT_MS]!);
    return parent + ((cells[at + CELL.MEAN]! - parent) * n) / (n + KAPPA[levelOf(key)]);
  }

  #take(key: number, parent: number, parentLn: number, id: number, x: number, variance: number, nowMs: number): void {
    if (key === EDGE_COHORT) return;
    const cohort = this.#touch(key, parent);
    let at = cellOf(cohort, id);
    if (at < 0) at = newCell(cohort, id, this.#limits.endpoints, nowMs);
    const { cells } = cohort;
    const sinceMs = Math.max(nowMs - cells[at + CELL.AT_MS]!, 0);
    const before = cells[at + CELL.COUNT]!;
    const limit = limitOf(variance);
    const weight = before === 0 ? 1 : Math.min(Math.max(sinceMs / SPACING_MS, LEAST_WEIGHT), 1);
    const n = Math.min(before * faded(sinceMs) + weight, MAX_COUNT);
    const gain = weight / n;
    const off = before === 0 ? clamp(x, limit) : clamp(x - cells[at + CELL.MEAN]!, limit);
    cells[at + CELL.COUNT] = n;
    cells[at + CELL.MEAN]! += off * gain;
    // West, "Updating mean and variance estimates", 1979.
    cells[at + CELL.VARIANCE] = (1 - gain) * (cells[at + CELL.VARIANCE]! + gain * off * off);
    cells[at + CELL.AT_MS] = Math.max(nowMs, cells[at + CELL.AT_MS]!);
    const isStriking = n >= STRIKING_COUNT && (cells[at + CELL.MEAN]! - parentLn) ** 2 * n > STRIKING ** 2 * variance;
    if (isStriking && this.striking.size < MAX_STRIKING && !this.settled.has(key)) this.striking.add(key);
  }

  /** Most recently used from now on; the least recently used one goes when there are too many. */
  #touch(key: number, parent: number): Cohort {
    let cohort = this.#cohorts.get(key);
    if (cohort === undefined) {
      if (this.#cohorts.size >= this.#limits.cohorts) {
        for (const oldest of this.#cohorts.keys()) {
          this.#cohorts.delete(oldest);
          break;
        }
      }
      cohort = newCohort(parent);
    } else {
      this.#cohorts.delete(key);
    }
    cohort.parent = parent;
    this.#cohorts.set(key, cohort);
    return cohort;
  }
}

/** How far off a sample may be at most to count as it is. */
function limitOf(variance: number): number {
  return Math.max(CLIP * Math.sqrt(variance), LEAST_CLIP);
}

function clamp(x: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, x));
}
