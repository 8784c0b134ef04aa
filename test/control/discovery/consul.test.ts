// Consul's blocking queries, against a server that speaks them over real sockets.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConsulSource } from '../../../src/control/discovery/consul.ts';
import type { ConsulSpec } from '../../../src/control/discovery/spec.ts';
import { type FakeConsul, startConsul } from '../../support/fake-consul.ts';
import { delay, until } from '../../support/until.ts';
import { oneSource, tools } from './support.ts';

const rig = oneSource();

describe('Consul', () => {
  let consul: FakeConsul;
  beforeEach(async () => {
    consul = await startConsul();
  });
  afterEach(() => consul.close());

  const specOf = (more: Partial<ConsulSpec> = {}): ConsulSpec => ({
    kind: 'consul',
    address: consul.url,
    service: 'shop',
    tag: null,
    datacenter: null,
    token: null,
    passing: true,
    scheme: 'http',
    ...more,
  });
  const web = (n: number, more = {}) => ({ id: `web-${n}`, address: `10.0.0.${n}`, port: 8080, ...more });

  test('tells what there is, and what changes the moment it does', async () => {
    consul.set([web(1)]);
    rig.start(new ConsulSource(specOf(), rig.sink, tools));
    await rig.told('http://10.0.0.1:8080');
    await until(() => consul.blocked === 1, 'the query that waits');
    consul.set([web(1), web(2)]);
    await rig.told('http://10.0.0.1:8080', 'http://10.0.0.2:8080');
    const [first, second] = consul.queries;
    expect([...first!.params.keys()]).toEqual(['passing']);
    expect(second!.params.get('index')).toBe('11');
    expect(second!.params.get('wait')).toBe('55s');
  });

  test('asks for datacenter and tag, with its token', async () => {
    consul.set([web(1, { tags: ['blue'] }), web(2, { tags: ['green'] })]);
    rig.start(new ConsulSource(specOf({ tag: 'blue', datacenter: 'fra', token: 'secret' }), rig.sink, tools));
    await rig.told('http://10.0.0.1:8080');
    expect(consul.queries[0]).toMatchObject({ path: '/v1/health/service/shop', token: 'secret' });
    expect(consul.queries[0]!.params.get('dc')).toBe('fra');
  });

  test('a query that ends without news tells nothing', async () => {
    consul.set([web(1)]);
    rig.start(new ConsulSource(specOf(), rig.sink, tools));
    await until(() => consul.blocked === 1, 'the query that waits');
    consul.wake();
    await until(() => consul.queries.length === 3 && consul.blocked === 1, 'the next query');
    expect(rig.sink.answers).toHaveLength(1);
  });

  test('an index that goes back begins anew', async () => {
    consul.set([web(1)], 500);
    rig.start(new ConsulSource(specOf(), rig.sink, tools));
    await until(() => consul.blocked === 1, 'the query that waits');
    consul.set([web(2)], 7);
    await rig.told('http://10.0.0.2:8080');
    await until(() => consul.blocked === 1, 'the query that waits again');
    const indexes = consul.queries.map(({ params }) => params.get('index'));
    expect(indexes).toEqual([null, '500', null, '7']);
  });

  test('an index of 0 does not make it ask without end', async () => {
    consul.set([web(1)], 0);
    rig.start(new ConsulSource(specOf(), rig.sink, tools));
    await rig.told('http://10.0.0.1:8080');
    await delay(500);
    expect(consul.queries.length).toBeLessThan(8);
  });

  test('errors, cut connections and silence are failures, and it comes back', async () => {
    consul.set([web(1)]);
    consul.status = 500;
    rig.start(new ConsulSource(specOf(), rig.sink, tools));
    await until(() => rig.sink.failures.length === 1, 'the failure');
    expect(rig.sink.failures[0]).toBe(`${consul.url} does not answer (status 500 rpc error: No cluster leader)`);
    consul.status = null;
    await rig.told('http://10.0.0.1:8080');
    await until(() => consul.blocked === 1, 'the query that waits');
    consul.cut();
    await until(() => rig.sink.failures.length === 2, 'the second failure');
    consul.set([web(3)]);
    await rig.told('http://10.0.0.3:8080');
  });

  test('reads address, weights and metadata of each instance, and leaves critical ones out', async () => {
    consul.set([
      web(1, {
        meta: { 'fermat-region': 'aws:eu-central-1', 'fermat-capacity': '120', 'fermat-weight': '7', version: '3' },
        nodeMeta: { rack: 'b2' },
        weights: { Passing: 10, Warning: 1 },
      }),
      web(2, { status: 'warning', weights: { Passing: 10, Warning: 1 } }),
      web(3, { status: 'critical' }),
      { id: 'on-node', address: '', port: 9 },
      { id: 'six', address: 'fd00::7', port: 80 },
    ]);
    rig.start(new ConsulSource(specOf({ passing: false, scheme: 'https' }), rig.sink, tools));
    await rig.told('https://10.0.0.1:8080', 'https://10.0.0.2:8080', 'https://127.0.0.1:9', 'https://[fd00::7]:80');
    expect(rig.sink.answers[0]![0]).toEqual({
      at: 'instance web-1 at node-1',
      endpoint: {
        url: 'https://10.0.0.1:8080',
        region: 'aws:eu-central-1',
        weight: 7,
        capacity: 120,
        labels: { datacenter: 'dc1', rack: 'b2', version: '3' },
      },
    });
    expect(rig.sink.answers[0]![1]!.endpoint.weight).toBe(1);
  });
});
