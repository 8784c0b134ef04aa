// `status`: the node and its endpoints, once. `top` (top.ts) shows the same again and again.

import type { EndpointView, FleetView, NodeView } from '../control/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { type EndpointFilter, endpointColumns, filtered, sorted, summaryOf } from './endpoints.ts';
import { EXIT, type ExitCode, print, printJson } from './exit.ts';
import { agoText, plain, roomOf, styled, tableOf } from './table.ts';

export interface Status {
  readonly node: NodeView;
  readonly endpoints: readonly EndpointView[];
  readonly fleet: FleetView;
}

export interface StatusFlags extends AdminFlags, EndpointFilter {
  /** A name of SORTS; absent = as the node tells them. */
  readonly sort?: string;
  readonly reverse?: boolean;
}

export async function status(flags: StatusFlags): Promise<ExitCode> {
  const now = await fetchStatus(await AdminClient.open(flags), flags);
  if (flags.json) printJson(now);
  else for (const line of [...headOf(now), '', ...endpointLines(now.endpoints, roomOf())]) print(line);
  return EXIT.OK;
}

/** What the flags ask for, in the order they ask for. */
export async function fetchStatus(client: AdminClient, flags: StatusFlags): Promise<Status> {
  const [node, all, fleet] = await Promise.all([
    client.get<NodeView>('/api/v1/node'),
    client.get<readonly EndpointView[]>('/api/v1/endpoints'),
    client.get<FleetView>('/api/v1/fleet'),
  ]);
  const endpoints = filtered(all, flags);
  const { sort, reverse = false } = flags;
  return { node, endpoints: sort === undefined ? endpoints : sorted(endpoints, sort, reverse), fleet };
}

/** One line; none where there is no Redis. */
function fleetLines({ redis, nodes }: FleetView): string[] {
  if (!redis.configured) return [];
  const names = nodes.slice(0, 8).map(({ node, region }) => (region === null ? node : `${node} (${region})`));
  const more = nodes.length > names.length ? ` and ${nodes.length - names.length} more` : '';
  const others = nodes.length === 0 ? 'no other node is heard' : `with ${plain(names.join(', '))}${more}`;
  const bytes = `${redis.receivedBytesPerS} B/s in, ${redis.sentBytesPerS} B/s out`;
  return [redis.up ? `fleet: ${others}  ·  Redis ${bytes}` : styled('red', `Redis is away; fleet: ${others}`)];
}

/** Who the node is, and what is wrong with it. */
export function headOf({ node, endpoints, fleet }: Status): string[] {
  const where =
    node.region ?? (node.location === null ? 'place unknown' : `${node.location.latDeg}, ${node.location.lonDeg}`);
  const listeners = node.listeners.map(({ url }) => url).join(', ');
  return [
    `${styled('bold', plain(node.id))}  ${plain(where)}  ·  fermat ${plain(node.version)}  ·  up ${agoText(node.startedAt, Date.now())}  ·  ${plain(listeners)}`,
    ...fleetLines(fleet),
    ...(node.shedding.length === 0
      ? []
      : [styled('red', `requests are turned away: ${plain(node.shedding.join(', '))}`)]),
    ...(endpoints.length === 0 ? [] : [summaryOf(endpoints)]),
  ];
}

export function endpointLines(endpoints: readonly EndpointView[], room: number): string[] {
  if (endpoints.length === 0) return ['no endpoints'];
  const hasFound = endpoints.some(({ source }) => source != null);
  return tableOf(endpointColumns(Date.now(), hasFound), endpoints, room);
}
