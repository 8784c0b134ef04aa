// The endpoints of a node as rows: their columns, in what order they go where there is little room, and by what they can be
// sorted. `status` and `top` show them.

import type { EndpointView } from '../control/types.ts';
import { agoText, type Column, msText, type Style } from './table.ts';

const STATES: Readonly<Record<EndpointView['state'], { readonly style: Style; readonly urgency: number }>> = {
  unhealthy: { style: 'red', urgency: 0 },
  ejected: { style: 'red', urgency: 1 },
  draining: { style: 'yellow', urgency: 2 },
  unknown: { style: 'dim', urgency: 3 },
  healthy: { style: 'green', urgency: 4 },
};

/** `hasFound`: not all are typed. */
export function endpointColumns(nowMs: number, hasFound: boolean): readonly Column<EndpointView>[] {
  return [
    { title: 'ENDPOINT', of: (e) => e.id, least: 12 },
    { title: 'POOL', of: (e) => e.pool, rank: 5, least: 8 },
    { title: 'REGION', of: (e) => e.region ?? '', rank: 3 },
    { title: 'STATE', of: (e) => e.state, style: (e) => STATES[e.state]?.style ?? null },
    { title: 'SINCE', of: (e) => agoText(e.since, nowMs), isNumber: true, rank: 4 },
    { title: 'RTT ms', of: (e) => msText(e.networkMs), isNumber: true, rank: 2 },
    { title: 'SERVER ms', of: (e) => msText(e.serverMs), isNumber: true, rank: 8 },
    { title: 'SCORE ms', of: (e) => msText(e.scoreMs), isNumber: true },
    { title: 'IN FLIGHT', of: (e) => String(e.inflight), isNumber: true, rank: 6 },
    { title: 'REQ/S', of: (e) => e.requestsPerSecond.toFixed(1), isNumber: true, rank: 1 },
    { title: 'FAILURES', of: (e) => String(e.failures), isNumber: true, rank: 7 },
    ...(hasFound ? [{ title: 'FOUND BY', of: (e: EndpointView) => e.source ?? 'configuration', rank: 10 }] : []),
    { title: 'WHY', of: (e) => e.why, style: () => 'dim', rank: 9, least: 16 },
  ];
}

type Compare = (a: EndpointView, b: EndpointView) => number;

const text =
  (of: (e: EndpointView) => string): Compare =>
  (a, b) =>
    of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0;
/** What is not known comes last. */
const least =
  (of: (e: EndpointView) => number | null): Compare =>
  (a, b) =>
    (of(a) ?? Number.MAX_VALUE) - (of(b) ?? Number.MAX_VALUE);
const most =
  (of: (e: EndpointView) => number): Compare =>
  (a, b) =>
    of(b) - of(a);

/** By name; each in the direction in which the interesting ones come first. */
export const SORTS: Readonly<Record<string, Compare>> = {
  requests: most((e) => e.requestsPerSecond),
  score: least((e) => e.scoreMs),
  rtt: least((e) => e.networkMs),
  server: most((e) => e.serverMs ?? -1),
  inflight: most((e) => e.inflight),
  failures: most((e) => e.failures),
  state: least((e) => STATES[e.state]?.urgency ?? null),
  since: most((e) => Date.parse(e.since)),
  endpoint: text((e) => e.id),
  pool: text((e) => e.pool),
  region: text((e) => e.region ?? '\uffff'),
};

/** A sorted copy; equals stand by their names, so that rows do not jump. */
export function sorted(endpoints: readonly EndpointView[], by: string, isReverse: boolean): EndpointView[] {
  const compare = SORTS[by]!;
  const direction = isReverse ? -1 : 1;
  return [...endpoints].sort((a, b) => direction * compare(a, b) || text((e) => e.id)(a, b));
}

export interface EndpointFilter {
  readonly pool?: string;
  readonly region?: string;
  /** Those that need a look: not healthy. */
  readonly unhealthy?: boolean;
}

export function filtered(endpoints: readonly EndpointView[], { pool, region, unhealthy }: EndpointFilter) {
  return endpoints.filter(
    (e) =>
      (pool === undefined || e.pool === pool) &&
      (region === undefined || e.region === region) &&
      (!unhealthy || e.state !== 'healthy'),
  );
}

/** `6 endpoints, 1 unhealthy · 812 req/s · 34 in flight`. */
export function summaryOf(endpoints: readonly EndpointView[]): string {
  const counts = Object.keys(STATES)
    .filter((state) => state !== 'healthy')
    .map((state) => ({ state, n: endpoints.filter((e) => e.state === state).length }))
    .filter(({ n }) => n > 0)
    .map(({ state, n }) => `${n} ${state}`);
  const total = (of: (e: EndpointView) => number) => endpoints.reduce((sum, e) => sum + of(e), 0);
  const plural = endpoints.length === 1 ? 'endpoint' : 'endpoints';
  const health = counts.length === 0 ? 'all healthy' : counts.join(', ');
  return `${endpoints.length} ${plural}, ${health}  ·  ${total((e) => e.requestsPerSecond).toFixed(1)} req/s  ·  ${total((e) => e.inflight)} in flight`;
}
