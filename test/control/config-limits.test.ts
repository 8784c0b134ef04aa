// Limits on rates and `locality` in the file: what they become, and what is told when they cannot be.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../src/control/config/load.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-limits-'));
afterAll(() => rmSync(dir, { recursive: true }));

function load(route: string, state = '{ redis: "redis://127.0.0.1:6379" }') {
  const file = join(dir, 'fermat.yaml');
  writeFileSync(
    file,
    `
listeners: [{ address: ":0" }]
pools:
  shop:
    endpoints:
      - { url: "http://10.1.0.5:80", region: "aws:eu-central-1" }
      - { url: "http://10.1.0.6:80", region: "gcp:europe-west9" }
  bare: { endpoints: [{ url: "http://10.1.0.7:80" }] }
routes: [${route}]
state: ${state}
`,
  );
  return loadConfig(file, {}, {});
}

function routeOf(route: string, state?: string) {
  const loaded = load(route, state);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config.routes[0]!;
}

function problemsOf(route: string, state?: string): readonly string[] {
  const loaded = load(route, state);
  return loaded.ok ? [] : loaded.problems.map((line) => line.replace(/^.*?\.yaml:\d+:\d+ /, ''));
}

test('one limit or several; what is left out follows from the rate, the place in the list and whether there is a Redis', () => {
  expect(routeOf('{ pool: shop, rateLimit: { rate: 100/m } }').rateLimits).toEqual([
    {
      name: 'default',
      ratePerS: 100 / 60,
      burst: 100,
      fillS: 60,
      key: { kind: 'client' },
      scope: 'fleet',
      onMissingKey: 'limit',
      redisDown: 'local',
      headers: false,
    },
  ]);
  const both =
    '{ pool: shop, rateLimit: [{ rate: 5/s, key: "header:X-Api-Key" }, { rate: 0.5/s, burst: 3, key: "path:2" }] }';
  expect(routeOf(both, '{ redis: null }').rateLimits).toMatchObject([
    { name: 'default', burst: 5, fillS: 1, key: { kind: 'header', name: 'x-api-key' }, scope: 'node' },
    { name: '2', burst: 3, fillS: 6, key: { kind: 'path', segment: 2 }, scope: 'node' },
  ]);
});

test.each([
  ['{ rate: 10 }', 'routes[0].rateLimit.rate'],
  ['{ rate: 0/s }', 'routes[0].rateLimit.rate: not a rate'],
  ['{ rate: 2000000/s }', 'routes[0].rateLimit.rate: more than 1000000/s'],
  ['{ rate: 1/s, key: "query:a" }', 'routes[0].rateLimit.key: not something to count by'],
  ['{ rate: 1/s, key: "path:0" }', 'routes[0].rateLimit.key: not something to count by'],
  ['{ rate: 1/s, burst: 0 }', 'routes[0].rateLimit.burst: too small'],
  ['{ rate: 1/s, bursts: 1 }', 'routes[0].rateLimit.bursts: unknown key (did you mean burst?)'],
  ['[{ rate: 1/s }, { rate: 2/s, name: default }]', 'routes[0].rateLimit[1].name: name used twice'],
])('a limit that cannot be is told at its place: %s', (rateLimit, problem) => {
  expect(problemsOf(`{ pool: shop, rateLimit: ${rateLimit} }`).join('\n')).toContain(problem);
});

test('what several nodes share needs a Redis', () => {
  const none = '{ redis: null }';
  expect(problemsOf('{ pool: shop, rateLimit: { rate: 1/s, scope: fleet } }', none).join()).toContain(
    'a fleet without state.redis',
  );
  expect(problemsOf('{ pool: shop, locality: { key: "header:X-Tenant" } }', none).join()).toContain(
    'a directory without Redis',
  );
});

test('locality with its defaults', () => {
  expect(routeOf('{ pool: shop, locality: { key: "cookie:org" } }').locality).toEqual({
    key: { kind: 'cookie', name: 'org' },
    isHard: true,
    unknown: null,
    directory: 'default',
    max: 1_000_000,
  });
  expect(routeOf('{ pool: shop, locality: { key: "path:1", mode: soft, unknown: aws } }').locality).toMatchObject({
    isHard: false,
    unknown: 'aws',
  });
});

test.each([
  ['{ pool: shop, locality: { key: client } }', 'not something that names whose data it is'],
  ['{ pool: shop, locality: { key: "path:1", unknown: "aws:us-east-1" } }', 'no endpoint of pool shop is there'],
  ['{ pool: shop, locality: { key: "path:1", unknown: "aws:eu-central-9" } }', 'did you mean aws:eu-central-1?'],
  ['{ pool: bare, locality: { key: "path:1" } }', 'no endpoint of pool bare has a region'],
  ['{ respond: { status: 200 }, locality: { key: "path:1" } }', 'nothing that could be anywhere'],
])('locality that cannot be is told: %s', (route, problem) => {
  expect(problemsOf(route).join('\n')).toContain(problem);
});
