// What the answers of one run amount to. Latencies are those of answers that are 200; an error counts 1000 ms in the mean and
// has a column of its own, or a proxy that fails fast would look fast.

import { quantileOf } from '../../support/report.ts';
import { ERROR_MS, PLACES } from './fleet.ts';
import type { Answer } from './load.ts';

/** What the places were worth from a moment on: Fleet.truthMs. */
export interface Truth {
  readonly fromMs: number;
  readonly ms: readonly number[];
}

export interface Figures {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly meanMs: number;
  readonly errors: number;
  readonly errorRatio: number;
  /** Of the 200s: from an origin slower than the best one by more than 5 ms and 10 %, without queues. */
  readonly wrongRatio: number;
  /** By when nine in ten of the wrong ones were due, ms after the event: how long it took to move. NaN if none was wrong. */
  readonly wrongUntilMs: number;
  /** p99 without the first second: what is left of an event once it has been noticed, ms. */
  readonly p99LaterMs: number;
  /** The ratio over the last 3 s: where the traffic has settled. */
  readonly wrongAtEndRatio: number;
  /** Of the 200s, by place. */
  readonly shares: Readonly<Record<string, number>>;
  /** Of the load generator: how late it sent, ms. */
  readonly lateP50Ms: number;
  readonly lateP99Ms: number;
}

const WRONG_MS = 5;
const WRONG_RATIO = 0.1;
const END_MS = 3000;
const NOTICE_MS = 1000;

/** Of the answers whose planned moment is at or after `fromMs`. `truths` in order of time, the first at or before `fromMs`. */
export function figuresOf(all: readonly Answer[], fromMs: number, truths: readonly Truth[]): Figures {
  const answers = all.filter((answer) => answer.atMs >= fromMs);
  const good = answers.filter((answer) => answer.status === 200);
  const took = good.map((answer) => answer.tookMs);
  const late = answers.map((answer) => answer.lateMs);
  const lastMs = answers.at(-1)?.atMs ?? fromMs;
  const errors = answers.length - good.length;
  const wrong = good.filter((answer) => isWrong(answer, truths));
  const later = good.filter((answer) => answer.atMs >= fromMs + NOTICE_MS);
  const atEnd = good.filter((answer) => answer.atMs >= lastMs - END_MS);
  const shareOf = (id: string) => good.filter(({ origin }) => origin === id).length / good.length;
  return {
    requests: answers.length,
    p50Ms: quantileOf(took, 0.5),
    p99Ms: quantileOf(took, 0.99),
    meanMs: (took.reduce((sum, ms) => sum + ms, 0) + errors * ERROR_MS) / answers.length,
    errors,
    errorRatio: errors / answers.length,
    wrongRatio: wrong.length / good.length,
    wrongUntilMs:
      quantileOf(
        wrong.map((answer) => answer.atMs),
        0.9,
      ) - fromMs,
    wrongAtEndRatio: atEnd.filter((answer) => isWrong(answer, truths)).length / atEnd.length,
    p99LaterMs: quantileOf(
      later.map((answer) => answer.tookMs),
      0.99,
    ),
    shares: Object.fromEntries(PLACES.map(({ id }) => [id, shareOf(id)])),
    lateP50Ms: quantileOf(late, 0.5),
    lateP99Ms: quantileOf(late, 0.99),
  };
}

/** By what was true when the request was due. */
function isWrong({ atMs, origin }: Answer, truths: readonly Truth[]): boolean {
  const { ms } = truths.findLast(({ fromMs }) => fromMs <= atMs) ?? truths[0]!;
  const best = Math.min(...ms);
  const chosen = ms[PLACES.findIndex(({ id }) => id === origin)] ?? Number.POSITIVE_INFINITY;
  return chosen > best * (1 + WRONG_RATIO) + WRONG_MS;
}
