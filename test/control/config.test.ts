// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders are what is tested.
// What a wrong configuration is told: every problem, each at its line and column. Real files, the real loader.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Config } from '../../src/control/config/config.ts';
import { loadConfig, type Overrides } from '../../src/control/config/load.ts';
import { redact } from '../../src/control/config/redact.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** Problem lines of a text, without the directory. */
function problemsOf(text: string | Buffer, env: Record<string, string> = {}, overrides: Overrides = {}): string[] {
  const file = join(dir, 'f.yaml');
  writeFileSync(file, text);
  const loaded = loadConfig(file, overrides, env);
  return loaded.ok ? [] : loaded.problems.map((line) => line.replace(`${dir}/`, ''));
}

function configOf(text: string, env: Record<string, string> = {}, overrides: Overrides = {}): Config {
  const file = join(dir, 'good.yaml');
  writeFileSync(file, text);
  const loaded = loadConfig(file, overrides, env);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}

const BASE = `listeners: [{ address: ":8080" }]
pools:
  shop:
    endpoints:
      - url: http://10.1.0.5:8080
routes:
  - pool: shop
`;
/** Lines of BASE, so that what is added begins at the next. */
const NEXT = 8;

describe('one mistake, one line at its place', () => {
  const cases: readonly (readonly [title: string, yaml: string, line: string])[] = [
    ['a key nobody knows', 'limts: {}', `${NEXT}:1 limts: unknown key (did you mean limits?)`],
    [
      'a nested key nobody knows',
      'limits:\n  heed: 1',
      `${NEXT + 1}:3 limits.heed: unknown key (did you mean head?), expected one of requestLine, head,`,
    ],
    [
      'a key with another case',
      'limits: { headtimeout: 1s }',
      `${NEXT}:11 limits.headtimeout: unknown key (did you mean headTimeout?)`,
    ],
    ['a key like no other', 'zzz: 1', `${NEXT}:1 zzz: unknown key, expected one of node, workers,`],
    [
      'a key twice',
      'workers: 1\nworkers: 2',
      `${NEXT + 1}:1 workers: duplicate key, expected each key once, got "workers"`,
    ],
    ['a section twice', 'routes: []', `${NEXT}:1 routes: duplicate key`],
    [
      'a duration without a unit',
      'limits: { headTimeout: 10 }',
      `${NEXT}:24 limits.headTimeout: a duration without a unit, expected a duration above 0 with ms, s, m or h, such as 250ms or 2s, got 10`,
    ],
    [
      'a duration of another world',
      'limits: { headTimeout: 5 parsecs }',
      `${NEXT}:24 limits.headTimeout: not a duration`,
    ],
    ['a duration of nothing', 'limits: { headTimeout: 0s }', `${NEXT}:24 limits.headTimeout: too short`],
    [
      'a duration beyond what timers can wait',
      'limits: { headTimeout: 1000h }',
      `${NEXT}:24 limits.headTimeout: too long (at most 168h), expected a duration above 0`,
    ],
    // An interval below what timers can wait was one without end.
    ['a duration below a millisecond', 'limits: { headTimeout: 0.9ms }', `${NEXT}:24 limits.headTimeout: too short`],
    ['a fraction below a millisecond', 'shutdown: { timeout: 0.9ms }', `${NEXT}:22 shutdown.timeout: too short`],
    [
      'a size in decimal units',
      'limits: { head: 32KB }',
      `${NEXT}:17 limits.head: not a size, expected a size from 256 to 16MiB, such as 32KiB, got "32KB"`,
    ],
    ['a size too small to work with', 'limits: { head: 3 }', `${NEXT}:17 limits.head: too small`],
    ['a size that is negative', 'limits: { body: -1 }', `${NEXT}:17 limits.body: not a size`],
    [
      'no workers',
      'workers: 0',
      `${NEXT}:10 workers: not a number of workers, expected auto or a whole number from 1 to 64, got 0`,
    ],
    ['half a worker', 'workers: 1.5', `${NEXT}:10 workers: not a number of workers`],
    [
      'a region that is not there',
      'node: { region: aws:eu-centrl-1 }',
      `${NEXT}:17 node.region: unknown region (did you mean aws:eu-central-1?)`,
    ],
    [
      'a place off the map',
      'node: { location: { lat: 91, lon: 0 } }',
      `${NEXT}:26 node.location.lat: too large, expected a number from -90 to 90, got 91`,
    ],
    [
      'half a place',
      'node: { location: { lat: 9 } }',
      `${NEXT}:9 node.location.lon: missing, expected a number from -180 to 180, got nothing`,
    ],
    [
      'a CIDR too long',
      'trustedProxies:\n  - 10.0.0.0/33',
      `${NEXT + 1}:5 trustedProxies[0]: not a CIDR, expected a network such as 10.0.0.0/8, got "10.0.0.0/33"`,
    ],
    ['a CIDR that is a name', 'trustedProxies: [example.com]', `${NEXT}:18 trustedProxies[0]: not a CIDR`],
    [
      'a log level that is none',
      'logging: { level: wran }',
      `${NEXT}:19 logging.level: unknown value (did you mean warn?), expected one of trace, debug, info, warn, error, silent, got "wran"`,
    ],
    [
      'a list where a mapping belongs',
      'limits: []',
      `${NEXT}:9 limits: wrong type, expected a mapping, got an empty list`,
    ],
    ['nothing where a mapping belongs', 'limits:', 'limits: wrong type, expected a mapping, got nothing (null)'],
    [
      'a mapping where a list belongs',
      'trustedProxies: { a: b }',
      `${NEXT}:17 trustedProxies: wrong type, expected a list, got a mapping`,
    ],
    ['an admin address that is none', 'admin: { address: "127.0.0.1" }', `${NEXT}:19 admin.address: not an address`],
    [
      'an admin API open to all',
      'admin: { address: "0.0.0.0:9901" }',
      `${NEXT}:19 admin.address: open to other machines without a token`,
    ],
    [
      'an admin address that peers ask, too',
      'admin: { address: ":9443", token: t }\noverlay: { address: "127.0.0.1:9443", secret: abcdefghijklmnopqr }',
      `${NEXT}:19 admin.address: address of overlay.address, too`,
    ],
    [
      'an admin address that a listener has',
      'admin: { address: "127.0.0.1:8080" }',
      `${NEXT}:19 admin.address: address of listeners[0].address, too, expected another port, got "127.0.0.1:8080"`,
    ],
    [
      'a token with blanks',
      'admin: { token: "a b" }',
      `${NEXT}:17 admin.token: not a token, expected visible ASCII characters, got a value not shown`,
    ],
    // Without quotes they are no text to YAML, and would stand in the log.
    [
      'a token that begins with @',
      'admin: { token: @hush }',
      `${NEXT}:17 (syntax): Plain value cannot start with reserved character @, expected YAML or JSON, got a value not shown`,
    ],
    [
      'a token that begins with !',
      'admin:\n  token: !hush',
      `${NEXT + 1}:10 (syntax): Unresolved tag, expected YAML or JSON, got a value not shown`,
    ],
    [
      'a token that begins with *',
      'admin: { token: *hush }',
      `${NEXT}:17 admin.token: unknown alias, expected an anchor set before it, got a value not shown`,
    ],
    [
      'a variable that is not set',
      'node: { id: "${NODE_ID}" }',
      `${NEXT}:13 node.id: variable NODE_ID is not set, expected a value, or a default as in \${NODE_ID:-…}, got nothing`,
    ],
    ['a variable of another shell', 'node: { id: "${NODE_ID=x}" }', `${NEXT}:13 node.id: not a variable`],
    [
      'a variable in the default of another',
      'node: { id: "${NODE_ID:-${HOSTNAME:-x}}" }',
      `${NEXT}:13 node.id: not a variable, expected $NAME in braces, with :-default if need be, got "\${NODE_ID:-\${HOSTNAME:-x}"`,
    ],
    ['a variable without its end', 'node: { id: "${NODE_ID" }', `${NEXT}:13 node.id: not a variable`],
    [
      'an alias to nothing',
      'workers: *n',
      `${NEXT}:10 workers: unknown alias, expected an anchor set before it, got *n`,
    ],
    ['a tag nobody knows', 'workers: !!float32 1', `${NEXT}:10 (syntax): Unresolved tag`],
    [
      'something else than Redis',
      'state: { redis: "http://u:hush@h" }',
      `${NEXT}:17 state.redis: not a Redis URL, expected redis://… or rediss://…, as in redis://user:password@host:6379/0, got a value not shown`,
    ],
    [
      'a key of Redis that does not exist',
      'state: { redis: { urls: "redis://h" } }',
      `${NEXT}:19 state.redis.urls: unknown key (did you mean url?)`,
    ],
    [
      'a bad value of Redis',
      'state: { redis: { url: "redis://h", timeout: 5 } }',
      `${NEXT}:46 state.redis.timeout: a duration without a unit`,
    ],
    [
      'Redis without a server',
      'state: { redis: { prefix: a } }',
      `${NEXT}:17 state.redis: names no server, expected one of url, nodes (with cluster: true) and sentinel`,
    ],
    [
      'two ways to Redis',
      'state: { redis: { url: "redis://h", nodes: ["h:1"], cluster: true } }',
      `${NEXT}:17 state.redis: names servers in two ways`,
    ],
    [
      'many servers that are no Cluster',
      'state: { redis: { nodes: ["h:1", "i:2"] } }',
      `${NEXT}:26 state.redis.nodes: servers without cluster`,
    ],
    [
      'a database of a Cluster',
      'state: { redis: { url: "redis://h/3", cluster: true } }',
      `${NEXT}:17 state.redis: database 3 of a Cluster`,
    ],
  ];
  test.each(cases)('%s', (_, yaml, line) => {
    const problems = problemsOf(`${BASE}${yaml}\n`);
    expect(problems.filter((problem) => problem.includes(line))).toHaveLength(1);
    expect(problems.length).toBeLessThanOrEqual(2);
  });
});

describe('in listeners, pools and routes', () => {
  const pool = (yaml: string) => `listeners: [{ address: ":8080" }]\nroutes: [{ pool: p }]\npools:\n  p:\n${yaml}\n`;
  const endpoint = (yaml: string) => pool(`    endpoints:\n      - ${yaml}`);
  const inPool = (yaml: string) => pool(`    endpoints: [{ url: "http://a" }]\n    ${yaml}`);
  const route = (yaml: string) => `${BASE}  - ${yaml}\n`;
  const listener = (yaml: string) => `routes: [{ respond: { status: 200 } }]\nlisteners:\n  - ${yaml}\n`;

  const cases: readonly (readonly [title: string, yaml: string, line: string])[] = [
    ['no listeners', 'routes: [{ respond: { status: 200 } }]', '1:1 listeners: missing, expected a list, got nothing'],
    [
      'an empty list of listeners',
      'listeners: []\nroutes: [{ respond: { status: 200 } }]',
      '1:12 listeners: too few, expected at least 1, got an empty list',
    ],
    [
      'a port beyond ports',
      listener('address: ":99999"'),
      '3:14 listeners[0].address: not an address to listen on, expected host:port, :port or unix:/path, got ":99999"',
    ],
    ['an address of IPv6 without brackets', listener('address: "::1:80"'), '3:14 listeners[0].address: not an address'],
    ['an address that is almost one', listener('address: "10.0.0:80"'), '3:14 listeners[0].address: not an address'],
    [
      'a PROXY header that nobody may send',
      listener('{ address: ":1", proxyProtocol: required }'),
      '3:37 listeners[0].proxyProtocol: nobody is trusted to send a PROXY header, expected off, or trustedProxies, got "required"',
    ],
    [
      'two listeners at one address',
      listener('address: ":80"\n  - { address: ":80", name: b }'),
      '4:16 listeners[1].address: address used twice',
    ],
    [
      'two listeners of one name',
      listener('{ address: ":80", name: a }\n  - { address: ":81", name: a }'),
      '4:29 listeners[1].name: listener name used twice, expected another than at listeners[0].name, got "a"',
    ],
    [
      'a pool without endpoints',
      pool('    endpoints: []'),
      '5:16 pools.p.endpoints: too few, expected at least 1, or discover beside it, got an empty list',
    ],
    [
      'a pool of nothing',
      pool('    {}'),
      '4:3 pools.p.endpoints: missing, expected a list, or discover beside it, got nothing',
    ],
    [
      'an endpoint without a URL',
      endpoint('id: a'),
      '6:9 pools.p.endpoints[0].url: missing, expected http://host:port',
    ],
    ['a URL of another scheme', endpoint('url: ftp://a'), '6:14 pools.p.endpoints[0].url: unknown scheme ftp'],
    [
      'a gRPC probe of an endpoint that does not speak HTTP/2',
      pool('    endpoints: [{ url: "http://a" }]\n    probe: { type: grpc }'),
      'pools.p.probe.type: gRPC is spoken over HTTP/2 only, and http://a is not',
    ],
    [
      'a service to probe with a probe that asks about none',
      pool('    endpoints: [{ url: "h2c://a" }]\n    probe: { service: shop.Cart }'),
      '6:23 pools.p.probe.service: a service that nobody is asked about, expected type grpc beside it',
    ],
    [
      'a URL with a path',
      endpoint('url: http://a/b'),
      '6:14 pools.p.endpoints[0].url: a path, query or fragment is not supported here',
    ],
    [
      'a URL with a password, which is not shown',
      endpoint('url: http://u:hush@a'),
      'user and password in the URL are not supported, expected http://host:port, https://host:port, h2c://host:port, h2://host:port or unix:/path, got "http://***@a"',
    ],
    [
      'an address that is none',
      endpoint('url: http://1.2.3.400'),
      '6:14 pools.p.endpoints[0].url: not a host name or address',
    ],
    ['a port that is none', endpoint('url: http://a:0'), '6:14 pools.p.endpoints[0].url: not a port'],
    [
      'a socket at a relative path',
      endpoint('url: unix:app.sock'),
      '6:14 pools.p.endpoints[0].url: not the absolute path of a socket',
    ],
    [
      'a negative weight',
      endpoint('{ url: "http://a", weight: -1 }'),
      '6:36 pools.p.endpoints[0].weight: too small, expected a number from 0 to 1000000, got -1',
    ],
    ['no weight at all', endpoint('{ url: "http://a", weight: 0 }'), '6:7 pools.p.endpoints: every weight is 0'],
    ['an id with blanks', endpoint('{ url: "http://a", id: "a b" }'), '6:32 pools.p.endpoints[0].id: not an id'],
    [
      'two endpoints of one address',
      endpoint('url: http://a\n      - url: http://A:80/'),
      '7:14 pools.p.endpoints[1].url: endpoint id (its host:port) used twice, expected another than at pools.p.endpoints[0].url, got "a:80"',
    ],
    [
      'two endpoints of one id',
      endpoint('{ url: "http://a", id: x }\n      - { url: "http://b", id: x }'),
      '7:32 pools.p.endpoints[1].id: endpoint id used twice',
    ],
    [
      'a probe of another kind',
      inPool('probe: { type: htp }'),
      '6:20 pools.p.probe.type: unknown value (did you mean http?), expected one of http, tcp, grpc, got "htp"',
    ],
    [
      'statuses that are none',
      inPool('probe: { expectStatus: [200-399, 6xx] }'),
      '6:38 pools.p.probe.expectStatus[1]: not a status range',
    ],
    [
      'statuses from high to low',
      inPool('probe: { expectStatus: [399-200] }'),
      '6:29 pools.p.probe.expectStatus[0]: not a status range',
    ],
    [
      'a policy nobody knows',
      inPool('balance: { policy: fastst }'),
      '6:24 pools.p.balance.policy: unknown value (did you mean fastest?)',
    ],
    [
      'a quantile that is a percentage',
      inPool('hedge: { quantile: 95 }'),
      '6:24 pools.p.hedge.quantile: too large, expected a number from 0.5 to 0.999, got 95',
    ],
    [
      'a cause nobody retries',
      inPool('retry: { on: [conect] }'),
      '6:19 pools.p.retry.on[0]: nothing to retry on (did you mean connect?)',
    ],
    ['a success to retry', inPool('retry: { on: [200] }'), '6:19 pools.p.retry.on[0]: not such a status'],
    [
      'a first ejection above the longest',
      inPool('outlier: { ejection: 10m }'),
      '6:26 pools.p.outlier.ejection: ejection above maxEjection',
    ],
    [
      'a key without its certificate',
      inPool('tls: { key: k.pem }'),
      '6:17 pools.p.tls.key: a key without its certificate',
    ],
    [
      'a CA that is not there',
      inPool('tls: { ca: nowhere.pem }'),
      '6:16 pools.p.tls.ca: cannot be read (ENOENT), expected a PEM file, got "nowhere.pem"',
    ],
    ['a CA that holds no certificate', inPool('tls: { ca: f.yaml }'), '6:16 pools.p.tls.ca: holds no certificate'],
    [
      'a route to no pool',
      route('{ path: /a, pool: shpo }'),
      '8:23 routes[1].pool: unknown pool (did you mean shop?), expected one of shop, got "shpo"',
    ],
    ['a route to nowhere', route('path: /a'), '8:5 routes[1]: leads nowhere, expected pool or respond, got neither'],
    [
      'a route to two places',
      route('{ path: /a, pool: shop, respond: { status: 200 } }'),
      '8:29 routes[1].respond: leads to two places, expected pool or respond, got both',
    ],
    [
      'a route on no listener',
      route('{ path: /a, pool: shop, listener: ":808" }'),
      '8:39 routes[1].listener: unknown listener (did you mean :8080?)',
    ],
    ['a route as another', route('pool: shop'), '8:5 routes[1]: same host, path and listener as another route'],
    [
      'a route name as another',
      `${BASE.replace('- pool', '- name: a\n    pool')}  - { name: a, path: /a, pool: shop }`,
      '9:13 routes[1].name: route name used twice',
    ],
    [
      'a path without its slash',
      route('{ path: a, pool: shop }'),
      '8:13 routes[1].path: not a path to match, expected a path that begins with / (or =/ for equality), got "a"',
    ],
    [
      'a path that no request has after normalising',
      route('{ path: /a/../b, pool: shop }'),
      '8:13 routes[1].path: not a normalised path, so it would never match, expected "/b", got "/a/../b"',
    ],
    [
      'a path as a browser shows it',
      route('{ path: /café, pool: shop }'),
      '8:13 routes[1].path: a character that has to be encoded, as in /caf%C3%A9, expected a path that begins with /',
    ],
    [
      'a path that another one can be read into',
      route('{ path: /a%2Fb, pool: shop }'),
      '8:13 routes[1].path: an encoded character that may be read as one of the path itself, so it would never match, expected none of / \\ ; ? # % and controls encoded, got "/a%2Fb"',
    ],
    ['a host with a port', route('{ host: "a:80", pool: shop }'), '8:13 routes[1].host: not a host to match'],
    ['a star in the middle', route('{ host: a.*.com, pool: shop }'), '8:13 routes[1].host: not a host to match'],
    [
      'a host header that is a slip',
      route('{ path: /a, pool: shop, hostHeader: preserv }'),
      '8:41 routes[1].hostHeader: neither a keyword nor likely a host (did you mean preserve?)',
    ],
    [
      'a header name with a blank',
      route('{ path: /a, pool: shop, requestHeaders: { set: { "a b": x } } }'),
      '8:54 routes[1].requestHeaders.set["a b"]: not a header name',
    ],
    [
      'a header value with a line break',
      route('{ path: /a, pool: shop, responseHeaders: { set: { X-A: "a\\nb" } } }'),
      '8:60 routes[1].responseHeaders.set.X-A: not a header value',
    ],
    [
      'a header of the framing',
      route('{ path: /a, pool: shop, requestHeaders: { remove: [Content-Length] } }'),
      '8:56 routes[1].requestHeaders.remove[0]: Fermat writes this field itself',
    ],
    [
      'a header twice',
      route('{ path: /a, pool: shop, requestHeaders: { set: { X-A: x, x-a: y } } }'),
      '8:62 routes[1].requestHeaders.set.x-a: field set twice (case does not count)',
    ],
    [
      'a secret that is no header value',
      route('{ path: /a, pool: shop, requestHeaders: { set: { Authorization: " hush" } } }'),
      '8:69 routes[1].requestHeaders.set.Authorization: not a header value, expected printable characters, no line breaks, no blanks around them, got a value not shown',
    ],
    [
      'Host among the headers',
      route('{ path: /a, pool: shop, requestHeaders: { set: { Host: x } } }'),
      '8:54 routes[1].requestHeaders.set.Host: Host is set by hostHeader',
    ],
    [
      'a redirect to nowhere',
      route('{ path: /a, respond: { status: 301 } }'),
      '8:36 routes[1].respond.status: a redirect without location',
    ],
    [
      'a location without a redirect',
      route('{ path: /a, respond: { status: 200, location: "/b" } }'),
      '8:51 routes[1].respond.location: location with status 200',
    ],
    [
      'a location with a variable nobody fills',
      route('{ path: /a, respond: { status: 301, location: "https://${hots}/" } }'),
      '8:51 routes[1].respond.location: an unknown variable',
    ],
    [
      'an interim status as an answer',
      route('{ path: /a, respond: { status: 101 } }'),
      '8:36 routes[1].respond.status: too small',
    ],
  ];
  test.each(cases)('%s', (_, yaml, line) => {
    const problems = problemsOf(yaml);
    expect(
      problems.filter((problem) => problem.includes(line)),
      problems.join('\n'),
    ).toHaveLength(1);
    expect(problems).toHaveLength(1);
  });

  test('two hosts that are none are not the same one', () => {
    const yaml = `${BASE}  - { host: "a:80", pool: shop }\n  - { host: "b:80", pool: shop }\n`;
    expect(problemsOf(yaml)).toEqual(Array(2).fill(expect.stringContaining('.host: not a host to match')));
  });
});

describe('the file as a whole', () => {
  test('tells all problems at once, in the order of the file, each with file:line:col path: what, expected, got', () => {
    const problems = problemsOf(
      'workers: 0\nlisteners: [{ address: x }]\nroutes:\n  - pool: p\n  - path: /a\nzzz: 1\n',
    );
    expect(problems.map((line) => line.split(' ')[0])).toEqual([
      'f.yaml:1:10',
      'f.yaml:2:24',
      'f.yaml:4:11',
      'f.yaml:5:5',
      'f.yaml:6:1',
    ]);
    for (const line of problems) expect(line).toMatch(/^f\.yaml:\d+:\d+ \S+: .+, expected .+, got .+$/);
  });

  test('tells where YAML or JSON breaks off', () => {
    expect(problemsOf('a: [1\nb: 2')[0]).toMatch(/^f\.yaml:2:1 \(syntax\): .+, expected YAML or JSON, got "b: 2"$/);
    expect(problemsOf('{ "a": 1,, }')[0]).toMatch(/^f\.yaml:1:10 \(syntax\): /);
    expect(problemsOf('a: 1\n---\nb: 1\n')).toEqual([
      'f.yaml:2:1 (syntax): several documents in one file, expected YAML or JSON, got "---"',
    ]);
  });

  test('says that a variable inside braces needs quotes', () => {
    expect(problemsOf('node: { id: ${X} }', { X: 'x' })).toEqual([expect.stringContaining('need quotes')]);
  });

  test('refuses an empty file, a comment alone, binary data, broken UTF-8, a list and a word', () => {
    expect(problemsOf('')).toEqual([expect.stringMatching(/^f\.yaml:1:1 \(file\): empty, expected .+, got nothing$/)]);
    expect(problemsOf('# nothing\n')).toEqual(['f.yaml:1:1 (file): missing, expected a mapping, got nothing']);
    expect(problemsOf(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0]))).toEqual([expect.stringContaining('not text')]);
    expect(problemsOf(Buffer.from([0x61, 0x3a, 0xff]))).toEqual([expect.stringContaining('not UTF-8')]);
    expect(problemsOf('- a\n')).toEqual(['f.yaml:1:1 (file): wrong type, expected a mapping, got a list']);
    expect(problemsOf('hello')).toEqual(['f.yaml:1:1 (file): wrong type, expected a mapping, got "hello"']);
  });

  test('refuses what is no readable regular file, without waiting for it', () => {
    mkdirSync(join(dir, 'd'), { recursive: true });
    symlinkSync(join(dir, 'nowhere'), join(dir, 'dangling'));
    const got = (file: string) => {
      const loaded = loadConfig(file, {}, {});
      return loaded.ok ? 'loaded' : loaded.problems.join('\n');
    };
    expect(got(join(dir, 'none.yaml'))).toContain(
      'none.yaml:1:1 (file): cannot be read, expected a readable file, got ENOENT',
    );
    expect(got(join(dir, 'd'))).toContain('expected a regular file, got a directory');
    expect(got(join(dir, 'dangling'))).toContain('got ENOENT');
    expect(got('/dev/zero')).toContain('expected a regular file');
  });

  test('bounds aliases that double, aliases that hold themselves, and nesting', () => {
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    const before = performance.now();
    expect(problemsOf(bomb.join('\n'))).toEqual([expect.stringContaining('too many values, expected at most 200000')]);
    expect(performance.now() - before).toBeLessThan(5000);
    expect(problemsOf('a: &a [*a]')).toEqual([expect.stringContaining('nested too deep')]);
    expect(problemsOf('['.repeat(50_000))).toEqual([expect.stringContaining('nested too deep')]);
  });

  test('takes no key for a prototype', () => {
    expect(problemsOf(`${BASE}__proto__: { workers: 3 }\n`)).toEqual([expect.stringContaining('not a key')]);
  });

  test('shows at most 200 problems and says how many more there are', () => {
    const many = Array.from({ length: 300 }, (_, i) => `zzz${i}: 1`).join('\n');
    const problems = problemsOf(`${BASE}${many}\n`);
    expect(problems).toHaveLength(201);
    expect(problems.at(-1)).toBe('f.yaml:1:1 (file): 100 more problems');
  });
});

describe('the environment', () => {
  test('fills strings in, takes defaults for what is unset or empty, and leaves $${…} and lower case alone', () => {
    const text = `${BASE}  - path: /r
    respond: { status: 308, location: "https://\${host}\${uri}" }
node: { id: "\${NAME}-\${ZONE:-a}-$\${NAME}" }\n`;
    const { node, routes } = configOf(text, { NAME: 'edge', ZONE: '' });
    expect(node.id).toBe('edge-a-${NAME}');
    expect(routes[1]?.respond?.location).toBe('https://${host}${uri}');
  });

  test('gives numbers and truths where they are wanted, and text where text is', () => {
    const text = `${BASE}workers: \${N}\nadmin: { token: "\${N}" }\n`;
    const { workers, admin } = configOf(text, { N: '3' });
    expect(workers).toBe(3);
    expect(admin.token).toBe('3');
  });

  test('wins over the file with FERMAT_LOG_LEVEL and FERMAT_ADMIN_TOKEN, and flags win over both', () => {
    const text = `${BASE}logging: { level: error }\nadmin: { token: file }\n`;
    const env = { FERMAT_LOG_LEVEL: 'warn', FERMAT_ADMIN_TOKEN: 'env' };
    expect(configOf(text).logging.level).toBe('error');
    expect(configOf(text, env).logging.level).toBe('warn');
    expect(configOf(text, env).admin.token).toBe('env');
    expect(configOf(text, env, { logLevel: 'debug', adminToken: 'flag' })).toMatchObject({
      logging: { level: 'debug' },
      admin: { token: 'flag' },
    });
  });
});

describe('a value from elsewhere', () => {
  test('is told by the variable or flag it came from', () => {
    expect(problemsOf(BASE, { FERMAT_LOG_LEVEL: 'loud' })).toEqual([
      expect.stringMatching(/^environment:1:1 FERMAT_LOG_LEVEL: unknown value, expected one of .+, got "loud"$/),
    ]);
    expect(problemsOf(BASE, { FERMAT_ADMIN_ADDRESS: '0.0.0.0:9' })).toEqual([
      expect.stringMatching(/^environment:1:1 FERMAT_ADMIN_ADDRESS: open to other machines without a token/),
    ]);
    expect(problemsOf(BASE, {}, { adminToken: 'a b' })).toEqual([
      'command line:1:1 --token: not a token, expected visible ASCII characters, got a value not shown',
    ]);
  });
});

describe('what comes out', () => {
  test('is canonical: IPv4-mapped addresses are IPv4, hosts are lower case, CIDRs have no host bits', () => {
    const { trustedProxies, pools, routes } = configOf(`listeners: [{ address: ":80" }]
trustedProxies: ["::ffff:10.1.2.3/104", 10.0.0.0/8]
pools: { p: { endpoints: [{ url: "http://[::ffff:1.2.3.4]:81/" }, { url: "HTTPS://Ex.Example" }, { url: "http://[2001:DB8::1]" }, { url: "unix:/run/a.sock" }] } }
routes: [{ host: "*.Shop.Example.", pool: p }]\n`);
    expect(trustedProxies).toEqual(['10.0.0.0/8']);
    expect(
      pools[0]?.endpoints.map(({ id, url, scheme, host, port, authority, socketPath }) => [
        id,
        url,
        scheme,
        host,
        port,
        authority,
        socketPath,
      ]),
    ).toEqual([
      ['1.2.3.4:81', 'http://1.2.3.4:81', 'http', '1.2.3.4', 81, '1.2.3.4:81', null],
      ['ex.example:443', 'https://ex.example', 'https', 'ex.example', 443, 'ex.example', null],
      ['[2001:db8::1]:80', 'http://[2001:db8::1]', 'http', '2001:db8::1', 80, '[2001:db8::1]', null],
      ['unix:/run/a.sock', 'unix:/run/a.sock', 'http', '', 0, 'localhost', '/run/a.sock'],
    ]);
    expect(routes[0]?.host).toBe('*.shop.example');
  });

  test('names routes by host and path, and tells those of two listeners apart', () => {
    const { routes } = configOf(`listeners: [{ address: ":80", name: a }, { address: ":81", name: b }]
routes:
  - { host: x.example, path: =/y, respond: { status: 200 } }
  - { respond: { status: 200 } }
  - { listener: b, respond: { status: 200 } }\n`);
    expect(routes.map(({ name }) => name)).toEqual(['x.example=/y', '/', '/@b']);
    expect(routes[0]).toMatchObject({ path: '/y', exact: true });
  });

  test('has the places of regions, and explicit ones before them', () => {
    const { node, pools } = configOf(`listeners: [{ address: ":80" }]
node: { region: "aws:eu-central-1" }
pools: { p: { endpoints: [{ url: "http://a", region: "aws:us-east-1", location: { lat: 1, lon: 2 } }, { url: "http://b" }] } }
routes: [{ pool: p }]\n`);
    expect(node.location?.latDeg).toBeCloseTo(50.1, 0);
    expect(pools[0]?.endpoints.map(({ location }) => location)).toEqual([{ latDeg: 1, lonDeg: 2 }, null]);
  });

  test('merges anchors, and what stands beside them wins', () => {
    const { pools } = configOf(`listeners: [{ address: ":80" }]
pools:
  a: { endpoints: [{ url: "http://a" }], probe: &probe { interval: 5s, rise: 7 } }
  b: { endpoints: [{ url: "http://b" }], probe: { rise: 9, <<: *probe } }
routes: [{ pool: a }]\n`);
    expect(pools[1]?.probe).toMatchObject({ intervalMs: 5000, rise: 9 });
  });

  test('is shown without secrets, in a form that loads again to the same', () => {
    const text = `${BASE}admin: { token: hush }\n`;
    const config = configOf(text);
    const shown = redact(config) as { admin: { token: string } };
    expect(JSON.stringify(shown)).not.toContain('hush');
    expect(shown.admin.token).toBe('***');
    const fields = configOf(
      `${BASE}    requestHeaders: { set: { Authorization: "Bearer hush", X-Api-Key: hush, X-Edge: fra } }\n`,
    );
    expect(redact(fields)).toMatchObject({
      routes: [{ requestHeaders: { set: { Authorization: '***', 'X-Api-Key': '***', 'X-Edge': 'fra' } } }],
    });
    const redis = (yaml: string) => JSON.stringify(redact(configOf(`${BASE}state: { redis: ${yaml} }\n`)));
    expect(redis('"redis://u:hush@h"')).toContain('redis://***@h');
    expect(redis('{ url: "redis://u:hush@h", password: hush }')).not.toContain('hush');
    expect(redis('{ sentinel: { name: m, nodes: ["h:1"], password: hush }, password: hush }')).not.toContain('hush');
    const again = configOf(JSON.stringify(shown));
    expect({ ...again, admin: null, effective: null }).toEqual({ ...config, admin: null, effective: null });
  });

  test('takes JSON with tabs, a byte order mark and CRLF', () => {
    expect(
      configOf(`\uFEFF{\r\n\t"listeners": [{"address": ":80"}],\r\n\t"routes": [{"respond": {"status": 204}}]\r\n}\r\n`)
        .routes,
    ).toHaveLength(1);
  });
});

describe('without a file', () => {
  test('--listen and --upstream are a whole configuration', () => {
    const loaded = loadConfig(
      null,
      { listen: ['127.0.0.1:8080'], upstream: ['http://127.0.0.1:9000', 'http://127.0.0.1:9001'] },
      {},
    );
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    const { listeners, pools, routes, admin } = loaded.config;
    expect(listeners).toEqual([
      { name: '127.0.0.1:8080', host: '127.0.0.1', port: 8080, path: null, proxyProtocol: 'off', tls: null },
    ]);
    expect(pools[0]?.endpoints.map(({ id }) => id)).toEqual(['127.0.0.1:9000', '127.0.0.1:9001']);
    // An app without a page at / is alive all the same.
    expect(pools[0]?.probe.expectStatus).toEqual([[200, 499]]);
    expect(routes).toMatchObject([{ path: '/', pool: 'upstream' }]);
    expect(admin.address).toEqual({ host: '127.0.0.1', port: 9901 });
  });

  test('a wrong flag is told by its name', () => {
    const loaded = loadConfig(null, { listen: ['x'], upstream: ['http://a', 'http://a'] }, {});
    expect(loaded.ok ? [] : loaded.problems).toEqual([
      expect.stringMatching(/^command line:1:1 --listen: not an address/),
      expect.stringMatching(/^command line:1:1 --upstream: endpoint id \(its host:port\) used twice/),
    ]);
  });

  test('--listen takes the place of a file’s listeners', () => {
    expect(configOf(BASE, {}, { listen: [':1', ':2'] }).listeners.map(({ port }) => port)).toEqual([1, 2]);
  });
});
