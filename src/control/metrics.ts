// The Prometheus side of the node: what the workers counted on their lanes, what the control plane counted itself, and
// gauges read from the fleet at the moment of a scrape. prom-client only exposes: nothing is counted twice, and between
// two scrapes nothing is computed. A scrape runs on the control thread, beside the prober, and therefore in slices
// (metrics/page.ts). How many series there may be: metrics/caps.ts.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { nowMs } from '../clock.ts';
import { CELL_CAPS } from '../core/cells.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import type { Outcome } from '../core/sample.ts';
import type { SourceView } from './discovery/watched.ts';
import type { EndpointGauges } from './fleet/views.ts';
import type { DirectoryView } from './locality/localities.ts';
import { type AccessLogCounts, addAccessLogFamilies } from './metrics/access-log.ts';
import { Caps } from './metrics/caps.ts';
import { addDiscoveryFamilies } from './metrics/discovery.ts';
import { type ExemplarFamily, Exemplars } from './metrics/exemplars.ts';
import { expose, writeMetric } from './metrics/expose.ts';
import { FAMILIES, labelsOf } from './metrics/families.ts';
import { addEndpointGauges, addNodeGauges, type NodeSources } from './metrics/gauges.ts';
import { Inheritance } from './metrics/inheritance.ts';
import { addLaneFamilies } from './metrics/lanes.ts';
import { addLimitFamilies, type LimitsSource } from './metrics/limits.ts';
import { addLocalityFamilies } from './metrics/locality.ts';
import { OverlayFamilies, resultOf } from './metrics/overlay.ts';
import { type Format, Page } from './metrics/page.ts';
import { RedisFamilies, type RedisSource } from './metrics/redis.ts';
import { REGRET_BUCKETS_S, REGRET_HELP } from './metrics/regret.ts';
import { ShareFamilies } from './metrics/share.ts';
import { type Labels, Totals } from './metrics/totals.ts';
import { TracingFamilies } from './metrics/tracing.ts';
import type { Names } from './numbers.ts';
import type { PeerView } from './overlay/peers.ts';
import type { EventLog } from './types.ts';

export interface MetricsSources extends NodeSources {
  readonly names: () => Names;
  readonly accessLog?: () => AccessLogCounts;
  readonly endpoints: () => readonly EndpointGauges[];
  readonly redis: () => RedisSource;
  /** Other nodes that are heard of. */
  readonly nodes: () => number;
  readonly limits?: () => LimitsSource;
  readonly localities?: () => readonly DirectoryView[];
  readonly peers?: () => readonly PeerView[];
  readonly discovery: () => readonly SourceView[];
  /** Told when a family is full. */
  readonly events?: EventLog;
  /** Monotonic, ms. */
  readonly clock?: () => number;
}

export class Metrics {
  readonly #sources: MetricsSources;
  readonly #registry = new Registry();
  readonly #totals: Totals;
  readonly #caps: Caps;
  readonly #exemplars = new Exemplars();
  /** What processes before have counted; a scrape waits for what is on its way (`await`). */
  readonly inheritance: Inheritance;
  #awaited: Promise<void> | null = null;
  /** As of the scrape under way, so that its gauges agree. */
  #endpoints: readonly EndpointGauges[] = [];
  /** Scrapes under way; whoever comes meanwhile gets the same one. */
  readonly #scrapes = new Map<Format, Promise<Buffer<ArrayBuffer>>>();

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
  readonly tracing: TracingFamilies;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    this.#totals = new Totals((kind, a, b, c) => labelsOf(sources.names(), kind, a, b, c));
    this.inheritance = new Inheritance(this.#registry, this.#totals, sources.lanes);
    const { events = null, clock = nowMs } = sources;
    this.#caps = new Caps({ registry: this.#registry, events, clock });
    addLaneFamilies(this.#registry, this.#totals, this.#exemplars);
    addEndpointGauges(this.#registry, () => this.#endpoints);
    addNodeGauges(this.#registry, sources);
    const lost = 'Measurements of requests dropped since the control plane did not take them in time.';
    expose(this.#registry, { name: 'fermat_samples_lost_total', help: lost, type: 'counter' }, () => [
      { value: this.#totals.lostSamples(sources.lanes()) },
    ]);
    this.#stateChanges = this.#counter(
      'fermat_endpoint_state_changes_total',
      'Changes of the state of an endpoint, by the new state and who brought it about.',
      ['endpoint', 'to', 'reason'],
    );
    this.#probes = this.#counter('fermat_probes_total', 'Probes of an endpoint and how they ended.', [
      'endpoint',
      'result',
    ]);
    this.#switches = this.#counter(
      'fermat_route_switches_total',
      'Changes of the region that most traffic of a pool goes to, and why.',
      ['pool', 'reason'],
    );
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
    this.#reloads = this.#counter(
      'fermat_config_reloads_total',
      'Reloads of the configuration and whether it was taken.',
      ['result'],
    );
    this.#reloads.inc({ result: 'success' }, 0);
    this.#reloads.inc({ result: 'failure' }, 0);
    this.#lastReload = new Gauge({
      name: 'fermat_config_last_reload_successful',
      help: 'Whether the last reload, or the start, took the configuration: 1 or 0.',
      registers: [this.#registry],
    });
    this.#lastReload.set(1);
    this.#workerRestarts = this.#counter('fermat_worker_restarts_total', 'Workers that died and were replaced.', []);
    this.#questions = this.#counter(
      'fermat_dns_queries_total',
      'Questions to name servers about endpoints, and how they ended.',
      ['result'],
    );
    if (sources.accessLog !== undefined) addAccessLogFamilies(this.#registry, sources.accessLog);
    addDiscoveryFamilies(this.#registry, sources.discovery);
    this.#overlay = new OverlayFamilies(this.#registry, sources.peers ?? (() => []));
    this.redis = new RedisFamilies(this.#registry, sources.redis);
    this.share = new ShareFamilies(this.#registry, sources.nodes);
    this.tracing = new TracingFamilies(this.#registry);
    if (sources.localities !== undefined) addLocalityFamilies(this.#registry, sources.localities);
    if (sources.limits !== undefined) addLimitFamilies(this.#registry, sources.limits);
    this.#addProcessMetrics();
  }

  /** Takes over the counters of a worker that died; call it before its lane is let go or replaced. */
  fold(reader: LaneReader): void {
    this.#totals.fold(reader);
  }

  stateChanged(endpoint: string, to: string, reason: string): void {
    const labels = { endpoint, to, reason };
    this.#stateChanges.inc(this.#caps.roomFor('fermat_endpoint_state_changes_total', labels, 'endpoint'));
  }

  /** `failure`: the kind of failure of a probe that was not ok. */
  probed(endpoint: string, ok: boolean, failure: string | null): void {
    const labels = { endpoint, result: ok ? 'ok' : (failure ?? 'failure') };
    this.#probes.inc(this.#caps.roomFor('fermat_probes_total', labels, 'endpoint'));
  }

  switched(pool: string, reason: string): void {
    this.#switches.inc(this.#caps.roomFor('fermat_route_switches_total', { pool, reason }, 'pool'));
  }

  /** Of a sampled decision, or of an exploration. `ms` ≥ 0. */
  regret(pool: string, kind: 'predicted' | 'realised', ms: number): void {
    const labels: Labels = this.#caps.roomFor('fermat_regret_seconds', { pool, kind }, 'pool');
    this.#regret.observe(labels, ms / 1000);
  }

  relayed(pool: string, peer: string, outcome: Outcome): void {
    const labels = { pool, peer, result: resultOf(outcome) };
    this.#overlay.relayed(this.#caps.roomFor('fermat_overlay_requests_total', labels, 'peer'));
  }

  locationLie(endpoint: string): void {
    this.#locationLies.inc(this.#caps.roomFor('fermat_endpoint_location_lies_total', { endpoint }, 'endpoint'));
  }

  /**
   * A traced request that stands for its bucket, until a newer one does or it is ten minutes old. `labels`: those of the family
   * (`route`; `pool` and `endpoint`). ids in lower-case hex, `wallMs` since 1970. Never throws: what is none of this is dropped.
   */
  exemplar(
    family: ExemplarFamily,
    labels: Labels,
    valueS: number,
    traceId: string,
    spanId: string,
    wallMs: number,
  ): void {
    this.#exemplars.file(family, labels, valueS, traceId, spanId, wallMs);
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

  /** The exposition as people read it: text format 0.0.4. */
  async text(): Promise<string> {
    return (await this.page('text')).toString('utf8');
  }

  /** The exposition, UTF-8. One sum of the lanes is taken at the start; that and writing it out yields to other work. */
  page(format: Format = 'text'): Promise<Buffer<ArrayBuffer>> {
    const running = this.#scrapes.get(format);
    if (running !== undefined) return running;
    const scrape = this.#write(new Page(format)).finally(() => this.#scrapes.delete(format));
    this.#scrapes.set(format, scrape);
    return scrape;
  }

  /** Scrapes wait for this, which always resolves and soon: until then counters would seem to go back. */
  await(news: Promise<void>): void {
    this.#awaited = news;
  }

  async #write(page: Page): Promise<Buffer<ArrayBuffer>> {
    await this.#awaited;
    await this.#totals.refresh(this.#sources.lanes(), () => page.pause());
    for (const { name, kind, event } of FAMILIES) {
      this.#caps.overflows(name, CELL_CAPS[kind], this.#totals.overflowOf(kind, event));
    }
    this.#exemplars.sweep(Date.now());
    this.#endpoints = this.#sources.endpoints();
    for (const metric of this.#registry.getMetricsAsArray()) {
      await page.pause();
      await writeMetric(page, metric);
    }
    return page.end();
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
}
