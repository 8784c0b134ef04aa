// A fleet on one machine: real nodes at 127.0.0.2, 127.0.0.3, …, a real redis-server, and origins at 127.0.1.1, 127.0.1.2, …
// Each node has a way of its own to Redis (and to origins, where a test wants regions), so that one can be cut off while
// the others notice nothing. `await using`, and nothing of it is left.

import { type ChildProcess, fork } from 'node:child_process';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { type Config, type Fermat, poolOf, startFermat } from './fermat.ts';
import type { Address, Order, OriginState, WayState } from './loopback-world.ts';
import { type RedisServer, startRedis } from './redis-server.ts';
import { within } from './until.ts';

const WORLD = join(import.meta.dirname, 'loopback-world.ts');
const ORDER_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;

export interface OriginOptions extends Partial<OriginState> {
  /** The endpoint's id, and what `x-origin` says. */
  readonly id: string;
  /** Of the endpoint in the configuration: region, location, … */
  readonly config?: Config;
}

export interface ClusterOptions {
  readonly origins: readonly OriginOptions[];
  /** ms that the way of node `n` to origin `o` takes longer than loopback, there and back; absent = it goes straight. */
  readonly rttMs?: (n: number, o: number) => number;
  /** Of the pool `main`. Probed over HTTP every second unless said otherwise. */
  readonly pool?: Config;
  /** Whatever else node `n` is configured with; `null` for `state` = alone, without Redis. */
  readonly config?: (n: number, cluster: Cluster) => Config;
  /** Command line of redis-server. */
  readonly redis?: readonly string[];
}

/** What became of one request. `origin` null = none answered; `status` 0 = nobody did. */
export interface Answer {
  readonly status: number;
  readonly origin: string | null;
  readonly tookMs: number;
  /** When it was sent, ms after the first of its batch. */
  readonly atMs: number;
}

export class Cluster {
  readonly redis: RedisServer;
  readonly nodes: Fermat[] = [];
  readonly #options: ClusterOptions;
  readonly #world = fork(WORLD, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  readonly #origins: Address[] = [];
  readonly #agents: Agent[] = [];
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #orders = 0;

  constructor(redis: RedisServer, options: ClusterOptions) {
    this.redis = redis;
    this.#options = options;
    this.#world.on('message', ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
  }

  /** Starts the origins; nodes come by `add`. */
  async open(): Promise<this> {
    for (let o = 0; o < this.#options.origins.length; o++) await this.origin(o, this.#options.origins[o]!);
    return this;
  }

  /** One node more, at the next address; resolves when it is ready. */
  async add(): Promise<Fermat> {
    const n = this.#agents.length;
    this.#agents.push(new Agent({ keepAlive: true }));
    const fermat = await startFermat(await this.configOf(n));
    this.nodes[n] = fermat;
    return fermat;
  }

  /** The same node again, at its address, after it was stopped or killed. */
  async restart(n: number): Promise<Fermat> {
    if (this.nodes[n]!.exit === null) await this.nodes[n]!.stop();
    const fermat = await startFermat(await this.configOf(n));
    this.nodes[n] = fermat;
    return fermat;
  }

  /** Where node `n` listens for clients. */
  hostOf(n: number): string {
    return `127.0.0.${2 + n}`;
  }

  async configOf(n: number): Promise<Config> {
    const urls = await Promise.all(this.#origins.map((_, o) => this.#urlOf(n, o)));
    const pool = poolOf(urls, { probe: { type: 'http', path: '/health', interval: '1s' }, ...this.#options.pool });
    const endpoints = (pool.endpoints as Config[]).map((endpoint, o) => {
      const { id, config } = this.#options.origins[o]!;
      return { ...endpoint, id, ...config };
    });
    const { port } = await this.redisWay(n);
    return {
      node: { id: `n${n}` },
      listeners: [{ name: 'http', address: `${this.hostOf(n)}:0` }],
      pools: { main: { ...pool, endpoints } },
      routes: [{ pool: 'main' }],
      state: { redis: `redis://127.0.0.1:${port}` },
      ...this.#options.config?.(n, this),
    };
  }

  /** Changes how origin `o` answers, from the next request on. */
  async origin(o: number, state: Partial<OriginState>): Promise<void> {
    const { delayMs, probeDelayMs, status, isUp } = state;
    const order = Object.fromEntries(
      Object.entries({ delayMs, probeDelayMs, status, isUp }).filter(([, value]) => value !== undefined),
    );
    const name = this.#options.origins[o]!.id;
    this.#origins[o] = await this.#obey<Address>({ op: 'origin', name, host: `127.0.1.${1 + o}`, state: order });
  }

  /** Requests that origin `o` has been asked so far. */
  asked(o: number): Promise<number> {
    return this.#obey({ op: 'count', name: this.#options.origins[o]!.id });
  }

  /** The way between node `n` and Redis: `{ mode: 'cut' }`, `{ mode: 'swallow' }`, `{ delayMs: 200 }`, `{ mode: 'open' }`. */
  redisWay(n: number, state: Partial<WayState> = {}): Promise<Address> {
    return this.way(`n${n}-redis`, { host: '127.0.0.1', port: this.redis.port }, state);
  }

  /** The way between node `n` and origin `o`; only where `rttMs` is given do nodes take it. */
  originWay(n: number, o: number, state: Partial<WayState> = {}): Promise<Address> {
    return this.way(`n${n}-o${o}`, this.#origins[o]!, state);
  }

  /** Any way, by a name of one's own: made when first named, changed from then on. Gives where it listens. */
  way(name: string, target: Address, state: Partial<WayState> = {}): Promise<Address> {
    return this.#obey({ op: 'way', name, target, state });
  }

  /** What node `n` says of the fleet. */
  async fleet<T = Record<string, unknown>>(n: number): Promise<T> {
    return this.nodes[n]!.json<T>('/api/v1/fleet');
  }

  /** Where one request of each of `count` went that were sent to node `n` at a steady rate, whatever became of them. */
  async ask(n: number, count: number, perS = 200, path = '/', headers: Record<string, string> = {}): Promise<Answer[]> {
    const startMs = performance.now();
    const answers: Promise<Answer>[] = [];
    for (let i = 0; i < count; i++) {
      const waitMs = startMs + (i * 1000) / perS - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      answers.push(this.#get(n, path, headers, performance.now() - startMs));
    }
    return Promise.all(answers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) agent.destroy();
    // A stopped Redis would be waited for.
    this.redis.resume();
    const ended = await Promise.allSettled(this.nodes.filter((node) => node.exit === null).map((node) => node.stop()));
    await this.redis[Symbol.asyncDispose]();
    await gone(this.#world);
    for (const result of ended) if (result.status === 'rejected') throw result.reason;
  }

  async #urlOf(n: number, o: number): Promise<string> {
    const rttMs = this.#options.rttMs?.(n, o);
    const { host, port } = rttMs === undefined ? this.#origins[o]! : await this.originWay(n, o, { delayMs: rttMs / 2 });
    return `http://${host}:${port}`;
  }

  #obey<T>(order: Order): Promise<T> {
    const id = this.#orders++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#world.send({ id, order });
    return within(ORDER_TIMEOUT_MS, `${order.op} ${order.name}`, waiting.promise) as Promise<T>;
  }

  #get(n: number, path: string, headers: Record<string, string>, atMs: number): Promise<Answer> {
    const sentMs = performance.now();
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const done = (status: number, origin: string | null) =>
      resolve({ status, origin, tookMs: performance.now() - sentMs, atMs });
    const options = { host: this.hostOf(n), port: this.nodes[n]!.port, path, headers, agent: this.#agents[n]! };
    const sent = request({ ...options, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      response.resume();
      response.on('end', () => done(response.statusCode!, (response.headers['x-origin'] as string) ?? null));
      response.on('error', () => done(0, null));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => done(0, null));
    sent.end();
    return promise;
  }
}

/** Redis, the origins and `nodes` nodes, all ready. */
export async function startCluster(nodes: number, options: ClusterOptions): Promise<Cluster> {
  const cluster = new Cluster(await startRedis(...(options.redis ?? [])), options);
  try {
    await cluster.open();
    for (let n = 0; n < nodes; n++) await cluster.add();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]().catch(() => {});
    throw error;
  }
}

/** Of the requests that were answered, those that `origin` served. 0…1 */
export function shareOf(answers: readonly Answer[], origin: string): number {
  return answers.filter((answer) => answer.origin === origin).length / Math.max(answers.length, 1);
}

/** Requests that were lost: not answered, or not with a 2xx. */
export function lostOf(answers: readonly Answer[]): readonly Answer[] {
  return answers.filter(({ status }) => status < 200 || status > 299);
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.disconnect();
  await within(5000, 'the end of the loopback world', exit);
}
