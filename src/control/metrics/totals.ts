// What the lanes of all workers add up to, by series. Cells of several workers that name the same thing become one
// series; what dead workers had counted is kept apart and added on top, so that no counter ever goes back. A family has
// as many series as its kind has room for (core/cells.ts): workers come and go, and names with them, but it does not grow.
// Nothing of Prometheus here: that is families.ts and ../metrics.ts.

import {
  CELL,
  CELL_CAPS,
  type CellKind,
  coarseB,
  coarseC,
  fineCapOf,
  hasCoarse,
  isOverflow,
  lastA,
  lastC,
  OTHER,
} from '../../core/cells.ts';
import { widthOf } from '../../core/lane.ts';
import type { LaneReader } from '../../core/lane-reader.ts';

export type Labels = Readonly<Record<string, string>>;

/** One line (counter, gauge) or one histogram of the exposition. */
export interface Series {
  readonly labels: Labels;
  /** Its name within the family. */
  readonly key: string;
  /** A counter: [value]. A histogram: raw count per bucket, the overflow bucket, the sum in seconds. As the last sum had it. */
  values: Float64Array;
  /** The sum under way. Pages may be half written while the next one is summed up: what they read must not begin again at 0. */
  next: Float64Array;
  /** The part of `values` that dead workers counted, and the process before this one. */
  readonly folded: Float64Array;
  /** The part of `folded` that the process before counted, as it was last heard. */
  inherited: Float64Array | null;
  /** Takes what had no room for a series of its own. */
  isOverflow: boolean;
}

type LabelsOf = (kind: number, a: number, b: number, c: number) => Labels;
type Lanes = readonly { readonly reader: LaneReader }[];
/** Called between two pieces of work: lets others in when it is time to. */
type Breathe = () => Promise<void> | undefined;

/** Cells that are added up in one piece: a tenth of a millisecond, or two when they are seen for the first time. */
const PIECE_CELLS = 512;
/** Names of cells that are remembered: those of more workers than there are, some times over. */
const MAX_REMEMBERED = 500_000;

export class Totals {
  /** Cell key → series: names are looked up once for each cell there ever was, not on every scrape. */
  readonly #byCell = new Map<number, Series>();
  /** Kind, or event, → label text → series: two cells may share their labels (names beyond the caps are all `other`). */
  readonly #byKind = new Map<number, Map<string, Series>>();
  /** Samples that dead workers and the process before had no room for. */
  lost = 0;
  readonly #labelsOf: LabelsOf;
  /** One sum at a time, since they add up in the same place. */
  #summing: Promise<void> = Promise.resolve();

  constructor(labels: LabelsOf) {
    this.#labelsOf = labels;
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
    const series = this.#named(kind, keyOf(kind, event ?? 0), labels, false);
    const { folded, inherited } = series;
    if (total.length !== folded.length) return; // other buckets than ours
    for (let i = 0; i < total.length; i++) folded[i]! += Math.max(total[i]! - (inherited?.[i] ?? 0), 0);
    series.inherited = total;
  }

  lostSamples(lanes: Lanes): number {
    return lanes.reduce((sum, { reader }) => sum + reader.lostSamples, this.lost);
  }

  /**
   * Brings every `Series.values` up to date with the lanes there are when it begins, in pieces. What a worker counts meanwhile is
   * in it or not; one that dies meanwhile is, since its lane is read to the end, and is folded for the next time only.
   */
  refresh(lanesNow: () => Lanes, breathe: Breathe = () => undefined): Promise<void> {
    const sum = () => this.#sum(lanesNow(), breathe);
    this.#summing = this.#summing.then(sum, sum);
    return this.#summing;
  }

  async #sum(lanes: Lanes, breathe: Breathe): Promise<void> {
    for (const kind of this.#byKind.values()) for (const { next, folded } of kind.values()) next.set(folded);
    for (const { reader } of lanes) {
      const { cells } = reader;
      for (let from = 0; from < cells; from += PIECE_CELLS) {
        reader.eachCell(this.#add, from, Math.min(from + PIECE_CELLS, cells));
        await breathe();
      }
    }
    for (const kind of this.#byKind.values()) for (const series of kind.values()) publish(series);
  }

  readonly #add = (kind: number, a: number, b: number, c: number, values: Float64Array, at: number): void =>
    addTo(this.#seriesOf(kind, a, b, c).next, values, at);

  /** `event`: of kind EVENTS, which of them. */
  seriesOf(kind: number, event = 0): Iterable<Series> {
    return this.#byKind.get(keyOf(kind, event))?.values() ?? [];
  }

  /** How much was counted under `other` for want of room, here and not in the process before. */
  overflowOf(kind: number, event = 0): number {
    let sum = 0;
    for (const { isOverflow, values, inherited } of this.seriesOf(kind, event)) {
      if (!isOverflow) continue;
      const counts = values.length === 1 ? 1 : values.length - 1;
      for (let i = 0; i < counts; i++) sum += values[i]! - (inherited?.[i] ?? 0);
    }
    return sum;
  }

  #seriesOf(kind: number, a: number, b: number, c: number): Series {
    // 4 + 14 + 14 bits and c, of which no kind uses more than 14 (method << 10 | status): exact in a double.
    const cell = (((kind << 28) | (a << 14) | b) >>> 0) * 2 ** 20 + (c & 0xfffff);
    const known = this.#byCell.get(cell);
    if (known !== undefined) return known;
    if (this.#byCell.size >= MAX_REMEMBERED) this.#byCell.clear();
    const series = this.#find(kind, a, b, c);
    this.#byCell.set(cell, series);
    return series;
  }

  /** The series of these labels; of coarser ones where there is no room for another. */
  #find(kind: number, a: number, b: number, c: number): Series {
    const key = keyOf(kind, a);
    const labels = this.#labelsOf(kind, a, b, c);
    const series = this.#byKind.get(key);
    const size = series?.size ?? 0;
    const cap = fineCapOf(kind as CellKind);
    const isKnown = size >= cap && series?.has(textOf(labels)) === true;
    if (isKnown || size < cap) return this.#named(kind, key, labels, isOverflow(kind, a, b, c));
    const isCoarse = b === coarseB(kind, b) && c === coarseC(kind, c);
    if (!isCoarse) return this.#find(kind, a, coarseB(kind, b), coarseC(kind, c));
    if (hasCoarse(kind as CellKind) && size < CELL_CAPS[kind as CellKind] - 1) {
      return this.#named(kind, key, labels, true);
    }
    return this.#named(kind, key, this.#labelsOf(kind, lastA(kind, a), OTHER, lastC(kind)), true);
  }

  #named(kind: number, key: number, labels: Labels, isOther: boolean): Series {
    const ofKind = this.#byKind.get(key) ?? new Map<string, Series>();
    this.#byKind.set(key, ofKind);
    const text = textOf(labels);
    const series = ofKind.get(text) ?? newSeries(kind, labels, text, isOther);
    series.isOverflow ||= isOther; // maybe it was inherited, by its labels alone
    ofKind.set(text, series);
    return series;
  }
}

/** The name of a series within its family. */
export function textOf(labels: Labels): string {
  return JSON.stringify(Object.values(labels));
}

/** Events share a kind, and each is a metric of its own. */
function keyOf(kind: number, event: number): number {
  return kind === CELL.EVENTS ? kind + event * 16 : kind;
}

function newSeries(kind: number, labels: Labels, key: string, isOther: boolean): Series {
  const width = widthOf(kind);
  const values = () => new Float64Array(width);
  return { labels, key, values: values(), next: values(), folded: values(), inherited: null, isOverflow: isOther };
}

function publish(series: Series): void {
  const { values, next } = series;
  series.values = next;
  series.next = values;
}

function addTo(into: Float64Array, values: Float64Array, at: number): void {
  for (let i = 0; i < into.length; i++) into[i]! += values[at + i]!;
}
