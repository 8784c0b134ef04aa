// Sampled decisions, as the admin API tells them: which endpoint a request went to, why, what else could have been chosen,
// and how it turned out. Captured whole by the workers (core/decision.ts), kept as numbers (decisions/journal.ts); words and
// propensities are made here when somebody asks, in slices, since the prober's clock runs on the same thread.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { nowMs } from '../clock.ts';
import { distanceKm } from '../core/geo.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import type { LatLon, Snapshot } from '../core/snapshot.ts';
import type { Entry } from './decisions/entry.ts';
import { Journal } from './decisions/journal.ts';
import { type DecisionRecord, recordOf, type Setting } from './decisions/record.ts';
import { RealisedRegret } from './decisions/regret.ts';

export type { DecisionRecord } from './decisions/record.ts';

export interface DecisionsQuery {
  /** At most; 1 … 1,024. Default 100. */
  readonly limit?: number;
  /** By name and by id; of all where absent. */
  readonly pool?: string;
  readonly endpoint?: string;
}

export interface DecisionsOptions {
  /** Sees what sampled decisions gave away, in ms ≥ 0: as predicted when they were made, and as exploration has shown. */
  readonly onRegret: (pool: string, kind: 'predicted' | 'realised', ms: number) => void;
  readonly node: () => string;
  /** Where this node is; null = unknown. */
  readonly edge: () => LatLon | null;
}

const LIMIT = 100;
/** Of one answer, as JSON: a decision among 1,000 endpoints takes half a megabyte. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const CANDIDATE_BYTES = 700;
/** Other work is let in when this long has passed. ms */
const SLICE_MS = 4;

export class Decisions {
  readonly #options: DecisionsOptions;
  readonly #journal: Journal;
  readonly #realised: RealisedRegret;

  constructor(options: DecisionsOptions) {
    const { onRegret } = options;
    this.#options = options;
    this.#journal = new Journal({ onRegret: (pool, ms) => onRegret(pool, 'predicted', ms) });
    this.#realised = new RealisedRegret((pool, ms) => onRegret(pool, 'realised', ms));
  }

  // ── what the fleet tells ───────────────────────────────────────────────────────────────────────────────────────────

  install(snapshot: Snapshot): void {
    this.#journal.install(snapshot);
    this.#realised.install(snapshot);
  }

  drain(lanes: readonly LaneReader[]): void {
    this.#journal.drain(lanes);
  }

  settled(ring: Float64Array, base: number): void {
    this.#journal.settled(ring, base);
    this.#realised.settled(ring, base);
  }

  /** Newest first; fewer than asked for when they would be too long an answer. */
  async recent({ limit = LIMIT, pool, endpoint }: DecisionsQuery = {}): Promise<readonly DecisionRecord[]> {
    const setting = this.#setting();
    const records: DecisionRecord[] = [];
    let bytes = 0;
    let sliceAtMs = nowMs();
    for (const entry of wanted(this.#journal.newest(), limit, pool, endpoint)) {
      bytes += (entry.state.endpoints.length + 2) * CANDIDATE_BYTES;
      if (bytes > MAX_ANSWER_BYTES && records.length > 0) break;
      records.push(recordOf(entry, setting));
      if (nowMs() - sliceAtMs < SLICE_MS) continue;
      await nextTurn();
      sliceAtMs = nowMs();
    }
    return records;
  }

  /** The whole record; null when it has left, or never was. */
  one(id: string): DecisionRecord | null {
    const entry = /^[0-9a-z]{1,11}$/.test(id) ? this.#journal.find(Number.parseInt(id, 36)) : undefined;
    return entry === undefined ? null : recordOf(entry, this.#setting());
  }

  /** As they are kept, for whoever needs no words: not to be changed. */
  get journal(): Pick<Journal, 'newest' | 'after' | 'taken'> {
    return this.#journal;
  }

  #setting(): Setting {
    const edge = this.#options.edge();
    return {
      node: this.#options.node(),
      distanceKmOf: ({ location }) => (edge === null || location === null ? null : distanceKm(edge, location)),
    };
  }
}

/** Newest first. Copied: the journal goes on while the answer is made. It reads one worker's after the other's, a tick at a time. */
function wanted(entries: Iterable<Entry>, limit: number, pool?: string, endpoint?: string): Entry[] {
  const found: Entry[] = [];
  for (const entry of entries) {
    if (found.length >= limit) break;
    const { state, place } = entry;
    if (pool !== undefined && state.pool.name !== pool) continue;
    if (endpoint !== undefined && state.endpoints[place]!.id !== endpoint) continue;
    found.push(entry);
  }
  return found.sort((a, b) => b.dateMs - a.dateMs);
}
