// Identities over reloads: who keeps a slot, when a slot may change hands, and that metric uids never do.

import { expect, test } from 'vitest';
import type { Config } from '../../src/control/config/config.ts';
import { loadConfig } from '../../src/control/config/load.ts';
import { Registry } from '../../src/control/registry.ts';
import { MANY } from '../../src/core/cells.ts';
import { MAX_SLOTS, NONE, type Snapshot } from '../../src/core/snapshot.ts';

/** A configuration of one pool per argument, whose endpoints are `id=host` or just a host. */
function configOf(...pools: readonly (readonly string[])[]): Config {
  const loaded = loadConfig(null, { listen: [':0'], upstream: ['http://unused'] }, {});
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const { config } = loaded;
  const pool = config.pools[0]!;
  return {
    ...config,
    workers: 2,
    pools: pools.map((endpoints, i) => ({
      ...pool,
      name: `p${i}`,
      endpoints: endpoints.map((entry) => {
        const [id, host = id] = entry.split('=') as [string, string?];
        return { ...pool.endpoints[0]!, id, host: host!, url: `http://${host}` };
      }),
    })),
    routes: [{ ...config.routes[0]!, pool: 'p0' }],
  };
}

/** id → slot.generation */
function slotsOf(snapshot: Snapshot): Record<string, string> {
  return Object.fromEntries(snapshot.endpoints.map(({ id, slot, generation }) => [id, `${slot}.${generation}`]));
}

test('counts versions up and gives every pool its row, its endpoints and its probe', () => {
  const registry = new Registry({ lanes: 2 });
  const { snapshot, probes } = registry.compile(configOf(['a', 'b'], ['c']));
  expect(snapshot).toMatchObject({ version: 1, lanes: 2, routes: [{ pool: 0 }] });
  expect(snapshot.pools.map(({ row, endpoints }) => [row, endpoints])).toEqual([
    [0, [0, 1]],
    [1, [2]],
  ]);
  expect(snapshot.pools[0]).not.toHaveProperty('probe');
  expect([...probes.keys()]).toEqual(['p0', 'p1']);
  expect(snapshot.table.byteLength).toBeGreaterThan(0);
  expect(registry.compile(configOf(['a'])).snapshot.version).toBe(2);
});

test('survives the structured clone that takes it to the workers', () => {
  const { snapshot } = new Registry({ lanes: 1 }).compile(configOf(['a']));
  expect(structuredClone({ ...snapshot, table: null })).toEqual({ ...snapshot, table: null });
});

test('keeps slot and generation of an endpoint that stays, wherever it moves in the file', () => {
  const registry = new Registry({ lanes: 1 });
  expect(slotsOf(registry.compile(configOf(['a', 'b'])).snapshot)).toEqual({ a: '0.1', b: '1.1' });
  expect(slotsOf(registry.compile(configOf(['c', 'b', 'a'])).snapshot)).toEqual({ a: '0.1', b: '1.1', c: '2.1' });
});

test('takes an endpoint with another URL, or in another pool, for another one', () => {
  const registry = new Registry({ lanes: 1 });
  registry.compile(configOf(['a=x'], ['b']));
  expect(slotsOf(registry.compile(configOf(['a=y'], ['b'])).snapshot)).toEqual({ a: '2.1', b: '1.1' });
  expect(slotsOf(registry.compile(configOf(['a=y', 'b'], ['c'])).snapshot)).toEqual({ a: '2.1', b: '3.1', c: '4.1' });
});

test('gives a slot to another endpoint only after its version is quiet, with the next generation', () => {
  const registry = new Registry({ lanes: 1 });
  registry.compile(configOf(['a', 'b']));
  expect(slotsOf(registry.compile(configOf(['b', 'c'])).snapshot)).toEqual({ b: '1.1', c: '2.1' });
  registry.quiet(1);
  expect(slotsOf(registry.compile(configOf(['b', 'c', 'd'])).snapshot)).toEqual({ b: '1.1', c: '2.1', d: '3.1' });
  registry.quiet(2);
  expect(slotsOf(registry.compile(configOf(['b', 'c', 'd', 'e'])).snapshot)).toEqual({
    b: '1.1',
    c: '2.1',
    d: '3.1',
    e: '0.2',
  });
});

test('gives an endpoint that comes back before that its own slot again, and never releases it meanwhile', () => {
  const registry = new Registry({ lanes: 1 });
  registry.compile(configOf(['a', 'b']));
  registry.compile(configOf(['b']));
  expect(slotsOf(registry.compile(configOf(['a', 'b'])).snapshot)).toEqual({ a: '0.1', b: '1.1' });
  registry.quiet(2);
  registry.quiet(3);
  expect(slotsOf(registry.compile(configOf(['c', 'a', 'b'])).snapshot)).toEqual({ a: '0.1', b: '1.1', c: '2.1' });
});

test('gives an endpoint that comes back later whatever is free, as a newcomer', () => {
  const registry = new Registry({ lanes: 1 });
  registry.compile(configOf(['a', 'b']));
  registry.compile(configOf(['b']));
  registry.quiet(2);
  expect(slotsOf(registry.compile(configOf(['a', 'b'])).snapshot)).toEqual({ a: '0.2', b: '1.1' });
});

test('refuses more endpoints than there are slots while old ones are in use, and changes nothing then', () => {
  const registry = new Registry({ lanes: 1 });
  const many = (prefix: string, n: number) => Array.from({ length: n }, (_, i) => `${prefix}${i}`);
  registry.compile(configOf(many('a', MAX_SLOTS - 1)));
  registry.compile(configOf(['a0']));
  expect(() => registry.compile(configOf(many('b', 2)))).toThrow(/at most 1 new endpoints .* got 2/);
  expect(registry.compile(configOf(['a0', 'b0'])).snapshot.version).toBe(3);
  registry.quiet(3);
  expect(registry.compile(configOf(many('b', MAX_SLOTS - 1))).snapshot.endpoints).toHaveLength(MAX_SLOTS - 1);
});

test('keeps uids over reloads, never gives one to another name, and lists names by uid', () => {
  const registry = new Registry({ lanes: 1 });
  registry.compile(configOf(['a', 'b']));
  registry.compile(configOf(['b']));
  registry.quiet(2);
  const { snapshot, names } = registry.compile(configOf(['c', 'b', 'a']));
  expect(snapshot.endpoints.map(({ id, uid }) => [id, uid])).toEqual([
    ['c', 2],
    ['b', 1],
    ['a', 0],
  ]);
  expect(names).toEqual({ endpoints: ['a', 'b', 'c'], pools: ['p0'], routes: ['/'], listeners: [':0'] });
});

test('calls every name beyond the last uid MANY', () => {
  const registry = new Registry({ lanes: 1 });
  let last: Snapshot | null = null;
  for (let i = 0; i * 2000 <= MANY; i++) {
    const { snapshot } = registry.compile(configOf(Array.from({ length: 2000 }, (_, j) => `e${i * 2000 + j}`)));
    registry.quiet(snapshot.version);
    last = snapshot;
  }
  expect(last!.endpoints.find(({ id }) => id === `e${MANY - 1}`)?.uid).toBe(MANY - 1);
  expect(last!.endpoints.at(-1)?.uid).toBe(MANY);
});

test('asks GeoIP for literal addresses without a place, and only for these', () => {
  const asked: string[] = [];
  const registry = new Registry({
    lanes: 1,
    locate: (ip) => {
      asked.push(ip);
      return { latDeg: 1, lonDeg: 2 };
    },
  });
  const config = configOf(['a=10.0.0.1', 'b=example.com', 'c=10.0.0.2']);
  const placed = config.pools[0]!.endpoints.map((e) =>
    e.id === 'c' ? { ...e, location: { latDeg: 3, lonDeg: 4 } } : e,
  );
  const { snapshot } = registry.compile({ ...config, pools: [{ ...config.pools[0]!, endpoints: placed }] });
  expect(snapshot.endpoints.map(({ location }) => location)).toEqual([
    { latDeg: 1, lonDeg: 2 },
    null,
    { latDeg: 3, lonDeg: 4 },
  ]);
  expect(asked).toEqual(['10.0.0.1']);
});

test('leaves the pool of a route that answers by itself empty', () => {
  const config = configOf(['a']);
  const respond = { status: 403, body: '', location: null };
  const { snapshot } = new Registry({ lanes: 1 }).compile({
    ...config,
    routes: [{ ...config.routes[0]!, pool: null, respond }],
  });
  expect(snapshot.routes[0]).toMatchObject({ pool: NONE, respond });
});

test('warns that another number of workers takes a restart', () => {
  const registry = new Registry({ lanes: 2 });
  expect(registry.compile(configOf(['a'])).warnings).toEqual([]);
  const { snapshot, warnings } = registry.compile({ ...configOf(['a']), workers: 3 });
  expect(warnings).toEqual(['workers: 3 takes a restart; still 2']);
  expect(snapshot.lanes).toBe(2);
});

test('wants at least one lane', () => {
  expect(() => new Registry({ lanes: 0 })).toThrow('expected 1 to 64 lanes, got 0');
});
