// A small world on a clock of its own: the real fleet, table, selector and lanes, and origins that exist only as numbers.
// Discrete events, seeded chance, no sockets and no waiting: a minute of traffic takes some milliseconds.

import { Fleet, type FleetCounters } from '../../src/control/fleet.ts';
import type { EventLog, FermatEvent, ProbeResult, ProbeSpec } from '../../src/control/types.ts';
import type { CohortPath } from '../../src/core/cohort.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { OUTCOME, type Outcome, SAMPLE, SAMPLE_FIELDS } from '../../src/core/sample.ts';
import { type PickContext, Selector, seeded } from '../../src/core/selector.ts';
import type { Peers } from '../../src/core/share/peers.ts';
import type { EndpointSpec, LatLon, PoolSpec, Snapshot } from '../../src/core/snapshot.ts';
import { MAX_SLOTS, NONE } from '../../src/core/snapshot.ts';
import { newTable, shapeOf } from '../../src/core/table.ts';

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

export function poolSpec(
  name: string,
  endpoints: readonly number[],
  row: number,
  more: Partial<PoolSpec> = {},
): PoolSpec {
  return {
    uid: row,
    name,
    endpoints,
    row,
    policy: 'fastest',
    bandRatio: 0.1,
    bandMs: 5,
    exploreRatio: 0.005,
    hashOn: null,
    millisPerUsdPerMillion: 0,
    slowStartMs: 10_000,
    whenAllDown: 'try',
    timeouts: {
      connectMs: 2000,
      firstByteMs: 30_000,
      bodyIdleMs: 60_000,
      tunnelIdleMs: 3.6e6,
      idleMs: 4000,
      connectionAgeMs: 300_000,
      totalMs: 0,
    },
    retry: {
      attempts: 1,
      onConnect: true,
      onReset: true,
      onTimeout: true,
      onStatus: [],
      methods: ['GET'],
      budgetRatio: 0.2,
      budgetMin: 3,
    },
    hedge: null,
    outlier: { consecutive: 5, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionMs: 300_000, maxEjectedRatio: 0.5 },
    connectionsPerEndpoint: 1024,
    queue: 1024,
    queueTimeoutMs: 1000,
    requests: 0,
    requestsPerEndpoint: 0,
    tls: { ca: null, cert: null, key: null, serverName: null, verify: true },
    proxyProtocol: 'off',
    ...more,
  };
}

export function endpointSpec(
  slot: number,
  from: Pick<Origin, 'id' | 'region' | 'location' | 'weight' | 'capacity' | 'egressUsdPerGb'>,
): EndpointSpec {
  return {
    uid: slot,
    id: from.id,
    url: `http://${from.id}`,
    slot,
    generation: 1,
    scheme: 'http',
    host: '127.0.0.1',
    port: 9000 + slot,
    socketPath: null,
    authority: from.id,
    region: from.region ?? null,
    location: from.location ?? null,
    weight: from.weight ?? 1,
    capacity: from.capacity ?? 0,
    egressUsdPerGb: from.egressUsdPerGb ?? 0,
    labels: {},
  };
}

export function snapshotOf(
  endpoints: readonly EndpointSpec[],
  pools: readonly PoolSpec[],
  lanes = 1,
  version = 1,
): Snapshot {
  const snapshot: Omit<Snapshot, 'table'> = {
    version,
    lanes,
    nodeId: 'test',
    listeners: [],
    routes: [],
    pools,
    rows: pools.map(({ endpoints: of }, pool) => ({ pool, members: of.map((_, i) => i), residency: [] })),
    endpoints,
    limits: {
      requestLineBytes: 8192,
      headBytes: 32_768,
      headers: 100,
      bodyBytes: 0,
      headTimeoutMs: 10_000,
      idleTimeoutMs: 60_000,
      bodyTimeoutMs: 30_000,
      connections: 0,
      connectionsPerClient: 0,
      requests: 0,
      requestsPerClient: 0,
      memoryBytes: 0,
      loopDelayMs: 0,
    },
    trustedProxies: [],
    drainDelayMs: 5000,
    drainTimeoutMs: 30_000,
    access: 'off',
  };
  return { ...snapshot, table: newTable(shapeOf(snapshot)) };
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
  #queue: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;
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
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#queue.shift();
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
      this.#sample(writer, slot, outcome, firstByteMs, inflight, status, client, cohort);
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

  #sample(
    writer: LaneWriter,
    slot: number,
    outcome: Outcome,
    firstByteMs: number,
    inflight: number,
    status: number,
    client: CohortPath | null,
    cohort: number,
  ): void {
    const base = writer.sampleBase();
    if (base < 0) return;
    const { ring } = writer;
    ring.fill(0, base, base + SAMPLE_FIELDS);
    ring[base + SAMPLE.SLOT] = slot;
    ring[base + SAMPLE.GENERATION] = 1;
    ring[base + SAMPLE.OUTCOME] = outcome;
    ring[base + SAMPLE.CONNECT_MS] = -1;
    ring[base + SAMPLE.FIRST_BYTE_MS] = firstByteMs;
    ring[base + SAMPLE.TOTAL_MS] = outcome === OUTCOME.TIMEOUT ? 30_000 : Math.max(firstByteMs, 0);
    ring[base + SAMPLE.INFLIGHT] = inflight;
    ring[base + SAMPLE.AT_MS] = this.nowMs;
    ring[base + SAMPLE.STATUS] = status;
    ring[base + SAMPLE.COHORT] = cohort;
    ring[base + SAMPLE.COUNTRY] = client?.countryKey ?? 0;
    ring[base + SAMPLE.ASN] = client?.asnKey ?? 0;
    ring[base + SAMPLE.PREFIX] = client?.prefixKey ?? 0;
    ring[base + SAMPLE.BYTES] = this.origins[slot]!.bytes ?? 0;
    writer.publishSample();
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
    const item = { atMs, order: this.#order++, run };
    let low = 0;
    let high = this.#queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#queue[middle]!.atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, item);
  }
}

/** The part of `done` that each id served. */
export function sharesOf(done: readonly Done[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const d of done) counts[d.id ?? 'none'] = (counts[d.id ?? 'none'] ?? 0) + 1 / done.length;
  return counts;
}

/** A PickContext for a lane of its own, nothing in flight. */
export function contextOf(random: () => number, lane = 0): PickContext {
  return {
    lane,
    inflight: new Int32Array(MAX_SLOTS),
    nowMs: 0,
    random,
    tried: new Int32Array(8),
    triedCount: 0,
    mayExplore: false,
  };
}
