// What the console foretells of a drain, beside what a drain of the real process then does.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Evacuation, PoolEvacuation } from '../../src/control/evacuation/types.ts';
import { type Fermat, startFermat } from '../support/fermat.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const FRANKFURT = 'aws:eu-central-1';
const DUBLIN = 'aws:eu-west-1';
/** Two alike in one region, and one in another, farther than the band is wide. */
const ORIGINS = [
  { name: 'fra-1', region: FRANKFURT, delayMs: 3, weight: 2 },
  { name: 'fra-2', region: FRANKFURT, delayMs: 3, weight: 1 },
  { name: 'dub-1', region: DUBLIN, delayMs: 15, weight: 3 },
] as const;
/** Of 150 decisions: four standard deviations of a share. */
const NOISE = 0.15;

const servers: Server[] = [];
let config: Record<string, unknown> = {};

beforeAll(async () => {
  for (const { delayMs } of ORIGINS) {
    const server = createServer((_, response) => setTimeout(() => response.end('hello'), delayMs));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
  }
  const endpointsOf = (prefix: string) =>
    ORIGINS.map(({ name, region, weight }, i) => {
      const url = `http://127.0.0.1:${(servers[i]!.address() as AddressInfo).port}`;
      return { id: `${prefix}${name}`, region, weight, url, capacity: 10_000 };
    });
  config = {
    pools: {
      fast: { endpoints: endpointsOf('fast-'), balance: { explorePercent: 0 } },
      drawn: { endpoints: endpointsOf('drawn-'), balance: { policy: 'weighted', explorePercent: 0 } },
    },
    workers: 2,
    routes: [
      { path: '/fast', pool: 'fast' },
      { path: '/drawn', pool: 'drawn' },
    ],
  };
});
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** Twelve clients, one request after another, until `isEnough`; most ask the pool that is slower. */
async function load(fermat: Fermat, isEnough: () => boolean): Promise<void> {
  const one = async (client: number) => {
    const path = client % 4 === 0 ? '/fast' : '/drawn';
    while (!isEnough()) await exchange(fermat.port, get(path, 'Connection: close\r\n'));
  };
  await Promise.all(Array.from({ length: 12 }, (_, client) => one(client)));
}

/** How many requests each endpoint of a pool has had. */
async function countsOf(fermat: Fermat, pool: string): Promise<Map<string, number>> {
  const rows = await fermat.json<{ id: string; pool: string; requests: number }[]>('/api/v1/endpoints');
  return new Map(rows.filter((row) => row.pool === pool).map(({ id, requests }) => [id, requests]));
}

/** Parts of at least so many requests of a pool, from now on. */
async function sharesOf(fermat: Fermat, pool: string, requests: number): Promise<Map<string, number>> {
  const sum = (all: Map<string, number>) => [...all.values()].reduce((a, b) => a + b, 0);
  const before = await countsOf(fermat, pool);
  const after = await until(async () => {
    const now = await countsOf(fermat, pool);
    return sum(now) - sum(before) >= requests && now;
  }, `${requests} requests`);
  const total = sum(after) - sum(before);
  return new Map([...after].map(([id, count]) => [id, (count - before.get(id)!) / total]));
}

const evacuation = (fermat: Fermat, query: string) => fermat.json<Evacuation>(`/api/v1/evacuation?${query}`);
const drain = async (fermat: Fermat, id: string) =>
  expect((await fermat.admin(`/api/v1/endpoints/${id}/drain`, { method: 'POST' })).status).toBe(200);

function expectShares(pool: PoolEvacuation, of: 'now' | 'then', real: ReadonlyMap<string, number>): void {
  for (const endpoint of pool.endpoints) {
    const foretold = endpoint[of].share;
    const off = Math.abs(foretold - real.get(endpoint.id)!);
    expect(off, `${endpoint.id} ${of}: ${foretold}, really ${real.get(endpoint.id)}`).toBeLessThan(NOISE);
  }
}

describe('the preview of an evacuation', () => {
  it('foretells where requests go once an endpoint, or a region, is drained', async () => {
    await using fermat = await startFermat(config);
    const none = await evacuation(fermat, `region=${FRANKFURT}`);
    expect([none.decisions, none.sinceIso, none.removed.length]).toEqual([0, null, 4]);
    expect(none.note).toContain('no decision is recorded yet');

    let isEnough = false;
    const loading = load(fermat, () => isEnough);
    try {
      const ask = () => evacuation(fermat, 'endpoint=drawn-fra-1&pool=drawn');
      const isSampled = async () => (await ask()).decisions >= 150;
      await until(isSampled, '150 decisions', 30_000, 250);
      const one = await ask();
      expect(one.removed).toEqual(['drawn-fra-1']);
      expect(one.note).toBeNull();
      const [drawn] = one.pools as [PoolEvacuation];
      expect(drawn).toMatchObject({ pool: 'drawn', unserved: 0 });
      const frankfurt = drawn.regions.find(({ region }) => region === FRANKFURT)!;
      expect(frankfurt.capacity).toBe(10_000);
      expect(frankfurt.then.share).toBeLessThan(frankfurt.now.share);
      const whole = await evacuation(fermat, `region=${FRANKFURT}`);
      const fast = whole.pools.find(({ pool }) => pool === 'fast')!;
      expect(fast.regions.find(({ region }) => region === DUBLIN)!.then.share).toBe(1);
      const { now, then } = whole.countries[0]!;
      expect(then.p50Ms).toBeGreaterThan(14);
      expect(now.p50Ms).toBeLessThan(then.p50Ms!);
      const all = await evacuation(fermat, `region=${DUBLIN}&region=${FRANKFURT}&pool=fast`);
      expect(all.pools[0]!.unserved).toBe(1);
      expect(all.countries[0]!.then).toEqual({ p50Ms: null, p99Ms: null });

      expectShares(drawn, 'now', await sharesOf(fermat, 'drawn', 300));
      await drain(fermat, 'drawn-fra-1');
      expectShares(drawn, 'then', await sharesOf(fermat, 'drawn', 300));
      await drain(fermat, 'fast-fra-1');
      await drain(fermat, 'fast-fra-2');
      expectShares(fast, 'then', await sharesOf(fermat, 'fast', 300));
    } finally {
      isEnough = true;
      await loading;
    }
  }, 120_000);

  it('refuses a name that nobody has, with the one that was meant', async () => {
    await using fermat = await startFermat(config);
    const refusal = async (query: string) => {
      const { status, text } = await fermat.admin(`/api/v1/evacuation${query}`);
      return [status, JSON.parse(text).error.code, JSON.parse(text).error.message];
    };
    expect(await refusal('?region=aws:eu-central-2')).toEqual([
      404,
      'no_such_region',
      'no endpoint is in the region aws:eu-central-2; did you mean aws:eu-central-1?',
    ]);
    expect(await refusal('?endpoint=fast-dub-2')).toEqual([
      404,
      'no_such_endpoint',
      expect.stringContaining('fast-dub-1?'),
    ]);
    expect((await refusal('?endpoint=fast-fra-1&pool=fats'))[1]).toBe('no_such_pool');
    expect((await refusal(''))[0]).toBe(400);
  });
});
