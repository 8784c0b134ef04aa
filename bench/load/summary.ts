// From windows to figures: medians, and the ratio to the neighbour of the same round, since what a noisy machine does to one
// it does to the other.

import { median } from '../support/report.ts';
import type { Entrant, Scenario } from './scenarios.ts';
import type { Window } from './windows.ts';

export interface Summary {
  readonly entrant: string;
  readonly peer: string;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** µs for each request or message; ms for each MB. */
  readonly cpu: number;
  /** Whose cost is 1. */
  readonly beside: string;
  /** `cpu` over the neighbour's, round by round, median; null when the neighbour was not there. */
  readonly ratio: number | null;
  readonly errors: number;
}

export function costOf(window: Window, per: Scenario['per']): number {
  return per === 'MB' ? window.cpuMs / (window.bytes / 1e6) : (window.cpuMs * 1000) / window.requests;
}

/** In the order of the scenario; entrants without a window are left out. */
export function summarise({ entrants, per }: Scenario, windows: readonly Window[]): Summary[] {
  const of = (name: string) => windows.filter(({ entrant }) => entrant === name);
  return entrants.flatMap(({ name, peer, beside }: Entrant) => {
    const [mine, theirs] = [of(name), of(beside)] as const;
    if (mine.length === 0) return [];
    const mid = (figure: (window: Window) => number) => rounded(median(mine.map(figure)));
    return {
      entrant: name,
      peer,
      requestsPerSecond: Math.round(mid(({ requests, seconds }) => requests / seconds)),
      p50Ms: mid((window) => window.p50Ms),
      p99Ms: mid((window) => window.p99Ms),
      cpu: mid((window) => costOf(window, per)),
      beside,
      ratio: ratioOf(mine, theirs, per),
      errors: mine.reduce((sum, window) => sum + window.errors, 0),
    };
  });
}

/** Cost of the one over the other's, round by round, median; null when they share no round. */
export function ratioOf(mine: readonly Window[], theirs: readonly Window[], per: Scenario['per']): number | null {
  const ratios = mine.flatMap((window) => {
    const other = theirs.find(({ round }) => round === window.round);
    return other ? [costOf(window, per) / costOf(other, per)] : [];
  });
  return ratios.length > 0 ? rounded(median(ratios)) : null;
}

/** Four digits: more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** `µs/request`, `ms/MB`, … */
export function unitOf(per: Scenario['per']): string {
  return per === 'MB' ? 'ms/MB' : `µs/${per}`;
}
