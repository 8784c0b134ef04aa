// What most cases need: scripted origins of equal latency, the real process in front of them with probes as by default, and
// helpers to see what it thinks of them.

import { type Config, type Fermat, type StartOptions, startFermat } from '../support/fermat.ts';
import { delay, until } from '../support/until.ts';
import { type Behaviour, monotonicMs, PROBE_PATH } from './behaviour.ts';
import { type FaultyOrigin, startFaultyOrigin } from './origins.ts';

/** What an origin takes to answer when nothing is wrong. */
export const ORIGIN_MS = 5;
export const WELL = { kind: 'answer', headMs: ORIGIN_MS, bodyBytes: 120 } as const satisfies Behaviour;
/** Averages, connections and code are warm after this. */
export const WARM_UP_MS = 3000;

export interface RigOptions {
  readonly origins?: number;
  /** Keys of the pool beside its endpoints; `probe` is merged with a path of its own. */
  readonly pool?: Config;
  /** Keys of the file. */
  readonly config?: Config;
  readonly start?: StartOptions;
  readonly makeOrigin?: () => Promise<FaultyOrigin>;
}

export interface EndpointView {
  readonly id: string;
  readonly healthy: boolean;
  readonly state: string;
  readonly inflight: number;
  readonly requests: number;
  readonly failures: number;
  readonly lastProbe: { readonly ok: boolean; readonly error: string | null } | null;
}

export class FaultRig implements AsyncDisposable {
  readonly fermat: Fermat;
  readonly origins: readonly FaultyOrigin[];

  constructor(fermat: Fermat, origins: readonly FaultyOrigin[]) {
    this.fermat = fermat;
    this.origins = origins;
  }

  get port(): number {
    return this.fermat.port;
  }

  async views(): Promise<readonly EndpointView[]> {
    return this.fermat.json<EndpointView[]>('/api/v1/endpoints');
  }

  async view(n: number): Promise<EndpointView> {
    return (await this.views()).find(({ id }) => id === `e${n}`)!;
  }

  /** Polls until the endpoint is as wanted; the ms it took. */
  async when(n: number, isWanted: (view: EndpointView) => boolean, what: string, timeoutMs = 20_000): Promise<number> {
    const startMs = performance.now();
    await until(async () => isWanted(await this.view(n)), `endpoint e${n} ${what}`, timeoutMs);
    return performance.now() - startMs;
  }

  /** Attempts at an endpoint so far: every one is a choice, whatever became of it. */
  selections(n: number): Promise<number> {
    return this.fermat.metric('fermat_selections_total', `endpoint="e${n}"`);
  }

  /** Watches a number until told to stop, which gives the moment of its last change (monotonic ms; NaN = it never changed). */
  watch(read: () => Promise<number>, everyMs = 100): () => Promise<number> {
    let isOver = false;
    let lastMs = Number.NaN;
    const watching = (async () => {
      let value = await read();
      while (!isOver) {
        await delay(everyMs);
        const next = await read();
        if (next !== value) lastMs = monotonicMs();
        value = next;
      }
    })();
    return async () => {
      isOver = true;
      await watching;
      return lastMs;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fermat.stop();
    await Promise.all(this.origins.map((origin) => origin[Symbol.asyncDispose]()));
  }
}

/** One pool `main` of endpoints e0, e1, … behind one route, which names who answered. */
export function configOf(origins: readonly FaultyOrigin[], pool: Config = {}, more: Config = {}): Config {
  const { probe, ...rest } = pool as { probe?: Config };
  const endpoints = origins.map(({ url }, i) => ({ url, id: `e${i}` }));
  return {
    pools: { main: { endpoints, probe: { path: PROBE_PATH, ...probe }, ...rest } },
    routes: [{ pool: 'main', serverTiming: true }],
    ...more,
  };
}

/** Started, ready, every endpoint probed. */
export async function startRig(options: RigOptions = {}): Promise<FaultRig> {
  const { origins: n = 3, pool, config, start, makeOrigin = startFaultyOrigin } = options;
  const origins = await Promise.all(Array.from({ length: n }, () => makeOrigin()));
  await Promise.all(origins.map((origin) => origin.behave(WELL)));
  const fermat = await startFermat(configOf(origins, pool, config), start);
  const rig = new FaultRig(fermat, origins);
  await until(async () => (await rig.views()).every(({ healthy }) => healthy), 'healthy endpoints', 10_000);
  return rig;
}

export const pause = delay;
