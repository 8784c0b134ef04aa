// One Fermat node of the simulation: the product's own Fleet, table, lane and Selector on a clock that is told to it. All
// contact with them is in this file. Peers' policies run on the same node: they see who is eligible from the same table.

import { Fleet } from '../../../src/control/fleet.ts';
import type { CandidateView, ProbeResult } from '../../../src/control/types.ts';
import { newLane } from '../../../src/core/lane.ts';
import { LaneReader } from '../../../src/core/lane-reader.ts';
import { LaneWriter } from '../../../src/core/lane-writer.ts';
import { type Outcome, SAMPLE, SAMPLE_FIELDS } from '../../../src/core/sample.ts';
import { type PickContext, Selector, seeded } from '../../../src/core/selector.ts';
import { Changes } from '../../../src/core/share/changes.ts';
import { ENDPOINT_BYTES, encodeDigest } from '../../../src/core/share/codec.ts';
import type { Digest } from '../../../src/core/share/digest.ts';
import { Peers, type Self } from '../../../src/core/share/peers.ts';
import { type LatLon, MAX_SLOTS, NONE, type PolicyName, type Snapshot } from '../../../src/core/snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, ROW } from '../../../src/core/table.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../../../test/support/specs.ts';
import { PROBE } from '../../../test/support/world.ts';
import type { Place } from './network.ts';

export const PROBE_SPEC = PROBE;
/** The node's clock when the simulation's is 0: nothing may depend on beginning at 0. */
const EPOCH_MS = 1_000_000;

/** What all nodes together may send to each, and the least a digest tells of, as control/share does. */
const RECEIVED_PER_S = 64 * 1024;
const MESSAGE_BYTES = 140;
const LEAST_ENDPOINTS = 4;
/** All is told every other turn, where it fits. */
const WHOLE_EVERY = 2;

export interface NodeOptions {
  readonly seed: number;
  readonly edge: LatLon | null;
  readonly endpoints: readonly Place[];
  readonly capacityPerS: number;
  readonly policy: PolicyName;
  /** Which endpoints are there at first. */
  readonly isPresent: (e: number) => boolean;
  /** It tells others and hears them, as node `number`; null = it is alone. */
  readonly shares: { readonly number: number; readonly nodes: number; readonly region: string } | null;
}

export class Node {
  readonly inflight: Int32Array;
  /** Endpoints that may be sent to, ascending; the first `count` are meant. */
  readonly eligible: Int32Array;
  count = 0;
  switches = 0;
  ejections = 0;
  readonly random: () => number;
  nowMs = EPOCH_MS;
  /** The node's clock less the simulation's. */
  skewMs = EPOCH_MS;
  stalledUntilMs = Number.NEGATIVE_INFINITY;
  readonly #options: NodeOptions;
  readonly #fleet: Fleet;
  readonly #writer: LaneWriter;
  readonly #context: PickContext;
  readonly #present: boolean[];
  readonly #peers: Peers | null;
  readonly #changes = new Changes();
  #turns = 0;
  #selector: Selector;
  #version = 0;
  #hasChanged = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.random = seeded(options.seed);
    const lane = newLane();
    this.#writer = new LaneWriter(lane);
    this.inflight = this.#writer.inflight;
    const readers = [new LaneReader(lane)];
    this.eligible = new Int32Array(options.endpoints.length);
    this.#present = options.endpoints.map((_, e) => options.isPresent(e));
    this.#context = {
      lane: 0,
      inflight: this.inflight,
      nowMs: 0,
      random: this.random,
      tried: new Int32Array(8),
      triedCount: 0,
      mayExplore: true,
    };
    const { shares } = options;
    this.#peers = shares === null ? null : new Peers(this.#self());
    this.#fleet = new Fleet({
      ...(this.#peers && { peers: this.#peers }),
      clock: () => this.nowMs,
      random: this.random,
      events: { emit: () => {}, subscribe: () => () => {}, recent: () => [] },
      lanes: () => readers,
      counters: {
        stateChanged: (_id, to) => {
          this.#hasChanged = true;
          if (to === 'ejected') this.ejections++;
        },
        probed: () => {},
        switched: (_pool, reason) => {
          if (reason !== 'start') this.switches++;
        },
        locationLie: () => {},
      },
      edge: () => options.edge,
    });
    this.#selector = this.#install();
  }

  /** The node's clock at a moment of the simulation. */
  at(ms: number): number {
    this.nowMs = ms + this.skewMs;
    return this.nowMs;
  }

  /** An endpoint is added to the configuration. */
  add(e: number): void {
    this.#present[e] = true;
    this.#selector = this.#install();
  }

  /** What it tells the others now, as bytes. */
  tell(turnMs: number): Uint8Array {
    const { edge, shares } = this.#options;
    const all = this.#fleet.shared(this.nowMs);
    const perTurn = (RECEIVED_PER_S * turnMs) / 1000 / shares!.nodes;
    const most = Math.max(Math.floor((perTurn - MESSAGE_BYTES) / ENDPOINT_BYTES), LEAST_ENDPOINTS);
    const isWhole = this.#turns++ % WHOLE_EVERY === 0 && all.length <= most;
    const { endpoints, isComplete } = isWhole ? this.#changes.takeAll(all) : this.#changes.take(all, most);
    const { instance, region } = this.#self();
    return encodeDigest({
      instance,
      node: '',
      region,
      place: edge,
      sequence: this.#turns,
      intervalMs: turnMs,
      isWhole,
      isComplete,
      endpoints,
      cohorts: [],
    });
  }

  hear(digest: Digest): void {
    this.#peers?.hear(digest, this.nowMs);
  }

  #self(): Self {
    const { shares, edge } = this.#options;
    return {
      instance: shares!.number.toString(16).padStart(16, '0'),
      region: shares!.region,
      place: edge,
    };
  }

  peek(): void {
    this.#fleet.peek(this.nowMs);
    this.readEligible();
  }

  probed(e: number, result: Omit<ProbeResult, 'atMs'>): void {
    this.#hasChanged = false;
    this.#fleet.probed(e, 1, { ...result, atMs: this.nowMs });
    // As the running fleet does: a change of health is a tick at once.
    if (!this.#hasChanged) return;
    this.#fleet.tick(this.nowMs);
    this.readEligible();
  }

  /** The product's own choice, not `tried`: an endpoint or NONE. */
  pick(tried: number): number {
    this.#context.nowMs = this.nowMs;
    this.#context.tried[0] = tried;
    this.#context.triedCount = tried === NONE ? 0 : 1;
    return this.#selector.pick(0, this.#context);
  }

  /** One attempt has ended; `sentMs` on the node's clock, `inflight` when it was picked. */
  settled(
    e: number,
    outcome: Outcome,
    status: number,
    sentMs: number,
    hasAnswer: boolean,
    inflight: number,
    retryAfterMs: number,
  ): void {
    const base = this.#writer.sampleBase();
    if (base < 0) return;
    const { ring } = this.#writer;
    ring.fill(0, base, base + SAMPLE_FIELDS);
    ring[base + SAMPLE.SLOT] = e;
    ring[base + SAMPLE.GENERATION] = 1;
    ring[base + SAMPLE.OUTCOME] = outcome;
    ring[base + SAMPLE.CONNECT_MS] = -1;
    ring[base + SAMPLE.FIRST_BYTE_MS] = hasAnswer ? this.nowMs - sentMs : -1;
    ring[base + SAMPLE.TOTAL_MS] = this.nowMs - sentMs;
    ring[base + SAMPLE.INFLIGHT] = inflight;
    ring[base + SAMPLE.AT_MS] = this.nowMs;
    ring[base + SAMPLE.STATUS] = status;
    ring[base + SAMPLE.RETRY_AFTER_MS] = retryAfterMs;
    this.#writer.publishSample();
  }

  /** Why: every candidate with its terms, best first. */
  candidates(): readonly CandidateView[] {
    return this.#fleet.candidates(0).candidates;
  }

  /** The terms of `e` as the workers see them now (CD, after levelling and holding); null when it is no candidate. */
  termsOf(e: number): Readonly<Record<string, number>> | null {
    const { table } = this.#selector;
    table.refresh();
    const row = table.shape.rows[0]!;
    for (let i = 0; i < row.width; i++) {
      if (table.ints[row.ints + i * CANDIDATE_INTS + CI.SLOT] !== e) continue;
      const at = row.doubles + i * CANDIDATE_DOUBLES;
      return Object.fromEntries(Object.entries(CD).map(([name, field]) => [name, table.doubles[at + field]!]));
    }
    return null;
  }

  #install(): Selector {
    const snapshot = this.#snapshot();
    this.#fleet.install(snapshot, new Map([['pool', PROBE_SPEC]]));
    const selector = new Selector(snapshot);
    this.#selector = selector;
    this.readEligible();
    return selector;
  }

  #snapshot(): Snapshot {
    const { endpoints, capacityPerS, policy } = this.#options;
    const specs = endpoints.flatMap(({ region, location }, e) =>
      this.#present[e]
        ? [endpointSpec(e, { id: `e${e}`, region, ...(location && { location }), capacity: capacityPerS })]
        : [],
    );
    const all = specs.map((_, i) => i);
    if (specs.length > MAX_SLOTS) throw new RangeError(`expected at most ${MAX_SLOTS} endpoints, got ${specs.length}`);
    return snapshotOf(specs, [poolSpec('pool', all, 0, { policy })], 1, ++this.#version);
  }

  /** Takes one out of `eligible` until `readEligible`; gives how many are left. */
  omit(e: number): number {
    const at = this.eligible.subarray(0, this.count).indexOf(e);
    if (at === NONE) return this.count;
    this.eligible.copyWithin(at, at + 1, this.count);
    return this.count - 1;
  }

  /** Who may be sent to, from the table as it is. */
  readEligible(): void {
    const { table } = this.#selector;
    table.refresh();
    const row = table.shape.rows[0]!;
    this.count = table.ints[row.at + ROW.ELIGIBLE]!;
    for (let i = 0; i < this.count; i++) this.eligible[i] = table.ints[row.ints + i * CANDIDATE_INTS + CI.SLOT]!;
    this.eligible.subarray(0, this.count).sort();
  }
}
