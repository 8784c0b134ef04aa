// What a crowd of slow clients costs the others: heads that do not end and answers that are hardly read, while an open-loop
// client counts. Windows without and with the crowd take turns, so that a machine whose mood changes is unfair to neither.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Config, type Fermat, startFermat } from '../support/fermat.ts';
import { Pki, tlsListener } from '../support/pki.ts';
import { until } from '../support/until.ts';
import { PROBE_PATH } from './behaviour.ts';
import type { CrowdCounts, CrowdPlan, Way } from './crowd.ts';
import { nowMs, type Phase, startLoad } from './load.ts';
import { Peer, startFaultyOrigin } from './origins.ts';
import { type EndpointView, pause, WARM_UP_MS, WELL } from './rig.ts';

const PROGRAM = join(import.meta.dirname, 'crowd.ts');
const MIB = 1 << 20;
/** More than all socket buffers between an origin and a client take in. */
const LARGE_BYTES = 16 * MIB;
const LARGE_PATH = '/large';
const SETTLE_MS = 4000;
/** Connections to endpoints are pooled for so long without use, so that what is left over shows. */
const POOLED = '1s';

export interface SlowClientsPlan {
  readonly way: Way;
  readonly heads: number;
  readonly readers: number;
  /** Requests per second of the others. */
  readonly rate: number;
  /** Windows with the crowd; as many without come before each. */
  readonly rounds: number;
  readonly windowMs: number;
}

export interface SlowClients {
  /** Of the others, over all windows without and with the crowd. */
  readonly p99WithoutMs: number;
  readonly p99WithMs: number;
  readonly p50WithoutMs: number;
  readonly p50WithMs: number;
  /** p99 with, by p99 without. */
  readonly ratio: number;
  /** Requests of the others without a good answer. */
  readonly lost: number;
  readonly requests: number;
  /** The most that the process grew by while the crowd was there. */
  readonly rssGrowthMiB: number;
  /** What the proxy had of each, at least, in a window. */
  readonly heads: number;
  readonly readers: number;
  /** Slow clients that it sent away. */
  readonly closed: number;
  /** fermat_upstream_failures_total afterwards, and endpoints that it takes for sick. */
  readonly failures: number;
  readonly unhealthy: number;
  /** File descriptors that were not given back. */
  readonly filesLeft: number;
}

const PLAN: SlowClientsPlan = { way: 'h1', heads: 1000, readers: 1000, rate: 100, rounds: 3, windowMs: 6000 };

interface Window {
  readonly isWith: boolean;
  readonly fromMs: number;
  readonly toMs: number;
}

export async function measureSlowClients(more: Partial<SlowClientsPlan> = {}): Promise<SlowClients> {
  const plan = { ...PLAN, ...more };
  await using quick = await startFaultyOrigin();
  await using large = await startLargeOrigin();
  await quick.behave(WELL);
  using pki = new Pki();
  await using fermat = await startFermat(configOf(quick.url, large.url, pki));
  await until(async () => (await viewsOf(fermat)).every(({ healthy }) => healthy), 'healthy endpoints', 10_000);
  await using load = await startLoad(fermat.port, plan.rate);
  await using crowd = new Crowd(fermat, plan);
  await pause(WARM_UP_MS);
  const files = fermat.openFiles;
  const windows: Window[] = [];
  let grown = 0;
  for (let round = 0; round < plan.rounds; round++) {
    windows.push(await windowOf(plan, false));
    const rss = fermat.rssBytes;
    await crowd.gather();
    windows.push(await windowOf(plan, true));
    grown = Math.max(grown, fermat.rssBytes - rss);
    await crowd.leave();
    const isGone = async () => (await viewsOf(fermat)).every(({ id, inflight }) => id !== 'large' || inflight === 0);
    await until(isGone, 'the end of the crowd', 20_000);
    await pause(500);
  }
  const all = await load.end();
  await until(() => fermat.openFiles <= files, 'open files as before', 10_000).catch(() => {});
  const views = await viewsOf(fermat);
  const without = phasesOf(all, windows, false);
  const with_ = phasesOf(all, windows, true);
  return {
    p99WithoutMs: medianOf(without.map((phase) => phase.quantileMs(0.99))),
    p99WithMs: medianOf(with_.map((phase) => phase.quantileMs(0.99))),
    p50WithoutMs: medianOf(without.map((phase) => phase.quantileMs(0.5))),
    p50WithMs: medianOf(with_.map((phase) => phase.quantileMs(0.5))),
    ratio: medianOf(with_.map((phase, i) => phase.quantileMs(0.99) / without[i]!.quantileMs(0.99))),
    lost: all.lost(),
    requests: all.requests,
    rssGrowthMiB: grown / MIB,
    ...crowd.least,
    failures: views.reduce((sum, { failures }) => sum + failures, 0),
    unhealthy: views.filter(({ healthy }) => !healthy).length,
    filesLeft: Math.max(0, fermat.openFiles - files),
  };
}

/** Writes as far as it is read. In this process, which has little else to do. */
async function startLargeOrigin(): Promise<{ readonly url: string } & AsyncDisposable> {
  const piece = Buffer.alloc(256 << 10, 'x');
  const server = createServer((request, response) => {
    if (request.url !== LARGE_PATH) return response.end('well');
    let left = LARGE_BYTES;
    response.writeHead(200, { 'Content-Length': left });
    const write = () => {
      do left -= piece.length;
      while (response.write(piece) && left > 0);
      if (left <= 0) response.end();
    };
    response.on('drain', () => left > 0 && write());
    return write();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The process of the slow ones. */
class Crowd implements AsyncDisposable {
  /** What the proxy had of them at least, whenever it was measured; and how many it had sent away. */
  least = { heads: Infinity, readers: Infinity, closed: 0 };
  readonly #peer = new Peer(PROGRAM);
  readonly #plan: CrowdPlan;

  constructor(fermat: Fermat, { way, heads, readers }: SlowClientsPlan) {
    const port = way === 'tls' ? fermat.ports.https! : fermat.port;
    this.#plan = { port, way, heads, readers, path: LARGE_PATH };
  }

  /** Resolves when all have come, and what the kernel's buffers take in has been sent: gigabytes. */
  async gather(): Promise<void> {
    await this.#peer.ask<CrowdCounts>({ do: 'gather', plan: this.#plan });
    await until(
      async () => {
        const { heads, readers } = await this.#count();
        return heads >= this.#plan.heads && readers >= this.#plan.readers;
      },
      'the crowd',
      20_000,
    );
    await pause(SETTLE_MS);
  }

  async leave(): Promise<void> {
    const { heads, readers, closed } = await this.#count();
    this.least = {
      heads: Math.min(heads, this.least.heads),
      readers: Math.min(readers, this.least.readers),
      closed,
    };
    await this.#peer.ask<CrowdCounts>({ do: 'leave' });
  }

  #count(): Promise<CrowdCounts> {
    return this.#peer.ask<CrowdCounts>({ do: 'count' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer.kill();
  }
}

/** Quick answers for the others, large ones for those who will not read them, each from a pool of its own. */
function configOf(quick: string, large: string, pki: Pki): Config {
  const pool = (url: string, id: string) => ({
    endpoints: [{ url, id }],
    probe: { path: PROBE_PATH },
    timeouts: { idle: POOLED },
    limits: { connectionsPerEndpoint: 5000 },
  });
  return {
    listeners: [
      { name: 'http', address: '127.0.0.1:0' },
      tlsListener([pki.issue('example.com', { san: 'DNS:example.com' })]),
    ],
    pools: { quick: pool(quick, 'quick'), large: pool(large, 'large') },
    routes: [{ path: LARGE_PATH, pool: 'large' }, { pool: 'quick' }],
  };
}

async function windowOf({ windowMs }: SlowClientsPlan, isWith: boolean): Promise<Window> {
  const fromMs = nowMs();
  await pause(windowMs);
  return { isWith, fromMs, toMs: nowMs() };
}

function phasesOf(all: Phase, windows: readonly Window[], isWith: boolean): readonly Phase[] {
  return windows.filter((w) => w.isWith === isWith).map(({ fromMs, toMs }) => all.between(fromMs, toMs));
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1] ?? Number.NaN;
}

function viewsOf(fermat: Fermat): Promise<readonly EndpointView[]> {
  return fermat.json<EndpointView[]>('/api/v1/endpoints');
}
