// What was found beside what was typed: who wins, and that identities stay.

import { describe, expect, test } from 'vitest';
import type { Config } from '../../../src/control/config/config.ts';
import { loadConfig } from '../../../src/control/config/load.ts';
import { type FoundEndpoint, judge } from '../../../src/control/discovery/entries.ts';
import { Merger } from '../../../src/control/discovery/merge.ts';
import { Tiers } from '../../../src/control/discovery/tiers.ts';
import { DIRECTORY, specOf } from './support.ts';

/** Pools by name, each with typed endpoints `id=host`. */
function configOf(pools: Record<string, readonly string[]>): Config {
  const loaded = loadConfig(null, { upstream: ['http://unused'] }, {});
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const pool = loaded.config.pools[0]!;
  const typed = (text: string) => {
    const [id, host] = text.split('=') as [string, string];
    return { ...pool.endpoints[0]!, id, host, url: `http://${host}` };
  };
  return {
    ...loaded.config,
    pools: Object.entries(pools).map(([name, endpoints]) => ({ ...pool, name, endpoints: endpoints.map(typed) })),
    routes: [{ ...loaded.config.routes[0]!, pool: Object.keys(pools)[0]! }],
  };
}

function found(...urls: string[]): readonly FoundEndpoint[] {
  return judge(
    urls.map((url) => ({ at: url, endpoint: { url: url.includes(':') ? url : `http://${url}` } })),
    specOf(DIRECTORY),
  ).endpoints;
}

const idsOf = (config: Config, pool = 0) => config.pools[pool]!.endpoints.map(({ id }) => id);

describe('merging', () => {
  test('puts found endpoints behind typed ones and tells where each comes from', () => {
    const { config, sources, problems } = new Merger().merge(configOf({ shop: ['x=typed'] }), () => [
      { source: 'dns:a', endpoints: found('a', 'b') },
      { source: 'consul:b', endpoints: found('b', 'c') },
    ]);
    expect(idsOf(config)).toEqual(['x', 'a:80', 'b:80', 'c:80']);
    expect([...sources]).toEqual([
      ['shop\0a:80', 'dns:a'],
      ['shop\0b:80', 'dns:a'],
      ['shop\0c:80', 'consul:b'],
    ]);
    expect(problems).toEqual([]);
    expect(config.pools[0]!.endpoints[1]).not.toHaveProperty('tier');
  });

  test('leaves a pool for which nothing was found as it is', () => {
    const config = configOf({ shop: ['x=typed'] });
    expect(new Merger().merge(config, () => []).config.pools[0]).toBe(config.pools[0]);
  });

  test('lets a typed endpoint win over a found one of the same URL, and of the same id', () => {
    const { config } = new Merger().merge(configOf({ shop: ['mine=a', 'b:80=elsewhere'] }), () => [
      { source: 'dns:a', endpoints: found('a', 'b') },
    ]);
    expect(config.pools[0]!.endpoints.map(({ id, url }) => `${id} ${url}`)).toEqual([
      'mine http://a',
      'b:80 http://elsewhere',
      'shop/b:80 http://b',
    ]);
  });

  test('gives the same endpoint in two pools two ids, and lets each keep its own whoever comes and goes', () => {
    const merger = new Merger();
    const config = configOf({ one: [], two: [] });
    const inTwo = { source: 's', endpoints: found('a') };
    expect(idsOf(merger.merge(config, (pool) => (pool === 'two' ? [inTwo] : [])).config, 1)).toEqual(['a:80']);
    const both = merger.merge(config, () => [inTwo]).config;
    expect([idsOf(both, 0), idsOf(both, 1)]).toEqual([['one/a:80'], ['a:80']]);
    expect(idsOf(merger.merge(config, (pool) => (pool === 'one' ? [inTwo] : [])).config)).toEqual(['one/a:80']);
  });

  test('leaves out and names what the pool has no use for', () => {
    const config = configOf({ shop: [] });
    const pool = config.pools[0]!;
    const grpc = { ...config, pools: [{ ...pool, probe: { ...pool.probe, type: 'grpc' as const } }] };
    const merged = new Merger().merge(grpc, () => [{ source: 's', endpoints: found('http://a', 'h2c://b') }]);
    expect(idsOf(merged.config)).toEqual(['b:80']);
    expect(merged.problems).toEqual(['pool shop: http://a (s): gRPC probes need h2 or h2c']);
    const redirecting = { ...config, routes: [{ ...config.routes[0]!, mode: 'redirect' as const }] };
    const web = new Merger().merge(redirecting, () => [{ source: 's', endpoints: found('http://a', 'h2c://b') }]);
    expect(idsOf(web.config)).toEqual(['a:80']);
    expect(web.problems).toEqual(['pool shop: h2c://b (s): clients cannot be redirected there']);
  });

  test('leaves out what would show everybody the admin listener', () => {
    const config = configOf({ shop: ['x=typed'] });
    const own = { ...config, admin: { ...config.admin, address: { host: '10.0.0.1', port: 9901 } } };
    const urls = ['127.0.0.1', '127.9.9.9', '[::1]', 'localhost', '10.0.0.1'];
    const endpoints = found(
      ...urls.map((host) => `http://${host}:9901`),
      'http://127.0.0.1:9902',
      'http://10.0.0.2:9901',
    );
    const { config: merged, problems } = new Merger().merge(own, () => [{ source: 's', endpoints }]);
    expect(idsOf(merged)).toEqual(['x', '10.0.0.2:9901', '127.0.0.1:9902']);
    expect(problems).toHaveLength(urls.length);
    expect(problems[0]).toContain('the admin listener of this edge');
  });

  test('keeps room for endpoints that are leaving', () => {
    const urls = Array.from({ length: 900 }, (_, i) => `h${i}`);
    const pools = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, []]));
    const { config, problems } = new Merger().merge(configOf(pools), () => [
      { source: 's', endpoints: found(...urls) },
    ]);
    expect(config.pools.map(({ endpoints }) => endpoints.length)).toEqual([900, 900, 900, 372]);
    expect(problems).toEqual(['pool d: 528 endpoints beyond the 3072 of a node']);
  });
});

describe('tiers', () => {
  const tiered = found('a', 'b', 'c').map((endpoint, i) => ({ ...endpoint, tier: i === 0 ? 10 : 20 }));
  const hosts = (endpoints: readonly FoundEndpoint[]) => endpoints.map(({ host }) => host);

  test('beyond the first are used only while all before them are down, and some time longer', () => {
    const tiers = new Tiers();
    const at = (nowMs: number, ...down: string[]) => hosts(tiers.of('s', tiered, (url) => down.includes(url), nowMs));
    expect(at(0)).toEqual(['a']);
    expect(at(1000, 'http://a')).toEqual(['a', 'b', 'c']);
    expect(at(50_000, 'http://a')).toEqual(['a', 'b', 'c']);
    expect(at(60_000)).toEqual(['a', 'b', 'c']);
    expect(at(80_001)).toEqual(['a']);
  });

  test('are all used when all are down, and are no matter where there is one', () => {
    const tiers = new Tiers();
    expect(hosts(tiers.of('s', tiered, () => true, 0))).toEqual(['a', 'b', 'c']);
    expect(hosts(tiers.of('s', found('x', 'y'), () => true, 0))).toEqual(['x', 'y']);
  });
});
