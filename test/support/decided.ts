// Captured decisions without a process: a table filled by the test, a real selector and capture as a worker has them, and the
// control plane's end of the lane.

import { Decisions } from '../../src/control/decisions.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { OUTCOME, SAMPLE } from '../../src/core/sample.ts';
import { type PickContext, Selector, seeded } from '../../src/core/selector.ts';
import { type EndpointSpec, NONE, type PoolSpec, type RouteSpec, type Snapshot } from '../../src/core/snapshot.ts';
import {
  CANDIDATE_DOUBLES,
  CANDIDATE_INTS,
  CD,
  CI,
  MODE,
  newTable,
  ROW,
  shapeOf,
  TableWriter,
} from '../../src/core/table.ts';
import { Capture } from '../../src/data/capture.ts';
import { contextOf, endpointSpec, poolSpec, snapshotOf } from './specs.ts';

export interface RowOf {
  readonly band: number;
  readonly overflow: number;
  readonly eligible?: number;
  readonly explorable?: number;
  readonly mode?: number;
}

export interface DecidedOptions {
  readonly endpoints?: number;
  readonly pool?: Partial<PoolSpec>;
  readonly row?: RowOf;
  readonly seed?: number;
  readonly ids?: (i: number) => Partial<EndpointSpec>;
}

export const ROUTE: Pick<RouteSpec, 'uid' | 'name' | 'pool' | 'row' | 'residency'> = {
  uid: 5,
  name: 'web',
  pool: 0,
  row: 0,
  residency: [],
};

/** One pool of endpoints e0, e1, …, the nearest first, and everything that captures what is picked there. */
export class Decided {
  readonly random: () => number;
  readonly snapshot: Snapshot;
  readonly writer: TableWriter;
  readonly lane: LaneWriter;
  readonly reader: LaneReader;
  readonly capture: Capture;
  readonly selector: Selector;
  readonly ctx: PickContext;
  readonly regrets: { pool: string; kind: string; ms: number }[] = [];
  readonly decisions: Decisions;
  readonly #row: RowOf;

  constructor({ endpoints = 5, pool = {}, row, seed = 1, ids = () => ({}) }: DecidedOptions = {}) {
    this.random = seeded(seed);
    this.#row = row ?? { band: Math.min(2, endpoints), overflow: Math.min(3, endpoints - 2) };
    const specs = Array.from({ length: endpoints }, (_, i) => ({
      ...endpointSpec(i * 3, { id: `e${i}`, region: `aws:r${i}` }),
      ...ids(i),
    }));
    const all = specs.map((_, i) => i);
    const structure: Snapshot = {
      ...snapshotOf(specs, [poolSpec('shop', all, 0, pool)], 2),
      routes: [ROUTE as RouteSpec],
    };
    const shape = shapeOf(structure);
    this.snapshot = { ...structure, table: newTable(shape) };
    this.writer = new TableWriter(this.snapshot.table, shape);
    const buffer = newLane();
    this.lane = new LaneWriter(buffer);
    this.reader = new LaneReader(buffer);
    this.capture = new Capture(this.lane, 1, this.random);
    this.selector = new Selector(this.snapshot);
    this.ctx = { ...contextOf(this.random, 1), inflight: this.lane.inflight, nowMs: 1000 };
    this.decisions = new Decisions({
      node: () => 'test',
      edge: () => null,
      onRegret: (name, kind, ms) => this.regrets.push({ pool: name, kind, ms }),
    });
    this.decisions.install(this.snapshot);
    this.publish();
  }

  /** Another version, with terms of chance: the further back in the row, the slower. */
  publish(): void {
    const { shape, ints, doubles } = this.writer;
    const row = shape.rows[0]!;
    const { band, overflow, eligible = row.width, explorable = 0, mode = MODE.NORMAL } = this.#row;
    ints[row.at + ROW.BAND] = band;
    ints[row.at + ROW.OVERFLOW] = overflow;
    ints[row.at + ROW.ELIGIBLE] = eligible;
    ints[row.at + ROW.EXPLORABLE] = explorable;
    ints[row.at + ROW.MODE] = mode;
    ints[row.at + ROW.HOME] = 0;
    let weights = 0;
    for (let i = 0; i < row.width; i++) {
      const int = row.ints + i * CANDIDATE_INTS;
      ints[int + CI.SLOT] = this.snapshot.endpoints[i]!.slot;
      ints[int + CI.INDEX] = i;
      ints[int + CI.FLAGS] = 0;
      ints[int + CI.PLACE] = i;
      const at = row.doubles + i * CANDIDATE_DOUBLES;
      weights += this.snapshot.endpoints[i]!.weight;
      const terms: Partial<Record<keyof typeof CD, number>> = {
        NETWORK: 5 + i * 10 + this.random(),
        SERVER: 2 + this.random() * 3,
        BASE: 2,
        GAMMA: 0.35 + this.random() * 0.6,
        MEAN_INFLIGHT: this.random() * 4,
        ERROR_FACTOR: 1,
        RAMP: 1,
        WEIGHT: this.snapshot.endpoints[i]!.weight,
        WEIGHT_SUM: weights,
        KNEE: Number.POSITIVE_INFINITY,
      };
      for (const [name, field] of Object.entries(CD)) doubles[at + field] = terms[name as keyof typeof CD] ?? 0;
      doubles[at + CD.SCORE] = doubles[at + CD.NETWORK]! + doubles[at + CD.SERVER]!;
      for (let lane = 0; lane < shape.lanes; lane++) {
        ints[shape.others + lane * shape.slots + this.snapshot.endpoints[i]!.slot] = Math.floor(this.random() * 3);
      }
    }
    this.writer.publish();
  }

  /** One request: picked, captured if it is its turn, and answered if `firstByteMs` is given. The slot, or NONE. */
  request(firstByteMs: number | null = null): number {
    const slot = this.selector.pick(0, this.ctx);
    if (slot === NONE) return slot;
    this.capture.picked(this.selector, this.ctx, this.snapshot.version, ROUTE as RouteSpec);
    if (firstByteMs !== null) this.settle(slot, this.selector.role, this.capture.id, firstByteMs);
    return slot;
  }

  settle(slot: number, role: number, decision: number, firstByteMs: number): void {
    const base = this.lane.sampleBase();
    const { ring } = this.lane;
    ring.fill(0, base, base + Object.keys(SAMPLE).length);
    ring[base + SAMPLE.SLOT] = slot;
    ring[base + SAMPLE.GENERATION] = 1;
    ring[base + SAMPLE.OUTCOME] = OUTCOME.OK;
    ring[base + SAMPLE.STATUS] = 200;
    ring[base + SAMPLE.CONNECT_MS] = -1;
    ring[base + SAMPLE.FIRST_BYTE_MS] = firstByteMs;
    ring[base + SAMPLE.TOTAL_MS] = firstByteMs + 1;
    ring[base + SAMPLE.AT_MS] = this.ctx.nowMs;
    ring[base + SAMPLE.BYTES] = 1000;
    ring[base + SAMPLE.ROLE] = role;
    ring[base + SAMPLE.DECISION] = decision;
    this.lane.publishSample();
  }

  /** As the fleet's tick does. */
  tick(): void {
    this.decisions.drain([this.reader]);
    this.reader.drain((ring, base) => this.decisions.settled(ring, base));
  }

  /** In flight at this worker, by chance. */
  load(): void {
    for (const { slot } of this.snapshot.endpoints) this.lane.inflight[slot] = Math.floor(this.random() * 6);
  }

  /** Requests one by one, each under another load, over several versions of the table. */
  run(count: number, firstByteMs: number | null = null): void {
    for (let i = 0; i < count; i++) {
      this.load();
      this.ctx.nowMs += 30;
      this.request(firstByteMs);
      if (i % 7 === 6) {
        this.capture.beat();
        this.tick();
        this.publish();
      }
    }
    this.tick();
  }
}
