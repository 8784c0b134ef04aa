// What the lanes of all workers add up to, by series. Cells of several workers that name the same thing become one
// series; what dead workers had counted is kept apart and added on top, so that no counter ever goes back.
// Nothing of Prometheus here: that is families.ts and ../metrics.ts.

import { bucketsOf, CELL } from '../../core/cells.ts';
import type { LaneReader } from '../../core/lane-reader.ts';

export type Labels = Readonly<Record<string, string>>;

/** One line (counter, gauge) or one histogram of the exposition. */
export interface Series {
  readonly labels: Labels;
  /** A counter: [value]. A histogram: raw count per bucket, the overflow bucket, the sum in seconds. */
  readonly values: Float64Array;
  /** The part of `values` that dead workers counted, and the process before this one. */
  readonly folded: Float64Array;
  /** The part of `folded` that the process before counted, as it was last heard. */
  inherited: Float64Array | null;
}

export class Totals {
  /** Cell key → series: names are looked up once for each cell there ever was, not on every scrape. */
  readonly #byCell = new Map<number, Series>();
  /** Kind, or event, → label text → series: two cells may share their labels (names beyond the caps are all `other`). */
  readonly #byKind = new Map<number, Map<string, Series>>();
  /** Samples that dead workers and the process before had no room for. */
  lost = 0;
  readonly #labelsOf: (kind: number, a: number, b: number, c: number) => Labels;

  constructor(labelsOf: (kind: number, a: number, b: number, c: number) => Labels) {
    this.#labelsOf = labelsOf;
  }

  /** Takes over what a dead worker had counted, for good. Gauges are dropped: its connections died with it. */
  fold(lane: LaneReader): void {
    this.lost += lane.lostSamples;
    lane.eachCell((kind, a, b, c, values, at) => {
      if (kind !== CELL.CONNECTIONS) addTo(this.#seriesOf(kind, a, b, c).folded, values, at);
    });
  }

  /** What another process has counted in all so far; what it told before is in `folded` already. `event`: as in seriesOf. */
  inherit(kind: number, event: number | undefined, labels: Labels, total: Float64Array): void {
    const series = this.#named(kind, keyOf(kind, event ?? 0), labels);
    const { folded, inherited } = series;
    if (total.length !== folded.length) return; // other buckets than ours
    for (let i = 0; i < total.length; i++) folded[i]! += Math.max(total[i]! - (inherited?.[i] ?? 0), 0);
    series.inherited = total;
  }

  lostSamples(lanes: readonly { readonly reader: LaneReader }[]): number {
    return lanes.reduce((sum, { reader }) => sum + reader.lostSamples, this.lost);
  }

  /** Brings every `Series.values` up to date with these lanes. */
  refresh(lanes: readonly { readonly reader: LaneReader }[]): void {
    for (const kind of this.#byKind.values()) for (const { values, folded } of kind.values()) values.set(folded);
    for (const { reader } of lanes) {
      reader.eachCell((kind, a, b, c, values, at) => addTo(this.#seriesOf(kind, a, b, c).values, values, at));
    }
  }

  /** `event`: of kind EVENTS, which of them. */
  seriesOf(kind: number, event = 0): Iterable<Series> {
    return this.#byKind.get(keyOf(kind, event))?.values() ?? [];
  }

  #seriesOf(kind: number, a: number, b: number, c: number): Series {
    // 4 + 14 + 14 bits and c, of which no kind uses more than 14 (method << 10 | status): exact in a double.
    const cell = (((kind << 28) | (a << 14) | b) >>> 0) * 2 ** 20 + (c & 0xfffff);
    const known = this.#byCell.get(cell);
    if (known !== undefined) return known;
    const series = this.#named(kind, keyOf(kind, a), this.#labelsOf(kind, a, b, c));
    this.#byCell.set(cell, series);
    return series;
  }

  #named(kind: number, key: number, labels: Labels): Series {
    const ofKind = this.#byKind.get(key) ?? new Map<string, Series>();
    this.#byKind.set(key, ofKind);
    const text = JSON.stringify(Object.values(labels));
    const series = ofKind.get(text) ?? newSeries(kind, labels);
    ofKind.set(text, series);
    return series;
  }
}

/** Events share a kind, and each is a metric of its own. */
function keyOf(kind: number, event: number): number {
  return kind === CELL.EVENTS ? kind + event * 16 : kind;
}

function newSeries(kind: number, labels: Labels): Series {
  const bounds = bucketsOf(kind);
  const width = bounds === null ? 1 : bounds.length + 2;
  return { labels, values: new Float64Array(width), folded: new Float64Array(width), inherited: null };
}

function addTo(into: Float64Array, values: Float64Array, at: number): void {
  for (let i = 0; i < into.length; i++) into[i]! += values[at + i]!;
}
