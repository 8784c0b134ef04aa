// What is asked of whom. An entrant is a proxy in a certain shape; entrants of one scenario take turns, window by window,
// and each is set beside another of the same round: the peers beside nginx, a large configuration beside the small one.

import type { Demand } from '../support/load.ts';
import { PEERS } from './peers.ts';
import { PLAIN, type Shape } from './proxies/setup.ts';

export interface Entrant {
  /** Unique in its scenario; the peer's name where that is enough. */
  readonly name: string;
  readonly peer: string;
  readonly shape: Shape;
  /** Entrant of the same scenario whose CPU cost is 1. */
  readonly beside: string;
}

export interface Scenario {
  readonly name: string;
  readonly group: Group;
  readonly title: string;
  /** What CPU time is divided by. */
  readonly per: 'request' | 'MB' | 'message';
  readonly demand: Demand;
  readonly entrants: readonly Entrant[];
}

export const GROUPS = ['http', 'tls', 'websocket', 'connections', 'scale'] as const;
export type Group = (typeof GROUPS)[number];

/** Alone by default where a comparison with everybody would only take time. */
const C_PEERS = ['nginx', 'haproxy', 'fermat'];
const TLS_PEERS = [...C_PEERS, 'caddy'];
const CONNECTIONS = 64;
/** 64 times 1 MiB would only measure the socket buffers. */
const BIG_CONNECTIONS = 16;
const H2_CONNECTIONS = 16;
const H2_STREAMS = 10;
const MANY_ROUTES = 1000;
const MANY_ENDPOINTS = 300;
const FEW_ENDPOINTS = 3;

const TLS: Shape = { ...PLAIN, listener: 'tls' };
const GET: Demand = { protocol: 'http/1.1', path: '/small', connections: CONNECTIONS };
const H2: Demand = { protocol: 'h2', path: '/small', connections: H2_CONNECTIONS, streams: H2_STREAMS };
const WEBSOCKET: Shape = { ...PLAIN, origin: 'websocket' };

function peersIn(shape: Shape, peers: readonly string[]): Entrant[] {
  return peers.map((peer) => ({ name: peer, peer, shape, beside: 'nginx' }));
}

/** Fermat and nginx, each small and large, each large one beside its own small one. */
function grown(small: readonly [string, Shape], large: readonly [string, Shape]): Entrant[] {
  return ['fermat', 'nginx'].flatMap((peer) => [
    { name: `${peer}, ${small[0]}`, peer, shape: small[1], beside: `${peer}, ${small[0]}` },
    { name: `${peer}, ${large[0]}`, peer, shape: large[1], beside: `${peer}, ${small[0]}` },
  ]);
}

const all = Object.keys(PEERS);
/** As a browser sends them, more or less. */
const TWENTY_FIELDS: Record<string, string> = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  'Cache-Control': 'no-cache',
  Pragma: 'no-cache',
  Referer: 'http://bench.test/products/4711?from=search&page=2',
  'Sec-Ch-Ua': '"Chromium";v="140", "Not=A?Brand";v="24"',
  'Sec-Ch-Ua-Mobile': '?0',
  'Sec-Ch-Ua-Platform': '"Linux"',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Site': 'same-origin',
  'Sec-Fetch-User': '?1',
  'Upgrade-Insecure-Requests': '1',
  Dnt: '1',
  Priority: 'u=0, i',
  'X-Requested-With': 'XMLHttpRequest',
  Cookie: `session=${'0123456789abcdef'.repeat(8)}; theme=dark; consent=yes; basket=4711-4712-4713`,
};

export const SCENARIOS: readonly Scenario[] = [
  http('small', '~130 B JSON', 'request', GET, all),
  http('1m', '1 MiB bodies', 'MB', { ...GET, path: '/1m', connections: BIG_CONNECTIONS }, all),
  http('16k', '16 KiB bodies', 'request', { ...GET, path: '/16k' }, C_PEERS),
  http('post-4k', 'POST of 4 KiB', 'request', { ...GET, path: '/post', method: 'POST', bodyBytes: 4096 }, C_PEERS),
  http('headers-20', '20 request fields and a cookie', 'request', { ...GET, headers: TWENTY_FIELDS }, C_PEERS),
  tls('tls-small', '~130 B over TLS, HTTP/1.1', 'request', GET),
  tls('h2-small', '~130 B over TLS, HTTP/2', 'request', H2),
  tls('h2-1m', '1 MiB bodies over TLS, HTTP/2', 'MB', { ...H2, path: '/1m', connections: 4, streams: 4 }),
  {
    name: 'websocket',
    group: 'websocket',
    title: 'WebSocket echo, 64 B',
    per: 'message',
    demand: { protocol: 'websocket', path: '/', connections: CONNECTIONS, bodyBytes: 64 },
    entrants: peersIn(WEBSOCKET, [...TLS_PEERS, 'http-proxy']),
  },
  connections('connections-1', 1),
  connections('connections-1000', 1000),
  scale('workers', '1 and 2 workers', GET, [...grown(['1 worker', PLAIN], ['2 workers', { ...PLAIN, workers: 2 }])]),
  scale('routes', `1 and ${MANY_ROUTES} routes`, { ...GET, routes: MANY_ROUTES }, [
    ...grown(['1 route', PLAIN], [`${MANY_ROUTES} routes`, { ...PLAIN, routes: MANY_ROUTES }]),
  ]),
  scale('endpoints', `${FEW_ENDPOINTS} and ${MANY_ENDPOINTS} endpoints`, GET, [
    ...grown(
      [`${FEW_ENDPOINTS} endpoints`, { ...PLAIN, endpoints: FEW_ENDPOINTS }],
      [`${MANY_ENDPOINTS} endpoints`, { ...PLAIN, endpoints: MANY_ENDPOINTS }],
    ),
  ]),
];

function http(name: string, title: string, per: Scenario['per'], demand: Demand, peers: readonly string[]): Scenario {
  return { name, group: 'http', title, per, demand, entrants: peersIn(PLAIN, peers) };
}

function tls(name: string, title: string, per: Scenario['per'], demand: Demand): Scenario {
  return { name, group: 'tls', title, per, demand, entrants: peersIn(TLS, TLS_PEERS) };
}

function connections(name: string, count: number): Scenario {
  const title = `~130 B JSON, ${count === 1 ? '1 connection' : `${count} connections`}`;
  const demand = { ...GET, connections: count };
  return { name, group: 'connections', title, per: 'request', demand, entrants: peersIn(PLAIN, C_PEERS) };
}

function scale(name: string, title: string, demand: Demand, entrants: readonly Entrant[]): Scenario {
  return { name, group: 'scale', title, per: 'request', demand, entrants };
}

/** Largest number of addresses that the origin needs. */
export function endpointsOf(scenarios: readonly Scenario[]): number {
  return Math.max(1, ...scenarios.flatMap(({ entrants }) => entrants.map(({ shape }) => shape.endpoints)));
}
