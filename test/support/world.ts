// A small world on a clock of its own: the real fleet, table, selector and lanes, and origins that exist only as numbers.
// Discrete events, seeded chance, no sockets and no waiting: a minute of traffic takes some milliseconds.

import { Fleet, type FleetCounters } from '../../src/control/fleet.ts';
import type { EventLog, FermatEvent, ProbeResult, ProbeSpec } from '../../src/control/types.ts';
import type { CohortPath } from '../../src/core/cohort.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { OUTCOME, type Outcome } from '../../src/core/sample.ts';
import { type PickContext, Selector, seeded } from '../../src/core/selector.ts';
import type { Peers } from '../../src/core/share/peers.ts';
import { type LatLon, NONE, type PoolSpec, type Snapshot } from '../../src/core/snapshot.ts';
import { Agenda } from './agenda.ts';
import { writeSample } from './samples.ts';
import { endpointSpec, poolSpec, snapshotOf } from './specs.ts';

export const PROBE: ProbeSpec = {
  type: 'http',
  service: '',
  method: 'GET',
  path: '/',
  host: null,
  intervalMs: 2000,
  timeoutMs: 1000,
  expectStatus: [[200, 399]],
  expectBody: null,
  rise: 2,
  fall: 3,
};

/** What a simulated origin does. */
export interface Origin {
  readonly id: string;
  /** Of a request, and of a probe if that differs: request sent → first byte. */
  answerMs: number | ((random: () => number) => number);
  probeMs?: number;
  /** What a probe gets, in time. */
  probeStatus?: number;
  connectMs: number;
  isUp: boolean;
  /** Accepts and never answers. */
  isSilent: boolean;
  /** Chance of a 503, which comes at once. */
  failing: number;
  region?: string;
  location?: LatLon;
  egressUsdPerGb?: number;
  /** Of an answer's body. */
  bytes?: number;
  weight?: number;
  /** Told to the proxy; nothing bounds the origin. */
  capacity?: number;
}

export function origin(id: string, answerMs: Origin['answerMs'], more: Partial<Origin> = {}): Origin {
  return { id, answerMs, connectMs: 0.1, isUp: true, isSilent: false, failing: 0, ...more };
}

/** How one request of the world went. */
export interface Done {
  readonly atMs: number;
  /** Of the endpoint that answered; null = a 503 of Fermat's own or the last failure. */
  readonly id: string | null;
  readonly ok: boolean;
  readonly role: number;
  readonly tookMs: number;
  readonly client: CohortPath | null;
}

export interface WorldOptions {
  readonly pool?: Partial<PoolSpec>;
  readonly edge?: LatLon | null;
  readonly lanes?: number;
  readonly seed?: number;
  readonly intervalMs?: number;
  /** Whose request the next one is; null = nobody's in particular. */
  readonly clientOf?: (random: () => number) => CohortPath | null;
  /** What the way is longer by for a client at an origin. ms. */
  readonly awayMs?: (client: CohortPath | null, id: string) => number;
  /** What other nodes told. */
  readonly peers?: Peers;
}

export class World {
  nowMs = 1_000_000;
  readonly random: () => number;
  readonly origins: readonly Origin[];
  readonly fleet: Fleet;
  readonly snapshot: Snapshot;
  readonly selectors: readonly Selector[];
  readonly events: FermatEvent[] = [];
  /** `stateChanged:id:to:reason`, `switched:pool:reason`, `lie:id`. */
  readonly counted: string[] = [];
  readonly done: Done[] = [];
  readonly #lanes: { readonly writer: LaneWriter; readonly reader: LaneReader; readonly ctx: PickContext }[];
  readonly #intervalMs: number;
  readonly #options: WorldOptions;
  readonly #agenda = new Agenda();
  #turn = 0;

  constructor(origins: readonly Origin[], options: WorldOptions = {}) {
    this.random = seeded(options.seed ?? 1);
    this.#options = options;
    this.origins = origins;
    this.#intervalMs = options.intervalMs ?? PROBE.intervalMs;
    const lanes = options.lanes ?? 1;
    const pool = poolSpec(
      'shop',
      origins.map((_, i) => i),
      0,
      options.pool,
    );
    this.snapshot = snapshotOf(
      origins.map((o, i) => endpointSpec(i, o)),
      [pool],
      lanes,
    );
    this.#lanes = Array.from({ length: lanes }, (_, lane) => {
      const buffer = newLane();
      const writer = new LaneWriter(buffer);
      const ctx = {
        lane,
        inflight: writer.inflight,
        nowMs: 0,
        random: this.random,
        tried: new Int32Array(8),
        triedCount: 0,
        mayExplore: true,
      };
      return { writer, reader: new LaneReader(buffer), ctx };
    });
    const readers = this.#lanes.map((l) => l.reader);
    const counters: FleetCounters = {
      stateChanged: (id, to, reason) => this.counted.push(`stateChanged:${id}:${to}:${reason}`),
      probed: () => {},
      switched: (name, reason) => this.counted.push(`switched:${name}:${reason}`),
      locationLie: (id) => this.counted.push(`lie:${id}`),
    };
    const events: EventLog = {
      emit: (level, type, message, fields) => {
        this.events.push({ at: String(this.nowMs), level, type, message, ...fields });
      },
      subscribe: () => () => {},
      recent: () => this.events,
    };
    this.fleet = new Fleet({
      clock: () => this.nowMs,
      random: this.random,
      events,
      lanes: () => readers,
      counters,
      edge: () => options.edge ?? null,
      ...(options.peers && { peers: options.peers }),
    });
    this.fleet.install(this.snapshot, new Map([['shop', PROBE]]));
    this.selectors = this.#lanes.map(() => new Selector(this.snapshot));
    this.#every(250, 250, () => this.fleet.tick(this.nowMs));
    origins.forEach((o, slot) => {
      this.#every(this.random() * Math.min(500, this.#intervalMs), this.#intervalMs, () => this.#probe(o, slot));
    });
  }

  /** Runs until `forMs` later, with `rps` requests a second evenly spread; gives what was done in that time. */
  run(forMs: number, rps = 0): Done[] {
    const from = this.done.length;
    const untilMs = this.nowMs + forMs;
    if (rps > 0) {
      const gapMs = 1000 / rps;
      for (let at = gapMs / 2; at < forMs; at += gapMs) this.#at(this.nowMs + at, () => this.request());
    }
    for (let next = this.#agenda.next(untilMs); next !== null; next = this.#agenda.next(untilMs)) {
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    this.nowMs = untilMs;
    return this.done.slice(from);
  }

  /** One idempotent request, with one retry elsewhere after a failure, by the next worker. */
  request(): void {
    const lane = this.#turn++ % this.#lanes.length;
    this.#lanes[lane]!.ctx.triedCount = 0;
    const client = this.#options.clientOf?.(this.random) ?? null;
    this.#attempt(lane, this.nowMs, new Int32Array(8), 0, client);
  }

  #attempt(lane: number, beganMs: number, tried: Int32Array, triedCount: number, client: CohortPath | null): void {
    const { ctx, writer } = this.#lanes[lane]!;
    const selector = this.selectors[lane]!;
    ctx.nowMs = this.nowMs;
    ctx.tried = tried;
    ctx.triedCount = triedCount;
    ctx.place = client;
    const slot = selector.pick(0, ctx);
    const { role, cohort } = selector;
    if (slot === NONE) {
      this.done.push({ atMs: beganMs, id: null, ok: false, role, tookMs: this.nowMs - beganMs, client });
      return;
    }
    const o = this.origins[slot]!;
    const inflight = writer.inflight[slot]!;
    writer.inflight[slot] = inflight + 1;
    const settle = (outcome: Outcome, firstByteMs: number, status: number) => {
      writer.inflight[slot]!--;
      const bytes = o.bytes ?? 0;
      writeSample(writer, { slot, outcome, firstByteMs, inflight, status, client, cohort, bytes, atMs: this.nowMs });
      const ok = outcome === OUTCOME.OK;
      tried[triedCount] = slot;
      if (!ok && triedCount === 0) this.#attempt(lane, beganMs, tried, 1, client);
      else this.done.push({ atMs: beganMs, id: ok ? o.id : null, ok, role, tookMs: this.nowMs - beganMs, client });
    };
    if (!o.isUp) return settle(OUTCOME.CONNECT_FAILED, -1, 0);
    if (o.isSilent) {
      this.#at(this.nowMs + 30_000, () => settle(OUTCOME.TIMEOUT, -1, 0));
      return;
    }
    const isBad = this.random() < o.failing;
    const away = this.#options.awayMs?.(client, o.id) ?? 0;
    const ms = isBad ? 0.2 : (typeof o.answerMs === 'number' ? o.answerMs : o.answerMs(this.random)) + away;
    this.#at(this.nowMs + ms, () => {
      if (!o.isUp) settle(OUTCOME.RESET, -1, 0);
      else settle(isBad ? OUTCOME.STATUS_5XX : OUTCOME.OK, ms, isBad ? 503 : 200);
    });
  }

  #probe(o: Origin, slot: number): void {
    const ms = o.probeMs ?? (typeof o.answerMs === 'number' ? o.answerMs : o.answerMs(this.random));
    const base = { dnsMs: null, tlsMs: null, warm: true, stalled: false };
    if (!o.isUp) {
      const error = 'connect ECONNREFUSED';
      this.#answer(slot, {
        ...base,
        ok: false,
        connectMs: null,
        firstByteMs: null,
        status: null,
        error,
        failure: 'connect',
      });
    } else if (o.isSilent || ms > PROBE.timeoutMs) {
      const result = { ...base, ok: false, firstByteMs: null, status: null, failure: 'timeout' as const };
      this.#at(this.nowMs + PROBE.timeoutMs, () =>
        this.#answer(slot, { ...result, connectMs: o.connectMs, error: 'no answer in 1s' }),
      );
    } else {
      const status = o.probeStatus ?? 200;
      const ok = status < 400;
      const result = {
        ...base,
        ok,
        connectMs: o.connectMs,
        firstByteMs: ms,
        status,
        error: ok ? null : `status ${status}`,
        failure: ok ? null : ('status' as const),
      };
      this.#at(this.nowMs + ms, () => this.#answer(slot, result));
    }
  }

  #answer(slot: number, result: Omit<ProbeResult, 'atMs'>): void {
    const before = this.counted.length;
    this.fleet.probed(slot, 1, { ...result, atMs: this.nowMs });
    // As the running fleet does: a change of health is a tick at once.
    if (this.counted.length > before) this.fleet.tick(this.nowMs);
  }

  #every(firstMs: number, everyMs: number, run: () => void): void {
    this.#at(this.nowMs + firstMs, () => {
      run();
      this.#every(everyMs, everyMs, run);
    });
  }

  #at(atMs: number, run: () => void): void {
    this.#agenda.add(atMs, run);
  }
}

/** The part of `done` that each id served. */
export function sharesOf(done: readonly Done[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const d of done) counts[d.id ?? 'none'] = (counts[d.id ?? 'none'] ?? 0) + 1 / done.length;
  return counts;
}
