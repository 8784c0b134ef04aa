// Steady open-loop load as the suite holds it: the client's process (client.ts), and its records cut into phases.

import { join } from 'node:path';
import { monotonicMs } from './behaviour.ts';
import { Peer } from './origins.ts';

const PROGRAM = join(import.meta.dirname, 'client.ts');

export interface LoadPlan {
  readonly port: number;
  /** Requests per second. */
  readonly rate: number;
  readonly path: string;
  readonly host: string;
  /** Whole field lines. */
  readonly fields: string;
  /** Taken in turn. */
  readonly methods: readonly string[];
  /** Of POST and PUT. */
  readonly body: string;
  /** 0…1: requests that come on a connection of their own; the others on kept ones. */
  readonly freshShare: number;
  /** So many are opened before the first request, and no more: who finds none free waits for one. 0 = as many as it takes. */
  readonly connections: number;
  /** A request without an answer is given up as lost after this. */
  readonly timeoutMs: number;
}

/** Outcomes that are not a status. */
export const OUTCOMES = { refused: -1, reset: -2, truncated: -3, timeout: -4, broken: -5 } as const;
const NAMES = new Map<number, string>(Object.entries(OUTCOMES).map(([name, value]) => [value, name]));

/** One element a request, in order of their moments. */
export interface Records {
  /** When it was due, monotonic ms. */
  readonly atMs: Float64Array;
  readonly latencyMs: Float64Array;
  /** A status, or one of OUTCOMES. */
  readonly outcome: Float64Array;
  /** Index into `methods`. */
  readonly method: Float64Array;
  /** Index into `endpoints`; -1 = nobody said. */
  readonly by: Float64Array;
  readonly methods: readonly string[];
  readonly endpoints: readonly string[];
}

export class Load {
  readonly #peer = new Peer(PROGRAM);
  readonly #plan: LoadPlan;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
  }

  async start(): Promise<this> {
    await this.#peer.ask({ do: 'start', plan: this.#plan });
    return this;
  }

  /** No more requests; waits until each has its outcome. */
  async end(): Promise<Phase> {
    const records = await this.#peer.ask<Records>({ do: 'end' }, this.#plan.timeoutMs + 10_000);
    await this.#peer.kill();
    return new Phase(records, 0, records.atMs.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer.kill();
  }
}

/** Requests to `path` of whatever listens on `port`. */
export async function startLoad(port: number, rate: number, more: Partial<LoadPlan> = {}): Promise<Load> {
  const plan = { path: '/', host: 'example.com', fields: '', methods: ['GET'], body: 'x'.repeat(64) };
  return new Load({ ...plan, port, rate, freshShare: 0, connections: 0, timeoutMs: 40_000, ...more }).start();
}

/** Now, on the clock of the records. */
export const nowMs = monotonicMs;

/** The requests that were due within a span of time. */
export class Phase {
  readonly #records: Records;
  readonly #from: number;
  readonly #to: number;

  constructor(records: Records, from: number, to: number) {
    this.#records = records;
    this.#from = from;
    this.#to = to;
  }

  /** Due from `fromMs` to before `toMs`. */
  between(fromMs: number, toMs = Infinity): Phase {
    const { atMs } = this.#records;
    let from = this.#from;
    while (from < this.#to && atMs[from]! < fromMs) from++;
    let to = from;
    while (to < this.#to && atMs[to]! < toMs) to++;
    return new Phase(this.#records, from, to);
  }

  get requests(): number {
    return this.#to - this.#from;
  }

  /** Requests of a method (any without one) whose outcome is as asked. */
  count(isWanted: (outcome: number) => boolean, method?: string): number {
    const { outcome, method: methods, methods: names } = this.#records;
    let n = 0;
    for (let i = this.#from; i < this.#to; i++) {
      if ((method === undefined || names[methods[i]!] === method) && isWanted(outcome[i]!)) n++;
    }
    return n;
  }

  /** Anything but 2xx and 3xx. */
  lost(method?: string): number {
    return this.count((outcome) => outcome < 200 || outcome >= 400, method);
  }

  /** `200: 5990, 502: 3, reset: 1`. */
  get outcomes(): string {
    const counts = new Map<number, number>();
    for (let i = this.#from; i < this.#to; i++) {
      const outcome = this.#records.outcome[i]!;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
    return [...counts].map(([outcome, n]) => `${NAMES.get(outcome) ?? outcome}: ${n}`).join(', ');
  }

  /** Share of the answers that name an endpoint which name this one; 0…1. NaN when nobody was named. */
  shareOf(endpoint: string): number {
    const { by, endpoints } = this.#records;
    let [mine, all] = [0, 0];
    for (let i = this.#from; i < this.#to; i++) {
      if (by[i]! < 0) continue;
      all++;
      if (endpoints[by[i]!] === endpoint) mine++;
    }
    return mine / all;
  }

  /** Of all requests, or of those whose outcome is as asked; ms. NaN without any. */
  quantileMs(quantile: number, isWanted?: (outcome: number) => boolean): number {
    const { latencyMs, outcome } = this.#records;
    const mine = latencyMs.slice(this.#from, this.#to);
    const wanted = isWanted === undefined ? mine : mine.filter((_, i) => isWanted(outcome[this.#from + i]!));
    const sorted = wanted.sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? Number.NaN;
  }

  get maxMs(): number {
    return this.quantileMs(1);
  }

  slowerThan(ms: number): number {
    return this.#records.latencyMs.slice(this.#from, this.#to).filter((latency) => latency > ms).length;
  }

  /** When the last request was due whose outcome is as asked; NaN without any. */
  lastAtMs(isWanted: (outcome: number, endpoint: string | null) => boolean): number {
    for (let i = this.#to - 1; i >= this.#from; i--)
      if (isWanted(this.#records.outcome[i]!, this.#nameOf(i))) return this.#records.atMs[i]!;
    return Number.NaN;
  }

  firstAtMs(isWanted: (outcome: number, endpoint: string | null) => boolean): number {
    for (let i = this.#from; i < this.#to; i++)
      if (isWanted(this.#records.outcome[i]!, this.#nameOf(i))) return this.#records.atMs[i]!;
    return Number.NaN;
  }

  #nameOf(i: number): string | null {
    return this.#records.endpoints[this.#records.by[i]!] ?? null;
  }
}
