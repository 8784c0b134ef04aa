// What the process before has counted, over a hot restart: handed over as totals, by the names that Prometheus knows, and added to
// what is counted here, so that no counter goes back. It is told again and again while the other one drains: each time only what
// is new is added. What is about the process itself (process_*, nodejs_*) begins anew with the process.

import { Counter, Histogram, type Registry } from 'prom-client';
import type { LaneReader } from '../../core/lane-reader.ts';
import { base64Of, float64sOf } from '../fleet/packed.ts';
import { FAMILIES } from './families.ts';
import type { Labels, Totals } from './totals.ts';

/** One line, as prom-client has it. */
interface Line {
  readonly value: number;
  readonly labels: Labels;
  /** Of a histogram: which of its three series. */
  readonly metricName?: string;
}

export interface Counted {
  readonly lostSamples: number;
  /** By family: labels, and the cells of all lanes. */
  readonly series: Readonly<Record<string, readonly (readonly [Labels, string])[]>>;
  /** What the control plane counted, by metric. */
  readonly lines: Readonly<Record<string, readonly Line[]>>;
}

/** What prom-client's types keep to themselves. */
type OwnCounter = Counter & { readonly name: string };
type OwnHistogram = Histogram & { readonly name: string; getForPromString: () => Promise<Reading> };
interface Reading {
  readonly values: { value: number; labels: Labels; sharedLabels: Labels; metricName: string }[];
}
type Lanes = () => readonly { readonly reader: LaneReader }[];

export class Inheritance {
  readonly #registry: Registry;
  readonly #totals: Totals;
  readonly #lanes: Lanes;
  /** By metric and labels: what the process before had counted when it was last heard. */
  readonly #before = new Map<string, number>();
  /** Lines of histograms, which prom-client cannot be made to add to: added when they are read. */
  readonly #lines = new Map<string, Map<string, Line>>();

  constructor(registry: Registry, totals: Totals, lanes: Lanes) {
    this.#registry = registry;
    this.#totals = totals;
    this.#lanes = lanes;
  }

  /** All that has been counted so far, here and in the processes before. */
  async counted(): Promise<Counted> {
    const series: Record<string, [Labels, string][]> = {};
    const lines: Record<string, readonly Line[]> = {};
    for (const metric of this.#own()) lines[metric.name] = (await valuesOf(metric)).map(lineOf);
    await this.#totals.refresh(this.#lanes);
    for (const { name, kind, event, type } of FAMILIES) {
      if (type === 'gauge') continue;
      series[name] = [...this.#totals.seriesOf(kind, event)].map(({ labels, values }) => [labels, base64Of(values)]);
    }
    return { lostSamples: this.#totals.lostSamples(this.#lanes()), series, lines };
  }

  /** Adds what is new in it. Comes from another process, maybe of another version: what is not understood is left out. */
  take(given: unknown): void {
    const { lostSamples, series, lines } = (given ?? {}) as Partial<Counted>;
    this.#totals.lost += this.#more('lostSamples', lostSamples);
    for (const { name, kind, event } of FAMILIES) {
      for (const [labels, values] of listOf<readonly [Labels, string]>(series?.[name])) {
        const numbers = float64sOf(values);
        if (numbers !== null && isLabels(labels)) this.#totals.inherit(kind, event, labels, numbers);
      }
    }
    for (const metric of this.#own()) {
      const all = listOf<Line>(lines?.[metric.name]).filter(
        ({ value, labels }) => Number.isFinite(value) && isLabels(labels),
      );
      if (metric instanceof Counter) this.#count(metric, all);
      else this.#keep(metric, all);
    }
  }

  #own(): (OwnCounter | OwnHistogram)[] {
    const all: readonly unknown[] = this.#registry.getMetricsAsArray();
    return all.filter(
      (metric): metric is OwnCounter | OwnHistogram =>
        (metric instanceof Counter || metric instanceof Histogram) &&
        (metric as OwnCounter | OwnHistogram).name.startsWith('fermat_'),
    );
  }

  #count(counter: OwnCounter, lines: readonly Line[]): void {
    for (const { labels, value } of lines) {
      const more = this.#more(`${counter.name} ${keyOf(labels)}`, value);
      if (more > 0) counter.inc(labels, more);
    }
  }

  #keep(histogram: OwnHistogram, lines: readonly Line[]): void {
    if (lines.length === 0) return;
    const known = this.#lines.get(histogram.name);
    const kept = known ?? new Map<string, Line>();
    for (const line of lines) kept.set(`${line.metricName} ${keyOf(line.labels)}`, line);
    if (known !== undefined) return;
    this.#lines.set(histogram.name, kept);
    addWhenRead(histogram, kept);
  }

  /** By how much it is more than when it was last heard of. */
  #more(key: string, total: number | undefined): number {
    const before = this.#before.get(key) ?? 0;
    if (total === undefined || !(total > before)) return 0;
    this.#before.set(key, total);
    return total - before;
  }
}

function addWhenRead(histogram: OwnHistogram, kept: ReadonlyMap<string, Line>): void {
  const read = histogram.getForPromString.bind(histogram);
  histogram.getForPromString = async () => {
    const told = await read();
    const left = new Map(kept);
    const values = told.values.map((line) => {
      const key = `${line.metricName} ${keyOf({ ...line.sharedLabels, ...line.labels })}`;
      const more = left.get(key)?.value ?? 0;
      left.delete(key);
      return { ...line, value: line.value + more };
    });
    for (const { value, labels, metricName } of left.values())
      values.push({ value, labels: {}, sharedLabels: labels, metricName: metricName! });
    return { ...told, values };
  };
}

async function valuesOf(metric: OwnCounter | OwnHistogram): Promise<readonly Line[]> {
  return (await metric.get()).values as unknown as readonly Line[];
}

function lineOf({ value, labels, metricName }: Line): Line {
  return { value, labels, ...(metricName === undefined ? {} : { metricName }) };
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function listOf<T>(given: unknown): readonly T[] {
  return Array.isArray(given) ? given : [];
}

function isLabels(given: unknown): given is Labels {
  return typeof given === 'object' && given !== null;
}
