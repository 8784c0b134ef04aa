// Traces that stand for a bucket of a histogram: the way from a slow p99 on a dashboard to one request that was that slow. The
// newest of a series and bucket wins; what is older than a trace is usually kept to be looked for goes. Bounded by series and
// buckets, whatever is traced. Shown in OpenMetrics only: text 0.0.4 has no place for them.

import { bucketsOf, CELL, CELL_CAPS } from '../../core/cells.ts';
import { numberText } from './page.ts';
import { type Labels, textOf } from './totals.ts';

/** Histograms with exemplars, their labels in the order of the family. */
export const EXEMPLAR_FAMILIES = {
  request: { kind: CELL.DURATION, labels: ['route'] },
  firstByte: { kind: CELL.FIRST_BYTE, labels: ['pool', 'endpoint'] },
} as const;
export type ExemplarFamily = keyof typeof EXEMPLAR_FAMILIES;

const MAX_AGE_MS = 10 * 60_000;
/** Of W3C's trace context, in lower case. */
const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;

interface Exemplar {
  readonly text: string;
  readonly wallMs: number;
}

export class Exemplars {
  /** By family: series → one a bucket. In the order of the last one filed. */
  readonly #kept = {
    request: new Map<string, (Exemplar | undefined)[]>(),
    firstByte: new Map<string, (Exemplar | undefined)[]>(),
  };

  /** Files one. What is no trace, or no time, is dropped: never throws. */
  file(family: ExemplarFamily, labels: Labels, valueS: number, traceId: string, spanId: string, wallMs: number): void {
    if (!(valueS >= 0 && Number.isFinite(valueS) && Number.isFinite(wallMs))) return;
    if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId)) return;
    const { kind, labels: names } = EXEMPLAR_FAMILIES[family];
    const kept = this.#kept[family];
    const key = textOf(Object.fromEntries(names.map((name) => [name, labels[name] ?? ''])));
    const bounds = bucketsOf(kind)!;
    const buckets = kept.get(key) ?? new Array<Exemplar | undefined>(bounds.length + 1).fill(undefined);
    const at = bounds.findIndex((bound) => valueS <= bound);
    const ids = `trace_id="${traceId}",span_id="${spanId}"`;
    const text = ` # {${ids}} ${numberText(valueS)} ${(wallMs / 1000).toFixed(3)}`;
    const bucket = at < 0 ? bounds.length : at;
    // Prometheus takes none that is not newer than the last one it was shown, to the millisecond.
    if (Math.round(wallMs) <= Math.round(buckets[bucket]?.wallMs ?? 0)) return;
    buckets[bucket] = { text, wallMs };
    kept.delete(key);
    kept.set(key, buckets);
    if (kept.size > CELL_CAPS[kind]) kept.delete(kept.keys().next().value!);
  }

  /** What stands behind the line of a bucket, with the space before it; '' = nothing. `series` as totals.ts calls it. */
  of(family: ExemplarFamily, series: string, bucket: number, wallNowMs: number): string {
    const exemplar = this.#kept[family].get(series)?.[bucket];
    return exemplar === undefined || wallNowMs - exemplar.wallMs > MAX_AGE_MS ? '' : exemplar.text;
  }

  /** Forgets series whose last exemplar is too old. */
  sweep(wallNowMs: number): void {
    for (const kept of Object.values(this.#kept)) {
      for (const [key, buckets] of kept) {
        const newestMs = buckets.reduce((newest, it) => Math.max(newest, it?.wallMs ?? 0), 0);
        if (wallNowMs - newestMs > MAX_AGE_MS) kept.delete(key);
      }
    }
  }

  /** Series that have any. */
  get size(): number {
    return this.#kept.request.size + this.#kept.firstByte.size;
  }
}
