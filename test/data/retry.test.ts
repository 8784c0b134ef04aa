// The rules of a second attempt, on exchanges that are nothing but what the rules look at.

import { beforeEach, describe, expect, it } from 'vitest';
import { newBudget } from '../../src/core/budget.ts';
import { CELL, RETRY_RESULTS } from '../../src/core/cells.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import type { RetrySpec } from '../../src/core/snapshot.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { backOffMs, mayRetry, RETRY_CAUSE, RETRY_RESULT, type RetryCause } from '../../src/data/retry.ts';
import { NEVER } from '../../src/data/wheel.ts';
import { poolSpec } from '../support/specs.ts';

const RETRY: RetrySpec = { ...poolSpec('p', [], 0).retry, attempts: 1, methods: ['GET', 'PUT'], onStatus: [503] };

let lane: LaneReader;
let writer: LaneWriter;
beforeEach(() => {
  const buffer = newLane();
  lane = new LaneReader(buffer);
  writer = new LaneWriter(buffer);
});

interface Case {
  readonly method?: string;
  readonly attempts?: number;
  readonly hasAnswered?: boolean;
  readonly isWhole?: boolean;
  readonly wasStale?: boolean;
  readonly retry?: Partial<RetrySpec>;
  readonly tokens?: number;
}

function exchangeOf(c: Case): Exchange {
  const spec = { ...poolSpec('p', [], 0), retry: { ...RETRY, ...c.retry } };
  const parts = {
    hasAnswered: c.hasAnswered ?? false,
    attempts: c.attempts ?? 1,
    replay: { isWhole: c.isWhole ?? true },
    books: { wasStale: c.wasStale ?? false },
    head: { method: c.method ?? 'GET' },
    pool: {
      spec,
      retryMethods: new Set(spec.retry.methods),
      budget: { ...newBudget(0.2, 0, 0), tokens: c.tokens ?? 5 },
    },
    plane: { wheel: { nowMs: 0 }, lane: writer },
  };
  return parts as unknown as Exchange;
}

const CAUSES = Object.entries(RETRY_CAUSE).filter(([, cause]) => cause !== RETRY_CAUSE.NEVER) as [string, RetryCause][];

describe.each(CAUSES)('after %s', (_, cause) => {
  it('an idempotent request is made again, once', () => {
    expect(mayRetry(exchangeOf({}), cause)).toBe(true);
    expect(mayRetry(exchangeOf({ attempts: 2, wasStale: true }), cause)).toBe(false);
    expect(mayRetry(exchangeOf({ attempts: 2, wasStale: true, retry: { attempts: 2 } }), cause)).toBe(true);
  });

  it('nothing is made again once the client has been answered, or when the body is gone', () => {
    expect(mayRetry(exchangeOf({ hasAnswered: true }), cause)).toBe(false);
    expect(mayRetry(exchangeOf({ isWhole: false }), cause)).toBe(false);
  });

  it('a POST is made again only when nothing of it can have been looked at', () => {
    const isUnseen = cause === RETRY_CAUSE.CONNECT || cause === RETRY_CAUSE.REFUSED;
    expect(mayRetry(exchangeOf({ method: 'POST' }), cause)).toBe(isUnseen);
    expect(mayRetry(exchangeOf({ method: 'get' }), cause)).toBe(isUnseen);
  });

  it('an empty budget ends it, but for connects and for the first stale connection', () => {
    const isFree = FREE.includes(cause);
    expect(mayRetry(exchangeOf({ tokens: 0 }), cause)).toBe(isFree);
    let counted = 0;
    lane.eachCell((kind, _a, b, _c, values, at) => {
      expect([kind, RETRY_RESULTS[b]]).toEqual([CELL.RETRIES, 'budget']);
      counted += values[at]!;
    });
    expect(counted).toBe(isFree ? 0 : 1);
  });

  it('one token is taken, or none where it is free', () => {
    const ex = exchangeOf({ tokens: 3 });
    mayRetry(ex, cause);
    const isFree = FREE.includes(cause);
    expect(ex.pool!.budget.tokens).toBeCloseTo(isFree ? 3 : 2);
  });
});

/** Costs the budget nothing, the first time. */
const FREE: readonly RetryCause[] = [RETRY_CAUSE.CONNECT, RETRY_CAUSE.STALE, RETRY_CAUSE.REFUSED];

describe('the configuration', () => {
  it.each([
    ['onConnect', RETRY_CAUSE.CONNECT],
    ['onTimeout', RETRY_CAUSE.TIMEOUT],
    ['onReset', RETRY_CAUSE.RESET],
  ] as const)('%s: false ends retries for that cause and takes no token', (name, cause) => {
    const ex = exchangeOf({ retry: { [name]: false } });
    expect(mayRetry(ex, cause)).toBe(false);
    expect(ex.pool!.budget.tokens).toBe(5);
    for (const [, other] of CAUSES)
      if (other !== cause) expect(mayRetry(exchangeOf({ retry: { [name]: false } }), other)).toBe(true);
  });

  it('attempts: 0 allows none, and still forgives one stale connection', () => {
    for (const [, cause] of CAUSES)
      expect(mayRetry(exchangeOf({ retry: { attempts: 0 } }), cause)).toBe(
        cause === RETRY_CAUSE.STALE || cause === RETRY_CAUSE.REFUSED,
      );
  });
});

describe('a stale connection', () => {
  it('is forgiven once whatever the budget and the attempts; the second is a reset', () => {
    const spent = { tokens: 0, attempts: 9, retry: { onReset: false } };
    expect(mayRetry(exchangeOf(spent), RETRY_CAUSE.STALE)).toBe(true);
    expect(mayRetry(exchangeOf({ wasStale: true, retry: { onReset: false } }), RETRY_CAUSE.STALE)).toBe(false);
    const second = exchangeOf({ wasStale: true });
    expect(mayRetry(second, RETRY_CAUSE.STALE)).toBe(true);
    expect(second.pool!.budget.tokens).toBeCloseTo(4);
  });
});

it('what must never be repeated is not', () => {
  expect(mayRetry(exchangeOf({}), RETRY_CAUSE.NEVER)).toBe(false);
});

it('results are numbered as the lane names them', () => {
  const names = Object.keys(RETRY_RESULT).map((name) => name.toLowerCase());
  expect(names).toEqual([...RETRY_RESULTS]);
});

describe('the wait before a retry', () => {
  /** After so many attempts, with this much of the whole time left. */
  function waitMs(attempts: number, random: number, floorMs = 0, leftMs = NEVER): number {
    const parts = { attempts, totalAtMs: 1000 + leftMs, plane: { random: () => random, wheel: { nowMs: 1000 } } };
    return backOffMs(parts as unknown as Exchange, floorMs);
  }

  it('is none before the first, then up to 50, 100, 200 and 250 ms by chance', () => {
    expect(waitMs(1, 0.99)).toBe(0);
    expect([2, 3, 4, 5, 9].map((attempts) => waitMs(attempts, 0.5))).toEqual([25, 50, 100, 125, 125]);
    expect(waitMs(5, 0)).toBe(0);
  });

  it('is as long as the endpoint asks for, up to a second', () => {
    expect(waitMs(1, 0, 1000)).toBe(1000);
    expect(waitMs(9, 0.5, 100)).toBe(125);
    expect(waitMs(1, 0, 1001)).toBe(NEVER);
  });

  it('never goes beyond the whole time', () => {
    expect(waitMs(5, 0.5, 0, 126)).toBe(125);
    expect(waitMs(5, 0.5, 0, 125)).toBe(NEVER);
    expect(waitMs(1, 0, 500, 400)).toBe(NEVER);
  });
});
