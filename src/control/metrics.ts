// The Prometheus side of the node: what the workers counted on their lanes, what the control plane counted itself, and
// gauges read from the fleet at the moment of a scrape. prom-client only exposes: nothing is counted twice, and between
// two scrapes nothing is computed. A scrape runs on the control thread, beside the prober, and therefore in slices
// (metrics/page.ts). How many series there may be: metrics/caps.ts.

import { Counter, collectDefaultMetrics, Registry } from 'prom-client';
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
import { FleetFamilies } from './metrics/fleet.ts';
import { addEndpointGauges, addNodeGauges, type NodeSources } from './metrics/gauges.ts';
import { Inheritance } from './metrics/inheritance.ts';
import { addLaneFamilies } from './metrics/lanes.ts';
import { addLimitFamilies, type LimitsSource } from './metrics/limits.ts';
import { addLocalityFamilies } from './metrics/locality.ts';
import { OverlayFamilies, resultOf } from './metrics/overlay.ts';
import { type Format, Page } from './metrics/page.ts';
import { RedisFamilies, type RedisSource } from './metrics/redis.ts';
import { ReloadFamilies } from './metrics/reloads.ts';
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

  readonly #fleet: FleetFamilies;
  readonly #reloads: ReloadFamilies;
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
    this.#fleet = new FleetFamilies(this.#registry, this.#caps);
    this.#reloads = new ReloadFamilies(this.#registry);
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
    this.#fleet.stateChanged(endpoint, to, reason);
  }

  /** `failure`: the kind of failure of a probe that was not ok. */
  probed(endpoint: string, ok: boolean, failure: string | null): void {
    this.#fleet.probed(endpoint, ok ? 'ok' : (failure ?? 'failure'));
  }

  switched(pool: string, reason: string): void {
    this.#fleet.switched(pool, reason);
  }

  /** Of a sampled decision, or of an exploration. `ms` ≥ 0. */
  regret(pool: string, kind: 'predicted' | 'realised', ms: number): void {
    this.#fleet.regret(pool, kind, ms / 1000);
  }

  relayed(pool: string, peer: string, outcome: Outcome): void {
    const labels = { pool, peer, result: resultOf(outcome) };
    this.#overlay.relayed(this.#caps.roomFor('fermat_overlay_requests_total', labels, 'peer'));
  }

  locationLie(endpoint: string): void {
    this.#fleet.locationLie(endpoint);
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
    this.#reloads.reload(ok);
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
    await this.#totals.refresh(this.#sources.lanes, () => page.pause());
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
