// What issue 3 asks of the score, checked one by one against the means of a run; and which peer beats us where.
// Not here: how the figures come about (run.ts).

import { isPeer } from './peers.ts';
import type { Compared } from './run.ts';

/** Means over seeds and matrices, as sim.ts makes them. */
export interface Means {
  readonly scenario: string;
  readonly policies: readonly ({ readonly policy: string } & Compared)[];
}

export interface Verdict {
  readonly target: string;
  /** null = the run lacks a scenario that it takes. */
  readonly isMet: boolean | null;
  readonly measured: string;
}

export interface Beaten {
  readonly scenario: string;
  readonly policy: string;
  /** Our mean latency in parts of theirs; above `BEATEN_RATIO`. */
  readonly ratio: number;
}

const OURS = 'fermat';
/** A peer that is better by less than this is no better. */
const BEATEN_RATIO = 1.03;
/** How much 16 proxies may be worse than one, in parts of oracle A's mean. */
const PROXIES_APART = 0.05;

/** Of sums of parts that are not exact: a third is a third. */
const ROUNDING = 1e-9;

interface Target {
  readonly target: string;
  readonly scenario: string;
  readonly figure: (c: Compared) => number | null;
  readonly most: number;
}

const TARGETS: readonly Target[] = [
  { target: 'steady: mean', scenario: 'steady', figure: (c) => c.mean, most: 1.05 },
  { target: 'steady: p99', scenario: 'steady', figure: (c) => c.p99, most: 1.1 },
  { target: 'spike: mean', scenario: 'spike', figure: (c) => c.mean, most: 1.1 },
  { target: 'spike: errors', scenario: 'spike', figure: (c) => c.errorRatio, most: 0 },
  { target: 'brownout: mean', scenario: 'brownout', figure: (c) => c.mean, most: 1.1 },
  { target: 'brownout: p99', scenario: 'brownout', figure: (c) => c.p99, most: 2 },
  { target: 'route change: mean', scenario: 'route-change', figure: (c) => c.mean, most: 1.05 },
  { target: 'route change: ms until 90 % moved', scenario: 'route-change', figure: (c) => c.movedMs, most: 3000 },
  { target: '30 % fast 503: errors', scenario: 'fast-503', figure: (c) => c.errorRatio, most: 0.005 },
  { target: 'recovery: ms until 90 % home', scenario: 'recovery', figure: (c) => c.movedMs, most: 15_000 },
  // The way back is the one switch that the window of 30 s is allowed.
  { target: 'recovery: switches in 10 s', scenario: 'recovery', figure: (c) => c.switches, most: 1 / 3 },
  { target: 'flapping: switches in 10 s', scenario: 'flapping', figure: (c) => c.switches, most: 1 },
];

/** In the order of the issue. Never throws. */
export function verdictsOf(means: readonly Means[]): readonly Verdict[] {
  return [
    ...TARGETS.map((target) => verdictOf(target, ours(means, target.scenario))),
    apart('16 proxies beside 1, steady', ours(means, 'proxies-1'), ours(means, 'proxies-16')),
    apart('16 proxies beside 1, spike', ours(means, 'spike-proxies-1'), ours(means, 'spike-proxies-16')),
  ];
}

/** Peers whose mean is better than ours by more than 3 %, worst first. Oracles and kin of ours are no peers. */
export function beatenBy(means: readonly Means[]): readonly Beaten[] {
  return means
    .flatMap(({ scenario, policies }) => {
      const own = ours(means, scenario);
      if (own === undefined) return [];
      return policies
        .filter(({ policy }) => isPeer(policy))
        .map(({ policy, meanMs }) => ({ scenario, policy, ratio: own.meanMs / meanMs }));
    })
    .filter(({ ratio }) => ratio > BEATEN_RATIO)
    .sort((a, b) => b.ratio - a.ratio);
}

function ours(means: readonly Means[], scenario: string): Compared | undefined {
  return means.find((m) => m.scenario === scenario)?.policies.find(({ policy }) => policy === OURS);
}

function verdictOf({ target, figure, most }: Target, own: Compared | undefined): Verdict {
  const title = `${target} ≤ ${round(most)}`;
  if (own === undefined) return { target: title, isMet: null, measured: '–' };
  const value = figure(own);
  // Traffic that never moved in some run has no time: that is a miss.
  return {
    target: title,
    isMet: value !== null && value <= most + ROUNDING,
    measured: value === null ? 'never' : round(value),
  };
}

function apart(target: string, one: Compared | undefined, many: Compared | undefined): Verdict {
  const title = `${target}: mean ≤ ${PROXIES_APART} more`;
  if (one === undefined || many === undefined) return { target: title, isMet: null, measured: '–' };
  const by = many.mean - one.mean;
  return { target: title, isMet: by <= PROXIES_APART, measured: round(by) };
}

function round(value: number): string {
  return String(Number(value.toFixed(4)));
}
