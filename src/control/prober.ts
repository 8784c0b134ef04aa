// Probes every endpoint of the current Snapshot on its own schedule, for as long as the endpoint stays. One probe at a time
// and endpoint, spread by jitter so that neither we nor a shared origin see them in step. Nothing is judged here: results go
// to whoever counts rise and fall.

import type { PoolSpec, Snapshot } from '../core/snapshot.ts';
import type { Names } from './names.ts';
import { StallWatch } from './probe/limit.ts';
import { Probe } from './probe/probe.ts';
import type { EventLog, ProbeResult, ProbeSpec } from './types.ts';

/** The first probes of all endpoints begin within this time, or 1 ms an endpoint if they are many. */
const SPREAD_MS = 50;
/** The first few come faster, so that routing knows the network early: the score wants a median of five. */
const QUICK_PROBES = 5;
const QUICK_RATIO = 1 / 4;
const JITTER_RATIO = 0.2;
/** A probe that took longer than its interval is not followed without a breath. */
const LEAST_GAP_MS = 10;

export interface ProberOptions {
  /** Monotonic, ms. */
  readonly clock: () => number;
  /** 0…1. */
  readonly random: () => number;
  /** Called for every probe that ended, until its endpoint is gone or the prober stopped. */
  readonly onResult: (slot: number, generation: number, result: ProbeResult) => void;
  readonly events: EventLog;
  /** Somebody else's to keep and to close. */
  readonly names: Names;
}

interface Watch {
  /** Everything a probe depends on: the same text, the same probe. */
  readonly fingerprint: string;
  readonly slot: number;
  readonly generation: number;
  readonly intervalMs: number;
  readonly probe: Probe;
  timer: NodeJS.Timeout | null;
  running: Promise<void> | null;
  probes: number;
}

export class Prober {
  readonly #options: ProberOptions;
  readonly #stalls: StallWatch;
  readonly #watches = new Map<string, Watch>();
  /** Probes that were told to stop and still end. */
  readonly #ending = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#stalls = new StallWatch(options.clock);
  }

  /**
   * Makes the probes those of a Snapshot: endpoints that stay as they were keep theirs (and its connection), new ones begin
   * within about 50 ms, others end. Pools that `probes` does not name are not probed.
   */
  install(snapshot: Snapshot, probes: ReadonlyMap<string, ProbeSpec>): void {
    if (this.#isStopped) return;
    const wanted = new Set<string>();
    const fresh: Watch[] = [];
    for (const pool of snapshot.pools) {
      const spec = probes.get(pool.name);
      if (spec === undefined) continue;
      for (const index of pool.endpoints) {
        const endpoint = snapshot.endpoints[index];
        if (endpoint === undefined || endpoint.via !== undefined) continue; // the peer is asked instead
        const key = `${endpoint.slot}:${endpoint.generation}`;
        wanted.add(key);
        const { scheme, host, port, socketPath, authority } = endpoint;
        const to = { scheme, host, port, socketPath, authority, proxyProtocol: pool.proxyProtocol };
        const fingerprint = JSON.stringify([to, pool.tls, spec]);
        const known = this.#watches.get(key);
        if (known?.fingerprint === fingerprint) continue;
        if (known !== undefined) this.#end(key, known);
        const watch = this.#watchOf(to, pool, spec, fingerprint, endpoint);
        this.#watches.set(key, watch);
        fresh.push(watch);
      }
    }
    for (const [key, watch] of this.#watches) if (!wanted.has(key)) this.#end(key, watch);
    const spreadMs = Math.max(SPREAD_MS, fresh.length);
    for (const watch of fresh) this.#later(watch, this.#options.random() * spreadMs);
  }

  /** Ends every probe, connection and timer; resolves when they are gone. Nothing is reported any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const [key, watch] of this.#watches) this.#end(key, watch);
    await Promise.all(this.#ending);
  }

  #watchOf(
    to: ConstructorParameters<typeof Probe>[0],
    pool: PoolSpec,
    spec: ProbeSpec,
    fingerprint: string,
    { slot, generation }: { readonly slot: number; readonly generation: number },
  ): Watch {
    return {
      fingerprint,
      slot,
      generation,
      intervalMs: spec.intervalMs,
      probe: new Probe(to, pool.tls, spec, this.#options.names, this.#stalls, this.#options.clock),
      timer: null,
      running: null,
      probes: 0,
    };
  }

  #later(watch: Watch, delayMs: number): void {
    watch.timer = setTimeout(() => {
      watch.running = this.#probe(watch);
    }, delayMs);
  }

  /** Never rejects. */
  async #probe(watch: Watch): Promise<void> {
    const startMs = this.#options.clock();
    watch.probes++;
    try {
      const probed = await watch.probe.run();
      if (probed === null) return;
      if (!probed.isVoid) this.#options.onResult(watch.slot, watch.generation, probed.result);
    } catch (error) {
      this.#options.events.emit('error', 'prober.failed', 'a probe, or what takes its result, threw', { error });
    }
    if (this.#isStopped || this.#watches.get(`${watch.slot}:${watch.generation}`) !== watch) return;
    const intervalMs = watch.intervalMs * (watch.probes < QUICK_PROBES ? QUICK_RATIO : 1);
    const jitter = 1 + JITTER_RATIO * (2 * this.#options.random() - 1);
    const spentMs = this.#options.clock() - startMs;
    this.#later(watch, Math.max(LEAST_GAP_MS, intervalMs * jitter - spentMs));
  }

  #end(key: string, watch: Watch): void {
    this.#watches.delete(key);
    if (watch.timer !== null) clearTimeout(watch.timer);
    watch.probe.stop();
    const { running } = watch;
    if (running === null) return;
    this.#ending.add(running);
    void running.then(() => this.#ending.delete(running));
  }
}
