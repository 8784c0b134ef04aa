// A proxy before endpoints that it has to find: three origins that say their name, a Consul server, steady traffic.

import { afterEach, beforeEach } from 'vitest';
import { type FakeConsul, type Instance, startConsul } from './fake-consul.ts';
import { type Config, type Fermat, startFermat } from './fermat.ts';
import { type Named, Steady, startNamed } from './steady.ts';
import { until } from './until.ts';

export interface Found {
  readonly id: string;
  readonly url: string;
  readonly state: string;
  readonly source: string;
  readonly requests: number;
  readonly region: string | null;
}

/** Round robin, so that an endpoint is idle only because it is gone. */
export const configOf = (discover: readonly Config[], more: Config = {}): Config => ({
  pools: { main: { discover, probe: { type: 'tcp' }, balance: { policy: 'round-robin', slowStart: '0s' } } },
  routes: [{ pool: 'main' }],
  ...more,
});

export class FindingRig {
  consul!: FakeConsul;
  /** a, b and c. */
  origins: Named[] = [];
  #fermat: Fermat | null = null;
  #traffic: Steady | null = null;

  get fermat(): Fermat {
    return this.#fermat!;
  }

  get traffic(): Steady {
    return this.#traffic!;
  }

  /** An origin as Consul has it. */
  instance(i: number): Instance {
    return { id: `web-${i}`, address: '127.0.0.1', port: this.origins[i]!.port };
  }

  /** An entry of `discover`. */
  fromConsul(more: Config = {}): Config {
    return { consul: { address: this.consul.url, service: 'shop' }, ...more };
  }

  async start(config: Config, isUnready = false): Promise<void> {
    this.#fermat = await startFermat(config, { isUnready });
    if (!isUnready) this.#traffic = new Steady(this.#fermat.port);
  }

  found(): Promise<Found[]> {
    return this.fermat.json<unknown>('/api/v1/endpoints') as Promise<Found[]>;
  }

  async version(): Promise<number> {
    return Number((await this.fermat.json('/api/v1/node')).snapshotVersion);
  }

  /** From some moment on, exactly these answer. */
  async servedBy(...names: string[]): Promise<void> {
    const { traffic } = this;
    traffic.reset();
    const check = (): boolean => {
      const seen = [...traffic.by.keys()].sort().join();
      if (seen === names.join() && [...traffic.by.values()].every((n) => n > 5)) return true;
      if (seen.length > names.join().length) traffic.reset();
      return false;
    };
    await until(check, `answers of ${names.join()} alone`, 10_000);
  }

  async open(): Promise<void> {
    this.consul = await startConsul();
    this.origins = await Promise.all(['a', 'b', 'c'].map((name) => startNamed(name)));
  }

  async close(): Promise<void> {
    await this.#traffic?.stop();
    this.#traffic = null;
    await this.#fermat?.stop();
    this.#fermat = null;
    await this.consul.close();
    await Promise.all(this.origins.map((origin) => origin.close()));
  }
}

/** Registers the hooks; use the result inside tests only. */
export function useFindingRig(): FindingRig {
  const rig = new FindingRig();
  beforeEach(() => rig.open());
  afterEach(() => rig.close());
  return rig;
}
