// A family whose samples are read at the moment of a scrape: prom-client's own counters can only be added to, its own gauges
// keep what has gone, and neither shares the text of labels between samples.

import type { Metric, Registry } from 'prom-client';
import type { Labels } from './totals.ts';

export interface Sample {
  readonly value: number;
  readonly metricName?: string;
  readonly labels?: Labels;
  /** Labels that many samples have in common: prom-client keeps their text by identity. */
  readonly sharedLabels?: Labels;
}

export interface Exposed {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
}

export function expose(registry: Registry, { name, help, type }: Exposed, samples: () => Sample[]): void {
  // prom-client reads name, help, type and `get()` of a metric, and its types know its own four classes only.
  const metric = { name, help, type, aggregator: 'sum', get: () => ({ name, help, type, values: samples() }) };
  registry.registerMetric(metric as unknown as Metric);
}
