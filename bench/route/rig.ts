// The rig of the routing bench: three origins, each a process, the real proxy before them, and an open-loop client whose
// every answer is kept. Everything on loopback; `end` ends all of it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EndpointView, Explanation } from '../../src/control/types.ts';
import { accepting, freePort, type Running, start } from '../support/process.ts';

/** What one request met. `origin` null = no origin answered: `status` says what Fermat did, 0 that nobody did. */
export interface Answer {
  /** ms since the client began, by the schedule: waiting in the client counts as the proxy's delay. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly status: number;
  readonly origin: string | null;
}

/** Added delay by name, nearest first; the three. */
export const DELAYS_MS = { near: 5, middle: 40, far: 120 } as const;
export type OriginName = keyof typeof DELAYS_MS;

const ORIGIN = fileURLToPath(new URL('./origin.ts', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../../bin/fermat', import.meta.url));

export class Rig {
  readonly #folder = mkdtempSync(join(tmpdir(), 'fermat-route-'));
  readonly #ports = new Map<string, number>();
  readonly #origins = new Map<string, Running>();
  readonly #agent = new Agent({ keepAlive: true });
  #proxy: Running | null = null;
  #port = 0;
  #adminPort = 0;

  static async start(): Promise<Rig> {
    const rig = new Rig();
    for (const name of Object.keys(DELAYS_MS) as OriginName[]) {
      rig.#ports.set(name, await freePort());
      await rig.revive(name);
    }
    await rig.#startProxy();
    return rig;
  }

  async revive(name: OriginName): Promise<void> {
    const port = this.#ports.get(name)!;
    const origin = start(null, process.execPath, [ORIGIN, String(port), name, String(DELAYS_MS[name])]);
    this.#origins.set(name, origin);
    await accepting(port, origin);
  }

  /** kill -9. */
  kill(name: OriginName): void {
    this.#origins.get(name)!.child.kill('SIGKILL');
  }

  /** `count` GETs at a fixed rate, whatever becomes of them; resolves when all have ended. */
  async load(count: number, requestsPerSecond: number, onAnswer?: (answer: Answer) => void): Promise<Answer[]> {
    const startMs = performance.now();
    const pending: Promise<Answer>[] = [];
    for (let i = 0; i < count; i++) {
      const dueMs = startMs + (i * 1000) / requestsPerSecond;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const answer = this.#get(startMs, dueMs);
      if (onAnswer) void answer.then(onAnswer);
      pending.push(answer);
    }
    return Promise.all(pending);
  }

  async endpoints(): Promise<EndpointView[]> {
    return (await this.#admin('/api/v1/endpoints')) as EndpointView[];
  }

  /** Retries that the proxy has made so far, whatever came of them. */
  async retries(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}/metrics`, { signal: AbortSignal.timeout(5000) });
    const series = (await response.text()).matchAll(/^fermat_retries_total\{.*\} (\d+)$/gm);
    return [...series].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** As for the client of this bench. */
  async explain(): Promise<Explanation> {
    return (await this.#admin('/api/v1/explain?client=127.0.0.1&path=/&method=GET')) as Explanation;
  }

  /** Resolves when every endpoint is healthy, and has been measured for `settleMs`. */
  async settled(settleMs: number): Promise<void> {
    const deadlineMs = performance.now() + 15_000;
    while (!(await this.endpoints()).every((endpoint) => endpoint.state === 'healthy')) {
      if (performance.now() > deadlineMs) throw new Error('the endpoints do not become healthy');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }

  async end(): Promise<void> {
    this.#agent.destroy();
    await Promise.all([this.#proxy, ...this.#origins.values()].map((running) => running?.stop()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #startProxy(): Promise<void> {
    this.#port = await freePort();
    this.#adminPort = await freePort();
    const file = join(this.#folder, 'fermat.yaml');
    const endpoints = [...this.#ports].map(([id, port]) => ({ id, url: `http://127.0.0.1:${port}` }));
    const config = {
      workers: 1,
      listeners: [{ name: 'http', address: `127.0.0.1:${this.#port}` }],
      pools: { main: { endpoints, probe: { interval: '1s' } } },
      routes: [{ pool: 'main' }],
      admin: { address: `127.0.0.1:${this.#adminPort}` },
      shutdown: { drainDelay: '0s', timeout: '1s' },
    };
    writeFileSync(file, JSON.stringify(config)); // JSON is YAML
    this.#proxy = start(null, LAUNCHER, ['run', '-c', file]);
    await accepting(this.#port, this.#proxy);
    await accepting(this.#adminPort, this.#proxy);
  }

  #get(startMs: number, dueMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      const done = (status: number, origin: string | null) =>
        resolve({ atMs: dueMs - startMs, tookMs: performance.now() - dueMs, status, origin });
      const sent = request({ host: '127.0.0.1', port: this.#port, agent: this.#agent, timeout: 15_000 }, (response) => {
        response.resume();
        response.on('end', () => done(response.statusCode!, (response.headers['x-origin'] as string) ?? null));
        response.on('error', () => done(0, null));
      });
      sent.on('timeout', () => sent.destroy());
      sent.on('error', () => done(0, null));
      sent.end();
    });
  }

  async #admin(path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}${path}`, { signal: AbortSignal.timeout(5000) });
    return response.json();
  }
}
