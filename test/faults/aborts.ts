// What requests leave behind that their clients abort: in the head, in the body, while they wait in a queue, for an answer, in the
// midst of one, in a tunnel; by a reset or an orderly close; over HTTP/1.1, TLS and HTTP/2.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Config, startFermat } from '../support/fermat.ts';
import { Pki, tlsListener } from '../support/pki.ts';
import { until } from '../support/until.ts';
import { type AborterPlan, PATHS } from './aborter.ts';
import { PROBE_PATH } from './behaviour.ts';
import { Peer } from './origins.ts';
import { type EndpointView, pause } from './rig.ts';

const PROGRAM = join(import.meta.dirname, 'aborter.ts');
const MIB = 1 << 20;
const LARGE = Buffer.alloc(2 * MIB, 'x');
/** Until heaps, pools and code have the size that such clients need. */
const WARM_UP = 10_000;
/** Requests at least in a second; a limit for whoever waits. */
const LEAST_RATE = 150;
/** Connections to endpoints are pooled for so long without use. */
const POOLED = '300ms';

export interface Aborts {
  readonly aborted: number;
  readonly seconds: number;
  /** Open files of the process that were not there before: sockets, above all. */
  readonly filesLeft: number;
  /** Client connections, and requests in flight at endpoints, by Fermat's own count. */
  readonly connectionsLeft: number;
  readonly inflightLeft: number;
  /** Growth over all, and over the second half alone: what leaks goes on growing. */
  readonly rssGrowthMiB: number;
  readonly rssSecondHalfMiB: number;
  /** Counted against endpoints; and endpoints that are taken for sick. */
  readonly failures: number;
  readonly unhealthy: number;
  /** Workers that ended. */
  readonly errors: number;
}

export async function measureAborts(count = 100_000): Promise<Aborts> {
  using pki = new Pki();
  const origin = createServer(answer).on('upgrade', (_, socket) => {
    socket.on('error', () => {});
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    );
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', 4096, resolve));
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const aborter = new Peer(PROGRAM);
  await using fermat = await startFermat(configOf(url, pki));
  try {
    const views = () => fermat.json<EndpointView[]>('/api/v1/endpoints');
    const inflight = async () => (await views()).reduce((sum, view) => sum + view.inflight, 0);
    await until(async () => (await views()).every(({ healthy }) => healthy), 'healthy endpoints', 10_000);
    const files = fermat.openFiles;
    const abort = async (n: number) => {
      const plan: AborterPlan = { http: fermat.port, https: fermat.ports.https!, count: n };
      const done = await aborter.ask<number>({ plan }, 20_000 + (n * 1000) / LEAST_RATE);
      await until(() => fermat.openFiles <= files + 5, 'the end of their sockets', 8000).catch(() => {});
      await pause(500);
      return done;
    };
    await abort(Math.min(WARM_UP, count));
    const startMs = performance.now();
    const rss = [fermat.rssBytes];
    let aborted = 0;
    for (let half = 0; half < 2; half++) {
      aborted += await abort(count / 2);
      rss.push(fermat.rssBytes);
    }
    const after = await views();
    return {
      aborted,
      seconds: (performance.now() - startMs) / 1000,
      filesLeft: Math.max(0, fermat.openFiles - files),
      connectionsLeft: await fermat.metric('fermat_connections'),
      inflightLeft: await inflight(),
      rssGrowthMiB: (rss[2]! - rss[0]!) / MIB,
      rssSecondHalfMiB: (rss[2]! - rss[1]!) / MIB,
      failures: after.reduce((sum, view) => sum + view.failures, 0),
      unhealthy: after.filter(({ healthy }) => !healthy).length,
      errors: fermat.events.filter(({ level }) => level === 'error').length,
    };
  } finally {
    await aborter.kill();
    origin.close();
    origin.closeAllConnections();
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  request.on('error', () => {});
  switch (request.url) {
    case PATHS.silent:
    case PATHS.queued:
      return;
    case PATHS.half:
      response.writeHead(200, { 'Content-Length': 100_000 });
      response.write('half');
      return;
    case PATHS.large:
      response.end(LARGE);
      return;
    default:
      response.end('ok');
  }
}

/** Two pools to one origin: in the second most requests wait in the queue. */
function configOf(url: string, pki: Pki): Config {
  const pool = (id: string, more: Config) => ({
    endpoints: [{ url, id }],
    probe: { path: PROBE_PATH },
    timeouts: { idle: POOLED },
    ...more,
  });
  return {
    listeners: [
      { name: 'http', address: '127.0.0.1:0' },
      tlsListener([pki.issue('example.com', { san: 'DNS:example.com' })]),
    ],
    pools: { main: pool('main', {}), narrow: pool('narrow', { limits: { connectionsPerEndpoint: 2 } }) },
    routes: [{ path: PATHS.queued, pool: 'narrow' }, { pool: 'main' }],
  };
}
