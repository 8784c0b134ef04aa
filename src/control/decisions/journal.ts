// The ring of captured decisions, newest last. Drained from the lanes at the head of a tick, before the table is written
// again: then every version that a decision can have been made from still lies there, and only rows that had decisions are
// copied. Bounded in number and in bytes. Outcomes join by the id that the sample of the attempt carries.

import { nowMs } from '../../clock.ts';
import { DECISION, liveScoresOf } from '../../core/decision.ts';
import type { LaneReader } from '../../core/lane-reader.ts';
import { SAMPLE } from '../../core/sample.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { shapeOf, TableReader } from '../../core/table.ts';
import { copyRow, type Entry, entryOf, type RowCopy, type Settled } from './entry.ts';
import { regretOf } from './predicted.ts';

/** Of decisions. */
const KEPT = 1024;
const MAX_BYTES = 16 * 1024 * 1024;
/** Outcomes whose decision has not been drained yet: at most what one tick brings. */
const MAX_EARLY = 1024;

interface Structure {
  readonly snapshot: Snapshot;
  readonly table: TableReader;
}

export interface JournalOptions {
  /** Sees every decision that chance took: what the choice was predicted to take beyond the best one. ms ≥ 0. */
  readonly onRegret?: (pool: string, ms: number) => void;
  /** Default 1,024 decisions and 16 MiB. */
  readonly kept?: number;
  readonly maxBytes?: number;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #entries: Entry[] = [];
  readonly #byId = new Map<number, Entry>();
  readonly #early = new Map<number, Settled>();
  /** The present one, and the one before, which exchanges under way still use. Newest first. */
  #structures: Structure[] = [];
  #bytes = 0;
  #taken = 0;
  /** Decisions that could not be joined with their row. */
  lost = 0;

  constructor(options: JournalOptions = {}) {
    this.#options = options;
  }

  /** A new structure. What was decided in the old one has to be drained first. */
  install(snapshot: Snapshot): void {
    const table = new TableReader(snapshot.table, shapeOf(snapshot));
    this.#structures = [{ snapshot, table }, ...this.#structures].slice(0, 2);
  }

  /** To be called at the head of every tick: before a version is written. */
  drain(lanes: readonly LaneReader[]): void {
    const rows = new Map<string, RowCopy>();
    for (const lane of lanes) lane.drainDecisions((ring, base) => this.#take(ring, base, rows));
  }

  /** The outcome of an attempt, from its sample; of others than captured ones: dropped. */
  settled(ring: Float64Array, base: number): void {
    const id = ring[base + SAMPLE.DECISION]!;
    if (!(id > 0)) return;
    const settled: Settled = {
      outcome: ring[base + SAMPLE.OUTCOME]!,
      status: ring[base + SAMPLE.STATUS]!,
      connectMs: ring[base + SAMPLE.CONNECT_MS]!,
      firstByteMs: ring[base + SAMPLE.FIRST_BYTE_MS]!,
      totalMs: ring[base + SAMPLE.TOTAL_MS]!,
      bytes: ring[base + SAMPLE.BYTES]!,
      atMs: ring[base + SAMPLE.AT_MS]!,
      stalledMs: ring[base + SAMPLE.STALLED_MS]!,
      country: ring[base + SAMPLE.COUNTRY]!,
    };
    const entry = this.#byId.get(id);
    if (entry !== undefined) entry.settled = settled;
    // Decided and answered between the two drains of one tick; or its decision has long left the ring.
    else if (this.#early.size < MAX_EARLY) this.#early.set(id, settled);
  }

  /** Newest first. */
  *newest(): Generator<Entry> {
    for (let i = this.#entries.length - 1; i >= 0; i--) yield this.#entries[i]!;
  }

  /** By its number; undefined when it has left. */
  find(id: number): Entry | undefined {
    return this.#byId.get(id);
  }

  /** How many there have ever been, and those that came after so many: oldest first. */
  get taken(): number {
    return this.#taken;
  }

  after(taken: number): Entry[] {
    const news = Math.min(this.#taken - taken, this.#entries.length);
    return news > 0 ? this.#entries.slice(-news) : [];
  }

  get size(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  #take(ring: Float64Array, base: number, rows: Map<string, RowCopy>): void {
    const [version, sequence, row] = [
      ring[base + DECISION.VERSION]!,
      ring[base + DECISION.SEQUENCE]!,
      ring[base + DECISION.ROW]!,
    ];
    const structure = this.#structures.find(({ snapshot }) => snapshot.version === version);
    const route = structure?.snapshot.routes.find(({ uid }) => uid === ring[base + DECISION.ROUTE]!);
    const pool = structure?.snapshot.pools[route?.pool ?? -1];
    if (structure === undefined || pool === undefined || !structure.table.turnTo(sequence)) {
      this.lost++;
      return;
    }
    const { snapshot, table } = structure;
    const key = `${version} ${sequence} ${row}`;
    const known = rows.get(key);
    const copy = known ?? copyRow(snapshot, table, pool, row, ring[base + DECISION.WIDTH]!);
    rows.set(key, copy);
    const entry = entryOf(ring, base, snapshot, table, copy, known === undefined, Date.now() - nowMs());
    if (entry === null) this.lost++;
    else this.#keep(entry);
  }

  #keep(entry: Entry): void {
    const { kept = KEPT, maxBytes = MAX_BYTES, onRegret } = this.#options;
    entry.settled = this.#early.get(entry.id) ?? null;
    this.#early.delete(entry.id);
    this.#entries.push(entry);
    this.#taken++;
    this.#byId.set(entry.id, entry);
    this.#bytes += entry.bytes;
    if (entry.isDrawn) onRegret?.(entry.state.pool.name, regretOf(entry.state, entry.place, liveScoresOf(entry.state)));
    while (this.#entries.length > kept || (this.#bytes > maxBytes && this.#entries.length > 1)) {
      const old = this.#entries.shift()!;
      this.#byId.delete(old.id);
      this.#bytes -= old.bytes;
    }
  }
}
