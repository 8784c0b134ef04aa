import { describe, expect, it } from 'vitest';
import { createExplain, type ExplainSources } from '../../src/control/explain.ts';
import type { CandidateView, ExplainQuery, Explanation, Refusal } from '../../src/control/types.ts';
import { cohortName, countryKeyOf } from '../../src/core/cohort.ts';
import { NONE, type PoolSpec, type RouteSpec, type Snapshot } from '../../src/core/snapshot.ts';

function route(name: string, fields: Partial<RouteSpec>): RouteSpec {
  return {
    uid: 0,
    name,
    host: null,
    path: '/',
    exact: false,
    listener: null,
    pool: NONE,
    row: 0,
    mode: 'forward',
    residency: [],
    respond: null,
    stripPrefix: false,
    hostHeader: { kind: 'preserve' },
    requestHeaders: { set: [], remove: [] },
    responseHeaders: { set: [], remove: [] },
    serverTiming: false,
    priority: 'normal',
    compress: [],
    rateLimits: [],
    locality: null,
    ...fields,
  };
}

function pool(name: string, whenAllDown: 'try' | 'fail' = 'try'): PoolSpec {
  return {
    uid: 0,
    name,
    endpoints: [],
    row: 0,
    policy: 'fastest',
    bandRatio: 0.1,
    bandMs: 5,
    exploreRatio: 0,
    hashOn: null,
    millisPerUsdPerMillion: 0,
    slowStartMs: 0,
    whenAllDown,
    timeouts: {
      connectMs: 1,
      firstByteMs: 1,
      bodyIdleMs: 1,
      tunnelIdleMs: 1,
      idleMs: 1,
      connectionAgeMs: 0,
      totalMs: 0,
    },
    retry: {
      attempts: 1,
      onConnect: true,
      onReset: true,
      onTimeout: true,
      onStatus: [],
      methods: ['GET'],
      budgetRatio: 0.2,
      budgetMin: 3,
    },
    hedge: null,
    outlier: { consecutive: 5, intervalMs: 1, ejectionMs: 1, maxEjectionMs: 1, maxEjectedRatio: 0.5 },
    connectionsPerEndpoint: 1,
    queue: 1,
    queueTimeoutMs: 1,
    requests: 0,
    requestsPerEndpoint: 0,
    tls: { ca: null, cert: null, key: null, serverName: null, verify: true },
    proxyProtocol: 'off',
  };
}

function snapshot(routes: readonly RouteSpec[], pools = [pool('shop')], version = 1): Snapshot {
  return {
    version,
    table: new SharedArrayBuffer(8),
    lanes: 1,
    nodeId: 'test',
    listeners: ['http', 'internal'].map((name, uid) => ({
      uid,
      name,
      host: '',
      port: 0,
      path: null,
      proxyProtocol: 'off' as const,
      tls: null,
    })),
    routes,
    pools,
    rows: pools.map((_, i) => ({ pool: i, members: [], residency: [] })),
    endpoints: [],
    limits: {
      requestLineBytes: 1,
      headBytes: 1,
      headers: 1,
      bodyBytes: 0,
      headTimeoutMs: 1,
      idleTimeoutMs: 1,
      bodyTimeoutMs: 1,
      connections: 0,
      connectionsPerClient: 0,
      requests: 0,
      requestsPerClient: 0,
      memoryBytes: 0,
      loopDelayMs: 0,
    },
    trustedProxies: [],
    drainDelayMs: 0,
    drainTimeoutMs: 0,
    access: 'off',
  };
}

function candidate(id: string, healthy = true): CandidateView {
  return {
    id,
    url: `http://${id}`,
    region: 'aws:eu-central-1',
    healthy,
    state: healthy ? 'healthy' : 'unhealthy',
    why: 'probes',
    distanceKm: 10,
    priorMs: 2,
    networkMs: 3,
    serverMs: 4,
    inflight: 0,
    errorRatio: 0,
    costMs: 0,
    scoreMs: 7,
    terms: { networkMs: 3, serverMs: 4, queueMs: 0, errorsMs: 0, costMs: 0, holdOffMs: 0 },
    role: 'band',
    share: 1,
  };
}

const BERLIN = { country: 'DE', city: 'Berlin', latDeg: 52.5, lonDeg: 13.4 };

function explainer(current: Snapshot, over: Partial<ExplainSources> = {}) {
  const explain = createExplain({
    snapshot: () => current,
    fleet: { candidates: () => ({ candidates: [candidate('fra-1')], chosen: 'fra-1' }) },
    geo: { lookup: (ip) => (ip === '192.0.2.7' ? BERLIN : null) },
    ...over,
  });
  return (query: Partial<ExplainQuery>): Explanation | Refusal =>
    explain({ client: '192.0.2.7', host: null, path: '/', method: 'GET', ...query });
}

describe('explain', () => {
  it('gives the route, the pool, the cohort of the client and the candidates of that pool', () => {
    const asked: number[] = [];
    const explain = explainer(
      snapshot(
        [
          route('blog', { pool: 0, path: '/blog/' }),
          route('api', { pool: 1, row: 1, host: 'shop.example', path: '/api/' }),
        ],
        [pool('blog'), pool('shop')],
      ),
      {
        fleet: {
          candidates(index) {
            asked.push(index);
            return {
              candidates: [candidate('fra-1'), candidate('iad-1')],
              chosen: 'iad-1',
              cohort: countryKeyOf('DE'),
            };
          },
        },
      },
    );
    expect(explain({ host: 'Shop.Example:8080', path: '/api/items?x=1' })).toEqual({
      route: 'api',
      mode: 'forward',
      residency: [],
      pool: 'shop',
      policy: 'fastest',
      cohort: { key: 'country:DE', country: 'DE', city: 'Berlin', lat: 52.5, lon: 13.4 },
      candidates: [candidate('fra-1'), candidate('iad-1')],
      chosen: 'iad-1',
      note: null,
    });
    expect(asked).toEqual([1]);
  });

  it('calls the cohort of a client nobody knows, or of a node without a database, the edge', () => {
    const current = snapshot([route('all', { pool: 0 })]);
    const edge = { key: 'edge', country: null, city: null, lat: null, lon: null };
    expect(explainer(current)({ client: '203.0.113.9' })).toMatchObject({ cohort: edge });
    expect(explainer(current, { geo: null })({})).toMatchObject({ cohort: edge });
    expect(explainer(current, { geo: () => null })({})).toMatchObject({ cohort: edge });
  });

  it('looks a mapped IPv6 address up as the IPv4 address it is', () => {
    const explain = explainer(snapshot([route('all', { pool: 0 })]));
    expect(explain({ client: '::ffff:192.0.2.7' })).toMatchObject({ cohort: { key: 'edge', country: 'DE' } });
  });

  it('asks for the row of the client, and names the cohort whose it is', () => {
    const asked: string[] = [];
    const place = { ...BERLIN, asn: 3320 };
    const explain = explainer(snapshot([route('all', { pool: 0 })]), {
      geo: { lookup: () => place },
      fleet: {
        candidates(_, client) {
          asked.push(cohortName(client.prefixKey), cohortName(client.asnKey), cohortName(client.countryKey));
          return { candidates: [candidate('fra-1')], chosen: 'fra-1', cohort: client.asnKey };
        },
      },
    });
    expect(explain({})).toMatchObject({ cohort: { key: 'asn:3320', country: 'DE', city: 'Berlin', lat: 52.5 } });
    expect(asked).toEqual(['prefix:192.0.2.0/24', 'asn:3320', 'country:DE']);
  });

  it('says that Fermat answers itself where a route responds', () => {
    const respond = { status: 403, body: '', location: null };
    const explain = explainer(snapshot([route('private', { path: '/private', respond })]));
    expect(explain({ path: '/private' })).toMatchObject({
      route: 'private',
      pool: null,
      candidates: [],
      chosen: null,
      note: 'Fermat answers 403 itself, no endpoint is asked',
    });
  });

  it('reads a path that is not ASCII as the bytes that a client sends', () => {
    const explain = explainer(snapshot([route('all', { pool: 0 }), route('café', { pool: 0, path: '/caf%C3%A9' })]));
    for (const path of ['/café', '/café/x', '/caf%c3%a9']) expect(explain({ path })).toMatchObject({ route: 'café' });
    expect(explain({ path: '/cafe' })).toMatchObject({ route: 'all' });
  });

  it('refuses a request that no route takes, and one whose path reads in two ways', () => {
    const explain = explainer(snapshot([route('a', { pool: 0, path: '/a/' }), route('b', { pool: 0, path: '/b/' })]));
    expect(explain({ path: '/c' })).toMatchObject({ status: 404, code: 'no_route' });
    expect(explain({ path: '/a/..%2fb/' })).toMatchObject({ status: 400, code: 'ambiguous_path' });
  });

  it.each([
    [{ client: 'localhost' }, /client: expected an IP address, got "localhost"/],
    [{ client: '1.2.3' }, /client/],
    [{ client: '' }, /client/],
    [{ path: 'x' }, /path: expected to begin/],
    [{ path: '/a b' }, /path/],
    [{ path: `/${'a'.repeat(9000)}` }, /path/],
    [{ method: 'G ET' }, /method/],
    [{ host: 'a/b' }, /host/],
  ])('refuses %o as a bad request and says what is wrong', (query, message) => {
    const answer = explainer(snapshot([route('all', { pool: 0 })]))(query);
    expect(answer).toMatchObject({ status: 400, code: 'bad_request', message: expect.stringMatching(message) });
  });

  it('finds a route of another listener than the first and says so', () => {
    const explain = explainer(snapshot([route('inner', { pool: 0, listener: 'internal' })]));
    expect(explain({})).toMatchObject({ route: 'inner', note: 'on listener internal' });
  });

  it('notes a pool where nothing is healthy, by what the pool does then', () => {
    const down = { candidates: () => ({ candidates: [candidate('fra-1', false)], chosen: null }) };
    const routes = [route('all', { pool: 0 })];
    expect(explainer(snapshot(routes), { fleet: down })({})).toMatchObject({
      chosen: null,
      note: 'no endpoint is healthy: trial requests only',
    });
    expect(explainer(snapshot(routes, [pool('shop', 'fail')]), { fleet: down })({})).toMatchObject({
      note: 'no endpoint is healthy: 503 at once',
    });
    const empty = { candidates: () => ({ candidates: [], chosen: null }) };
    expect(explainer(snapshot(routes), { fleet: empty })({})).toMatchObject({ note: 'the pool has no endpoints' });
    const drained = { ...candidate('fra-1', false), state: 'draining' as const };
    const emptied = { candidates: () => ({ candidates: [drained, drained], chosen: null }) };
    expect(explainer(snapshot(routes), { fleet: emptied })({})).toMatchObject({
      note: 'every endpoint is drained: 503 at once',
    });
  });

  it('follows the snapshot that is current when it is asked', () => {
    let current = snapshot([route('old', { pool: 0 })]);
    const explain = createExplain({
      snapshot: () => current,
      fleet: { candidates: () => ({ candidates: [], chosen: null }) },
      geo: null,
    });
    const query = { client: '192.0.2.7', host: null, path: '/', method: 'GET' };
    expect(explain(query)).toMatchObject({ route: 'old' });
    current = snapshot([route('new', { pool: 0 })], [pool('shop')], 2);
    expect(explain(query)).toMatchObject({ route: 'new' });
  });
});
