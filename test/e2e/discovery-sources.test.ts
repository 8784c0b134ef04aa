// Endpoints that are found, under traffic: whatever Consul or a directory say, and whatever becomes of them, no request is lost, and
// endpoints that stay keep what is known of them.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configOf, useFindingRig } from '../support/finding-rig.ts';
import { until } from '../support/until.ts';

const rig = useFindingRig();

describe('under traffic', () => {
  it('a roll-out, an empty answer, a broken source and a reload lose nothing', async () => {
    rig.consul.set([rig.instance(0), rig.instance(1)]);
    await rig.start(configOf([rig.fromConsul()]));
    await rig.servedBy('a', 'b');
    const before = (await rig.found()).find(({ url }) => url === rig.origins[1]!.url)!;

    rig.consul.set([rig.instance(1), rig.instance(2)]);
    await rig.servedBy('b', 'c');
    const after = (await rig.found()).find(({ url }) => url === rig.origins[1]!.url)!;
    expect(after.requests).toBeGreaterThanOrEqual(before.requests);
    expect(after).toMatchObject({ id: before.id, source: 'consul:shop', state: 'healthy' });

    rig.consul.set([]);
    await until(() => rig.fermat.events.some(({ type }) => type === 'discovery.doubted'), 'the doubt');
    await rig.servedBy('b', 'c');

    rig.consul.status = 500;
    rig.consul.cut();
    await until(async () => (await rig.fermat.metric('fermat_discovery_errors_total')) > 0, 'the error');
    rig.fermat.writeConfig(configOf([rig.fromConsul()], { routes: [{ pool: 'main', serverTiming: true }] }));
    expect((await rig.fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await rig.servedBy('b', 'c');

    rig.consul.status = null;
    rig.consul.set([rig.instance(0)]);
    await rig.servedBy('a');
    expect(rig.traffic.failures).toEqual([]);
    expect(await rig.fermat.metric('fermat_discovery_endpoints', 'source="consul:shop"')).toBe(1);
    expect(rig.fermat.events.filter(({ type }) => type === 'discovery.failed')).toHaveLength(1);
    expect(rig.fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
  }, 40_000);

  it('another source in place of one keeps what that one knew until it answers', async () => {
    rig.consul.set([rig.instance(0), rig.instance(1)]);
    await rig.start(configOf([rig.fromConsul()]));
    await rig.servedBy('a', 'b');
    const directory = join(rig.fermat.directory, 'found');
    rig.fermat.writeConfig(configOf([{ directory: { path: 'found' } }]));
    expect((await rig.fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await until(() => rig.fermat.events.some(({ type }) => type === 'discovery.failed'), 'the missing directory');
    await rig.servedBy('a', 'b');
    mkdirSync(directory);
    writeFileSync(join(directory, 'all.yaml'), `- url: ${rig.origins[2]!.url}\n  region: aws:eu-central-1\n`);
    await rig.servedBy('c');
    expect(await rig.found()).toMatchObject([{ source: `directory:${directory}`, region: 'aws:eu-central-1' }]);
    expect(rig.traffic.failures).toEqual([]);
  }, 40_000);

  it('a source that changes all the time makes one new structure a second', async () => {
    rig.consul.set([rig.instance(0), rig.instance(1)]);
    await rig.start(configOf([rig.fromConsul()]));
    await rig.servedBy('a', 'b');
    const from = await rig.version();
    const startMs = performance.now();
    let i = 0;
    await until(() => {
      rig.consul.set(++i % 2 === 0 ? [rig.instance(0), rig.instance(1)] : [rig.instance(0), rig.instance(2)]);
      return performance.now() - startMs > 2500;
    }, 'some seconds of changes');
    const seconds = (performance.now() - startMs) / 1000;
    const changes = (await rig.version()) - from;
    expect(changes).toBeGreaterThan(0);
    expect(changes).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
    expect(rig.traffic.failures).toEqual([]);
  }, 40_000);

  it('a hot restart hands over what was found, though its source is away', async () => {
    rig.consul.set([rig.instance(0), rig.instance(1)]);
    await rig.start(configOf([rig.fromConsul()]));
    await rig.servedBy('a', 'b');
    rig.consul.status = 500;
    const url = `http://127.0.0.1:${rig.fermat.adminPort}/api/v1/replace`;
    const answer = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(25_000) });
    expect(answer.status).toBe(200);
    const { pid } = (await answer.json()) as { pid: number };
    try {
      await rig.servedBy('a', 'b');
      expect(rig.traffic.failures).toEqual([]);
    } finally {
      await rig.traffic.stop();
      process.kill(pid, 'SIGTERM');
      await rig.fermat.ended();
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
