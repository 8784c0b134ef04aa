// What a worker makes of a Snapshot. Here: the second look at residency, which stands by itself should a row ever be wrong.

import { expect, test } from 'vitest';
import type { RouteSpec, Snapshot } from '../../src/core/snapshot.ts';
import { NONE } from '../../src/core/snapshot.ts';
import { newTable, shapeOf } from '../../src/core/table.ts';
import { buildGeneration } from '../../src/data/generation.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/world.ts';

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
