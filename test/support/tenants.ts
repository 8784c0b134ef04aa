// Tenants whose data is somewhere, asked for at a steady rate through all nodes of a cluster while they are moved: who answered, and
// whether that was a region that held the data or was to hold it.

import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { type Cluster, startCluster } from './cluster.ts';
import { type Config, runFermat } from './fermat.ts';

/** Endpoint id = its region: what `x-origin` tells is where the request has been. */
export const REGIONS = ['aws:eu-central-1', 'gcp:europe-west9', 'aws:us-east-1'] as const;

export interface Served {
  readonly tenant: number;
  /** '' = nobody answered. */
  readonly at: string;
  readonly status: number;
  readonly sentMs: number;
  readonly tookMs: number;
}

/** A cluster with an endpoint in each region, whose requests go by X-Tenant; the directory is there, and empty. */
export async function startPlaced(nodes: number, locality: Config = {}, more: Config = {}): Promise<Cluster> {
  const cluster = await startCluster(0, {
    origins: REGIONS.map((region) => ({ id: region, config: { region } })),
    pool: { probe: { type: 'http', path: '/health', interval: '200ms', rise: 1, fall: 1 } },
    config: () => ({
      routes: [
        {
          name: 'soft',
          path: '/soft',
          pool: 'main',
          locality: { key: 'header:X-Tenant', mode: 'soft', unknown: REGIONS[1] },
        },
        { name: 'go', path: '/go', pool: 'main', mode: 'redirect', locality: { key: 'path:2' } },
        { name: 'placed', pool: 'main', locality: { key: 'header:X-Tenant', ...locality } },
      ],
      ...more,
    }),
  });
  await cluster.redis.client.set('fermat:{locality-default}:epoch', 'first');
  for (let n = 0; n < nodes; n++) await cluster.add();
  return cluster;
}

/** `fermat locality …`, asked of a node. */
export function locality(cluster: Cluster, n: number, ...args: readonly string[]): ReturnType<typeof runFermat> {
  return runFermat(['locality', ...args, '--admin', `127.0.0.1:${cluster.nodes[n]!.adminPort}`]);
}

/** A file of such lines beside the node's configuration. */
export function fileOf(cluster: Cluster, name: string, text: string): string {
  const file = join(cluster.nodes[0]!.directory, name);
  writeFileSync(file, text);
  return file;
}

/** Asks for tenants by turns until it is stopped; every answer is told to `onServed`. */
export class Askers {
  readonly served: Served[] = [];
  readonly #cluster: Cluster;
  readonly #agents: Agent[];
  #isOver = false;
  #running: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#agents = cluster.nodes.map(() => new Agent({ keepAlive: true, maxSockets: 64 }));
  }

  /** `perS` over all nodes, tenants in an order that has nothing to do with the one they move in. */
  start(tenants: number, perS: number): void {
    this.#running = this.#run(tenants, perS);
  }

  async stop(): Promise<readonly Served[]> {
    this.#isOver = true;
    await this.#running;
    for (const agent of this.#agents) agent.destroy();
    return this.served;
  }

  async #run(tenants: number, perS: number): Promise<void> {
    const startMs = performance.now();
    const pending: Promise<void>[] = [];
    for (let i = 0; !this.#isOver; i++) {
      const waitMs = startMs + (i * 1000) / perS - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      pending.push(
        this.one(i % this.#agents.length, (i * 7919) % tenants).then((served) => void this.served.push(served)),
      );
    }
    await Promise.all(pending);
  }

  /** One request for a tenant through a node. */
  one(n: number, tenant: number | string, path = '/'): Promise<Served> {
    const sentMs = performance.now();
    const { promise, resolve } = Promise.withResolvers<Served>();
    const done = (status: number, at: string) =>
      resolve({ tenant: Number(tenant), at, status, sentMs, tookMs: performance.now() - sentMs });
    const headers: Record<string, string> = tenant === '' ? {} : { 'x-tenant': `t${tenant}` };
    const host = this.#cluster.hostOf(n);
    const sent = request(
      { host, port: this.#cluster.nodes[n]!.port, path, headers, agent: this.#agents[n]! },
      (response) => {
        response.resume();
        response.on('end', () => done(response.statusCode!, (response.headers['x-origin'] as string) ?? ''));
        response.on('error', () => done(0, ''));
      },
    );
    sent.on('error', () => done(0, ''));
    sent.end();
    return promise;
  }
}

export function tenantLines(count: number, at: (tenant: number) => string): string {
  return Array.from({ length: count }, (_, i) => `t${i} ${at(i)}\n`).join('');
}
