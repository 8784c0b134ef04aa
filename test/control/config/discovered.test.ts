// `pools.NAME.discover`: what is refused and in which words, what it comes to, and that secrets stay secrets.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Config } from '../../../src/control/config/config.ts';
import { loadConfig } from '../../../src/control/config/load.ts';
import { redact } from '../../../src/control/config/redact.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-discover-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** The entries of discover, one a line, and what stands beside them in the pool. */
function load(entries: readonly string[], more: readonly string[] = []) {
  const file = join(dir, 'f.yaml');
  const lines = [
    'listeners: [{ address: ":0" }]',
    'routes: [{ pool: p }]',
    ...more,
    'pools:',
    '  p:',
    '    discover:',
    ...entries.map((entry) => `      - ${entry}`),
  ];
  writeFileSync(file, lines.join('\n'));
  return loadConfig(file, {}, {});
}

function problemsOf(entries: readonly string[], more: readonly string[] = []): readonly string[] {
  const loaded = load(entries, more);
  return loaded.ok ? [] : loaded.problems.map((line) => line.replace(/^.*?f\.yaml:\d+:\d+ /, ''));
}

function configOf(...entries: string[]): Config {
  const loaded = load(entries);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}

describe('is refused', () => {
  const KINDS = 'expected one of dns, directory, kubernetes, consul, registry';
  test.each([
    ['{}', `pools.p.discover[0]: not one kind of source, ${KINDS}, got none`],
    [
      '{ directory: { path: a }, registry: { token: 0123456789abcdefg } }',
      `pools.p.discover[0]: not one kind of source, ${KINDS}, got directory and registry`,
    ],
    ['{ dnss: { name: a } }', 'pools.p.discover[0].dnss: unknown key (did you mean dns?)'],
    [
      '{ dns: { name: a.test } }',
      'pools.p.discover[0].dns.port: missing, expected the port of the endpoints, or type SRV',
    ],
    ['{ dns: { name: a.test, type: SRV, port: 80 } }', 'pools.p.discover[0].dns.port: a port beside SRV records'],
    ['{ dns: { name: "a b", port: 80 } }', 'pools.p.discover[0].dns.name: not a name'],
    ['{ dns: { name: a.test, port: 80, type: MX } }', 'pools.p.discover[0].dns.type: unknown value'],
    ['{ kubernetes: { service: Shop } }', 'pools.p.discover[0].kubernetes.service: not such a name'],
    [
      '{ kubernetes: { service: shop, zones: { a: "aws:eu-zentral-1" } } }',
      'pools.p.discover[0].kubernetes.zones.a: unknown region (did you mean aws:eu-central-1?)',
    ],
    ['{ consul: { address: "h2://a", service: shop } }', 'pools.p.discover[0].consul.address: not http or https'],
    ['{ registry: { token: short } }', 'pools.p.discover[0].registry.token: not a token, or too short a one'],
    [
      '{ registry: { token: 0123456789abcdefg, networks: ["10"] } }',
      'pools.p.discover[0].registry.networks[0]: not a CIDR',
    ],
    ['{ directory: { path: a }, grace: 5 }', 'pools.p.discover[0].grace: a duration without a unit'],
    ['{ directory: { path: a }, defaults: { region: here } }', 'pools.p.discover[0].defaults.region: unknown region'],
  ])('%s', (entry, problem) => {
    const problems = problemsOf([entry]);
    expect(problems, problems.join('\n')).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  test('a token is never shown', () => {
    expect(problemsOf(['{ registry: { token: short } }'])[0]).toContain('got a value not shown');
  });

  test('a second registry of a pool, and one without an admin listener', () => {
    const registry = '{ registry: { token: 0123456789abcdefg } }';
    expect(problemsOf([registry, registry])).toEqual([
      expect.stringContaining('discover[1].registry: a second registry'),
    ]);
    expect(problemsOf([registry], ['admin: { address: "" }'])).toEqual([
      expect.stringContaining('discover[0].registry: nowhere to register'),
    ]);
  });
});

describe('comes to', () => {
  test('sources with names of their own, absolute paths and units in their names', () => {
    const { pools } = configOf(
      '{ dns: { name: a.test, port: 80 } }',
      '{ dns: { name: a.test, port: 81 }, minimum: 3, grace: 1m, defaults: { region: "aws:eu-central-1" } }',
      '{ dns: { name: _x._tcp.a.test, type: SRV } }',
      '{ directory: { path: found } }',
      '{ kubernetes: { service: shop, namespace: web, port: 8080 } }',
      '{ consul: { service: shop, datacenter: fra } }',
    );
    const { discover, endpoints } = pools[0]!;
    expect(endpoints).toEqual([]);
    expect(discover.map(({ name }) => name)).toEqual([
      'dns:a.test',
      'dns:a.test#2',
      'dns:_x._tcp.a.test',
      `directory:${join(dir, 'found')}`,
      'kubernetes:web/shop',
      'consul:shop@fra',
    ]);
    expect(discover[1]).toMatchObject({
      minimum: 3,
      graceMs: 60_000,
      defaults: { region: 'aws:eu-central-1', location: { latDeg: 50.111 }, weight: 1 },
      from: { kind: 'dns', port: 81, intervalMs: 30_000 },
    });
  });

  test('a residency that nobody typed is inside: who is found may be', () => {
    const loaded = load(['{ directory: { path: a } }'], []);
    expect(loaded.ok).toBe(true);
    writeFileSync(
      join(dir, 'r.yaml'),
      'listeners: [{ address: ":0" }]\nroutes: [{ pool: p, residency: [FR] }]\npools: { p: { endpoints: [{ url: "http://a", region: "aws:eu-central-1" }], discover: [{ directory: { path: a } }] } }',
    );
    const mixed = loadConfig(join(dir, 'r.yaml'), {}, {});
    expect(mixed.ok ? [] : mixed.problems).toEqual([]);
  });
});

test('tokens are redacted where the configuration is shown', () => {
  const config = configOf(
    '{ registry: { token: 0123456789abcdefg } }',
    '{ consul: { service: shop, token: 0123456789abcdefg } }',
  );
  const shown = JSON.stringify(redact(config));
  expect(shown).not.toContain('0123456789abcdefg');
  expect(shown).toContain('"registry":{"token":"***","otherToken":null,"networks":[]}');
});
