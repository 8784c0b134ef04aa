import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/control/config/load.ts';
import { hopKeyOf } from '../../../src/control/overlay/compile.ts';
import { Registry } from '../../../src/control/registry.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-overlay-'));
afterAll(() => rmSync(dir, { recursive: true }));

const PEERS = [
  { id: 'edge-b', url: 'http://10.0.0.2:7443', region: 'aws:eu-central-1', costMs: 2, egressUsdPerGb: 0.02 },
  { id: 'edge-c', url: 'http://10.0.0.3:7443', region: 'aws:us-east-1' },
];

function configOf(routes: object[], overlay: object | null = {}) {
  const file = join(dir, 'fermat.json');
  const text = {
    node: { id: 'edge-a' },
    listeners: [{ address: ':8080', name: 'http' }],
    pools: {
      shop: {
        endpoints: [
          { url: 'http://10.1.0.1:80', id: 'fra', region: 'aws:eu-central-1', egressUsdPerGb: 0.01 },
          { url: 'http://10.1.0.2:80', id: 'iad', region: 'aws:us-east-1' },
        ],
      },
      app: { endpoints: [{ url: 'unix:/run/app.sock', id: 'app' }] },
    },
    routes,
    overlay: overlay && { address: ':7443', secret: 'sixteen characters', peers: PEERS, ...overlay },
  };
  writeFileSync(file, JSON.stringify(text));
  const loaded = loadConfig(file);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}

const compile = (routes: object[], overlay: object | null = {}) =>
  new Registry({ lanes: 1 }).compile(configOf(routes, overlay)).snapshot;

describe('paths over peers', () => {
  it('are endpoints of their own, behind all others, in rows of routes that want them only', () => {
    const { endpoints, pools, rows, routes } = compile([
      { pool: 'shop', path: '/plain' },
      { pool: 'shop', path: '/over', overlay: 'fastest' },
    ]);
    expect(endpoints.map(({ id }) => id)).toEqual([
      'fra',
      'iad',
      'app',
      'fra via edge-b',
      'fra via edge-c',
      'iad via edge-b',
      'iad via edge-c',
    ]);
    expect(pools.map((pool) => pool.endpoints)).toEqual([[0, 1, 3, 4, 5, 6], [2]]);
    expect(rows[routes[0]!.row]).toEqual({ pool: 0, members: [0, 1], residency: [] });
    expect(rows[routes[1]!.row]).toEqual({ pool: 0, members: [0, 1, 2, 3, 4, 5], residency: [], overlay: 'fastest' });
    expect(new Set(endpoints.map(({ slot }) => slot)).size).toBe(endpoints.length);
  });

  it('lead to the peer, say whose they are, and cost what both ways cost', () => {
    const { endpoints } = compile([{ pool: 'shop', overlay: 'failover' }]);
    expect(endpoints[3]).toMatchObject({
      host: '10.0.0.2',
      port: 7443,
      scheme: 'http',
      authority: '10.1.0.1',
      location: null,
      via: { peer: 'edge-b', endpoint: 'fra', target: 0, pool: 'shop', costMs: 2 },
    });
    expect(endpoints[3]!.egressUsdPerGb).toBeCloseTo(0.03);
  });

  it('stay where data has to stay, relay and endpoint both', () => {
    const { rows, routes, endpoints, pools } = compile([{ pool: 'shop', overlay: 'fastest', residency: ['DE'] }]);
    const ids = rows[routes[0]!.row]!.members.map((i) => endpoints[pools[0]!.endpoints[i]!]!.id);
    expect(ids).toEqual(['fra', 'fra via edge-b']);
  });

  it('are not there for pools that no route lets go over other edges, nor are these served to peers', () => {
    const { endpoints, overlay, listeners } = compile([
      { pool: 'shop' },
      { pool: 'app', path: '/app', overlay: 'fastest' },
    ]);
    expect(endpoints).toHaveLength(3);
    // A socket file is this machine's own.
    expect(overlay!.served).toEqual({});
    expect(listeners.map(({ name }) => name)).toEqual(['http', 'overlay']);
    expect(compile([{ pool: 'shop' }], null).listeners).toHaveLength(1);
  });

  it('keep their slots over a reload, unless the peer has moved', () => {
    const registry = new Registry({ lanes: 1 });
    const routes = [{ pool: 'shop', overlay: 'fastest' }];
    const slotsOf = (overlay: object) =>
      new Map(registry.compile(configOf(routes, overlay)).snapshot.endpoints.map(({ id, slot }) => [id, slot]));
    const before = slotsOf({});
    expect(slotsOf({})).toEqual(before);
    const moved = slotsOf({ peers: [{ ...PEERS[0]!, url: 'http://10.0.0.9:7443' }, PEERS[1]!] });
    expect(moved.get('fra via edge-c')).toBe(before.get('fra via edge-c'));
    expect(moved.get('fra via edge-b')).not.toBe(before.get('fra via edge-b'));
  });

  it('remember signatures over a reload', () => {
    const registry = new Registry({ lanes: 1 });
    const routes = [{ pool: 'shop', overlay: 'fastest' }];
    const [one, two] = [registry.compile(configOf(routes)), registry.compile(configOf(routes))];
    expect(one.snapshot.overlay!.replays).toBeInstanceOf(SharedArrayBuffer);
    expect(two.snapshot.overlay!.replays).toBe(one.snapshot.overlay!.replays);
  });
});

describe('what a hop calls an endpoint', () => {
  it('is the same at edges that mean the same, by id and URL or by id alone', () => {
    expect(hopKeyOf('shop', 'fra', 'http://a', 'url')).not.toBe(hopKeyOf('shop', 'fra', 'http://b', 'url'));
    expect(hopKeyOf('shop', 'fra', 'http://a', 'id')).toBe(hopKeyOf('shop', 'fra', 'http://b', 'id'));
    expect(hopKeyOf('shop', 'fra', 'http://a', 'id')).not.toBe(hopKeyOf('app', 'fra', 'http://a', 'id'));
  });
});
