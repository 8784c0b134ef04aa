// What a worker makes of a Snapshot. Here: the second look at residency, which stands by itself should a row ever be wrong, and what
// outlives a reload.

import { describe, expect, test } from 'vitest';
import { take } from '../../src/core/budget.ts';
import { OUTCOME } from '../../src/core/sample.ts';
import type { RouteSpec, Snapshot } from '../../src/core/snapshot.ts';
import { NONE } from '../../src/core/snapshot.ts';
import { newTable, shapeOf } from '../../src/core/table.ts';
import { buildGeneration } from '../../src/data/generation.ts';
import { NEVER } from '../../src/data/wheel.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';

const ROUTE: RouteSpec = {
  uid: 0,
  name: 'any',
  host: null,
  path: '/',
  exact: false,
  listener: null,
  pool: 0,
  row: 0,
  mode: 'forward',
  residency: [],
  respond: null,
  stripPrefix: false,
  hostHeader: { kind: 'preserve' },
  requestHeaders: { set: [], remove: [] },
  responseHeaders: { set: [], remove: [] },
  serverTiming: false,
  priority: 'normal',
  compress: [],
  rateLimits: [],
  locality: null,
};

/** Slots 7, 2 and 5; the second and third are inside. */
function snapshot(): Snapshot {
  const endpoints = [7, 2, 5].map((slot) => endpointSpec(slot, { id: `e${slot}` }));
  const plain = snapshotOf(endpoints, [poolSpec('shop', [0, 1, 2], 0)]);
  const structure = {
    ...plain,
    rows: [...plain.rows, { pool: 0, members: [1, 2], residency: ['DE'] }, { pool: 0, members: [], residency: ['FR'] }],
    routes: [
      ROUTE,
      { ...ROUTE, name: 'de', path: '/de', row: 1, residency: ['DE'] },
      { ...ROUTE, name: 'fr', path: '/fr', row: 2, residency: ['FR'] },
      {
        ...ROUTE,
        name: 'own',
        path: '/own',
        pool: NONE,
        row: NONE,
        respond: { status: 204, body: '', location: null },
      },
    ],
  };
  return { ...structure, table: newTable(shapeOf(structure)) };
}

test('a route with a residency knows the slots that are inside; one without has nothing to ask', () => {
  const { routes } = buildGeneration(snapshot(), [], 0, (router) => router);
  const insideOf = (i: number) => [0, 1, 2, 3, 4, 5, 6, 7, NONE].filter((slot) => routes[i]!.inside?.[slot] === 1);
  expect(routes.map(({ inside }) => inside !== null)).toEqual([false, true, true, false]);
  expect(insideOf(1)).toEqual([2, 5]);
  expect(insideOf(2)).toEqual([]);
});

describe('after a reload', () => {
  const hedge = { quantile: 0.95, budgetRatio: 0.02 };
  const poolOf = (uid: number) => ({ ...poolSpec('shop', [0, 1], 0, { hedge }), uid });
  const build = (uid: number, generation: number, before: ReturnType<typeof buildGeneration> | null = null) => {
    const endpoints = [0, 1].map((slot) => endpointSpec(slot, { id: `e${slot}` }));
    const renewed = endpoints.map((spec) => (spec.slot === 1 ? { ...spec, generation } : spec));
    return buildGeneration(snapshotOf(renewed, [poolOf(uid)]), [], 0, (router) => router, before);
  };

  test('a pool that stays has the budget that is left, and knows its endpoints', () => {
    const before = build(4, 1);
    const [pool] = before.pools;
    take(pool!.budget, 0);
    for (const slot of [0, 1])
      for (let ms = 1; ms <= 100; ms++) pool!.hedging!.learn(slot, OUTCOME.OK, ms * (slot + 1), ms, 0);
    const [after] = build(4, 2, before).pools;
    expect(after!.budget.tokens).toBe(pool!.budget.tokens);
    expect(after!.hedging!.delayMs(0)).toBe(pool!.hedging!.delayMs(0));
    // The slot is another endpoint's now.
    expect(after!.hedging!.delayMs(1)).toBe(NEVER);
  });

  test('a pool that is new has a budget of its own, and knows nobody', () => {
    const before = build(4, 1);
    take(before.pools[0]!.budget, 0);
    const [after] = build(5, 1, before).pools;
    expect(after!.budget.tokens).toBe(before.pools[0]!.budget.tokens + 1);
    expect(after!.hedging!.delayMs(0)).toBe(NEVER);
  });
});
