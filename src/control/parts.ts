// The parts of a node, made and wired to each other: who tells whom, in one place. Nothing runs yet; when each begins and ends is
// the node's business (node.ts).

import { randomBytes } from 'node:crypto';
import { nowMs } from '../clock.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import { AccessLogs } from './access-log.ts';
import type { Loaded, Overrides } from './config/load.ts';
import { Decisions } from './decisions.ts';
import { Discovery } from './discovery/discovery.ts';
import { Registrations } from './discovery/registrations.ts';
import { Evacuations } from './evacuation.ts';
import { createExplain } from './explain.ts';
import { endpointGauges } from './fleet/views.ts';
import { Fleet } from './fleet.ts';
import type { GeoDb } from './geodb.ts';
import { Limits } from './limits/limits.ts';
import { Live } from './live.ts';
import { LocalityApi } from './locality/api.ts';
import { Localities } from './locality/localities.ts';
import { Metrics } from './metrics.ts';
import { Names } from './names.ts';
import { Overlay } from './overlay/overlay.ts';
import { Prober } from './prober.ts';
import { RedisLink } from './redis/link.ts';
import { Reloads } from './reloads.ts';
import { Running } from './running.ts';
import { Share } from './share/share.ts';
import { Succession } from './succession.ts';
import { Supervisor } from './supervisor.ts';
import { connectionCap } from './system.ts';
import { TicketKeys } from './tickets.ts';
import { Tracing } from './tracing/tracing.ts';
import type { ControlApi, EventLog, ExplainQuery, Explanation, Refusal } from './types.ts';

export interface NodeOptions {
  readonly configFile: string | null;
  readonly overrides: Overrides;
  readonly events: EventLog;
  readonly version: string;
  /** Another process accepts in its place: it is to `retire`. */
  readonly onReplaced?: () => void;
}

/** What the parts ask of the node they are of. */
export interface Owner {
  /** What it can be asked over HTTP. */
  readonly api: ControlApi;
  /** Newer databases may say that endpoints are elsewhere. */
  readonly onGeoReplaced: () => void;
  /** Why the configuration is not read anew any more; null = it is. */
  readonly whyNotReload: () => string | null;
  /** Why another process cannot take over now; null = it can. */
  readonly whyNotReplace: () => string | null;
}

/** Of a node without pools. */
const DEFAULT_PROBE_MS = 2000;

export class Parts {
  readonly accessLogs: AccessLogs;
  readonly supervisor: Supervisor;
  readonly tickets: TicketKeys;
  readonly metrics: Metrics;
  readonly decisions: Decisions;
  readonly fleet: Fleet;
  readonly live: Live;
  readonly evacuations: Evacuations;
  readonly names: Names;
  readonly prober: Prober;
  readonly limits: Limits;
  readonly localities: Localities;
  readonly localityApi: LocalityApi;
  readonly overlay: Overlay;
  readonly tracing: Tracing;
  /** Connects when the node starts. */
  readonly redis: RedisLink;
  readonly share: Share;
  readonly discovery: Discovery;
  readonly registrations: Registrations;
  readonly running: Running;
  readonly reloads: Reloads;
  readonly succession: Succession;
  readonly explain: (query: ExplainQuery) => Explanation | Refusal;

  constructor(options: NodeOptions, owner: Owner, loaded: Extract<Loaded, { ok: true }>, geo: GeoDb) {
    const { configFile, overrides, events, version, onReplaced } = options;
    const { api, onGeoReplaced, whyNotReload, whyNotReplace } = owner;
    const lanes = process.platform === 'linux' ? loaded.config.workers : 1; // SO_REUSEPORT spreads connections only there
    this.accessLogs = new AccessLogs({ events, clock: nowMs, lanes });
    this.metrics = this.#newMetrics(version, events);
    this.redis = new RedisLink(null, { events, clock: nowMs, random: Math.random, meter: this.metrics.redis });
    this.limits = new Limits({ clock: nowMs, redis: this.redis });
    this.supervisor = this.#newSupervisor(events, lanes);
    this.localities = new Localities({
      redis: this.redis,
      clock: nowMs,
      events,
      onCopy: (name, buffer) => this.supervisor.told.setLocality(name, buffer),
    });
    this.localityApi = new LocalityApi(this.localities);
    this.tickets = new TicketKeys((keys) => this.supervisor.told.setTickets(keys));
    this.decisions = new Decisions({
      node: () => this.running.config.node.id,
      edge: () => this.running.config.node.location,
      onRegret: (pool, kind, ms) => this.metrics.regret(pool, kind, ms),
    });
    this.share = this.#newShare(events);
    this.live = this.#newLive(api);
    this.fleet = this.#newFleet(events);
    this.names = new Names({
      clock: nowMs,
      events,
      onChange: (host, addresses) => this.supervisor.told.setAddresses(host, addresses),
      onAsked: (result) => this.metrics.asked(result),
    });
    this.prober = new Prober({
      clock: nowMs,
      random: Math.random,
      names: this.names,
      onResult: (slot, generation, result) => this.fleet.probed(slot, generation, result),
      events,
    });
    this.overlay = new Overlay({
      clock: nowMs,
      random: Math.random,
      events,
      fleet: this.fleet,
      publish: (text) => this.supervisor.told.setMeasured(text),
    });
    this.tracing = new Tracing({
      random: Math.random,
      events,
      version,
      onResult: (result, spans) => this.metrics.tracing.spans(result, spans),
      onExemplar: (...seen) => this.metrics.exemplar(...seen),
    });
    this.discovery = this.#newDiscovery(events, whyNotReload);
    this.registrations = new Registrations({
      redis: this.redis,
      events,
      deskOf: (pool) => this.discovery.deskOf(pool),
      pools: () => this.discovery.registries,
      now: () => ({ nowMs: nowMs(), wallMs: Date.now() }),
    });
    this.running = new Running({ ...this, api, events, onGeoReplaced }, loaded.config, geo, lanes);
    const onResult = (ok: boolean): void => this.metrics.reload(ok);
    this.reloads = new Reloads({ configFile, overrides, events, whyNot: whyNotReload, onResult }, this.running, loaded);
    this.succession = new Succession({
      ...this,
      events,
      version,
      alone: (work) => this.reloads.alone(work),
      whyNot: whyNotReplace,
      onReplaced: () => onReplaced?.(),
    });
    this.evacuations = new Evacuations({
      clock: nowMs,
      newest: () => this.decisions.journal.newest(),
      pools: () => this.fleet.pools,
      config: () => this.running.config,
      edge: () => this.running.config.node.location,
    });
    this.explain = createExplain({
      snapshot: () => this.running.snapshot,
      fleet: this.fleet,
      geo: () => this.running.geo,
      directory: (name) => this.localities.directory(name),
    });
  }

  #newSupervisor(events: EventLog, lanes: number): Supervisor {
    return new Supervisor({
      lanes,
      clock: nowMs,
      events,
      loopId: randomBytes(9).toString('hex'),
      connectionCap: connectionCap(lanes),
      rateLimits: this.limits.buffer,
      onLaneLost: (reader: LaneReader) => this.metrics.fold(reader),
      onRestart: () => this.metrics.workerRestarted(),
      onSpans: (batch) => this.tracing.take(batch),
      onQuiet: (version) => this.running.quiet(version),
    });
  }

  #newDiscovery(events: EventLog, whyNot: () => string | null): Discovery {
    const endpoints = () => this.fleet.endpoints();
    let refusal = '';
    const renew = async (): Promise<boolean> => {
      if (whyNot() !== null) return false;
      try {
        await this.running.renew();
        refusal = '';
        return true;
      } catch (error) {
        // It is tried again and again.
        const message = `what was found is not taken, all stays as it is: ${error}`;
        if (message !== refusal) events.emit('error', 'discovery.refused', message);
        refusal = message;
        return false;
      }
    };
    const apply = () => this.reloads.alone(renew);
    return new Discovery({ clock: nowMs, random: Math.random, events, endpoints, apply });
  }

  #newMetrics(version: string, events: EventLog): Metrics {
    return new Metrics({
      events,
      lanes: () => this.supervisor.lanes(),
      accessLog: () => this.accessLogs.counts(),
      names: () => this.running.compiled.names,
      endpoints: () => this.fleet.pools.flatMap(endpointGauges),
      geo: () => this.running.geo.info(),
      listeners: () => this.running.snapshot.listeners,
      version,
      redis: () => this.redis,
      nodes: () => this.share.peers.size,
      limits: () => this.limits,
      localities: () => this.localities.views(),
      peers: () => this.overlay.peers(),
      discovery: () => this.discovery.views(),
    });
  }

  #newFleet(events: EventLog): Fleet {
    return new Fleet({
      clock: nowMs,
      random: Math.random,
      events,
      lanes: () => this.supervisor.lanes().map(({ reader }) => reader),
      counters: this.metrics,
      edge: () => this.running.config.node.location,
      decisions: this.decisions,
      clients: this.live.countries,
      peers: this.share.peers,
    });
  }

  #newLive(api: ControlApi): Live {
    return new Live({
      clock: nowMs,
      pools: () => this.fleet.pools,
      lanes: () => this.supervisor.lanes(),
      journal: this.decisions.journal,
      sourceOf: (pool, endpoint) => this.discovery.sourceOf(pool, endpoint),
      api,
    });
  }

  #newShare(events: EventLog): Share {
    return new Share({
      link: this.redis,
      events,
      clock: nowMs,
      random: Math.random,
      shared: (atMs) => this.fleet.shared(atMs),
      countries: {
        shared: (atMs) => this.fleet.cohorts.shared(atMs),
        beginWith: (told, atMs) => this.fleet.cohorts.beginWith(told, atMs),
      },
      onDigest: (result) => this.metrics.share.digest(result),
      self: () => {
        const { node, pools } = this.running.config;
        const probeIntervalMs = Math.min(...pools.map(({ probe }) => probe.intervalMs), DEFAULT_PROBE_MS);
        return { node: node.id, region: node.region, place: node.location, probeIntervalMs };
      },
    });
  }
}
