// Requests go where the data of their key is: over real nodes, a real Redis and endpoints in three regions. Moves are made by the
// command line. The long form, 10,000 tenants at 1,000 requests/s, is bench/fleet/locality.ts.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DirectoryView } from '../../src/control/locality/localities.ts';
import type { EndpointView, Explanation } from '../../src/control/types.ts';
import type { Cluster } from '../support/cluster.ts';
import { runFermat, spawnFermat, withDefaults } from '../support/fermat.ts';
import { Askers, fileOf, locality, REGIONS, startPlaced, tenantLines } from '../support/tenants.ts';
import { until } from '../support/until.ts';

const [FRANKFURT, PARIS, VIRGINIA] = REGIONS;
const TENANTS = 400;

let cluster: Cluster;
let askers: Askers;
beforeAll(async () => {
  cluster = await startPlaced(2);
  askers = new Askers(cluster);
});
afterAll(async () => {
  await askers.stop();
  await cluster[Symbol.asyncDispose]();
});

const versionsOf = () => Promise.all([0, 1].map(async (n) => (await viewOf(n)).version));
async function viewOf(n: number): Promise<DirectoryView> {
  return (await cluster.nodes[n]!.json<DirectoryView[]>('/api/v1/locality'))[0]!;
}
const allHave = (version: number) =>
  until(async () => (await versionsOf()).every((v) => v >= version), `version ${version} at both nodes`);
const at = async (tenant: number, n = 0) => (await askers.one(n, tenant)).at;

describe('a directory', () => {
  it('is imported by one node, and both send each tenant where its data is', async () => {
    const file = fileOf(
      cluster,
      'tenants',
      tenantLines(TENANTS, (i) => REGIONS[i % 2]!),
    );
    const imported = await locality(cluster, 0, 'import', file, '--json');
    expect(imported.stderr).toBe('');
    expect(JSON.parse(imported.stdout)).toEqual({ done: TENANTS, failed: 0, version: TENANTS });
    await allHave(TENANTS);
    const served = await Promise.all(Array.from({ length: 60 }, (_, i) => at(i, i % 3 === 0 ? 1 : 0)));
    expect(served).toEqual(Array.from({ length: 60 }, (_, i) => REGIONS[i % 2]));
  });

  it('tells where a key is, lists, and says what it cannot do', async () => {
    expect((await locality(cluster, 1, 'get', 't1')).stdout).toBe(`t1: ${PARIS}\n`);
    expect((await locality(cluster, 1, 'get', 'nobody')).code).toBe(1);
    const listed = (await locality(cluster, 0, 'list', '--at', FRANKFURT)).stdout.trim().split('\n');
    expect(listed).toHaveLength(TENANTS / 2);
    const slip = await locality(cluster, 0, 'move', 'nobody', '--to', PARIS);
    expect([slip.code, slip.stderr]).toEqual([1, 'nobody: not changed, it is nowhere\n']);
    const late = await locality(cluster, 0, 'move', 't0', '--to', PARIS, '--from', VIRGINIA);
    expect([late.code, late.stderr]).toEqual([1, `t0: not changed, it is at ${FRANKFURT}\n`]);
    const unknown = await locality(cluster, 0, 'set', 't0', '--to', 'aws:mars-1');
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('expected a region')]);
  });

  it('is explained', async () => {
    const explained = await cluster.nodes[1]!.json<Explanation>('/api/v1/explain?client=192.0.2.1&key=t1');
    expect(explained.locality).toEqual({ directory: 'default', mode: 'hard', key: 't1', place: PARIS });
    expect(explained.candidates.map(({ id }) => id)).toEqual([PARIS]);
    expect(explained.chosen).toBe(PARIS);
    const other = await cluster.nodes[1]!.json<Explanation>('/api/v1/explain?client=192.0.2.1&key=nobody');
    expect(other.candidates).toHaveLength(3);
    expect(other.note).toContain('the directory does not hold the key');
  });

  it('redirects there, too', async () => {
    const { port } = cluster.nodes[0]!;
    const endpoints = await cluster.nodes[0]!.json<EndpointView[]>('/api/v1/endpoints');
    for (const [tenant, region] of REGIONS.slice(0, 2).entries()) {
      const answer = await fetch(`http://${cluster.hostOf(0)}:${port}/go/t${tenant}`, { redirect: 'manual' });
      const { url } = endpoints.find(({ id }) => id === region)!;
      expect([answer.status, answer.headers.get('location')]).toEqual([307, `${url}/go/t${tenant}`]);
    }
  });

  it('can name a cloud: any of its regions serves', async () => {
    expect((await locality(cluster, 0, 'set', 't1', '--to', 'aws')).code).toBe(0);
    await allHave(TENANTS + 1);
    const served = new Set(await Promise.all(Array.from({ length: 60 }, () => at(1))));
    expect([...served].every((region) => region !== PARIS)).toBe(true);
    expect((await locality(cluster, 0, 'set', 't1', '--to', PARIS)).code).toBe(0);
    await allHave(TENANTS + 2);
  });
});

it('while many move, no request is at a region that neither held nor was to hold its data', async () => {
  const movers = new Askers(cluster);
  movers.start(TENANTS, 250);
  const moving = Array.from({ length: TENANTS }, (_, i) => `t${i}\n`).filter((_, i) => i % 2 === 0);
  await until(() => movers.served.length > 50, 'the first answers');
  const beganMs = performance.now();
  const moved = await locality(cluster, 1, 'move', '--file', fileOf(cluster, 'moving', moving.join('')), '--to', PARIS);
  expect([moved.code, moved.stdout]).toEqual([0, expect.stringContaining(`${TENANTS / 2} done`)]);
  await allHave(TENANTS + 2 + TENANTS / 2);
  const knownMs = performance.now();
  const before = movers.served.length;
  await until(() => movers.served.length > before + 100, 'some more');
  const served = await movers.stop();
  expect(served.filter(({ status }) => status !== 200)).toEqual([]);
  for (const { tenant, at: region, sentMs, tookMs } of served) {
    if (tenant % 2 === 1) expect(region).toBe(PARIS);
    else if (sentMs + tookMs < beganMs) expect(region).toBe(FRANKFURT);
    else if (sentMs > knownMs) expect(region).toBe(PARIS);
    else expect([FRANKFURT, PARIS]).toContain(region);
  }
});

describe('what was missed', () => {
  it('goes on as last known while Redis is away, and is made up for when it is back', async () => {
    await cluster.redisWay(1, { mode: 'cut' });
    await until(async () => (await cluster.nodes[1]!.metric('fermat_redis_up')) === 0, 'node 1 to have noticed');
    expect((await locality(cluster, 0, 'set', 't0', '--to', VIRGINIA)).code).toBe(0);
    const refused = await locality(cluster, 1, 'set', 't0', '--to', PARIS);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('Redis does not answer')]);
    await until(async () => (await at(0, 0)) === VIRGINIA, 'node 0 to have heard');
    expect(await at(0, 1)).toBe(PARIS);
    await cluster.redisWay(1, { mode: 'open' });
    await until(async () => (await at(0, 1)) === VIRGINIA, 'node 1 to have made up', 20_000);
  });

  it('is nothing when Redis loses its data: what was known goes on, also after somebody begins anew', async () => {
    await cluster.redis.client.flushall();
    await until(() => cluster.nodes[0]!.events.some(({ type }) => type === 'locality.lost'), 'the loss to be told');
    expect([await at(0), await at(1)]).toEqual([VIRGINIA, PARIS]);
    expect((await locality(cluster, 0, 'set', 't0', '--to', FRANKFURT)).code).toBe(0);
    await until(async () => (await at(0)) === FRANKFURT, 'the new life of the directory');
    expect([await at(1), await at(2)]).toEqual([PARIS, PARIS]);
    expect(cluster.nodes.flatMap(({ events }) => events.filter(({ type }) => type === 'worker.exit'))).toEqual([]);
  });
});

it('without an endpoint that is healthy there, hard is a 503 that says why; soft goes elsewhere', async () => {
  await cluster.origin(0, { isUp: false });
  try {
    await until(async () => (await askers.one(0, 0)).status === 503, 'the region to be known as down');
    const answer = await fetch(`http://${cluster.hostOf(0)}:${cluster.nodes[0]!.port}/`, {
      headers: { 'x-tenant': 't0' },
    });
    expect(answer.headers.get('proxy-status')).toMatch(/error=\w+/);
    expect([PARIS, VIRGINIA]).toContain((await askers.one(0, 0, '/soft')).at);
    expect(await at(1)).toBe(PARIS);
  } finally {
    await cluster.origin(0, { isUp: true });
  }
  await until(async () => (await at(0)) === FRANKFURT, 'the region to be back');
  await until(async () => (await askers.one(0, 0, '/soft')).at === FRANKFURT, 'soft to be back there, too');
  expect((await askers.one(0, 'nobody', '/soft')).at).toBe(PARIS); // `unknown` of that route
});

it('a node that knows no place yet is not ready, and sends nobody anywhere', async () => {
  const config = await cluster.configOf(5);
  const routes = [{ name: 'placed', pool: 'main', locality: { key: 'header:X-Tenant', directory: 'other' } }];
  const listeners = [{ name: 'http', address: '127.0.0.1:0' }];
  const fermat = spawnFermat(withDefaults({ ...config, listeners, routes }));
  try {
    await until(() => fermat.ports.http !== undefined && fermat.ports.admin !== undefined, 'it to listen', 20_000);
    await until(async () => (await fermat.admin('/readyz')).text.includes('the directory other'), 'the reason', 10_000);
    const answer = await fetch(`http://127.0.0.1:${fermat.port}/`, { headers: { 'x-tenant': 't0' } });
    expect([answer.status, answer.headers.get('proxy-status')]).toEqual([
      503,
      'fermat; error=destination_unavailable; details="locality: no directory"',
    ]);
    expect(await fermat.metric('fermat_selections_total')).toBe(0); // refused is not sent all the same
    // Nobody has any data yet, and says so.
    const asked = (...args: string[]) => runFermat(['locality', ...args, '--admin', `127.0.0.1:${fermat.adminPort}`]);
    const made = await asked('import', '/dev/null');
    expect([made.code, made.stdout]).toEqual([0, '0 done (version 0)\n']);
    await until(async () => (await fermat.admin('/readyz')).status === 200, 'it to be ready', 10_000);
    // What `list` prints can be imported as it is.
    expect((await asked('set', 'odd, key,', '--to', PARIS)).code).toBe(0);
    const listed = (await asked('list')).stdout;
    expect(listed).toBe(`odd, key,\t${PARIS}\n`);
    const again = await asked('import', fileOf(cluster, 'again', listed), '--json');
    expect(JSON.parse(again.stdout)).toEqual({ done: 1, failed: 0, version: 1 });
  } finally {
    await fermat.stop();
  }
});
