// `status` and `top`: the endpoints of the running node as a table, once or again and again.

import type { EndpointView, FleetView, NodeView } from '../control/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { CliError, complain, EXIT, type ExitCode, print, printJson } from './exit.ts';
import { agoText, type Column, msText, type Style, styled, tableOf } from './table.ts';

interface Status {
  readonly node: NodeView;
  readonly endpoints: readonly EndpointView[];
  readonly fleet: FleetView;
}

const STATE_STYLES: Readonly<Record<string, Style>> = {
  healthy: 'green',
  unhealthy: 'red',
  ejected: 'red',
  draining: 'yellow',
  unknown: 'dim',
};

/** `hasFound`: not all are typed. */
function columnsAt(nowMs: number, hasFound: boolean): readonly Column<EndpointView>[] {
  return [
    { title: 'ENDPOINT', of: (e) => e.id },
    { title: 'POOL', of: (e) => e.pool },
    { title: 'REGION', of: (e) => e.region ?? '' },
    { title: 'STATE', of: (e) => e.state, style: (e) => STATE_STYLES[e.state] ?? null },
    { title: 'SINCE', of: (e) => agoText(e.since, nowMs), isNumber: true },
    { title: 'RTT ms', of: (e) => msText(e.networkMs), isNumber: true },
    { title: 'SERVER ms', of: (e) => msText(e.serverMs), isNumber: true },
    { title: 'SCORE ms', of: (e) => msText(e.scoreMs), isNumber: true },
    { title: 'IN FLIGHT', of: (e) => String(e.inflight), isNumber: true },
    { title: 'REQ/S', of: (e) => e.requestsPerSecond.toFixed(1), isNumber: true },
    { title: 'FAILURES', of: (e) => String(e.failures), isNumber: true },
    ...(hasFound ? [{ title: 'FOUND BY', of: (e: EndpointView) => e.source ?? 'configuration' }] : []),
    { title: 'WHY', of: (e) => e.why, style: () => 'dim' },
  ];
}

export async function status(flags: AdminFlags): Promise<ExitCode> {
  const now = await fetchStatus(await AdminClient.open(flags));
  if (flags.json) printJson(now);
  else for (const line of linesOf(now)) print(line);
  return EXIT.OK;
}

async function fetchStatus(client: AdminClient): Promise<Status> {
  const [node, endpoints, fleet] = await Promise.all([
    client.get<NodeView>('/api/v1/node'),
    client.get<readonly EndpointView[]>('/api/v1/endpoints'),
    client.get<FleetView>('/api/v1/fleet'),
  ]);
  return { node, endpoints, fleet };
}

/** One line; none where there is no Redis. */
function fleetLines({ redis, nodes }: FleetView): string[] {
  if (!redis.configured) return [];
  const names = nodes.slice(0, 8).map(({ node, region }) => (region === null ? node : `${node} (${region})`));
  const more = nodes.length > names.length ? ` and ${nodes.length - names.length} more` : '';
  const others = nodes.length === 0 ? 'no other node is heard' : `with ${names.join(', ')}${more}`;
  const bytes = `${redis.receivedBytesPerS} B/s in, ${redis.sentBytesPerS} B/s out`;
  return [redis.up ? `fleet: ${others}  ·  Redis ${bytes}` : styled('red', `Redis is away; fleet: ${others}`)];
}

function linesOf({ node, endpoints, fleet }: Status): string[] {
  const nowMs = Date.now();
  const where =
    node.region ?? (node.location === null ? 'place unknown' : `${node.location.latDeg}, ${node.location.lonDeg}`);
  const listeners = node.listeners.map(({ url }) => url).join(', ');
  return [
    `${styled('bold', node.id)}  ${where}  ·  fermat ${node.version}  ·  up ${agoText(node.startedAt, nowMs)}  ·  ${listeners}`,
    ...fleetLines(fleet),
    ...(node.shedding.length === 0 ? [] : [styled('red', `requests are turned away: ${node.shedding.join(', ')}`)]),
    '',
    ...(endpoints.length === 0
      ? ['no endpoints']
      : tableOf(
          columnsAt(
            nowMs,
            endpoints.some(({ source }) => source != null),
          ),
          endpoints,
        )),
  ];
}

export interface TopFlags extends AdminFlags {
  readonly interval: number;
  /** How often; 0 = until stopped. Absent: until stopped on a terminal, once elsewhere. */
  readonly count?: number;
}

/** Until `q`, Ctrl-C or SIGTERM on a terminal. A node that goes away for a moment does not end it. */
export async function top(flags: TopFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const isScreen = process.stdout.isTTY === true && !flags.json;
  const count = flags.count ?? (isScreen ? 0 : 1);
  const first = await fetchStatus(client);
  if (count === 1) {
    show(first, flags, false);
    return EXIT.OK;
  }
  const stop = new AbortController();
  const restore = isScreen ? takeScreen(stop) : () => {};
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  try {
    show(first, flags, isScreen);
    for (let i = 1; (count === 0 || i < count) && (await slept(flags.interval * 1000, stop.signal)); i++) {
      const next = await fetchStatus(client).catch((error: unknown) => {
        if (error instanceof CliError) return error;
        throw error;
      });
      if (!(next instanceof CliError)) show(next, flags, isScreen);
      else if (isScreen) process.stdout.write(`${HOME}${styled('red', next.message)}${REST_OF_LINE}`);
      else complain(next.message);
    }
  } finally {
    restore();
  }
  return EXIT.OK;
}

const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

function show(now: Status, { json }: TopFlags, isScreen: boolean): void {
  if (json) {
    print(JSON.stringify({ at: new Date().toISOString(), ...now }));
    return;
  }
  const lines = linesOf(now);
  if (!isScreen) {
    print([...lines, ''].join('\n'));
    return;
  }
  const room = (process.stdout.rows ?? 24) - 1;
  // Written over what stands there, so that nothing flickers.
  process.stdout.write(
    `${HOME}${lines
      .slice(0, room)
      .map((line) => `${line}${REST_OF_LINE}`)
      .join('\n')}\n${REST_OF_SCREEN}`,
  );
}

/** The other screen, no cursor, lines not wrapped, `q` and Ctrl-C to leave. Gives what puts it all back. */
function takeScreen(stop: AbortController): () => void {
  process.stdout.write('\x1b[?1049h\x1b[?25l\x1b[?7l');
  const { stdin } = process;
  const onKey = (key: Buffer) => {
    if (key.includes('q') || key.includes(3)) stop.abort();
  };
  if (stdin.isTTY) stdin.setRawMode(true).resume().on('data', onKey);
  return () => {
    if (stdin.isTTY) stdin.off('data', onKey).setRawMode(false).pause();
    process.stdout.write('\x1b[?7h\x1b[?25h\x1b[?1049l');
  };
}

/** False when it was stopped meanwhile. */
function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
