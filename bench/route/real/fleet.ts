// The origins of the test-bed as their keeper sees them: started, told what to do, killed, asked how they fared; and what an
// answer of each is worth at the moment, which is what "wrong region" is judged by.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Behaviour, OriginSpec, Report, Said, Told } from './origin.ts';

/** An origin and where a user would say that it stands. */
export interface Place {
  readonly id: string;
  /** Of the catalogue. */
  readonly region: string;
  /** There and back, ms: about what a cloud measures between NODE_REGION and there. */
  readonly networkMs: number;
}

export const NODE_REGION = 'aws:eu-central-1';

/** Nearest first. */
export const PLACES: readonly Place[] = [
  { id: 'milan', region: 'aws:eu-south-1', networkMs: 10 },
  { id: 'london', region: 'aws:eu-west-2', networkMs: 14 },
  { id: 'stockholm', region: 'aws:eu-north-1', networkMs: 40 },
  { id: 'virginia', region: 'aws:us-east-1', networkMs: 90 },
  { id: 'oregon', region: 'aws:us-west-2', networkMs: 160 },
];

/** Four workers of 10 ms: 400 requests a second each. Few enough that a spike above that leaves both cores idle enough. */
export const WORKERS = 4;
export const SERVICE_MS = 10;
export const SIGMA = 0.5;
/** What a failed request costs when a mean is taken, ms; as in the simulator. */
export const ERROR_MS = 1000;

const ORIGIN = fileURLToPath(new URL('./origin.ts', import.meta.url));
const ANSWER_TIMEOUT_MS = 5000;

export class Origin {
  readonly spec: OriginSpec;
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(spec: OriginSpec, child: ChildProcess, port: number) {
    this.spec = spec;
    this.#child = child;
    this.port = port;
  }

  /** Resolves when it listens. */
  static async start(spec: OriginSpec): Promise<Origin> {
    const child = fork(ORIGIN, [JSON.stringify(spec)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    try {
      const said = await saidBy(child);
      if (!('port' in said)) throw new Error(`origin ${spec.id} said ${JSON.stringify(said)} before its port`);
      return new Origin(spec, child, said.port);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** Resolves when it does so. */
  async set(behaviour: Behaviour): Promise<void> {
    await this.#ask({ set: behaviour });
  }

  async report(): Promise<Report> {
    const said = await this.#ask({ report: true });
    if (!('served' in said)) throw new Error(`origin ${this.spec.id} does not report`);
    return said;
  }

  /** kill -9; resolves when it is gone. Safe to repeat. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #ask(told: Told): Promise<Said> {
    const said = saidBy(this.#child);
    this.#child.send(told);
    return said;
  }
}

async function saidBy(child: ChildProcess): Promise<Said> {
  const [said] = await once(child, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  return said as Said;
}

/** All origins of one run. `end` may be called at any time. */
export class Fleet {
  readonly #origins: Origin[] = [];
  readonly #behaviour: (Behaviour | null)[] = [];
  #ended = false;

  static async start(seed: number): Promise<Fleet> {
    const fleet = new Fleet();
    try {
      const specs = PLACES.map(({ id, networkMs }, i): OriginSpec => {
        const behaviour = { networkMs, slowdown: 1, failing: 0 };
        return { id, port: 0, workers: WORKERS, serviceMs: SERVICE_MS, sigma: SIGMA, seed: seed * 31 + i, behaviour };
      });
      const started = await Promise.allSettled(specs.map((spec) => Origin.start(spec)));
      for (const one of started) if (one.status === 'fulfilled') fleet.#origins.push(one.value);
      for (const one of started) if (one.status === 'rejected') throw one.reason;
      fleet.#behaviour.push(...specs.map(({ behaviour }) => behaviour));
      return fleet;
    } catch (error) {
      await fleet.end();
      throw error;
    }
  }

  get ports(): readonly number[] {
    return this.#origins.map((origin) => origin.port);
  }

  async change(index: number, part: Partial<Behaviour>): Promise<void> {
    const now = this.#behaviour[index];
    if (!now) throw new Error(`origin ${PLACES[index]?.id} is dead: it cannot change`);
    const next = { ...now, ...part };
    await this.#origins[index]!.set(next);
    this.#behaviour[index] = next;
  }

  async kill(index: number): Promise<void> {
    this.#behaviour[index] = null;
    await this.#origins[index]!.kill();
  }

  /** On the same port, as it was at first. */
  async revive(index: number): Promise<void> {
    const { spec, port } = this.#origins[index]!;
    const origin = await Origin.start({ ...spec, port });
    this.#origins[index] = origin;
    this.#behaviour[index] = spec.behaviour;
    if (this.#ended) await origin.kill();
  }

  /** By place: what a request there costs now without a queue, ms; Infinity when it is dead. */
  truthMs(): number[] {
    return this.#behaviour.map((b) => (b ? b.networkMs + SERVICE_MS * b.slowdown + ERROR_MS * b.failing : Infinity));
  }

  /** Of those alive. */
  async reports(): Promise<(Report | null)[]> {
    return Promise.all(this.#origins.map((origin, i) => (this.#behaviour[i] ? origin.report() : null)));
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#origins.map((origin) => origin.kill()));
  }
}
