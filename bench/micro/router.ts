// The router with 1, 100, 1,000 and 10,000 routes: a look-up may not get dearer with the number of them. The rival is the
// usual way, a list sorted by length and searched from the front. Run: node bench/micro/router.ts

import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { compileRouter } from '../../src/core/router.ts';
import type { RouteSpec } from '../../src/core/snapshot.ts';

const LOOKUPS = 200_000;
const ROUNDS = 15;
const PATHS = [
  '/api/v1/users/4711/orders?limit=20&after=2026-01-01',
  '/assets/app.4f2c1a.js',
  '/',
  '/shop/item/red-shoes',
  '/api/v1/service-x/health',
];

function routesOf(count: number): RouteSpec[] {
  return Array.from({ length: count }, (_, i) => ({
    uid: i,
    name: String(i),
    host: null,
    path: i === 0 ? '/' : `/api/v1/service-${i}/`,
    exact: false,
    listener: null,
    pool: 0,
    row: 0,
    mode: 'forward',
    residency: [],
    respond: null,
    stripPrefix: false,
    hostHeader: { kind: 'preserve' },
    requestHeaders: { set: [], remove: [] },
    responseHeaders: { set: [], remove: [] },
    serverTiming: false,
    priority: 'normal' as const,
    compress: [],
    rateLimits: [],
    locality: null,
  }));
}

/** The routes that the paths lead to are always there: what grows is the number of those that do not match. */
function withTargets(routes: RouteSpec[]): RouteSpec[] {
  return [...routes, { ...routes[0]!, path: '/shop/' }, { ...routes[0]!, path: '/api/v1/service-x/' }];
}

type Match = (host: string, path: string) => number;

const MAKERS: Record<string, (routes: RouteSpec[]) => Match> = {
  compiled: (routes) => {
    const router = compileRouter(routes);
    return (host, path) => router.match(host, path, 'http');
  },
  list: (routes) => {
    const sorted = routes
      .map((route, index) => ({ path: route.path, index }))
      .sort((a, b) => b.path.length - a.path.length);
    return (_, path) => sorted.find((route) => path.startsWith(route.path))?.index ?? -1;
  },
};

function nsPerLookup(match: Match, lookups: number): number {
  const start = process.hrtime.bigint();
  let sum = 0;
  for (let i = 0; i < lookups; i++) sum += match('shop.example.com', PATHS[i % PATHS.length]!);
  if (sum < -lookups) throw new Error('never: keeps the look-ups from being optimised away');
  return Number(process.hrtime.bigint() - start) / lookups;
}

export interface RouterFigure {
  readonly router: string;
  readonly routes: number;
  readonly ns: number;
}

/** The best of several interleaved rounds of each: noise only ever adds. */
export function run(): RouterFigure[] {
  const cases = Object.entries(MAKERS).flatMap(([router, make]) =>
    [1, 100, 1000, 10_000].map((routes) => ({
      router,
      routes,
      match: make(withTargets(routesOf(routes))),
      ns: Infinity,
    })),
  );
  for (let round = 0; round < ROUNDS; round++) {
    for (const c of cases) {
      const lookups = c.router === 'list' ? Math.max(200, LOOKUPS / 20 / c.routes) : LOOKUPS;
      c.ns = Math.min(c.ns, nsPerLookup(c.match, lookups));
    }
  }
  return cases.map(({ router, routes, ns }) => ({ router, routes, ns: Math.round(ns * 10) / 10 }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);
  console.table(run());
}
