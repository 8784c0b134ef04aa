// A ControlApi with a small world in it: what the admin listener and the console are tried against, without a proxy.
// Run by itself it serves the console, to be looked at:  node test/support/control-api.ts [address] [token]

import { startAdmin } from '../../src/control/admin.ts';
import { createEventLog } from '../../src/control/events.ts';
import type { SendFrame } from '../../src/control/live/types.ts';
import type {
  CandidateView,
  ControlApi,
  EndpointView,
  Refusal,
  ReloadResult,
  ReplaceResult,
} from '../../src/control/types.ts';

export interface FakeApi extends ControlApi {
  reason: string | null;
  reloadResult: ReloadResult;
  replaceResult: ReplaceResult;
  readonly calls: string[];
  /** Who follows the live stream. */
  readonly followers: Set<SendFrame>;
}

type Row = [
  id: string,
  region: string,
  state: EndpointView['state'],
  why: string,
  rttMs: number | null,
  score: number | null,
];

const ROWS: readonly Row[] = [
  ['fra-1', 'aws:eu-central-1', 'healthy', '2 good probes', 1.4, 6.1],
  ['dub-1', 'aws:eu-west-1', 'healthy', '2 good probes', 24.2, 29.8],
  ['iad/blue:8080', 'aws:us-east-1', 'healthy', '2 good probes', 88.9, 95.3],
  ['nrt-1', 'aws:ap-northeast-1', 'unhealthy', 'connect ECONNREFUSED', 224.5, null],
  ['syd-1', 'aws:ap-southeast-2', 'draining', 'drained by the operator', 280.1, 288.8],
  ['gru-1', 'aws:sa-east-1', 'ejected', '5 failures in a row', 203.3, 1211.4],
  ['new-1', 'gcp:europe-west3', 'unknown', 'no probe has answered yet', null, null],
];

function endpoints(): EndpointView[] {
  return ROWS.map(([id, region, state, why, networkMs, scoreMs], i) => ({
    id,
    pool: i < 5 ? 'shop' : 'images',
    url: `http://10.0.${i}.1:8080`,
    region,
    location: null,
    healthy: state === 'healthy',
    state,
    why,
    since: new Date(Date.now() - (i + 1) ** 3 * 60_000).toISOString(),
    lastProbe: {
      at: new Date().toISOString(),
      ok: state === 'healthy',
      status: state === 'healthy' ? 200 : null,
      error: state === 'healthy' ? null : why,
      connectMs: networkMs,
      firstByteMs: networkMs === null ? null : networkMs + 1.2,
    },
    networkMs,
    serverMs: scoreMs === null ? null : 4.7,
    scoreMs,
    inflight: state === 'healthy' ? 12 - 5 * i : 0,
    requests: 1_204_000 >> (i * 4),
    failures: i,
    requestsPerSecond: state === 'healthy' ? 412.5 / (1 + i * i * 6) : 0,
  }));
}

function candidates(): CandidateView[] {
  return endpoints()
    .filter((e) => e.pool === 'shop')
    .map((e, i) => ({
      ...e,
      distanceKm: [11, 1090, 6550, 9300, 16500][i] ?? null,
      priorMs: [2.2, 23.8, 133, 188, 332][i] ?? null,
      errorRatio: [0.001, 0, 0.02, 0.5, 0][i] ?? 0,
      costMs: 0,
      terms: null,
      role: i === 0 ? 'band' : i === 1 ? 'overflow' : 'out',
      share: [0.92, 0.08, 0, 0, 0][i] ?? 0,
    }));
}

const NO_SUCH: Refusal = { status: 404, code: 'no_such_endpoint', message: 'no endpoint of this id' };

export function fakeApi(): FakeApi {
  const calls: string[] = [];
  const followers = new Set<SendFrame>();
  const events = createEventLog({ level: 'silent' });
  const known = (verb: string, id: string) => {
    calls.push(`${verb} ${id}`);
    return ROWS.some((row) => row[0] === id) ? null : NO_SUCH;
  };
  return {
    reason: null,
    reloadResult: { ok: true, version: 8, problems: [] },
    replaceResult: { ok: true, code: 'replaced', pid: 4712, version: '0.2.0', readyMs: 812, problems: [] },
    calls,
    startedAt: new Date(Date.now() - 7_384_000).toISOString(),
    events,
    notReadyBecause() {
      return this.reason;
    },
    endpoints,
    routes: () => [
      {
        name: 'shop',
        host: 'shop.example.com',
        path: '/api/',
        exact: false,
        listener: null,
        pool: 'shop',
        policy: 'fastest',
        mode: 'forward',
        residency: [],
        respond: null,
      },
      {
        name: 'images',
        host: '*.img.example.com',
        path: '/',
        exact: false,
        listener: null,
        pool: 'images',
        policy: 'least-request',
        mode: 'forward',
        residency: [],
        respond: null,
      },
      {
        name: 'private',
        host: null,
        path: '/private',
        exact: true,
        listener: 'http',
        pool: null,
        policy: null,
        mode: 'forward',
        residency: [],
        respond: 403,
      },
    ],
    config: () => ({ admin: { token: '[redacted]' } }),
    explain: (q) =>
      q.path === '/nowhere'
        ? { status: 404, code: 'no_route', message: 'no route for this path' }
        : {
            route: 'shop',
            pool: 'shop',
            policy: 'fastest',
            mode: 'forward',
            residency: [],
            cohort: { key: 'country:DE', country: 'DE', city: 'Frankfurt am Main', lat: 50.11, lon: 8.68 },
            candidates: candidates(),
            chosen: 'fra-1',
            note: null,
          },
    decisions: () => [],
    decision: (id) => (id === 'k3' ? { id, endpoint: 'fra-1', candidates: [] } : null),
    pools: () => [
      {
        name: 'shop',
        policy: 'fastest',
        endpoints: 5,
        healthy: 3,
        requestsPerSecond: 486.8,
        inflight: 21,
        whenAllDown: 'try',
        explorePercent: 0.5,
      },
    ],
    followers,
    live: {
      follow(send) {
        followers.add(send);
        setImmediate(() => send(Buffer.from('event: hello\ndata: {"endpoints":[]}\n\n'), true));
        return () => followers.delete(send);
      },
    },
    async evacuation({ regions, endpoints: ids, pool }) {
      calls.push(`evacuation ${regions.join('+')} ${ids.join('+')} ${pool}`);
      const removed = ROWS.filter(([id, region]) => regions.includes(region) || ids.includes(id)).map(([id]) => id);
      if (removed.length === 0)
        return { status: 404, code: 'no_such_region', message: 'no endpoint is in that region' };
      return { removed, decisions: 0, sinceIso: null, note: 'nothing was recorded', pools: [], countries: [] };
    },
    discovery: () => [],
    register: () => ({ status: 401, code: 'unauthorized', message: 'nobody registers here' }),
    async reload(why) {
      calls.push(`reload ${why}`);
      return this.reloadResult;
    },
    async replace(why) {
      calls.push(`replace ${why}`);
      return this.replaceResult;
    },
    drain: (id) => known('drain', id),
    enable: (id) => known('enable', id),
    metrics: async () => '# HELP fermat_build_info x\n# TYPE fermat_build_info gauge\nfermat_build_info 1\n',
    fleet: () => ({
      redis: { configured: true, up: true, listening: true, receivedBytesPerS: 2048, sentBytesPerS: 512 },
      self: { node: 'edge-fra-1', instance: '00000000000000a1', region: 'aws:eu-central-1', location: null },
      nodes: [
        {
          node: 'edge-dub-1',
          instance: '00000000000000a2',
          region: 'aws:eu-west-1',
          location: { latDeg: 53.35, lonDeg: -6.26 },
          ageMs: 420,
          intervalMs: 2200,
          endpoints: 7,
          distanceKm: 1092,
          isNear: false,
        },
      ],
    }),
    node() {
      return {
        id: 'edge-fra-1',
        pid: 4711,
        version: '0.1.0',
        node: process.version,
        region: 'aws:eu-central-1',
        location: { latDeg: 50.11, lonDeg: 8.68 },
        workers: 2,
        listeners: [{ name: 'http', url: 'http://127.0.0.1:8080' }],
        geoip: { source: 'DB-IP Lite', built: '2026-06-05T00:00:00.000Z' },
        snapshotVersion: 7,
        shedding: [],
        startedAt: this.startedAt,
      };
    },
  };
}

if (import.meta.main) {
  const api = fakeApi();
  api.events.emit('info', 'node.ready', 'accepting connections on http://127.0.0.1:8080');
  api.events.emit('info', 'endpoint.state', 'fra-1 is healthy: 2 good probes', { endpoint: 'fra-1' });
  api.events.emit('warn', 'endpoint.state', 'gru-1 is ejected for 30 s: 5 failures in a row', { endpoint: 'gru-1' });
  api.events.emit(
    'error',
    'config.reload',
    'fermat.yaml:12:7 pools.shop.probe.intervall: unknown key, did you mean interval?',
  );
  const admin = await startAdmin({ api, address: process.argv[2] ?? '127.0.0.1:0', token: process.argv[3] ?? null });
  console.info(`${admin.url}/ui/`);
}
