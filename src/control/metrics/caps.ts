// How many series there may be. Cells of the lanes are capped by kind (core/cells.ts); here are the counters of the control plane,
// and how people are told: a family that is full counts what is new as `other`, the metric says how much that is, and an event
// once an hour names the family, its cap and what to do.

import type { Counter, Registry } from 'prom-client';
import { Counter as PromCounter } from 'prom-client';
import type { EventLog } from '../types.ts';
import type { Labels } from './totals.ts';

/** Most series of families that the control plane counts; what is not named here has labels from short closed lists only. */
export const CONTROL_CAPS = {
  fermat_endpoint_state_changes_total: 8192,
  fermat_probes_total: 8192,
  fermat_endpoint_location_lies_total: 4096,
  fermat_route_switches_total: 2048,
  fermat_regret_seconds: 1024,
  fermat_overlay_requests_total: 4096,
} as const;
export type CappedFamily = keyof typeof CONTROL_CAPS;

const TELL_AGAIN_MS = 3_600_000;

export interface CapsOptions {
  readonly registry: Registry;
  readonly events: EventLog | null;
  /** Monotonic, ms. */
  readonly clock: () => number;
}

export class Caps {
  readonly #options: CapsOptions;
  readonly #counter: Counter<'family'>;
  /** Series there are, by family. */
  readonly #known = new Map<string, Set<string>>();
  readonly #toldMs = new Map<string, number>();
  /** What the lanes had counted as `other` when they were last looked at. */
  readonly #before = new Map<string, number>();

  constructor(options: CapsOptions) {
    this.#options = options;
    this.#counter = new PromCounter({
      name: 'fermat_metrics_overflow_total',
      help: 'What was counted as "other", since its family has as many series as it may have.',
      labelNames: ['family'],
      registers: [options.registry],
    });
  }

  /** These labels if there is room for them, else `other` for all of `wide`, else for all. */
  roomFor<L extends Labels>(family: CappedFamily, labels: L, wide: keyof L & string): L {
    const cap = CONTROL_CAPS[family];
    if (this.#admits(family, labels, cap - (cap >>> 3))) return labels;
    this.#overflowed(family, cap, 1);
    const wider: L = { ...labels, [wide]: 'other' };
    if (this.#admits(family, wider, cap - 1)) return wider;
    return Object.fromEntries(Object.keys(labels).map((name) => [name, 'other'])) as L;
  }

  /** `total`: what the lanes have counted as `other` of this family so far. */
  overflows(family: string, cap: number, total: number): void {
    const more = total - (this.#before.get(family) ?? 0);
    if (more <= 0) return;
    this.#before.set(family, total);
    this.#overflowed(family, cap, more);
  }

  #admits(family: string, labels: Labels, cap: number): boolean {
    const known = this.#known.get(family) ?? new Set();
    this.#known.set(family, known);
    const key = Object.values(labels).join('\n');
    if (known.has(key)) return true;
    if (known.size >= cap) return false;
    known.add(key);
    return true;
  }

  #overflowed(family: string, cap: number, more: number): void {
    this.#counter.inc({ family }, more);
    const { events, clock } = this.#options;
    const atMs = clock();
    if (atMs - (this.#toldMs.get(family) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN_MS) return;
    this.#toldMs.set(family, atMs);
    const message =
      `${family} has all the series it may have (${cap}): what is new is counted as "other". ` +
      'Let this node serve fewer routes or endpoints, or restart it when names of long ago take the room';
    events?.emit('warn', 'metrics.overflow', message, { family, cap });
  }
}
