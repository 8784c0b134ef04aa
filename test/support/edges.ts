// A fleet of edges that may relay for each other, on loopback: every way between two edges, and between an edge and the origin,
// is a proxy of its own that can be made slow or cut. `await using`, and nothing of it is left.

import { createServer } from 'node:net';
import { Cluster, type ClusterOptions } from './cluster.ts';
import type { Config } from './fermat.ts';
import { Pki } from './pki.ts';
import { startRedis } from './redis-server.ts';
import { until } from './until.ts';

export interface EdgesOptions {
  readonly count: number;
  /** ms that the round trip of edge `n` to the origin takes. */
  readonly directMs: (n: number) => number;
  /** ms that the round trip from edge `a` to edge `b` takes. */
  readonly hopMs: (a: number, b: number) => number;
  /** `tls` unless said otherwise. */
  readonly trust?: 'tls' | 'secret';
  /** Of the one route. */
  readonly route?: Config;
  readonly pool?: Config;
  /** Of `overlay` at every node. */
  readonly overlay?: Config;
  /** Whatever else node `n` is configured with. */
  readonly more?: (n: number) => Config;
}

export const SECRET = 'a secret that all edges know';

export class Edges {
  readonly cluster: Cluster;
  readonly pki: Pki;
  readonly overlayPorts: readonly number[];
  readonly #options: EdgesOptions;

  constructor(cluster: Cluster, pki: Pki, overlayPorts: readonly number[], options: EdgesOptions) {
    this.cluster = cluster;
    this.pki = pki;
    this.overlayPorts = overlayPorts;
    this.#options = options;
  }

  /** From edge `n` to the origin and back. */
  async direct(n: number, rttMs: number): Promise<void> {
    await this.cluster.originWay(n, 0, { delayMs: rttMs / 2 });
  }

  /** Cuts or opens the way from edge `n` to the origin. */
  async cutDirect(n: number, isCut: boolean): Promise<void> {
    await this.cluster.originWay(n, 0, { mode: isCut ? 'cut' : 'open' });
  }

  /** Of edge `n`: until it has measured every peer, and every endpoint over it. */
  async known(n: number): Promise<void> {
    const paths = this.#options.count - 1;
    await until(
      async () => {
        const endpoints = await this.cluster.nodes[n]!.json<{ via?: string; healthy: boolean }[]>('/api/v1/endpoints');
        return endpoints.filter(({ via, healthy }) => via !== undefined && healthy).length >= paths;
      },
      `edge ${n} to know the ways over its peers`,
      20_000,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    this.pki[Symbol.dispose]();
  }
}

/** Edges n0, n1, …; all ready, and n0 knows the ways over the others. */
export async function startEdges(options: EdgesOptions): Promise<Edges> {
  const { count, directMs, hopMs, trust = 'tls', route = {}, pool = {}, overlay = {}, more } = options;
  const pki = new Pki();
  const ca = pki.issue('fleet');
  const ports = await Promise.all(Array.from({ length: count }, (_, n) => freePort(`127.0.0.${2 + n}`)));
  const identities = Array.from({ length: count }, (_, n) => pki.issue(`n${n}`, { san: `DNS:n${n}`, by: ca }));
  const urls = new Map<string, string>();
  const overlayOf = (n: number): Config => ({
    address: `127.0.0.${2 + n}:${ports[n]}`,
    peers: ports.flatMap((_, peer) => (peer === n ? [] : [{ id: `n${peer}`, url: urls.get(`${n} ${peer}`) }])),
    ...(trust === 'tls'
      ? { tls: { ca: ca.cert, cert: identities[n]!.cert, key: identities[n]!.key } }
      : { secret: SECRET }),
    interval: '250ms',
    match: 'id', // each edge has a way of its own, and so another URL
    ...overlay,
  });
  const clusterOptions: ClusterOptions = {
    origins: [{ id: 'shop-1' }],
    rttMs: (n) => directMs(n),
    pool: { probe: { type: 'http', path: '/health', interval: '500ms' }, outlier: {}, ...pool },
    config: (n) => ({
      state: { redis: null },
      routes: [{ pool: 'main', serverTiming: true, overlay: 'fastest', ...route }],
      overlay: overlayOf(n),
      ...more?.(n),
    }),
  };
  const cluster = await new Cluster(await startRedis(), clusterOptions).open();
  const edges = new Edges(cluster, pki, ports, options);
  try {
    for (let a = 0; a < count; a++) {
      for (let b = 0; b < count; b++) {
        if (a === b) continue;
        const target = { host: `127.0.0.${2 + b}`, port: ports[b]! };
        const way = await cluster.way(`n${a}-n${b}`, target, { delayMs: hopMs(a, b) / 2 });
        urls.set(`${a} ${b}`, `${trust === 'tls' ? 'https' : 'http'}://${way.host}:${way.port}`);
      }
    }
    for (let n = 0; n < count; n++) await cluster.add();
    await edges.known(0);
    return edges;
  } catch (error) {
    await edges[Symbol.asyncDispose]().catch(() => {});
    throw error;
  }
}

async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
