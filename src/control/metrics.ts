// The Prometheus side of the node: what the workers counted on their lanes, what the control plane counted itself, and
// gauges read from the fleet at the moment of a scrape. prom-client only exposes: nothing is counted twice, and between
// two scrapes nothing is computed. A scrape runs on the control thread, beside the prober, and therefore in slices.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { nowMs } from '../clock.ts';
import { bucketsOf } from '../core/cells.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import type { Outcome } from '../core/sample.ts';
import type { SourceView } from './discovery/watched.ts';
import type { DirectoryView } from './locality/localities.ts';
import { addDiscoveryFamilies } from './metrics/discovery.ts';
import { expose, type Sample } from './metrics/expose.ts';
import { FAMILIES, type Family, labelsOf } from './metrics/families.ts';
import { addEndpointGauges, addNodeGauges, type NodeSources } from './metrics/gauges.ts';
import { Inheritance } from './metrics/inheritance.ts';
import { addLimitFamilies, type LimitsSource } from './metrics/limits.ts';
import { addLocalityFamilies } from './metrics/locality.ts';
import { OverlayFamilies } from './metrics/overlay.ts';
import { RedisFamilies, type RedisSource } from './metrics/redis.ts';
import { REGRET_BUCKETS_S, REGRET_HELP } from './metrics/regret.ts';
import { ShareFamilies } from './metrics/share.ts';
import { type Labels, type Series, Totals } from './metrics/totals.ts';
import type { Names } from './numbers.ts';
import type { PeerView } from './overlay/peers.ts';
import type { EndpointView } from './types.ts';

export interface MetricsSources extends NodeSources {
  readonly names: () => Names;
  readonly endpoints: () => readonly EndpointView[];
  readonly redis: () => RedisSource;
  /** Other nodes that are heard of. */
  readonly nodes: () => number;
  readonly limits?: () => LimitsSource;
  readonly localities?: () => readonly DirectoryView[];
  readonly peers?: () => readonly PeerView[];
  readonly discovery: () => readonly SourceView[];
}

/** A scrape lets other work in when it has run this long. ms */
const SLICE_MS = 4;
/** Endpoints with counters of their own; the rest count as `other`, or discovery would grow the exposition for ever. */
const MAX_ENDPOINT_LABELS = 8192;

export class Metrics {
  readonly #sources: MetricsSources;
  readonly #registry = new Registry();
  readonly #totals: Totals;
  readonly #endpointLabels = new Set<string>();
  /** What processes before have counted; a scrape waits for what is on its way (`await`). */
  readonly inheritance: Inheritance;
  #awaited: Promise<void> | null = null;
  /** As of the scrape under way, so that its gauges agree. */
  #endpoints: readonly EndpointView[] = [];
  /** A scrape under way; whoever comes meanwhile gets the same one. */
  #scrape: Promise<string> | null = null;

  readonly #stateChanges: Counter<'endpoint' | 'to' | 'reason'>;
  readonly #probes: Counter<'endpoint' | 'result'>;
  readonly #switches: Counter<'pool' | 'reason'>;
  readonly #regret: Histogram<'pool' | 'kind'>;
  readonly #locationLies: Counter<'endpoint'>;
  readonly #reloads: Counter<'result'>;
  readonly #lastReload: Gauge;
  readonly #workerRestarts: Counter;
  readonly #questions: Counter<'result'>;
  readonly redis: RedisFamilies;
  readonly #overlay: OverlayFamilies;
  readonly share: ShareFamilies;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    this.#totals = new Totals((kind, a, b, c) => labelsOf(sources.names(), kind, a, b, c));
    this.inheritance = new Inheritance(this.#registry, this.#totals, sources.lanes);
    for (const family of FAMILIES) expose(this.#registry, family, () => this.#samplesOf(family));
    addEndpointGauges(this.#registry, () => this.#endpoints);
    addNodeGauges(this.#registry, sources);
    const lost = 'Samples dropped because the ring of a lane was full.';
    expose(this.#registry, { name: 'fermat_samples_lost_total', help: lost, type: 'counter' }, () => [
      { value: this.#totals.lostSamples(sources.lanes()) },
    ]);
    this.#stateChanges = this.#counter('fermat_endpoint_state_changes_total', 'Changes of state of an endpoint.', [
      'endpoint',
      'to',
      'reason',
    ]);
    this.#probes = this.#counter('fermat_probes_total', 'Active probes and how they ended.', ['endpoint', 'result']);
    this.#switches = this.#counter('fermat_route_switches_total', 'Changes of the best region of a pool.', [
      'pool',
      'reason',
    ]);
    this.#regret = new Histogram({
      name: 'fermat_regret_seconds',
      help: REGRET_HELP,
      labelNames: ['pool', 'kind'],
      buckets: [...REGRET_BUCKETS_S],
      registers: [this.#registry],
    });
    this.#locationLies = this.#counter(
      'fermat_endpoint_location_lies_total',
      'Endpoints that answered faster than light could from where they are said to be.',
      ['endpoint'],
    );
    this.#reloads = this.#counter('fermat_config_reloads_total', 'Reloads of the configuration.', ['result']);
    this.#reloads.inc({ result: 'success' }, 0);
    this.#reloads.inc({ result: 'failure' }, 0);
    this.#lastReload = new Gauge({
      name: 'fermat_config_last_reload_successful',
      help: 'Whether the last reload, or the start, took the configuration.',
      registers: [this.#registry],
    });
    this.#lastReload.set(1);
    this.#workerRestarts = this.#counter('fermat_worker_restarts_total', 'Workers that died and were replaced.', []);
    this.#questions = this.#counter('fermat_dns_queries_total', 'Names of endpoints asked for.', ['result']);
    addDiscoveryFamilies(this.#registry, sources.discovery);
    this.#overlay = new OverlayFamilies(this.#registry, sources.peers ?? (() => []));
    this.redis = new RedisFamilies(this.#registry, sources.redis);
    this.share = new ShareFamilies(this.#registry, sources.nodes);
    if (sources.localities !== undefined) addLocalityFamilies(this.#registry, sources.localities);
    if (sources.limits !== undefined) addLimitFamilies(this.#registry, sources.limits);
    this.#addProcessMetrics();
  }

  /** Takes over the counters of a worker that died; call it before its lane is let go or replaced. */
  fold(reader: LaneReader): void {
    this.#totals.fold(reader);
  }

  stateChanged(endpoint: string, to: string, reason: string): void {
    this.#stateChanges.inc({ endpoint: this.#endpointLabel(endpoint), to, reason });
  }

  /** `failure`: the kind of failure of a probe that was not ok. */
  probed(endpoint: string, ok: boolean, failure: string | null): void {
    this.#probes.inc({ endpoint: this.#endpointLabel(endpoint), result: ok ? 'ok' : (failure ?? 'failure') });
  }

  switched(pool: string, reason: string): void {
    this.#switches.inc({ pool, reason });
  }

  /** Of a sampled decision, or of an exploration. `ms` ≥ 0. */
  regret(pool: string, kind: 'predicted' | 'realised', ms: number): void {
    this.#regret.observe({ pool, kind }, ms / 1000);
  }

  relayed(pool: string, peer: string, outcome: Outcome): void {
    this.#overlay.relayed(pool, peer, outcome);
  }

  locationLie(endpoint: string): void {
    this.#locationLies.inc({ endpoint: this.#endpointLabel(endpoint) });
  }

  reload(ok: boolean): void {
    this.#reloads.inc({ result: ok ? 'success' : 'failure' });
    this.#lastReload.set(ok ? 1 : 0);
  }

  /** A name server was asked where an endpoint is. */
  asked(result: string): void {
    this.#questions.inc({ result });
  }

  workerRestarted(): void {
    this.#workerRestarts.inc();
  }

  /** The exposition, text format 0.0.4. One sum of the lanes is taken at the start; writing it out yields to other work. */
  text(): Promise<string> {
    this.#scrape ??= this.#write().finally(() => {
      this.#scrape = null;
    });
    return this.#scrape;
  }

  /** Scrapes wait for this, which always resolves and soon: until then counters would seem to go back. */
  await(news: Promise<void>): void {
    this.#awaited = news;
  }

  async #write(): Promise<string> {
    await this.#awaited;
    this.#totals.refresh(this.#sources.lanes());
    this.#endpoints = this.#sources.endpoints();
    const parts: string[] = [];
    let sliceAtMs = nowMs();
    for (const { name } of this.#registry.getMetricsAsArray()) {
      parts.push(await this.#registry.getSingleMetricAsString(name));
      if (nowMs() - sliceAtMs < SLICE_MS) continue;
      await nextTurn();
      sliceAtMs = nowMs();
    }
    return `${parts.join('\n\n')}\n`;
  }

  #samplesOf(family: Family): Sample[] {
    const samples: Sample[] = [];
    const bounds = bucketsOf(family.kind);
    for (const series of this.#totals.seriesOf(family.kind, family.event)) {
      if (bounds === null) samples.push({ value: series.values[0]!, sharedLabels: series.labels });
      else pushHistogram(samples, family.name, bounds, series);
    }
    return samples;
  }

  #addProcessMetrics(): void {
    // Each look at the loop wakes the process up; its own 100 a second would be a third of what an idle Fermat costs.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 50 });
    // Gauges called like counters, which promtool refuses. Unregistered they are not computed either.
    for (const what of ['active_handles', 'active_requests', 'active_resources']) {
      this.#registry.removeSingleMetric(`nodejs_${what}_total`);
    }
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #endpointLabel(id: string): string {
    if (this.#endpointLabels.has(id)) return id;
    if (this.#endpointLabels.size >= MAX_ENDPOINT_LABELS) return 'other';
    this.#endpointLabels.add(id);
    return id;
  }
}

/** Raw bucket counts become cumulative ones, as Prometheus has them. */
function pushHistogram(into: Sample[], name: string, bounds: readonly number[], { labels, values }: Series): void {
  const metricName = `${name}_bucket`;
  const n = bounds.length;
  let count = 0;
  for (let i = 0; i <= n; i++) {
    count += values[i]!;
    into.push({ metricName, labels: leLabels(bounds[i]), value: count, sharedLabels: labels });
  }
  into.push({ metricName: `${name}_sum`, value: values[n + 1]!, sharedLabels: labels });
  into.push({ metricName: `${name}_count`, value: count, sharedLabels: labels });
}

const LE = new Map<number | undefined, Labels>([[undefined, { le: '+Inf' }]]);

function leLabels(bound: number | undefined): Labels {
  let labels = LE.get(bound);
  if (labels === undefined) {
    labels = { le: String(bound) };
    LE.set(bound, labels);
  }
  return labels;
}
