// A family whose samples are read at the moment of a scrape: prom-client's own counters can only be added to, and its own gauges
// keep what has gone. And how any family gets onto a page.

import type { Metric, Registry } from 'prom-client';
import { keptLabelText, labelText, type Page } from './page.ts';
import type { Labels } from './totals.ts';

export interface Sample {
  readonly value: number;
  readonly metricName?: string;
  readonly labels?: Labels;
  /** Labels that many samples have in common: their text is kept. */
  readonly sharedLabels?: Labels;
}

export interface Exposed {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
}

/** A family that writes its own lines. */
interface Written {
  readonly write: (page: Page) => Promise<void>;
}

/** What prom-client's metrics answer, whatever their class. */
interface Reading {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Sample[];
}

/** `samples` is called once a scrape. */
export function expose(registry: Registry, { name, help, type }: Exposed, samples: () => Sample[]): void {
  register(registry, { name, help, type, get: () => ({ name, help, type, values: samples() }) });
}

/** `lines` writes what there is and breathes between; what nobody scrapes costs nothing. */
export function exposeLines(
  registry: Registry,
  { name, help, type }: Exposed,
  lines: (page: Page) => Promise<void>,
): void {
  const write = (page: Page): Promise<void> => {
    page.head(name, help, type);
    return lines(page);
  };
  register(registry, { name, help, type, write, get: () => ({ name, help, type, values: [] }) });
}

function register(registry: Registry, metric: Exposed & { readonly get: () => Reading } & Partial<Written>): void {
  // prom-client's types know its own four classes only.
  registry.registerMetric({ ...metric, aggregator: 'sum' } as unknown as Metric);
}

/** Any metric of a registry, head and lines. */
export async function writeMetric(page: Page, metric: unknown): Promise<void> {
  if (isWritten(metric)) return metric.write(page);
  const { name, help, type, values } = await reading(metric);
  page.head(name, help, type);
  for (const { value, metricName, labels, sharedLabels } of values) {
    page.line(metricName ?? name, textOf(labels, sharedLabels), value);
    const due = page.breathe();
    if (due !== undefined) await due;
  }
}

function isWritten(metric: unknown): metric is Written {
  return typeof metric === 'object' && metric !== null && 'write' in metric;
}

/** Histograms have their buckets made cumulative for the text only. */
async function reading(metric: unknown): Promise<Reading> {
  const { getForPromString, get } = metric as Record<'getForPromString' | 'get', (() => Promise<Reading>) | undefined>;
  return (getForPromString ?? get)!.call(metric);
}

function textOf(labels: Labels | undefined, shared: Labels | undefined): string {
  if (shared === undefined) return labels === undefined ? '' : labelText(labels);
  const common = keptLabelText(shared);
  const own = labels === undefined ? '' : labelText(labels);
  return own === '' || common === '' ? own + common : `${own},${common}`;
}
