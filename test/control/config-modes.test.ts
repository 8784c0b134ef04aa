// What routes may ask of places and modes: residency in words that exist and with somebody inside, redirects to what a
// client can reach. Real files, the real loader.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/control/config/load.ts';
import { Registry } from '../../src/control/registry.ts';
import { NONE } from '../../src/core/snapshot.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-modes-'));
afterAll(() => rmSync(dir, { recursive: true }));

const FRANKFURT = '{ id: fra, url: "http://10.0.0.1:80", region: "aws:eu-central-1" }';
const PARIS = '{ id: par, url: "http://10.0.0.2:80", region: "aws:eu-west-3" }';
const VIRGINIA = '{ id: iad, url: "https://us.example", region: "aws:us-east-1" }';

function load(endpoints: readonly string[], route: string, more = '') {
  const file = join(dir, 'f.yaml');
  writeFileSync(
    file,
    `listeners: [{ address: ":8080" }]
${more}
pools:
  shop:
    endpoints:
${endpoints.map((e) => `      - ${e}\n`).join('')}
routes:
  - { pool: shop, ${route} }
`,
  );
  return loadConfig(file, {}, {});
}

function problemsOf(endpoints: readonly string[], route: string, more = ''): string[] {
  const loaded = load(endpoints, route, more);
  return loaded.ok ? [] : loaded.problems.map((line) => line.replace(/^.*?:\d+:\d+ /, ''));
}

describe('residency', () => {
  test.each([
    ['a country', 'DE'],
    ['a region', 'aws:eu-central-1'],
    ['a country among others', 'FR, DE'],
  ])('takes %s', (_, list) => {
    expect(problemsOf([FRANKFURT, VIRGINIA], `residency: [${list}]`)).toEqual([]);
  });

  test.each([
    ['de', 'unknown country or region (did you mean DE?)'],
    ['UK', 'unknown country or region (did you mean GB?)'],
    ['Germany', 'unknown country or region (did you mean DE?)'],
    ['eu-central-1', 'unknown country or region (did you mean aws:eu-central-1?)'],
    ['"aws:eu-centrl-1"', 'unknown country or region (did you mean aws:eu-central-1?)'],
    ['EU', 'unknown country or region,'],
    ['DD', 'unknown country or region,'],
    ['""', 'unknown country or region,'],
  ])('does not take %s, and says what may have been meant', (written, what) => {
    const problems = problemsOf([FRANKFURT], `residency: [${written}]`);
    expect(problems.join('\n')).toContain(`routes[0].residency[0]: ${what}`);
  });

  test('that no endpoint of the pool can satisfy is an error', () => {
    expect(problemsOf([FRANKFURT, VIRGINIA], 'residency: [FR]')).toEqual([
      'routes[0].residency: no endpoint of pool shop is inside, expected an endpoint whose region is in one of FR ' +
        '(without a region its place is unknown), got none',
    ]);
  });

  test('is not satisfied by coordinates, a host name or a private address, which have no country', () => {
    for (const endpoint of [
      '{ url: "http://10.0.0.1:80" }',
      '{ url: "http://de.example" }',
      '{ url: "http://8.8.8.8", location: { lat: 50, lon: 8 } }',
      '{ url: "http://[fd00::1]:80" }',
    ]) {
      expect(problemsOf([endpoint], 'residency: [DE]'), endpoint).toHaveLength(1);
    }
  });

  test('may be satisfied by an address that GeoIP may know; of private ones only databases of the operator’s own', () => {
    expect(problemsOf(['{ url: "http://8.8.8.8" }'], 'residency: [DE]')).toEqual([]);
    const own = 'geoip: { databases: [own.mmdb] }';
    expect(problemsOf(['{ url: "http://10.0.0.1" }'], 'residency: [DE]', own)).toEqual([]);
  });

  test('beside respond is an error, for there is nothing to keep inside', () => {
    const file = join(dir, 'respond.yaml');
    writeFileSync(
      file,
      'listeners: [{ address: ":80" }]\npools: {}\nroutes: [{ residency: [DE], respond: { status: 204 } }]\n',
    );
    const loaded = loadConfig(file, {}, {});
    expect(loaded.ok ? [] : loaded.problems).toEqual([expect.stringContaining('routes[0].residency: nothing that')]);
  });
});

describe('mode: redirect', () => {
  test('goes with http and https endpoints', () => {
    expect(problemsOf([FRANKFURT, VIRGINIA], 'mode: redirect')).toEqual([]);
  });

  test.each([
    ['a UNIX socket', ['{ url: "unix:/run/app.sock" }'], '', 'routes[0].mode: clients cannot be redirected to unix:'],
    ['a host header', [FRANKFURT], ', hostHeader: endpoint', 'routes[0].hostHeader: has no effect with mode redirect'],
    [
      'request headers',
      [FRANKFURT],
      ', requestHeaders: { remove: [cookie] }',
      'routes[0].requestHeaders: has no effect',
    ],
    [
      'a Location of its own',
      [FRANKFURT],
      ', responseHeaders: { set: { location: "http://elsewhere" } }',
      'routes[0].responseHeaders: Location is what mode redirect sets',
    ],
  ])('does not go with %s', (_, endpoints, more, line) => {
    expect(problemsOf(endpoints, `mode: redirect${more}`)).toEqual([expect.stringContaining(line)]);
  });

  test.each([
    'round-robin',
    'weighted',
    'least-request',
    'random-two',
    'peak-ewma',
    'hash',
  ])('does not go with the policy %s', (policy) => {
    const file = join(dir, 'policy.yaml');
    writeFileSync(
      file,
      `listeners: [{ address: ":80" }]
pools: { shop: { endpoints: [${FRANKFURT}], balance: { policy: ${policy} } } }
routes: [{ pool: shop, mode: redirect }]
`,
    );
    const loaded = loadConfig(file, {}, {});
    expect(loaded.ok ? [] : loaded.problems).toEqual([
      expect.stringContaining(`routes[0].mode: policy ${policy} of pool shop cannot say where a client should go`),
    ]);
  });

  test('does not mind what others may set: response headers, defaults written out', () => {
    const more = 'hostHeader: preserve, requestHeaders: { set: {}, remove: [] }, responseHeaders: { set: { X-A: b } }';
    expect(problemsOf([FRANKFURT], `mode: redirect, ${more}`)).toEqual([]);
  });
});

describe('the rows of a Snapshot', () => {
  const GERMAN = '1.2.3.4';
  const file = join(dir, 'rows.yaml');

  function compiled(routes: readonly string[]) {
    const pools = [
      `a: { endpoints: [${FRANKFURT}, ${VIRGINIA}, ${PARIS}] }`,
      `b: { endpoints: [{ url: "http://${GERMAN}" }, { url: "http://5.6.7.8" }] }`,
    ];
    const lines = ['listeners: [{ address: ":80" }]', 'pools:', ...pools.map((pool) => `  ${pool}`), 'routes:'];
    writeFileSync(file, [...lines, ...routes.map((route) => `  - { ${route} }`)].join('\n'));
    const loaded = loadConfig(file, {}, {});
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    const countryOf = (ip: string) => (ip === GERMAN ? 'DE' : null);
    return new Registry({ lanes: 1, countryOf }).compile(loaded.config);
  }

  test('are one for each pool, then one for each pool and set of places, in whatever order they are written', () => {
    const { snapshot, warnings } = compiled([
      'path: /a, pool: a',
      'path: /b, pool: a, residency: [FR, DE]',
      'path: /c, pool: a, residency: [DE, FR, DE]',
      'path: /d, pool: a, residency: ["aws:us-east-1"]',
      'path: /e, respond: { status: 204 }',
    ]);
    expect(snapshot.rows).toEqual([
      { pool: 0, members: [0, 1, 2], residency: [] },
      { pool: 1, members: [0, 1], residency: [] },
      { pool: 0, members: [0, 2], residency: ['DE', 'FR'] },
      { pool: 0, members: [1], residency: ['aws:us-east-1'] },
    ]);
    expect(snapshot.routes.map(({ row }) => row)).toEqual([0, 2, 2, 3, NONE]);
    expect(warnings).toEqual([]);
  });

  test('hold an address where GeoIP says it is, and are empty, with a warning, when it says nothing', () => {
    const { snapshot, warnings } = compiled([
      'name: de, path: /a, pool: b, residency: [DE]',
      'name: fr, path: /b, pool: b, residency: [FR]',
    ]);
    expect(snapshot.rows.slice(2).map(({ members }) => members)).toEqual([[0], []]);
    expect(warnings).toEqual(['route fr: no endpoint is known to be in FR: it answers 503']);
  });
});

describe('hashOn', () => {
  test.each([
    ['fastest', 'client', []],
    ['fastest', null, []],
    ['hash', 'cookie:session', []],
    ['hash', null, ['pool keyed: policy hash without hashOn takes two at random']],
    ['round-robin', 'client', ['pool keyed: policy round-robin does not look at hashOn']],
  ])('is warned of where nobody looks at it, or a hash lacks it: %s by %s', (policy, hashOn, expected) => {
    const file = join(dir, 'hash.yaml');
    const keyed = { endpoints: [{ url: 'http://10.0.0.1:80' }], balance: { policy, hashOn } };
    writeFileSync(
      file,
      JSON.stringify({ listeners: [{ address: ':0' }], pools: { keyed }, routes: [{ pool: 'keyed' }] }),
    );
    const loaded = loadConfig(file, {}, {});
    expect(loaded.ok && loaded.config.warnings).toEqual(expected);
  });
});
