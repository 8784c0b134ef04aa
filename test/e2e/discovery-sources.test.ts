// Endpoints that are found, under traffic: whatever Consul, Kubernetes, DNS or a directory say, and whatever becomes of them,
// no request is lost, and endpoints that stay keep what is known of them.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDns } from '../support/dns.ts';
import { type FakeConsul, type Instance, startConsul } from '../support/fake-consul.ts';
import { kubeconfigFor, startKubernetes } from '../support/fake-kubernetes.ts';
import { type Config, type Fermat, runFermat, startFermat } from '../support/fermat.ts';
import { type Named, Steady, startNamed } from '../support/steady.ts';
import { until } from '../support/until.ts';

let fermat: Fermat | null = null;
let traffic: Steady | null = null;
let consul: FakeConsul;
let origins: Named[];

beforeEach(async () => {
  consul = await startConsul();
  origins = await Promise.all(['a', 'b', 'c'].map((name) => startNamed(name)));
});
afterEach(async () => {
  await traffic?.stop();
  traffic = null;
  await fermat?.stop();
  fermat = null;
  await consul.close();
  await Promise.all(origins.map((origin) => origin.close()));
});

const instance = (i: number): Instance => ({ id: `web-${i}`, address: '127.0.0.1', port: origins[i]!.port });
const fromConsul = (more: Config = {}): Config => ({ consul: { address: consul.url, service: 'shop' }, ...more });

/** Round robin, so that an endpoint is idle only because it is gone. */
const configOf = (discover: readonly Config[], more: Config = {}): Config => ({
  pools: { main: { discover, probe: { type: 'tcp' }, balance: { policy: 'round-robin', slowStart: '0s' } } },
  routes: [{ pool: 'main' }],
  ...more,
});

interface Found {
  readonly id: string;
  readonly url: string;
  readonly state: string;
  readonly source: string;
  readonly requests: number;
  readonly region: string | null;
}

const found = (): Promise<Found[]> => fermat!.json<unknown>('/api/v1/endpoints') as Promise<Found[]>;
const version = async (): Promise<number> => Number((await fermat!.json('/api/v1/node')).snapshotVersion);

/** Exactly these answer. */
async function servedBy(...names: string[]): Promise<void> {
  await until(() => {
    traffic!.reset();
    return true;
  }, 'nothing');
  await until(
    async () => {
      const seen = [...traffic!.by.keys()].sort().join();
      if (seen === names.join() && [...traffic!.by.values()].every((n) => n > 5)) return true;
      if (seen.length > names.join().length) traffic!.reset();
      return false;
    },
    `answers of ${names.join()} alone`,
    10_000,
  );
}

describe('under traffic', () => {
  it('a roll-out, an empty answer, a broken source and a reload lose nothing', async () => {
    consul.set([instance(0), instance(1)]);
    fermat = await startFermat(configOf([fromConsul()]));
    traffic = new Steady(fermat.port);
    await servedBy('a', 'b');
    const before = (await found()).find(({ url }) => url === origins[1]!.url)!;

    consul.set([instance(1), instance(2)]);
    await servedBy('b', 'c');
    const after = (await found()).find(({ url }) => url === origins[1]!.url)!;
    expect(after.requests).toBeGreaterThanOrEqual(before.requests);
    expect(after).toMatchObject({ id: before.id, source: 'consul:shop', state: 'healthy' });

    consul.set([]);
    await until(() => fermat!.events.some(({ type }) => type === 'discovery.doubted'), 'the doubt');
    await servedBy('b', 'c');

    consul.status = 500;
    consul.cut();
    await until(async () => (await fermat!.metric('fermat_discovery_errors_total')) > 0, 'the error');
    fermat.writeConfig(configOf([fromConsul()], { routes: [{ pool: 'main', serverTiming: true }] }));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await servedBy('b', 'c');

    consul.status = null;
    consul.set([instance(0)]);
    await servedBy('a');
    expect(traffic.failures).toEqual([]);
    expect(await fermat.metric('fermat_discovery_endpoints', 'source="consul:shop"')).toBe(1);
    expect(fermat.events.filter(({ type }) => type === 'discovery.failed')).toHaveLength(1);
    expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
  }, 40_000);

  it('another source in place of one keeps what that one knew until it answers', async () => {
    consul.set([instance(0), instance(1)]);
    fermat = await startFermat(configOf([fromConsul()]));
    traffic = new Steady(fermat.port);
    await servedBy('a', 'b');
    const directory = join(fermat.directory, 'found');
    fermat.writeConfig(configOf([{ directory: { path: 'found' } }]));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await until(() => fermat!.events.some(({ type }) => type === 'discovery.failed'), 'the missing directory');
    await servedBy('a', 'b');
    mkdirSync(directory);
    writeFileSync(join(directory, 'all.yaml'), `- url: ${origins[2]!.url}\n  region: aws:eu-central-1\n`);
    await servedBy('c');
    expect(await found()).toMatchObject([{ source: `directory:${directory}`, region: 'aws:eu-central-1' }]);
    expect(traffic.failures).toEqual([]);
  }, 40_000);

  it('a source that changes all the time makes one new structure a second', async () => {
    consul.set([instance(0), instance(1)]);
    fermat = await startFermat(configOf([fromConsul()]));
    traffic = new Steady(fermat.port);
    await servedBy('a', 'b');
    const from = await version();
    const startMs = performance.now();
    let i = 0;
    await until(() => {
      consul.set(++i % 2 === 0 ? [instance(0), instance(1)] : [instance(0), instance(2)]);
      return performance.now() - startMs > 3000;
    }, 'three seconds of changes');
    const seconds = (performance.now() - startMs) / 1000;
    const changes = (await version()) - from;
    expect(changes).toBeGreaterThan(0);
    expect(changes).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
    expect(traffic.failures).toEqual([]);
  }, 40_000);

  it('a hot restart hands over what was found, though its source is away', async () => {
    consul.set([instance(0), instance(1)]);
    fermat = await startFermat(configOf([fromConsul()]));
    traffic = new Steady(fermat.port);
    await servedBy('a', 'b');
    consul.status = 500;
    const url = `http://127.0.0.1:${fermat.adminPort}/api/v1/replace`;
    const answer = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(25_000) });
    expect(answer.status).toBe(200);
    const { pid } = (await answer.json()) as { pid: number };
    try {
      await servedBy('a', 'b');
      expect(traffic.failures).toEqual([]);
    } finally {
      await traffic.stop();
      process.kill(pid, 'SIGTERM');
      await fermat.ended();
      await until(() => !isAlive(pid), 'the end of the successor', 10_000);
    }
  }, 40_000);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('at a start', () => {
  it('the first request already finds what Kubernetes has, by zone and port', async () => {
    const cluster = await startKubernetes();
    const directory = join(import.meta.dirname, `../../.kube-${process.pid}`);
    mkdirSync(directory);
    try {
      const kubeconfig = join(directory, 'config');
      writeFileSync(kubeconfig, kubeconfigFor(cluster.url, 'secret'));
      cluster.token = 'secret';
      cluster.put('shop-1', 'shop', origins[0]!.port, [{ address: '127.0.0.1', zone: 'eu-central-1b', pod: 'shop-x' }]);
      fermat = await startFermat(configOf([{ kubernetes: { service: 'shop', port: 'http', kubeconfig } }]));
      traffic = new Steady(fermat.port);
      await servedBy('a');
      expect(await found()).toMatchObject([{ region: 'aws:eu-central-1', source: 'kubernetes:shop' }]);
      cluster.put('shop-1', 'shop', origins[1]!.port, [{ address: '127.0.0.1', zone: 'eu-central-1b', pod: 'shop-y' }]);
      await servedBy('b');
      expect(traffic.failures).toEqual([]);
      const explained = await fermat.json<{ chosen: string }>('/api/v1/explain?client=127.0.0.1');
      expect(explained.chosen).toBe(`127.0.0.1:${origins[1]!.port}`);
      const { stdout } = await runFermat(['status', '--admin', `127.0.0.1:${fermat.adminPort}`]);
      expect(stdout).toMatch(/FOUND BY/);
      expect(stdout).toContain('kubernetes:shop');
    } finally {
      await cluster.close();
      rmSync(directory, { recursive: true });
    }
  }, 30_000);

  it('is not ready until an endpoint is found, and refuses requests meanwhile', async () => {
    fermat = await startFermat(configOf([fromConsul()]), { isUnready: true });
    const { status, text } = await fermat.admin('/readyz');
    expect({ status, text: JSON.parse(text) }).toEqual({
      status: 503,
      text: { error: { code: 'not_ready', message: 'no endpoint is known yet' } },
    });
    const refused = await fetch(`http://127.0.0.1:${fermat.port}/`);
    expect(refused.status).toBe(503);
    consul.set([instance(0)]);
    await until(async () => (await fermat!.admin('/readyz')).status === 200, 'readiness');
    expect(await (await fetch(`http://127.0.0.1:${fermat.port}/`)).text()).toBe('a');
    consul.set([]);
    expect((await fermat.admin('/readyz')).status).toBe(200);
  }, 30_000);

  it('SRV records bring spare endpoints in when the others are down, and not before', async () => {
    const dns = await startDns();
    try {
      dns.set('web.test', ['127.0.0.1'], 60);
      const record = (i: number, priority: number) => ({
        priority,
        weight: 5,
        port: origins[i]!.port,
        target: 'web.test',
      });
      dns.zone.set('_http._tcp.shop.test', { addresses: [], services: [record(0, 10), record(1, 20)] });
      const discover = [{ dns: { name: '_http._tcp.shop.test', type: 'SRV', interval: '1s' } }];
      const config = configOf(discover, { node: { id: 'test', resolvers: [dns.address] } });
      const { main } = config.pools as { main: Config };
      main.probe = { type: 'tcp', interval: '200ms', fall: 2 };
      fermat = await startFermat(config);
      traffic = new Steady(fermat.port);
      await servedBy('a');
      expect((await found()).map(({ url }) => url)).toEqual([`http://web.test:${origins[0]!.port}`]);
      await origins[0]!.close();
      await until(async () => (await found()).length === 2, 'the spare one', 10_000);
      await servedBy('b');
    } finally {
      await traffic?.stop();
      await dns.close();
    }
  }, 30_000);
});
