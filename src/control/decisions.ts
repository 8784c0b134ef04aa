// A ring of sampled decisions: which endpoint a request went to, as what, and how that turned out. Taken from the samples
// that the fleet drains anyway, so it costs the request nothing. The terms behind a choice are in `explain`.

import { nowMs } from '../clock.ts';
import { cohortName } from '../core/cohort.ts';
import { OUTCOME, SAMPLE } from '../core/lane.ts';
import { ROLE_NAMES } from '../core/selector.ts';
import { NONE, type Snapshot } from '../core/snapshot.ts';

/** One attempt. Times in ms, null where there was none. */
export interface Decision {
  readonly at: string;
  readonly pool: string;
  readonly endpoint: string;
  readonly region: string | null;
  readonly role: string;
  /** `country:DE`, or `edge`. */
  readonly cohort: string;
  readonly outcome: string;
  readonly status: number | null;
  readonly connectMs: number | null;
  readonly firstByteMs: number | null;
  readonly totalMs: number;
  /** In flight at that endpoint from that worker when it was chosen. */
  readonly inflight: number;
}

const KEPT = 256;
/** One successful decision in so many is kept; every failure is. */
const SAMPLED = 16;
const OUTCOME_NAMES = Object.keys(OUTCOME).map((name) => name.toLowerCase());
const FIELDS = Object.values(SAMPLE);

export class Decisions {
  readonly #snapshot: () => Snapshot;
  readonly #rows: (readonly number[])[] = [];
  #seen = 0;

  constructor(snapshot: () => Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Keeps the numbers; words are made when somebody asks. */
  take(ring: Float64Array, base: number): void {
    if (ring[base + SAMPLE.OUTCOME] === OUTCOME.OK && this.#seen++ % SAMPLED !== 0) return;
    this.#rows.push(FIELDS.map((field) => ring[base + field]!));
    if (this.#rows.length > KEPT) this.#rows.shift();
  }

  /** Newest first. */
  recent(): readonly Decision[] {
    const snapshot = this.#snapshot();
    const wallMs = Date.now() - nowMs();
    const decisions: Decision[] = [];
    for (let i = this.#rows.length - 1; i >= 0; i--) {
      const row = this.#rows[i]!;
      const index = snapshot.endpoints.findIndex(
        (e) => e.slot === row[SAMPLE.SLOT] && e.generation === row[SAMPLE.GENERATION],
      );
      if (index === NONE) continue; // gone since
      const endpoint = snapshot.endpoints[index]!;
      decisions.push({
        at: new Date(wallMs + row[SAMPLE.AT_MS]!).toISOString(),
        pool: snapshot.pools.find((pool) => pool.endpoints.includes(index))?.name ?? '',
        endpoint: endpoint.id,
        region: endpoint.region,
        role: ROLE_NAMES[row[SAMPLE.ROLE]!] ?? 'band',
        cohort: cohortName(row[SAMPLE.COHORT]!),
        outcome: OUTCOME_NAMES[row[SAMPLE.OUTCOME]!] ?? 'ok',
        status: row[SAMPLE.STATUS]! || null,
        connectMs: positive(row[SAMPLE.CONNECT_MS]!),
        firstByteMs: positive(row[SAMPLE.FIRST_BYTE_MS]!),
        totalMs: row[SAMPLE.TOTAL_MS]!,
        inflight: row[SAMPLE.INFLIGHT]!,
      });
    }
    return decisions;
  }
}

function positive(ms: number): number | null {
  return ms >= 0 ? ms : null;
}
