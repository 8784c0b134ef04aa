// Endpoints that are found at a start, and what a node does until there are any; Kubernetes and SRV records with a real process.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startDns } from '../support/dns.ts';
import { kubeconfigFor, startKubernetes } from '../support/fake-kubernetes.ts';
import { type Config, runFermat } from '../support/fermat.ts';
import { configOf, useFindingRig } from '../support/finding-rig.ts';
import { until } from '../support/until.ts';

const rig = useFindingRig();

describe('at a start', () => {
  it('the first request already finds what Kubernetes has, by zone and port', async () => {
    const cluster = await startKubernetes();
    const directory = join(import.meta.dirname, `../../.kube-${process.pid}`);
    mkdirSync(directory);
    try {
      const kubeconfig = join(directory, 'config');
      writeFileSync(kubeconfig, kubeconfigFor(cluster.url, 'secret'));
      cluster.token = 'secret';
      cluster.put('shop-1', 'shop', rig.origins[0]!.port, [
        { address: '127.0.0.1', zone: 'eu-central-1b', pod: 'shop-x' },
      ]);
      await rig.start(configOf([{ kubernetes: { service: 'shop', port: 'http', kubeconfig } }]));
      await rig.servedBy('a');
      expect(await rig.found()).toMatchObject([{ region: 'aws:eu-central-1', source: 'kubernetes:shop' }]);
      cluster.put('shop-1', 'shop', rig.origins[1]!.port, [
        { address: '127.0.0.1', zone: 'eu-central-1b', pod: 'shop-y' },
      ]);
      await rig.servedBy('b');
      expect(rig.traffic.failures).toEqual([]);
      const explained = await rig.fermat.json<{ chosen: string }>('/api/v1/explain?client=127.0.0.1');
      expect(explained.chosen).toBe(`127.0.0.1:${rig.origins[1]!.port}`);
      const { stdout } = await runFermat(['status', '--admin', `127.0.0.1:${rig.fermat.adminPort}`]);
      expect(stdout).toMatch(/FOUND BY/);
      expect(stdout).toContain('kubernetes:shop');
    } finally {
      await cluster.close();
      rmSync(directory, { recursive: true });
    }
  }, 30_000);

  it('is not ready until an endpoint is found, and refuses requests meanwhile', async () => {
    await rig.start(configOf([rig.fromConsul()]), true);
    const { status, text } = await rig.fermat.admin('/readyz');
    expect({ status, text: JSON.parse(text) }).toEqual({
      status: 503,
      text: { error: { code: 'not_ready', message: 'no endpoint is known yet' } },
    });
    const refused = await fetch(`http://127.0.0.1:${rig.fermat.port}/`);
    expect(refused.status).toBe(503);
    rig.consul.set([rig.instance(0)]);
    await until(async () => (await rig.fermat.admin('/readyz')).status === 200, 'readiness');
    expect(await (await fetch(`http://127.0.0.1:${rig.fermat.port}/`)).text()).toBe('a');
    rig.consul.set([]);
    expect((await rig.fermat.admin('/readyz')).status).toBe(200);
  }, 30_000);

  it('SRV records bring spare endpoints in when the others are down, and not before', async () => {
    const dns = await startDns();
    try {
      dns.set('web.test', ['127.0.0.1'], 60);
      const record = (i: number, priority: number) => ({
        priority,
        weight: 5,
        port: rig.origins[i]!.port,
        target: 'web.test',
      });
      dns.zone.set('_http._tcp.shop.test', { addresses: [], services: [record(0, 10), record(1, 20)] });
      const discover = [{ dns: { name: '_http._tcp.shop.test', type: 'SRV', interval: '1s' } }];
      const config = configOf(discover, { node: { id: 'test', resolvers: [dns.address] } });
      const { main } = config.pools as { main: Config };
      main.probe = { type: 'tcp', interval: '200ms', fall: 2 };
      await rig.start(config);
      await rig.servedBy('a');
      expect((await rig.found()).map(({ url }) => url)).toEqual([`http://web.test:${rig.origins[0]!.port}`]);
      await rig.origins[0]!.close();
      await until(async () => (await rig.found()).length === 2, 'the spare one', 10_000);
      await rig.servedBy('b');
    } finally {
      await rig.traffic.stop();
      await dns.close();
    }
  }, 30_000);
});
