// All sources together: what is told once, what is handed over, what a reload does to those that run.

import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../../src/control/config/config.ts';
import { loadConfig } from '../../../src/control/config/load.ts';
import { Discovery } from '../../../src/control/discovery/discovery.ts';
import { Watched } from '../../../src/control/discovery/watched.ts';
import { createEventLog } from '../../../src/control/events.ts';
import type { EventLog } from '../../../src/control/types.ts';
import { until } from '../../support/until.ts';
import { DIRECTORY, specOf } from './support.ts';

let events: EventLog;
let dir: string;
const running: Discovery[] = [];
beforeEach(() => {
  events = createEventLog({ level: 'silent', write: () => {} });
  dir = mkdtempSync(join(tmpdir(), 'fermat-discovery-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((discovery) => discovery.stop()));
  rmSync(dir, { recursive: true });
});

const typesOf = (): string[] => events.recent().map(({ type }) => type);

function configOf(...discover: object[]): Config {
  const file = join(dir, 'fermat.yaml');
  const pools = { shop: { discover } };
  writeFileSync(file, JSON.stringify({ listeners: [{ address: ':0' }], pools, routes: [{ pool: 'shop' }] }));
  const loaded = loadConfig(file, {}, {});
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}

/** What runs is what was merged last, as running.ts has it. */
function discoveryOf(config: () => Config) {
  const applied: Config[] = [];
  const discovery: Discovery = new Discovery({
    clock: () => performance.now(),
    random: Math.random,
    events,
    endpoints: () => [],
    apply: async () => {
      applied.push(discovery.merged(config()));
      discovery.use(config());
      return true;
    },
  });
  running.push(discovery);
  return { discovery, applied };
}

const urlsOf = (config: Config | undefined) => config?.pools[0]?.endpoints.map(({ url }) => url);
const write = (name: string, ...urls: string[]): void =>
  writeFileSync(join(dir, name), JSON.stringify(urls.map((url) => ({ url }))));

describe('a source', () => {
  const watchedOf = (onChange = () => {}) =>
    new Watched('shop', specOf(DIRECTORY, { name: 'directory:x' }), { clock: () => 0, events, onChange });
  const entry = (url: string) => ({ at: url, endpoint: { url } });

  test('that fails again and again is told once, and once when it is back', () => {
    const watched = watchedOf();
    watched.found([entry('http://a')]);
    for (let i = 0; i < 5; i++) watched.failed('it does not answer');
    expect(watched.view()).toMatchObject({ endpoints: 1, errors: 5, error: 'it does not answer' });
    watched.found([entry('http://a')]);
    watched.found([entry('http://a')]);
    expect(typesOf()).toEqual(['discovery.failed', 'discovery.back']);
    expect(events.recent()[0]!.message).toBe(
      'directory:x (pool shop) it does not answer: the 1 endpoint(s) known stay',
    );
    expect(watched.view().error).toBeNull();
  });

  test('names what it leaves out once, until that changes', () => {
    const watched = watchedOf();
    watched.found([entry('http://a'), entry('ftp://b')]);
    watched.found([entry('http://a'), entry('ftp://b')]);
    expect(typesOf()).toEqual(['discovery.skipped']);
    expect(watched.view().skipped).toEqual([expect.stringContaining('ftp://b: url: unknown scheme ftp')]);
    watched.found([entry('http://a')]);
    expect(watched.view().skipped).toEqual([]);
    watched.complain(['a.yaml:1:1 broken']);
    expect(typesOf()).toEqual(['discovery.skipped', 'discovery.skipped']);
    expect(watched.view()).toMatchObject({ errors: 1, skipped: ['a.yaml:1:1 broken'] });
  });

  test('that says the same changes nothing', () => {
    let changes = 0;
    const watched = watchedOf(() => changes++);
    watched.found([entry('http://a'), entry('http://b')]);
    watched.found([entry('http://b'), entry('http://a')]);
    expect(changes).toBe(1);
  });

  test('that was stopped says nothing more', async () => {
    let changes = 0;
    const watched = watchedOf(() => changes++);
    await watched.stop();
    watched.found([entry('http://a')]);
    watched.failed('late');
    expect(changes).toBe(0);
    expect(typesOf()).toEqual([]);
  });
});

describe('all together', () => {
  test('what is there at the start is there before anybody asks, later news by themselves', async () => {
    write('a.json', 'http://10.0.0.1:80');
    const old = new Date(Date.now() - 10_000);
    utimesSync(join(dir, 'a.json'), old, old);
    const config = configOf({ directory: { path: dir } });
    const { discovery, applied } = discoveryOf(() => config);
    expect(discovery.whyNotReady(config, 0)).toBe('no endpoint is known yet');
    await discovery.begin(config);
    expect(urlsOf(discovery.merged(config))).toEqual(['http://10.0.0.1:80']);
    discovery.use(config);
    expect(discovery.whyNotReady(config, 1)).toBeNull();
    expect(discovery.sourceOf('shop', '10.0.0.1:80')).toBe(`directory:${dir}`);
    discovery.open();
    write('b.json', 'http://10.0.0.2:80');
    await until(() => urlsOf(applied.at(-1))?.length === 2, 'the change');
    expect(applied).toHaveLength(1);
    expect(typesOf().filter((type) => type === 'discovery.changed')).toHaveLength(2);
  });

  test('a source that is silent keeps the node waiting for a moment, and unready while its pool is empty', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const sockets = new Set<Socket>();
    silent.on('connection', (socket) => sockets.add(socket));
    const config = configOf({ consul: { address: `http://127.0.0.1:${port}`, service: 'shop' } });
    const { discovery } = discoveryOf(() => config);
    const startMs = performance.now();
    await discovery.begin(config);
    expect(performance.now() - startMs).toBeGreaterThan(1900);
    expect(discovery.whyNotReady(config, 0)).toBe('no endpoint is known yet');
    // Of other pools.
    expect(discovery.whyNotReady(config, 3)).toBe('no endpoint of pool shop is known yet');
    for (const socket of sockets) socket.destroy();
    await until(() => discovery.whyNotReady(config, 3) === null || discovery.views()[0]!.error !== null, 'the failure');
    await new Promise((resolve) => silent.close(resolve));
  });

  test('a process that takes over knows what was found and who has registered, and drops what it cannot read', async () => {
    const config = configOf({ directory: { path: join(dir, 'gone') } }, { registry: { token: '0123456789abcdef' } });
    const before = discoveryOf(() => config).discovery;
    await before.begin(config, {
      found: [
        {
          key: `shop\0directory:${join(dir, 'gone')}`,
          entries: [{ at: 'x', endpoint: { url: 'http://10.0.0.1:80' } }],
        },
      ],
    });
    const desk = before.deskOf('shop')!;
    desk.book.register('http://10.0.0.2:80', { url: 'http://10.0.0.2:80' }, 60_000, 1, performance.now());
    const memory: unknown = JSON.parse(JSON.stringify(before.memory()));

    const after = discoveryOf(() => config).discovery;
    await after.begin(config, memory);
    await until(() => urlsOf(after.merged(config))?.length === 2, 'both');
    expect(urlsOf(after.merged(config))).toEqual(['http://10.0.0.1:80', 'http://10.0.0.2:80']);
    for (const nonsense of [
      7,
      'x',
      { found: 7, books: {} },
      { found: [null, { key: 1, entries: [null, {}] }], books: [{}] },
    ]) {
      const other = discoveryOf(() => config).discovery;
      await other.begin(config, nonsense);
      expect(urlsOf(other.merged(config))).toEqual([]);
    }
  });

  test('sources that a reload leaves as they are go on, others end, and new ones begin with what the pool had', async () => {
    write('a.json', 'http://10.0.0.1:80');
    let config = configOf({ directory: { path: dir } });
    const { discovery, applied } = discoveryOf(() => config);
    await discovery.begin(config);
    discovery.open();
    await until(() => urlsOf(applied.at(-1))?.length === 1, 'the endpoint');
    const [view] = discovery.views();

    config = configOf({ directory: { path: dir } }, { directory: { path: join(dir, 'gone') } });
    discovery.use(config);
    expect(discovery.views()[0]).toEqual(view);
    expect(discovery.views()).toHaveLength(2);

    config = configOf({ directory: { path: join(dir, 'elsewhere') } });
    discovery.use(config);
    await until(() => discovery.views()[0]?.error !== null, 'its failure');
    expect(discovery.views()).toMatchObject([
      { source: `directory:${join(dir, 'elsewhere')}`, endpoints: 1, errors: 1 },
    ]);
    expect(urlsOf(discovery.merged(config))).toEqual(['http://10.0.0.1:80']);
  });

  test('of two sources that a reload changes, one that cannot answer keeps what it knew, whatever the other says', async () => {
    const [one, other] = [join(dir, 'one'), join(dir, 'other')];
    for (const path of [one, other]) mkdirSync(path);
    writeFileSync(join(one, 'a.json'), JSON.stringify([{ url: 'http://10.0.0.1:80' }]));
    writeFileSync(join(other, 'b.json'), JSON.stringify([{ url: 'http://10.0.0.2:80' }]));
    const configAt = (minimum: number) =>
      configOf({ directory: { path: one }, minimum }, { directory: { path: other }, minimum });
    let config = configAt(1);
    const { discovery } = discoveryOf(() => config);
    await discovery.begin(config);
    await until(() => urlsOf(discovery.merged(config))?.length === 2, 'both');
    rmSync(other, { recursive: true });
    await until(() => discovery.views()[1]!.error !== null, 'the failure of one');

    config = configAt(0);
    discovery.use(config);
    await until(() => discovery.views()[0]!.lastSuccess !== null, 'the answer of the other');
    await until(() => discovery.views()[1]!.error !== null, 'the failure');
    expect(discovery.views().map(({ endpoints }) => endpoints)).toEqual([1, 1]);
    expect(urlsOf(discovery.merged(config))).toEqual(['http://10.0.0.1:80', 'http://10.0.0.2:80']);
  });

  test('a change that is refused is tried again with the next news', async () => {
    write('a.json', 'http://10.0.0.1:80');
    const config = configOf({ directory: { path: dir } });
    let tries = 0;
    const discovery: Discovery = new Discovery({
      clock: () => performance.now(),
      random: Math.random,
      events,
      endpoints: () => [],
      apply: async () => {
        discovery.merged(config);
        if (++tries < 2) return false;
        discovery.use(config);
        return true;
      },
    });
    running.push(discovery);
    await discovery.begin(config);
    discovery.open();
    await until(() => tries === 2, 'the second try', 10_000);
    expect(discovery.sourceOf('shop', '10.0.0.1:80')).not.toBeNull();
  }, 15_000);
});
