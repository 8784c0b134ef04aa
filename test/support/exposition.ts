// What tests of /metrics have in common: an exposition taken apart, and sources of Metrics with nothing in them.

import type { MetricsSources } from '../../src/control/metrics.ts';
import type { EndpointView } from '../../src/control/types.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';

/** One family of an exposition. */
export interface FamilyText {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Of each sample: its labels in order, without `le` and `quantile`. */
  readonly labels: readonly (readonly string[])[];
}

/** Families in their order; of text 0.0.4 or OpenMetrics, whose counters get their `_total` back. */
export function familiesOf(text: string): FamilyText[] {
  const families: { name: string; type: string; help: string; labels: string[][] }[] = [];
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') families.push({ name, type: '', help: rest, labels: [] });
    const family = families.at(-1);
    if (keyword === 'TYPE' && family !== undefined) family.type = rest;
    if (line === '' || line.startsWith('#') || family === undefined) continue;
    const names = [...line.matchAll(/[{,]([a-z_]+)="(?:[^"\\]|\\.)*"/gi)].map((match) => match[1]!);
    family.labels.push(names.filter((label) => label !== 'le' && label !== 'quantile'));
  }
  return families;
}

/** Samples by their whole name with labels. Throws for a line that is there twice. */
export function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [sample = ''] = line.split(' # ');
    const at = sample.lastIndexOf(' ');
    const name = sample.slice(0, at);
    if (samples.has(name)) throw new Error(`twice: ${line}`);
    samples.set(name, Number(sample.slice(at + 1)));
  }
  return samples;
}

export function newWorker(index: number): { index: number; reader: LaneReader; writer: LaneWriter } {
  const buffer = newLane();
  return { index, reader: new LaneReader(buffer), writer: new LaneWriter(buffer) };
}

export const NAMES = { routes: ['shop', 'blog'], endpoints: ['fra-1', 'iad-1'], pools: ['web'], listeners: ['http'] };

export function sourcesOf(sources: Partial<MetricsSources> = {}): MetricsSources {
  return {
    lanes: () => [],
    names: () => NAMES,
    endpoints: () => [],
    geo: () => null,
    listeners: () => [],
    version: '0.1.0',
    nodes: () => 0,
    redis: () => ({ isConfigured: false, isUp: false, bytes: { received: 0, sent: 0 } }),
    discovery: () => [],
    ...sources,
  };
}

export function endpointView(id: string, fields: Partial<EndpointView> = {}): EndpointView {
  return {
    id,
    pool: 'web',
    url: `http://${id}`,
    region: null,
    location: null,
    healthy: true,
    state: 'healthy',
    why: '',
    since: '2026-01-01T00:00:00.000Z',
    lastProbe: null,
    networkMs: 12.5,
    serverMs: 2,
    scoreMs: 15,
    inflight: 3,
    requests: 0,
    failures: 0,
    requestsPerSecond: 0,
    ...fields,
  };
}
