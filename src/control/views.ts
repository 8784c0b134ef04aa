// What a node and its Snapshot look like to people: the shapes that the admin API, the console and the commands show.

import type { ListenerSpec, Snapshot } from '../core/snapshot.ts';
import type { Parts } from './parts.ts';
import type { Running } from './running.ts';
import type { NodeView, RouteView } from './types.ts';

export interface ListenerView {
  readonly name: string;
  readonly url: string;
}

export function routeViews(snapshot: Snapshot): readonly RouteView[] {
  return snapshot.routes.map(({ name, host, path, exact, listener, pool, mode, residency, respond }) => ({
    name,
    host,
    path,
    exact,
    listener,
    pool: snapshot.pools[pool]?.name ?? null,
    policy: snapshot.pools[pool]?.policy ?? null,
    mode,
    residency,
    respond: respond?.status ?? null,
  }));
}

/** Where clients connect. `ports`: what `:0` became, by name. */
export function listenerViews(snapshot: Snapshot, ports: Readonly<Record<string, number>>): readonly ListenerView[] {
  return snapshot.listeners.map((spec) => ({ name: spec.name, url: urlOf(spec, ports[spec.name] ?? spec.port) }));
}

/** What serves here, and as whom. */
export function nodeView(
  { config, snapshot, geo }: Pick<Running, 'config' | 'snapshot' | 'geo'>,
  { overlay, supervisor }: Pick<Parts, 'overlay' | 'supervisor'>,
  more: Pick<NodeView, 'version' | 'startedAt' | 'listeners'>,
): NodeView {
  const { id, region, location } = config.node;
  const { source, built } = geo.info();
  const peers = overlay.peers();
  return {
    id,
    pid: process.pid,
    version: more.version,
    node: process.version,
    region,
    location,
    workers: snapshot.lanes,
    listeners: more.listeners,
    geoip: source === 'none' ? null : { source, built },
    snapshotVersion: snapshot.version,
    shedding: supervisor.shedding,
    ...(peers.length > 0 && { peers }),
    startedAt: more.startedAt,
  };
}

function urlOf({ host, path, tls }: ListenerSpec, port: number): string {
  if (path !== null) return `unix:${path}`;
  const shown = host === '' ? '0.0.0.0' : host.includes(':') ? `[${host}]` : host;
  return `${tls === null ? 'http' : 'https'}://${shown}:${port}`;
}
