import { describe, expect, test } from 'vitest';
import { endpointColumns, filtered, SORTS, sorted, summaryOf } from '../../src/cli/endpoints.ts';
import { tableOf } from '../../src/cli/table.ts';
import type { EndpointView } from '../../src/control/types.ts';

function endpoint(id: string, more: Partial<EndpointView> = {}): EndpointView {
  return {
    id,
    pool: 'shop',
    url: `http://${id}`,
    region: 'aws:eu-central-1',
    location: null,
    healthy: true,
    state: 'healthy',
    why: 'probe answered',
    since: '2026-11-21T12:00:00.000Z',
    lastProbe: null,
    networkMs: 10,
    serverMs: 2,
    scoreMs: 12,
    inflight: 0,
    requests: 0,
    failures: 0,
    requestsPerSecond: 0,
    source: null,
    ...more,
  };
}

const FRA = endpoint('fra', { requestsPerSecond: 30, scoreMs: 12 });
const IAD = endpoint('iad', { requestsPerSecond: 90, scoreMs: 95, region: 'aws:us-east-1', inflight: 3 });
const NRT = endpoint('nrt', { scoreMs: null, state: 'unhealthy', healthy: false, failures: 7, region: null });
const ALL = [NRT, FRA, IAD];
const ids = (endpoints: readonly EndpointView[]) => endpoints.map(({ id }) => id);

describe('endpoints', () => {
  test.each([
    ['requests', ['iad', 'fra', 'nrt']],
    ['score', ['fra', 'iad', 'nrt']],
    ['state', ['nrt', 'fra', 'iad']],
    ['failures', ['nrt', 'fra', 'iad']],
    ['inflight', ['iad', 'fra', 'nrt']],
    ['region', ['fra', 'iad', 'nrt']],
    ['endpoint', ['fra', 'iad', 'nrt']],
  ])('by %s the interesting ones come first', (by, order) => {
    expect(ids(sorted(ALL, by, false))).toEqual(order);
  });

  test('equals stand by their names, also the other way round, so that rows do not jump', () => {
    for (const by of Object.keys(SORTS)) expect(ids(sorted([IAD, FRA], by, true))).toHaveLength(2);
    expect(ids(sorted([IAD, FRA], 'failures', true))).toEqual(['fra', 'iad']);
  });

  test('can be had of one pool, of one region, or only those that need a look', () => {
    expect(ids(filtered(ALL, { pool: 'other' }))).toEqual([]);
    expect(ids(filtered(ALL, { region: 'aws:us-east-1' }))).toEqual(['iad']);
    expect(ids(filtered(ALL, { unhealthy: true }))).toEqual(['nrt']);
  });

  test('are summed up in a line', () => {
    expect(summaryOf(ALL)).toBe('3 endpoints, 1 unhealthy  ·  120.0 req/s  ·  3 in flight');
    expect(summaryOf([FRA])).toBe('1 endpoint, all healthy  ·  30.0 req/s  ·  0 in flight');
  });

  test.each([120, 80, 60, 40, 32])('are a table of %i columns that keeps name, state and score', (room) => {
    const lines = tableOf(endpointColumns(Date.now(), false), ALL, room);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(room);
    expect(lines[0]).toMatch(/ENDPOINT +.*STATE +.*SCORE ms/);
  });
});
