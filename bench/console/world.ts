// The world that the console is shown in: an edge in Frankfurt, 60 endpoints in 20 regions as far away as was measured between
// regions of a cloud, clients in some forty countries, and a few things that are wrong. No chance, no sockets.

import { regionsOf, rttOf } from '../../geoip/latency.ts';
import type { ClientPlan } from './clients.ts';
import type { OriginPlan } from './origins.ts';

export const EDGE = 'aws:eu-central-1';
const PER_REGION = 3;
/** One region more, of another cloud; its way is not in the matrix. */
const OTHER = { region: 'gcp:europe-west4', rttMs: 8 };
/** Regions of the second pool. */
const MEDIA = ['aws:eu-west-3', 'aws:eu-south-1', 'aws:us-east-2', 'aws:ap-northeast-1', 'gcp:europe-west4'];
const ZONES = 'abcdefghijklmnopqrstuvwxyz';

export interface EndpointPlan extends OriginPlan {
  readonly id: string;
  readonly region: string;
  readonly pool: 'shop' | 'media';
}

export interface Regional {
  readonly region: string;
  readonly rttMs: number;
}

export function regions(): Regional[] {
  const home = EDGE.slice(EDGE.indexOf(':') + 1);
  const measured = regionsOf('aws').map((name) => ({
    region: `aws:${name}`,
    rttMs: Math.round(rttOf('aws', home, name)?.avgMs ?? 0),
  }));
  return [...measured, OTHER];
}

/** So many endpoints over all regions, an address each; `isSound` = nothing is wrong with any. */
export function endpoints(total: number, isSound: boolean): EndpointPlan[] {
  const all = regions();
  return Array.from({ length: total }, (_, i) => {
    const perRegion = Math.ceil(total / all.length);
    const { region, rttMs } = all[Math.floor(i / perRegion)]!;
    const zone = i % perRegion;
    const short = region.slice(region.indexOf(':') + 1);
    const id = `${short}${perRegion <= PER_REGION ? ZONES[zone] : `-${String(zone + 1).padStart(2, '0')}`}`;
    return {
      id,
      region,
      pool: MEDIA.includes(region) ? 'media' : 'shop',
      host: `127.0.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`,
      rttMs,
      serverMs: 3 + ((i * 7) % 5),
      health: isSound ? 'well' : (WRONG[id] ?? 'well'),
    };
  });
}

const WRONG: Readonly<Record<string, OriginPlan['health']>> = {
  'us-west-1b': 'sick',
  'ap-south-1c': 'sick',
  'sa-east-1a': 'dead',
  'eu-west-1b': 'failing',
  'us-east-2a': 'failing',
};
/** Drained by hand once the rig stands. */
export const DRAINED = ['eu-south-1c', 'ca-central-1b'];

/** Hosts that clients of a part of the world ask, and where their data may be; [] = anywhere. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  'shop.example.com': [],
  'us.shop.example.com': ['US', 'CA'],
  'asia.shop.example.com': ['SG', 'JP', 'HK', 'IN', 'AU'],
  'sul.shop.example.com': ['BR'],
};

/** The configuration of the rig's proxy. */
export function configOf(plans: readonly EndpointPlan[], port: number): object {
  const pool = (name: string, policy: string) => ({
    endpoints: plans
      .filter((plan) => plan.pool === name)
      .map(({ id, region, host }) => ({ url: `http://${host}:${port}`, id, region, capacity: CAPACITY })),
    probe: { path: '/health', interval: '2s' },
    balance: { policy, explorePercent: 1 },
  });
  return {
    node: { id: 'edge-fra-1', region: EDGE },
    workers: 1,
    listeners: [{ name: 'http', address: '127.0.0.1:0' }],
    trustedProxies: ['127.0.0.1'],
    pools: { shop: pool('shop', 'fastest'), media: pool('media', 'least-request') },
    routes: [
      ...Object.entries(HOSTS).map(([host, residency]) => ({
        name: host.split('.example')[0],
        host,
        pool: 'shop',
        residency,
      })),
      { name: 'media', host: 'media.example.com', pool: 'media' },
      { name: 'robots', path: '=/robots.txt', respond: { status: 200, body: 'User-agent: *' } },
    ],
    admin: { address: '127.0.0.1:0' },
    shutdown: { drainDelay: '0s', timeout: '1s' },
  };
}

/** Requests per second that each endpoint says it can take. */
const CAPACITY = 60;

/** Addresses out of large consumer networks; nothing is ever sent to them. */
export const CLIENTS: readonly ClientPlan[] = (
  [
    ['84.128.20.7', 24, 'shop'], // Germany
    ['87.140.33.9', 10, 'media'],
    ['90.12.55.4', 15, 'shop'], // France
    ['86.140.7.21', 13, 'shop'], // United Kingdom
    ['79.20.1.1', 9, 'shop'], // Italy
    ['80.58.1.1', 8, 'shop'], // Spain
    ['83.0.1.1', 8, 'shop'], // Poland
    ['84.241.200.1', 6, 'media'], // Netherlands
    ['78.70.14.3', 4, 'shop'], // Sweden
    ['84.208.1.1', 3, 'shop'], // Norway
    ['88.112.1.1', 2, 'shop'], // Finland
    ['62.2.1.1', 4, 'shop'], // Switzerland
    ['89.24.1.1', 3, 'media'], // Czechia
    ['85.240.1.1', 2, 'shop'], // Portugal
    ['94.64.1.1', 2, 'shop'], // Greece
    ['78.160.1.1', 6, 'shop'], // Türkiye
    ['93.72.1.1', 3, 'shop'], // Ukraine
    ['188.48.1.1', 2, 'shop'], // Saudi Arabia
    ['41.32.1.1', 2, 'shop'], // Egypt
    ['105.112.1.1', 2, 'shop'], // Nigeria
    ['105.224.3.3', 2, 'shop'], // South Africa
    ['73.162.80.11', 16, 'us.shop'], // United States
    ['99.224.6.17', 4, 'us.shop'], // Canada
    ['189.128.1.1', 3, 'us.shop'], // Mexico
    ['177.32.9.40', 6, 'sul.shop'], // Brazil
    ['190.16.1.1', 2, 'sul.shop'], // Argentina
    ['126.20.44.5', 5, 'asia.shop'], // Japan
    ['117.200.18.2', 7, 'asia.shop'], // India
    ['114.120.1.1', 3, 'asia.shop'], // Indonesia
    ['211.36.140.1', 3, 'asia.shop'], // South Korea
    ['1.128.99.12', 3, 'asia.shop'], // Australia
  ] as const
).map(([address, weight, host]) => ({ address, weight, host: `${host}.example.com` }));
