// The configuration as CONTRACT.md promises it: its keys, its defaults, its page. The example is the contract's own, so a
// default that moves away from it fails here.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configurationPage } from '../../src/control/config/docs.ts';
import { loadConfig } from '../../src/control/config/load.ts';
import { fileSchema, jsonSchema } from '../../src/control/config/schema.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-contract-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** CONTRACT.md, "Configuration", defaults shown. */
const DEFAULTS = parse(`
workers: auto
trustedProxies: []
limits: { requestLine: 8KiB, head: 32KiB, headers: 100, body: 0, headTimeout: 10s, idleTimeout: 60s, bodyTimeout: 30s,
          connections: 0, connectionsPerClient: 0, requests: 0, requestsPerClient: 0, memory: 0, loopDelay: 100ms }
geoip: { databases: [] }
state: { redis: null }
overlay: null
admin: { address: "127.0.0.1:9901", token: null }
shutdown: { drainDelay: 5s, timeout: 30s }
logging:
  level: info
  access: off
  accessLog:
    file: null
    sample: 1
    sampleErrors: false
    slow: null
    headers: []
    redact:
      query: [token, access_token, id_token, refresh_token, auth, auth_token, jwt, sid, session, sessionid, access-token, authorization,
              bearer, otp, ticket, jsessionid, phpsessid, samlresponse, key, apikey, api_key, api-key, access_key, secret,
              client_secret, password, passwd, pass, pwd, x-api-key, private_key, passphrase, client_assertion, awsaccesskeyid,
              googleaccessid, signature, sig, hmac, x-amz-signature, x-amz-credential,
              x-amz-security-token, x-goog-signature, x-goog-credential]
      headers: [authorization, proxy-authorization, cookie, set-cookie, x-api-key, x-auth-token, x-amz-security-token, x-csrf-token,
                x-forwarded-client-cert]
tracing: { otlp: null, headers: {}, compression: gzip, timeout: 10s, sample: 0.01, parentBased: true, propagate: true,
           maxSpansPerSecond: 1000, serviceName: fermat, resource: {} }
`) as Record<string, unknown>;

const POOL = parse(`
endpoints: [{ url: "http://10.1.0.5:8080", weight: 1, capacity: 0, egressUsdPerGb: 0, labels: {} }]
discover: []
tls: { ca: null, cert: null, key: null, serverName: null, verify: true }
proxyProtocol: off
probe: { type: http, service: '', method: GET, path: /, host: null, interval: 2s, timeout: 1s, expectStatus: [200-399],
         expectBody: null, rise: 2, fall: 3 }
balance: { policy: fastest, hashOn: null, bandPercent: 10, bandMs: 5, explorePercent: 0.5, slowStart: 10s, whenAllDown: try,
           millisPerUsdPerMillion: 0 }
timeouts: { connect: 2s, firstByte: 30s, bodyIdle: 60s, tunnelIdle: 1h, idle: 4s, connectionAge: 5m, total: 0s }
retry: { attempts: 1, on: [connect, reset, timeout, 502, 503, 504], methods: [GET, HEAD, OPTIONS, PUT, DELETE, TRACE],
         budgetPercent: 20, budgetMin: 3 }
hedge: { enabled: false, quantile: 0.95, budgetPercent: 2 }
outlier: { consecutive: 5, interval: 10s, ejection: 30s, maxEjection: 300s, maxEjectedPercent: 50 }
limits: { connectionsPerEndpoint: 1024, requests: 0, requestsPerEndpoint: 0, queue: 1024, queueTimeout: 1s }
`) as unknown;

const ROUTE = parse(`
host: null
path: /
listener: null
pool: shop
mode: forward
stripPrefix: false
hostHeader: preserve
requestHeaders: { set: {}, remove: [] }
responseHeaders: { set: {}, remove: [] }
serverTiming: false
priority: normal
residency: []
overlay: off
compress: []
rateLimit: []
locality: null
`) as unknown;

/** Every key of the contract, all at their defaults or at the contract's example. */
const EVERYTHING = `
node: { id: edge-fra-1, region: "aws:eu-central-1", location: { lat: 50.11, lon: 8.68 } }
workers: auto
listeners:
  - { address: ":8080", name: http, proxyProtocol: off }
trustedProxies: [10.0.0.0/8]
limits: { requestLine: 8KiB, head: 32KiB, headers: 100, body: 0, headTimeout: 10s, idleTimeout: 60s, bodyTimeout: 30s,
          connections: 0, connectionsPerClient: 0, requests: 0, requestsPerClient: 0, memory: 0, loopDelay: 100ms }
geoip: { databases: [] }
pools:
  shop:
    endpoints:
      - { url: "https://10.1.0.5:8443", id: fra-1, region: "aws:eu-central-1", location: { lat: 1, lon: 2 }, weight: 1, capacity: 0,
          egressUsdPerGb: 0, labels: { rack: a } }
    discover:
      - { dns: { name: shop.internal, type: A, port: 8080, scheme: http, interval: 30s }, minimum: 1, grace: 30s,
          defaults: { region: "aws:eu-central-1", location: { lat: 1, lon: 2 }, weight: 1, capacity: 0, egressUsdPerGb: 0, labels: {} } }
      - { directory: { path: endpoints.d } }
      - { kubernetes: { service: shop, namespace: web, port: http, scheme: http, kubeconfig: null, zones: { rack-1: "aws:eu-central-1" } } }
      - { consul: { address: "http://127.0.0.1:8500", service: shop, tag: null, datacenter: null, token: null, passing: true, scheme: http } }
      - { registry: { token: "0123456789abcdef", networks: [10.0.0.0/8] } }
    tls: { ca: null, cert: null, key: null, serverName: null, verify: true }
    proxyProtocol: off
    probe: { type: http, service: '', method: GET, path: /, host: null, interval: 2s, timeout: 1s, expectStatus: [200-399], expectBody: null,
             rise: 2, fall: 3 }
    balance: { policy: fastest, hashOn: null, bandPercent: 10, bandMs: 5, explorePercent: 0.5, slowStart: 10s,
               whenAllDown: try, millisPerUsdPerMillion: 0 }
    timeouts: { connect: 2s, firstByte: 30s, bodyIdle: 60s, tunnelIdle: 1h, idle: 4s, connectionAge: 5m, total: 0s }
    retry: { attempts: 1, on: [connect, reset, timeout, 502, 503, 504], methods: [GET, HEAD, OPTIONS, PUT, DELETE, TRACE],
             budgetPercent: 20, budgetMin: 3 }
    hedge: { enabled: false, quantile: 0.95, budgetPercent: 2 }
    outlier: { consecutive: 5, interval: 10s, ejection: 30s, maxEjection: 300s, maxEjectedPercent: 50 }
    limits: { connectionsPerEndpoint: 1024, requests: 0, requestsPerEndpoint: 0, queue: 1024, queueTimeout: 1s }
routes:
  - { name: shop, host: shop.example.com, path: /api/, listener: null, pool: shop, mode: forward, stripPrefix: false,
      hostHeader: preserve, requestHeaders: { set: {}, remove: [] }, responseHeaders: { set: {}, remove: [] },
      serverTiming: false, priority: normal, residency: [] }
  - { path: /private, respond: { status: 403, body: "" } }
  - { path: /old, respond: { status: 308, location: "https://\${host}\${uri}" } }
state: { redis: null }
admin: { address: "127.0.0.1:9901", token: null }
shutdown: { drainDelay: 5s, timeout: 30s }
logging: { level: info, access: off, accessLog: { file: null, sample: 1, sampleErrors: false, slow: 1s, headers: [x-tenant],
            redact: { query: [token], headers: [cookie] } } }
tracing: { otlp: null, headers: {}, compression: gzip, timeout: 10s, sample: 0.01, parentBased: true, propagate: true,
           maxSpansPerSecond: 1000, serviceName: fermat, resource: {} }
`;

describe('the contract', () => {
  test('its defaults are what a file without them gets', () => {
    const file = fileSchema.parse({
      listeners: [{ address: ':8080' }],
      pools: { shop: { endpoints: [{ url: 'http://10.1.0.5:8080' }] } },
      routes: [{ pool: 'shop' }],
    });
    const { node, listeners, pools, routes, ...rest } = file;
    expect(rest).toEqual(DEFAULTS);
    expect(node).toEqual({ resolvers: [] });
    expect(listeners).toEqual([{ address: ':8080', proxyProtocol: 'off', tls: null }]);
    expect(pools).toEqual({ shop: POOL });
    expect(routes).toEqual([ROUTE]);
  });

  test('every key of it loads', () => {
    const file = join(dir, 'everything.yaml');
    writeFileSync(file, EVERYTHING);
    const loaded = loadConfig(file, {}, {});
    expect(loaded.ok ? [] : loaded.problems).toEqual([]);
    expect(loaded.ok && loaded.files).toEqual([file]);
  });

  test('and in the units of the code', () => {
    const file = join(dir, 'units.yaml');
    writeFileSync(file, EVERYTHING);
    const loaded = loadConfig(file, {}, {});
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    const { limits, pools, shutdown, node } = loaded.config;
    expect(limits).toMatchObject({ requestLineBytes: 8192, headBytes: 32_768, bodyBytes: 0, headTimeoutMs: 10_000 });
    expect(shutdown).toEqual({ drainDelayMs: 5000, timeoutMs: 30_000 });
    expect(node.location).toEqual({ latDeg: 50.11, lonDeg: 8.68 });
    expect(pools[0]).toMatchObject({
      bandRatio: 0.1,
      exploreRatio: 0.005,
      slowStartMs: 10_000,
      timeouts: {
        connectMs: 2000,
        firstByteMs: 30_000,
        bodyIdleMs: 60_000,
        tunnelIdleMs: 3_600_000,
        idleMs: 4000,
        connectionAgeMs: 300_000,
        totalMs: 0,
      },
      retry: {
        attempts: 1,
        onConnect: true,
        onReset: true,
        onTimeout: true,
        onStatus: [502, 503, 504],
        budgetRatio: 0.2,
      },
      outlier: { consecutive: 5, ejectionMs: 30_000, maxEjectionMs: 300_000, maxEjectedRatio: 0.5 },
      probe: { intervalMs: 2000, timeoutMs: 1000, expectStatus: [[200, 399]] },
    });
  });
});

describe('what is written from the schema', () => {
  test('the JSON Schema knows every section and closes every object', () => {
    const schema = jsonSchema() as { properties: Record<string, unknown>; additionalProperties: boolean };
    expect(Object.keys(schema.properties)).toEqual(Object.keys(fileSchema.shape));
    expect(schema.additionalProperties).toBe(false);
    // An editor would mark what validates: `drainDelay: 0`.
    expect(schema.properties.shutdown).toMatchObject({
      properties: { drainDelay: { anyOf: [{ type: 'string' }, { const: 0 }] } },
    });
  });

  test('docs/configuration.md is up to date: `npm run --silent fermat -- config docs > docs/configuration.md`', () => {
    expect(readFileSync('docs/configuration.md', 'utf8')).toBe(configurationPage());
  });

  test('the page tells of every form that a value may have', () => {
    const line = (key: string) =>
      configurationPage()
        .split('\n')
        .find((row) => row.startsWith(`| \`${key}\``));
    expect(line('state.redis')).toContain('or the keys below, or null');
    expect(line('state.redis.sentinel.nodes')).toContain('Sentinels');
    expect(line('limits.head')).toContain('`"32KiB"`');
  });
});
