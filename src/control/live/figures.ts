// The numbers of every endpoint that move: as shown, so that what is too little to be seen is not sent. Read from what the
// fleet knows, without the words and dates that a row of /api/v1/endpoints has. Columns in one typed array, and the text of a
// row only when the row has changed: a second with 1,000 endpoints must be a few milliseconds at most.

import type { Known } from '../fleet/known.ts';
import { measuredNetworkMs } from '../fleet/known.ts';
import type { PoolState } from '../fleet/ranking.ts';
import { isEligible } from '../fleet/terms.ts';
import { scoreOfMember, serverMsOf, stateOf } from '../fleet/views.ts';

/** requests/s, errors/s, in flight, network ms, server ms, score ms, share, requests, failures. */
const COLUMNS = 9;
/** What is not known. All that is known is ≥ 0. */
const UNKNOWN = -1;
const RATE_TAU_MS = 5000;

/** An endpoint, in the order of the fleet. */
export interface Member {
  readonly state: PoolState;
  readonly at: number;
  readonly known: Known;
}

export interface PoolSums {
  readonly name: string;
  readonly requestsPerSecond: number;
  readonly inflight: number;
  readonly healthy: number;
}

export function sumsOf({ spec, members }: PoolState): PoolSums {
  let requestsPerSecond = 0;
  let inflight = 0;
  let healthy = 0;
  for (const k of members) {
    requestsPerSecond += k.requestsPerSecond;
    inflight += k.inflight;
    if (isEligible(k)) healthy++;
  }
  return { name: spec.name, requestsPerSecond, inflight, healthy };
}

export class Figures {
  readonly members: readonly Member[];
  /** As of the last look, in the order of the pools. */
  pools: readonly PoolSums[] = [];
  readonly #states: readonly PoolState[];
  /** As last told. */
  readonly #shown: Float64Array;
  readonly #now = new Float64Array(COLUMNS);
  /** Since the last look, and how fast they come. */
  readonly #failures: Float64Array;
  readonly #errorsPerSecond: Float64Array;
  /** Those of the beginning are told with everything else then. */
  readonly #toldStates: string[];
  readonly #toldWhys: string[];
  readonly #toldSinceMs: Float64Array;
  #lookedMs: number;

  constructor(pools: readonly PoolState[], nowMs: number) {
    this.members = pools.flatMap((state) => state.members.map((known, at) => ({ state, at, known })));
    this.#states = pools;
    const n = this.members.length;
    this.#shown = new Float64Array(n * COLUMNS).fill(Number.NaN);
    this.#failures = Float64Array.from(this.members, ({ known }) => known.failures);
    this.#errorsPerSecond = new Float64Array(n);
    this.#toldStates = this.members.map(({ known }) => stateOf(known));
    this.#toldWhys = this.members.map(({ known }) => known.why);
    this.#toldSinceMs = Float64Array.from(this.members, ({ known }) => known.sinceMs);
    this.#lookedMs = nowMs;
  }

  /** Takes all numbers anew. Rows that look different now, as JSON, comma between them. */
  changed(nowMs: number): string {
    this.pools = this.#states.map(sumsOf);
    const gain = 1 - Math.exp(-Math.max(nowMs - this.#lookedMs, 0) / RATE_TAU_MS);
    const perSecond = 1000 / Math.max(nowMs - this.#lookedMs, 1);
    this.#lookedMs = nowMs;
    let text = '';
    for (let i = 0; i < this.members.length; i++) {
      const { known } = this.members[i]!;
      const failed = known.failures - this.#failures[i]!;
      this.#failures[i] = known.failures;
      this.#errorsPerSecond[i]! += (failed * perSecond - this.#errorsPerSecond[i]!) * gain;
      this.#read(i);
      if (this.#isAsShown(i)) continue;
      this.#shown.set(this.#now, i * COLUMNS);
      text += `${text === '' ? '' : ','}${this.#rowText(i)}`;
    }
    return text;
  }

  /** All rows as last told. */
  all(): string {
    return this.members.map((_, i) => this.#rowText(i)).join();
  }

  /** Endpoints whose state, or the reason of it, is another than was told: `[index, state, why, since]` as JSON. */
  changedStates(dateOf: (atMs: number) => string): string {
    const rows: string[] = [];
    this.members.forEach(({ known }, i) => {
      const state = stateOf(known);
      const { why, sinceMs } = known;
      if (state === this.#toldStates[i] && why === this.#toldWhys[i] && sinceMs === this.#toldSinceMs[i]) return;
      this.#toldStates[i] = state;
      this.#toldWhys[i] = why;
      this.#toldSinceMs[i] = sinceMs;
      rows.push(this.#stateText(i, dateOf));
    });
    return rows.join();
  }

  allStates(dateOf: (atMs: number) => string): string {
    return this.members.map((_, i) => this.#stateText(i, dateOf)).join();
  }

  /** Of all pools together, as of the last look. */
  get requestsPerSecond(): number {
    return this.pools.reduce((sum, pool) => sum + pool.requestsPerSecond, 0);
  }

  get errorsPerSecond(): number {
    return this.#errorsPerSecond.reduce((sum, rate) => sum + rate, 0);
  }

  get inflight(): number {
    return this.pools.reduce((sum, pool) => sum + pool.inflight, 0);
  }

  #read(i: number): void {
    const { state, at, known } = this.members[i]!;
    const now = this.#now;
    const ofPool = this.pools[known.pool]?.requestsPerSecond ?? 0;
    now[0] = rounded(known.requestsPerSecond, 10);
    now[1] = rounded(this.#errorsPerSecond[i]!, 100);
    now[2] = known.inflight;
    now[3] = rounded(measuredNetworkMs(known), 10);
    now[4] = rounded(serverMsOf(known), 10);
    now[5] = rounded(scoreOfMember(state, at) ?? Number.NaN, 10);
    now[6] = ofPool > 0 ? rounded(known.requestsPerSecond / ofPool, 1000) : 0;
    now[7] = known.requests;
    now[8] = known.failures;
  }

  #isAsShown(i: number): boolean {
    const from = i * COLUMNS;
    for (let c = 0; c < COLUMNS; c++) if (this.#shown[from + c] !== this.#now[c]) return false;
    return true;
  }

  #rowText(i: number): string {
    let text = `[${i}`;
    for (let c = 0; c < COLUMNS; c++) {
      const value = this.#shown[i * COLUMNS + c]!;
      text += value === UNKNOWN || Number.isNaN(value) ? ',null' : `,${value}`;
    }
    return `${text}]`;
  }

  #stateText(i: number, dateOf: (atMs: number) => string): string {
    const { known } = this.members[i]!;
    return JSON.stringify([i, stateOf(known), known.why, dateOf(known.sinceMs)]);
  }
}

function rounded(value: number, parts: number): number {
  return Number.isFinite(value) ? Math.max(Math.round(value * parts) / parts, 0) : UNKNOWN;
}
