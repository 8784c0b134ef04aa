// A node in this process: what it tells of itself from before its start to its end, and reloads that come all at once.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/control/config/load.ts';
import { createEventLog } from '../../src/control/events.ts';
import { FermatNode } from '../../src/control/node.ts';
import type { EventLog } from '../../src/control/types.ts';
import { simpleConfig, withDefaults } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

let scratch: string;
let file: string;
let origin: Origin;
let events: EventLog;
let node: FermatNode | null;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'fermat-node-'));
  file = join(scratch, 'fermat.yaml');
  origin = await startOrigin();
  events = createEventLog({ level: 'silent' });
  node = null;
});
afterEach(async () => {
  await node?.stop();
  await origin.refuse();
  rmSync(scratch, { recursive: true, force: true });
});

const write = (body: string): void => {
  const routes = [{ pool: 'main' }, { path: '/version', respond: { status: 200, body } }];
  writeFileSync(file, JSON.stringify(withDefaults(simpleConfig([origin.url], {}, { routes }))));
};

async function create(): Promise<FermatNode> {
  const loaded = loadConfig(file, {});
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  node = await FermatNode.create({ configFile: file, overrides: {}, events, version: '0.0.0' }, loaded);
  return node;
}

const portOf = (running: FermatNode): number => Number(new URL(running.listeners()[0]!.url).port);

describe('a node', () => {
  it('says why it is not ready until it is, and again when it ends; then nothing listens', async () => {
    write('one');
    const running = await create();
    expect(running.notReadyBecause()).toBe('starting');
    await running.start();
    await until(() => running.notReadyBecause() === null, 'readiness');
    const port = portOf(running);
    expect((await exchange(port, get())).text).toBe('ok');
    expect(running.node()).toMatchObject({ id: 'test', version: '0.0.0', workers: 1, snapshotVersion: 1 });
    expect(running.endpoints().map(({ id }) => id)).toEqual(['e0']);
    expect(running.routes().map(({ pool, respond }) => [pool, respond])).toEqual([
      ['main', null],
      [null, 200],
    ]);
    const over = running.shutDown();
    expect(running.notReadyBecause()).toBe('draining');
    expect(await running.reload('late')).toMatchObject({ ok: false, problems: ['the node is shutting down'] });
    await over;
    await expect(rawClient(port)).rejects.toThrow('ECONNREFUSED');
  });

  it('reloads one after another when asked many times at once, and ends with what the file says', async () => {
    write('one');
    const running = await create();
    await running.start();
    write('two');
    const results = await Promise.all(Array.from({ length: 5 }, (_, i) => running.reload(`${i}`)));
    expect(results.map(({ ok, version }) => [ok, version])).toEqual([2, 3, 4, 5, 6].map((version) => [true, version]));
    expect((await exchange(portOf(running), get('/version'))).text).toBe('two');
    writeFileSync(file, 'nonsense: 1');
    const [bad] = await Promise.all([running.reload('bad'), running.reload('bad')]);
    expect(bad).toMatchObject({ ok: false, version: 6 });
    expect(bad.problems.join()).toContain('nonsense');
    write('three');
    expect(await running.reload('good')).toMatchObject({ ok: true, problems: [] });
    expect((await exchange(portOf(running), get('/version'))).text).toBe('three');
  });

  it('refuses what it does not know by code, and drains what it does', async () => {
    write('one');
    const running = await create();
    await running.start();
    await until(() => running.notReadyBecause() === null, 'readiness');
    expect(running.drain('nobody')).toMatchObject({ status: 404, code: 'no_such_endpoint' });
    expect(running.drain('e0')).toBeNull();
    expect(running.endpoints()[0]).toMatchObject({ state: 'draining' });
    await until(async () => (await exchange(portOf(running), get())).status === 503, 'the drained endpoint to be left');
    expect(running.enable('e0')).toBeNull();
    await until(async () => (await exchange(portOf(running), get())).status === 200, 'the endpoint to be used again');
    expect(events.recent().filter(({ type }) => type === 'endpoint.state').length).toBeGreaterThanOrEqual(2);
  });
});
