// The owner of what is known about every endpoint. Probes and the lanes' samples come in; on a tick (250 ms, or at once
// when somebody's health changed) the pools are ranked and a new version of the table goes out to the workers. Health and
// score rules are core's; this file decides when they are applied and tells the world what came of it.

import type { CohortPath } from '../core/cohort.ts';
import { probed as probedHealth } from '../core/health.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import { probedOutlier } from '../core/outlier.ts';
import { type Outcome, SAMPLE } from '../core/sample.ts';
import type { SharedEndpoint } from '../core/share/digest.ts';
import type { Peers } from '../core/share/peers.ts';
import { type LatLon, NONE, type Snapshot } from '../core/snapshot.ts';
import { shapeOf, TableWriter } from '../core/table.ts';
import { type Candidates, NO_CANDIDATES, rowCandidates } from './fleet/candidates.ts';
import { FleetCohorts } from './fleet/cohorts.ts';
import { readInflight, writeInflight } from './fleet/inflight.ts';
import { Judge } from './fleet/judge.ts';
import { type FleetMemory, readMemory } from './fleet/memory.ts';
import { learnFromProbe, letsPass } from './fleet/probed.ts';
import { isInBand, type PoolState, type RowState, rankPool, writePool } from './fleet/ranking.ts';
import { Roster } from './fleet/roster.ts';
import { learnFromTraffic, settleBatch, settleDispatch, settleRefusals } from './fleet/seen.ts';
import { flowOf, ShareHistory } from './fleet/shares.ts';
import { sharedOf, takeOpinion } from './fleet/sharing.ts';
import { type FleetCounters, Teller } from './fleet/teller.ts';
import { Ticker } from './fleet/ticker.ts';
import { endpointView } from './fleet/views.ts';
import type { EndpointView, EventLog, ProbeResult, ProbeSpec, Refusal } from './types.ts';

export type { FleetCounters } from './fleet/teller.ts';

export interface FleetOptions {
  /** Monotonic, ms. */
  readonly clock: () => number;
  readonly random: () => number;
  readonly events: EventLog;
  /** One per worker; the index is the worker's lane. */
  readonly lanes: () => readonly LaneReader[];
  readonly counters: FleetCounters;
  /** Where this node is; null = unknown. */
  readonly edge: () => LatLon | null;
  readonly decisions?: DecisionTaker;
  /** Counts where requests come from. */
  readonly clients?: { seen(countryKey: number): void };
  /** What other nodes told; absent = there are none. */
  readonly peers?: Peers;
}

/** Who keeps the decisions. Nobody keeps a ring beyond the call. */
export interface DecisionTaker {
  /** A new structure; what was decided in the old one has been drained. */
  install(snapshot: Snapshot): void;
  /** Called while every version of the table that a decision can have been made from still stands. */
  drain(lanes: readonly LaneReader[]): void;
  /** Every sample of an endpoint that is still there. */
  settled(ring: Float64Array, base: number): void;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #teller: Teller;
  readonly #judge: Judge;
  readonly #ticker: Ticker;
  /** What differs by client; what countries get is shared, too. */
  readonly cohorts = new FleetCohorts();
  readonly #roster = new Roster();
  #snapshot: Snapshot | null = null;
  #writer: TableWriter | null = null;
  #history: ShareHistory | null = null;
  #tickedMs = 0;
  /** What the other workers had in flight per slot when the lanes were last read. */
  #total = new Int32Array(0);

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#teller = new Teller(options.events, options.counters);
    this.#judge = new Judge(this.#teller, options.random);
    const { clock, lanes } = options;
    this.#ticker = new Ticker({
      clock,
      lanes,
      knownOf: (slot) => this.#roster.at(slot),
      tick: (nowMs) => this.tick(nowMs),
    });
  }

  /**
   * Takes a new structure over; what is known of endpoints that stay (slot and generation) is kept. A first version of
   * its table is published before this returns. `probes` by pool name.
   */
  install(snapshot: Snapshot, probes: ReadonlyMap<string, ProbeSpec>): void {
    const nowMs = this.#options.clock();
    if (this.#snapshot !== null) this.#options.decisions?.drain(this.#options.lanes());
    this.#options.decisions?.install(snapshot);
    this.#roster.install(snapshot, probes, this.#options.edge(), nowMs);
    const shape = shapeOf(snapshot);
    this.#snapshot = snapshot;
    this.#total = new Int32Array(shape.slots);
    this.#writer = new TableWriter(snapshot.table, shape);
    this.#history = new ShareHistory(snapshot, shapeOf(snapshot, 0));
    this.cohorts.install(this.#roster.pools, shape);
    this.tick(nowMs);
  }

  /** As of the last tick; not to be changed. */
  get pools(): readonly PoolState[] {
    return this.#roster.pools;
  }

  /** All that is known, for the process that takes over. */
  memory(): FleetMemory {
    return this.#roster.memory(this.cohorts, this.#options.clock());
  }

  /** Goes on with what another process knew, after `install`. Gives of how many endpoints something was known. */
  recall(given: unknown): number {
    const nowMs = this.#options.clock();
    const memory = readMemory(given, nowMs);
    if (memory === null) return 0;
    const recalled = this.#roster.recall(memory, this.cohorts);
    this.tick(nowMs);
    return recalled;
  }

  /** A verdict of the prober. Stale ones (another generation) are dropped. */
  probed(slot: number, generation: number, result: ProbeResult): void {
    const k = this.#roster.at(slot);
    if (k === undefined || k.spec.generation !== generation) return;
    const { counters, clock } = this.#options;
    counters.probed(k.spec.id, result.ok, result.failure);
    if (learnFromProbe(k, result)) this.#teller.lied(k);
    const nowMs = clock();
    if (letsPass(k, result)) return;
    const changed = probedHealth(k.health, result.ok, result.failure, nowMs);
    const released = probedOutlier(k.outlier, result.ok, k.health.rise, nowMs);
    if (changed) {
      const why = k.health.state === 'healthy' ? 'probe answered' : (result.error ?? result.failure ?? 'probe failed');
      if (k.isDraining || k.outlier.isEjected) k.why = `${k.why}; ${why}`;
      else this.#teller.changed(k, this.#roster.poolOf(k).spec.name, why, 'probe', nowMs);
    } else if (released && !k.isDraining) {
      this.#teller.changed(k, this.#roster.poolOf(k).spec.name, 'answers its probes again', 'probe', nowMs);
    }
    if (changed || released) this.#ticker.soon();
  }

  /** What this node knows of its endpoints, for the other nodes. */
  shared(nowMs: number): SharedEndpoint[] {
    return [...this.#roster.known()].map((k) => sharedOf(k, nowMs)).filter((shared) => shared !== null);
  }

  /** Begins to tick. */
  start(): void {
    this.#ticker.start();
  }

  stop(): void {
    this.#ticker.stop();
  }

  /** Ticks if that cannot wait; for whoever drives the fleet by hand. */
  peek(nowMs: number): void {
    this.#ticker.peek(nowMs);
  }

  /** Takes in what the lanes have seen, judges, ranks, publishes. */
  tick(nowMs: number): void {
    const snapshot = this.#snapshot;
    const writer = this.#writer;
    if (snapshot === null || writer === null) return;
    const lanes = this.#options.lanes();
    this.#options.decisions?.drain(lanes);
    readInflight(lanes, this.#total);
    for (const k of this.#roster.known()) k.inflight = this.#total[k.spec.slot]!;
    lanes.forEach((lane) => {
      lane.drain((ring, base) => this.#take(ring, base, lane));
    });
    const { peers } = this.#options;
    for (const k of this.#roster.known()) {
      if (peers !== undefined) takeOpinion(k, peers, nowMs);
      settleBatch(k);
      settleDispatch(k, nowMs - this.#tickedMs);
      settleRefusals(k, nowMs - this.#tickedMs, nowMs);
    }
    const flows = this.#roster.pools.map((state) => flowOf(state.members, nowMs - this.#tickedMs));
    this.#judge.tick(this.#roster.pools, Math.max(nowMs - this.#tickedMs, 1), nowMs);
    let isChanged = false;
    for (const state of this.#roster.pools) {
      isChanged = this.#roster.welcome(state, nowMs) || isChanged;
      const [whole] = state.rows as [RowState];
      const before = whole.home.key;
      const switched = rankPool(state, this.#tickedMs, nowMs);
      writePool(state, writer);
      if (switched !== null && switched !== 'start') this.#teller.switched(whole, state.spec.name, before, switched);
      // Home may move within the band: then the shares are what they were.
      isChanged ||= switched !== null && !isInBand(whole, before);
    }
    this.cohorts.tick(writer, nowMs);
    writeInflight(lanes, this.#total, writer);
    if (isChanged) this.#history?.restart();
    this.#history?.record(writer.ints, writer.doubles, flows);
    writer.publish();
    this.#tickedMs = nowMs;
    this.#ticker.ticked(nowMs);
  }

  /** One sample. Of an endpoint that has gone, or of a moment that cannot be: dropped. */
  #take(ring: Float64Array, base: number, lane: LaneReader): void {
    const slot = ring[base + SAMPLE.SLOT]!;
    const k = this.#roster.at(slot);
    if (k === undefined || k.spec.generation !== ring[base + SAMPLE.GENERATION]!) return;
    const atMs = ring[base + SAMPLE.AT_MS]!;
    if (!Number.isFinite(atMs)) return;
    this.#options.decisions?.settled(ring, base);
    this.#options.clients?.seen(ring[base + SAMPLE.COUNTRY]!);
    const outcome = ring[base + SAMPLE.OUTCOME]! as Outcome;
    this.cohorts.take(k, ring, base);
    const elsewhere = Math.max(k.inflight - lane.inflight[slot]!, 0);
    const lied = learnFromTraffic(k, {
      outcome,
      firstByteMs: ring[base + SAMPLE.FIRST_BYTE_MS]!,
      totalMs: ring[base + SAMPLE.TOTAL_MS]!,
      inflight: ring[base + SAMPLE.INFLIGHT]! + elsewhere,
      atMs,
      retryAfterMs: ring[base + SAMPLE.RETRY_AFTER_MS]!,
      bytes: ring[base + SAMPLE.BYTES]!,
    });
    if (lied) this.#teller.lied(k);
    if (k.spec.via !== undefined)
      this.#options.counters.relayed?.(this.#roster.poolOf(k).spec.name, k.spec.via.peer, outcome);
    const nowMs = this.#options.clock();
    this.#judge.settled(this.#roster.poolOf(k), k, outcome, ring[base + SAMPLE.STATUS]!, atMs, nowMs);
  }

  /** No new request goes to it, until `enable`. null = done. */
  drain(id: string): Refusal | null {
    return this.#setDraining(id, true);
  }

  enable(id: string): Refusal | null {
    return this.#setDraining(id, false);
  }

  #setDraining(id: string, isDraining: boolean): Refusal | null {
    const k = this.#roster.named(id);
    if (k === undefined) return { code: 'no_such_endpoint', message: `no endpoint has the id ${id}`, status: 404 };
    if (!this.#roster.setDraining(k, isDraining)) return null;
    const nowMs = this.#options.clock();
    this.#teller.changed(
      k,
      this.#roster.poolOf(k).spec.name,
      isDraining ? 'drained by an operator' : 'enabled by an operator',
      'operator',
      nowMs,
    );
    this.tick(nowMs);
    return null;
  }

  endpoints(): EndpointView[] {
    const dateOf = this.#dater();
    return this.#roster.pools.flatMap((state) => state.members.map((_, i) => endpointView(state, i, dateOf)));
  }

  /** The candidates of a row (Snapshot.rows), to the edge's own clients or to those of a cohort. Sends nothing. */
  candidates(at: number, client: CohortPath | null = null): Candidates {
    const state = this.#roster.pools[this.#snapshot?.rows[at]?.pool ?? NONE];
    if (state === undefined || this.#history === null) return NO_CANDIDATES;
    return rowCandidates({
      state,
      at,
      snapshot: this.#snapshot!,
      history: this.#history,
      lent: client === null ? null : this.cohorts.find(at, client),
      nowMs: this.#options.clock(),
    });
  }

  /** Rows lent to cohorts now. */
  get cohortRows(): number {
    return this.cohorts.size;
  }

  /** Whether any endpoint has been judged, or there is none to judge: then the node may be sent traffic. */
  anyKnown(): boolean {
    return this.#snapshot !== null && this.#roster.anyKnown();
  }

  /** Whether every endpoint has been judged. */
  allKnown(): boolean {
    return this.#roster.allKnown();
  }

  /** Moments of the monotonic clock as dates; the wall clock is read once, so that one answer is consistent. */
  #dater(): (atMs: number) => string {
    const offsetMs = Date.now() - this.#options.clock();
    return (atMs) => new Date(offsetMs + atMs).toISOString();
  }
}
