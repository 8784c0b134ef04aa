// The Prometheus side of the node: what the workers counted on their lanes, what the control plane counted itself, and
// gauges read from the fleet at the moment of a scrape. prom-client only exposes: nothing is counted twice, and between
// two scrapes nothing is computed. A scrape runs on the control thread, beside the prober, and therefore in slices.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import { nowMs } from '../clock.ts';
import { bucketsOf } from '../core/cells.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import type { Outcome } from '../core/sample.ts';
import type { ListenerSpec } from '../core/snapshot.ts';
import type { SourceView } from './discovery/watched.ts';
import type { DirectoryView } from './locality/localities.ts';
import { addDiscoveryFamilies } from './metrics/discovery.ts';
import { expiriesOf } from './metrics/expiries.ts';
import { FAMILIES, type Family, labelsOf, type Names } from './metrics/families.ts';
import { Inheritance } from './metrics/inheritance.ts';
import { addLimitFamilies, type LimitsSource } from './metrics/limits.ts';
import { addLocalityFamilies } from './metrics/locality.ts';
import { OverlayFamilies } from './metrics/overlay.ts';
import { RedisFamilies, type RedisSource } from './metrics/redis.ts';
import { REGRET_BUCKETS_S, REGRET_HELP } from './metrics/regret.ts';
import { ShareFamilies } from './metrics/share.ts';
import { type Labels, type Series, Totals } from './metrics/totals.ts';
import type { PeerView } from './overlay/peers.ts';
import type { EndpointView } from './types.ts';

export type { Names } from './metrics/families.ts';

export interface MetricsSources {
  readonly lanes: () => readonly { readonly index: number; readonly reader: LaneReader }[];
  readonly names: () => Names;
  readonly endpoints: () => readonly EndpointView[];
  readonly geo: () => { readonly built: string | null } | null;
  readonly listeners: () => readonly Pick<ListenerSpec, 'name' | 'tls'>[];
  readonly version: string;
  readonly redis: () => RedisSource;
  /** Other nodes that are heard of. */
  readonly nodes: () => number;
  readonly limits?: () => LimitsSource;
  readonly localities?: () => readonly DirectoryView[];
  readonly peers?: () => readonly PeerView[];
  readonly discovery: () => readonly SourceView[];
}

interface Sample {
  readonly value: number;
  readonly metricName?: string;
  readonly labels?: Labels;
  /** Labels that many samples have in common: prom-client keeps their text by identity. */
  readonly sharedLabels?: Labels;
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
    for (const family of FAMILIES) this.#add(family.name, family.help, family.type, () => this.#samplesOf(family));
    this.#addEndpointGauges();
    this.#addNodeGauges();
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

  /** Of the text that `text()` gives. */
  get contentType(): string {
    return this.#registry.contentType;
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

  #addEndpointGauges(): void {
    const gauge = (name: string, help: string, read: (endpoint: EndpointView) => number | null) =>
      this.#add(name, help, 'gauge', () => {
        const samples: Sample[] = [];
        for (const endpoint of this.#endpoints) {
          const value = read(endpoint);
          if (value !== null) samples.push({ value, labels: { pool: endpoint.pool, endpoint: endpoint.id } });
        }
        return samples;
      });
    gauge('fermat_endpoint_healthy', 'Whether the endpoint is used.', (e) => (e.healthy ? 1 : 0));
    gauge('fermat_endpoint_network_rtt_seconds', 'Network term of the score.', (e) => secondsOf(e.networkMs));
    gauge('fermat_endpoint_score_seconds', 'Expected time of one more request.', (e) => secondsOf(e.scoreMs));
    gauge('fermat_endpoint_inflight', 'Requests in flight.', (e) => e.inflight);
  }

  #addNodeGauges(): void {
    const { version, geo, lanes, listeners } = this.#sources;
    const build = { version, node: process.version };
    this.#add('fermat_build_info', 'Constant 1; what runs here.', 'gauge', () => [{ value: 1, labels: build }]);
    this.#add('fermat_geoip_database_build_timestamp_seconds', 'When the database was built.', 'gauge', () => {
      const builtMs = Date.parse(geo()?.built ?? '');
      return Number.isNaN(builtMs) ? [] : [{ value: builtMs / 1000 }];
    });
    const expiry = 'When the certificate of a listener that is called so expires; the first, where several are.';
    this.#add('fermat_tls_certificate_expiry_timestamp_seconds', expiry, 'gauge', () => expiriesOf(listeners()));
    const perWorker = (name: string, help: string, read: (reader: LaneReader) => number) =>
      this.#add(name, help, 'gauge', () =>
        lanes().map(({ index, reader }) => ({ value: read(reader), labels: { worker: String(index) } })),
      );
    perWorker('fermat_worker_event_loop_lag_seconds', 'How late the loop of a worker was.', (r) => r.loopLagMs / 1000);
    perWorker(
      'fermat_overload',
      'What a worker sheds: 0 nothing, 1 low, 2 normal too, 3 all; parts between.',
      (r) => r.pressure,
    );
    perWorker('fermat_worker_heap_bytes', 'JavaScript heap in use by a worker.', (r) => r.heapBytes);
    this.#add('fermat_samples_lost_total', 'Samples dropped because the ring of a lane was full.', 'counter', () => [
      { value: this.#totals.lostSamples(lanes()) },
    ]);
  }

  #addProcessMetrics(): void {
    // Each look at the loop wakes the process up; its own 100 a second would be a third of what an idle Fermat costs.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 50 });
    // Gauges called like counters, which promtool refuses. Unregistered they are not computed either.
    for (const what of ['active_handles', 'active_requests', 'active_resources']) {
      this.#registry.removeSingleMetric(`nodejs_${what}_total`);
    }
  }

  #add(name: string, help: string, type: Family['type'], samples: () => Sample[]): void {
    // prom-client reads name, help, type and `get()` of a metric, and its types know its own four classes only.
    const metric = { name, help, type, aggregator: 'sum', get: () => ({ name, help, type, values: samples() }) };
    this.#registry.registerMetric(metric as unknown as Metric);
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

function secondsOf(ms: number | null): number | null {
  return ms === null || !Number.isFinite(ms) ? null : ms / 1000;
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
