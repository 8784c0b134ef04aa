// One running node: the control plane put together. It owns every slow loop and is the one place where a change of the
// configuration becomes a change of what runs: loaded, checked, compiled, given to the fleet, the workers and the prober,
// in that order, all or nothing. Implements what the admin API may ask.

import { randomBytes } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import { nowMs } from '../clock.ts';
import type { LaneReader } from '../core/lane.ts';
import type { LatLon, Snapshot } from '../core/snapshot.ts';
import { type AdminServer, startAdmin } from './admin.ts';
import type { Config } from './config/config.ts';
import { type Loaded, loadConfig, type Overrides } from './config/load.ts';
import { redact } from './config/redact.ts';
import { isPlacedByGeo } from './config/residency.ts';
import { type DecisionRecord, Decisions, type DecisionsQuery } from './decisions.ts';
import { createExplain } from './explain.ts';
import { Fleet } from './fleet.ts';
import { GeoDb } from './geodb.ts';
import { Metrics } from './metrics.ts';
import { whyNotListenAll } from './ports.ts';
import { Prober } from './prober.ts';
import { type Compiled, Registry } from './registry.ts';
import { ListenError, Supervisor } from './supervisor.ts';
import { connectionCap, digestOf } from './system.ts';
import { TicketKeys } from './tickets.ts';
import type { ControlApi, EventLog, ExplainQuery, Explanation, NodeView, Refusal, ReloadResult } from './types.ts';
import { type ListenerView, listenerViews, routeViews } from './views.ts';

/** How often the configuration's files, certificates among them, are looked at: a change is served within a second. ms. */
const WATCH_MS = 500;

export interface NodeOptions {
  readonly configFile: string | null;
  readonly overrides: Overrides;
  readonly events: EventLog;
  readonly version: string;
}

export class FermatNode implements ControlApi {
  readonly startedAt = new Date().toISOString();
  readonly events: EventLog;
  readonly #options: NodeOptions;
  readonly #registry: Registry;
  readonly #supervisor: Supervisor;
  readonly #tickets: TicketKeys;
  readonly #fleet: Fleet;
  readonly #prober: Prober;
  readonly #metrics: Metrics;
  readonly #explain: (query: ExplainQuery) => Explanation | Refusal;
  readonly #decisions: Decisions;
  #config: Config;
  #files: readonly string[];
  #digest: string;
  #compiled: Compiled;
  #geo: GeoDb;
  #admin: AdminServer | null = null;
  #notReady: string | null = 'starting';
  #reloading: Promise<unknown> = Promise.resolve();

  /** Reads the databases and compiles the configuration; nothing listens yet. */
  static async create(options: NodeOptions, loaded: Extract<Loaded, { ok: true }>): Promise<FermatNode> {
    const geo = await GeoDb.open([...loaded.config.geoipDatabases], options.events);
    return new FermatNode(options, loaded, geo);
  }

  private constructor(options: NodeOptions, loaded: Extract<Loaded, { ok: true }>, geo: GeoDb) {
    const { events, version } = options;
    this.#options = options;
    this.events = events;
    this.#config = loaded.config;
    this.#files = loaded.files;
    this.#digest = digestOf(loaded.files);
    this.#geo = geo;
    const lanes = process.platform === 'linux' ? loaded.config.workers : 1; // SO_REUSEPORT spreads connections only there
    this.#registry = new Registry({
      lanes,
      locate: (ip) => this.#placeOf(ip),
      countryOf: (ip) => this.#geo.lookup(ip)?.country ?? null,
    });
    this.#compiled = this.#registry.compile(loaded.config);
    this.#supervisor = new Supervisor({
      lanes,
      clock: nowMs,
      events,
      loopId: randomBytes(9).toString('hex'),
      connectionCap: connectionCap(),
      onLaneLost: (reader: LaneReader) => this.#metrics.fold(reader),
      onRestart: () => this.#metrics.workerRestarted(),
      onQuiet: (quiet) => {
        if (quiet <= this.#snapshot.version) this.#registry.quiet(quiet); // of a version that failed, nothing follows
      },
    });
    this.#tickets = new TicketKeys((keys) => this.#supervisor.setTickets(keys));
    this.#metrics = new Metrics({
      lanes: () => this.#supervisor.lanes(),
      names: () => this.#compiled.names,
      endpoints: () => this.#fleet.endpoints(),
      geo: () => this.#geo.info(),
      listeners: () => this.#snapshot.listeners,
      version,
    });
    this.#decisions = new Decisions({
      node: () => this.#config.node.id,
      edge: () => this.#config.node.location,
      onRegret: (pool, kind, ms) => this.#metrics.regret(pool, kind, ms),
    });
    this.#fleet = new Fleet({
      clock: nowMs,
      random: Math.random,
      events,
      lanes: () => this.#supervisor.lanes().map(({ reader }) => reader),
      counters: this.#metrics,
      edge: () => this.#config.node.location,
      decisions: this.#decisions,
    });
    this.#prober = new Prober({
      clock: nowMs,
      random: Math.random,
      onResult: (slot, generation, result) => this.#fleet.probed(slot, generation, result),
      events,
    });
    this.#explain = createExplain({ snapshot: () => this.#snapshot, fleet: this.#fleet, geo: () => this.#geo });
  }

  get #snapshot(): Snapshot {
    return this.#compiled.snapshot;
  }

  /** Resolves when every listener accepts connections. Rejects with a sentence for people, having ended what it began. */
  async start(): Promise<void> {
    const [problem] = await whyNotListenAll(this.#snapshot.listeners, []);
    if (problem !== undefined) throw new Error(problem);
    this.#fleet.install(this.#snapshot, this.#compiled.probes);
    this.#watchGeo();
    this.#admin = await this.#openAdmin(this.#config);
    this.#giveTickets(this.#snapshot);
    this.#tickets.start();
    try {
      await this.#supervisor.start(this.#snapshot, this.#geo.files);
    } catch (error) {
      await this.stop();
      throw error instanceof ListenError ? new Error(`listener ${error.listener}: ${error.message}`) : error;
    }
    this.#fleet.start();
    this.#prober.install(this.#snapshot, this.#compiled.probes);
    this.#watchFiles();
    this.#notReady = null;
    for (const warning of this.#compiled.warnings) this.events.emit('warn', 'config.warning', warning);
    this.events.emit('info', 'node.ready', `serving with ${this.#snapshot.lanes} worker(s)`, {
      node: this.#config.node.id,
    });
  }

  /** Not ready at once; returns when the last exchange has ended or the time is up. */
  async shutDown(): Promise<void> {
    this.#notReady = 'draining';
    const { drainDelayMs, drainTimeoutMs } = this.#snapshot;
    const fields = { drainDelayMs, drainTimeoutMs };
    this.events.emit('info', 'node.draining', 'draining: still accepting, answers close their connections', fields);
    await this.#supervisor.drain(drainDelayMs, drainTimeoutMs);
    await this.stop();
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    this.#notReady = 'stopping';
    for (const file of this.#files) unwatchFile(file);
    this.#geo.close();
    this.#tickets.stop();
    this.#fleet.stop();
    await Promise.all([this.#supervisor.stop(), this.#prober.stop(), this.#admin?.close()]);
  }

  // ── reload ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One after another; a failed one changes nothing. */
  reload(why: string): Promise<ReloadResult> {
    const result = this.#reloading.then(() => this.#reload(why));
    this.#reloading = result.catch(() => {});
    return result;
  }

  async #reload(why: string): Promise<ReloadResult> {
    if (this.#notReady === 'draining' || this.#notReady === 'stopping')
      return this.#reloadFailed(why, ['the node is shutting down']);
    const loaded = loadConfig(this.#options.configFile, this.#options.overrides);
    if (!loaded.ok) return this.#reloadFailed(why, loaded.problems);
    const { config } = loaded;
    const problems = await whyNotListenAll(config.listeners, this.#snapshot.listeners);
    if (problems.length > 0) return this.#reloadFailed(why, problems);
    try {
      await this.#apply(config);
    } catch (error) {
      return this.#reloadFailed(why, [error instanceof Error ? error.message : String(error)]);
    }
    for (const file of this.#files) unwatchFile(file);
    this.#files = loaded.files;
    this.#digest = digestOf(loaded.files);
    this.#watchFiles();
    this.#metrics.reload(true);
    const { version } = this.#snapshot;
    this.events.emit('info', 'config.reload', `configuration reloaded (${why})`, { version });
    return { ok: true, version, problems: [] };
  }

  /** Everything or nothing: on a rejection all is as it was. New databases first: they say where endpoints are. */
  async #apply(config: Config): Promise<void> {
    const before = this.#geo;
    const isSameGeo = config.geoipDatabases.join('\n') === this.#config.geoipDatabases.join('\n');
    if (!isSameGeo) this.#geo = await GeoDb.open([...config.geoipDatabases], this.events);
    try {
      await this.#install(config);
    } catch (error) {
      if (!isSameGeo) this.#geo.close();
      this.#geo = before;
      throw error;
    }
    if (isSameGeo) return;
    before.close();
    this.#watchGeo();
    this.#supervisor.setGeo(this.#geo.files);
  }

  async #install(config: Config): Promise<void> {
    const old = this.#config;
    const compiled = this.#registry.compile(config);
    await this.#replaceAdmin(old, config); // what may fail comes first
    this.#config = config;
    try {
      this.#fleet.install(compiled.snapshot, compiled.probes);
      this.#giveTickets(this.#snapshot, compiled.snapshot);
      await this.#supervisor.publish(compiled.snapshot);
    } catch (error) {
      this.#config = old;
      this.#fleet.install(this.#snapshot, this.#compiled.probes);
      await this.#replaceAdmin(config, old);
      throw error;
    }
    this.#compiled = compiled;
    this.#prober.install(compiled.snapshot, compiled.probes);
    for (const warning of compiled.warnings) this.events.emit('warn', 'config.warning', warning);
  }

  /** For the listeners of what runs and of what is about to. */
  #giveTickets(...snapshots: readonly Snapshot[]): void {
    const secure = snapshots.flatMap(({ listeners }) => listeners.filter(({ tls }) => tls !== null));
    this.#supervisor.setTickets(this.#tickets.of(secure.map(({ name }) => name)));
  }

  #reloadFailed(why: string, problems: readonly string[]): ReloadResult {
    this.#metrics.reload(false);
    const message = `configuration not reloaded (${why}), the old one stays: ${problems[0]}`;
    this.events.emit('error', 'config.reload', message, { problems });
    return { ok: false, version: this.#snapshot.version, problems };
  }

  #watchFiles(): void {
    const onChange = (): void => {
      if (digestOf(this.#files) !== this.#digest) {
        this.#digest = digestOf(this.#files); // a broken file is reported once, not every second
        void this.reload('file changed');
      }
    };
    for (const file of this.#files) watchFile(file, { interval: WATCH_MS, persistent: false }, onChange);
  }

  #watchGeo(): void {
    this.#geo.onReplaced((files) => {
      this.#supervisor.setGeo(files);
      void this.#placeAnew();
    });
  }

  /** Endpoints that only GeoIP can place may be elsewhere by new databases: the same configuration, compiled once more. */
  #placeAnew(): Promise<void> {
    const placed = this.#reloading.then(async () => {
      const isRunning = this.#notReady === null;
      if (isRunning && this.#config.pools.some(({ endpoints }) => endpoints.some(isPlacedByGeo)))
        await this.#install(this.#config);
    });
    this.#reloading = placed.catch((error: unknown) => {
      this.events.emit('error', 'geoip.endpoints', `endpoints stay where the old databases had them: ${error}`);
    });
    return placed.catch(() => {});
  }

  /** Rejects with the old one still, or again, open. */
  async #replaceAdmin(from: Config, to: Config): Promise<void> {
    if (JSON.stringify(to.admin) === JSON.stringify(from.admin)) return;
    const old = this.#admin;
    const isSamePlace = JSON.stringify(to.admin.address) === JSON.stringify(from.admin.address);
    // Never awaited: the request for this reload may come from that very server, which lets it finish.
    if (isSamePlace) void old?.close();
    try {
      this.#admin = await this.#openAdmin(to);
    } catch (error) {
      if (isSamePlace) this.#admin = await this.#openAdmin(from);
      throw error;
    }
    if (!isSamePlace) void old?.close();
  }

  async #openAdmin(config: Config): Promise<AdminServer | null> {
    const { address, token } = config.admin;
    if (address === null) return null;
    const host = address.host.includes(':') ? `[${address.host}]` : address.host;
    return startAdmin({ api: this, address: `${host}:${address.port}`, token });
  }

  #placeOf(ip: string): LatLon | null {
    const place = this.#geo.lookup(ip);
    if (place === null || place.latDeg === null || place.lonDeg === null) return null;
    return { latDeg: place.latDeg, lonDeg: place.lonDeg };
  }

  // ── ControlApi ───────────────────────────────────────────────────────────────────────────────────────────────────

  notReadyBecause(): string | null {
    return this.#notReady ?? (this.#fleet.anyKnown() ? null : 'no endpoint is known yet');
  }

  endpoints(): ReturnType<ControlApi['endpoints']> {
    return this.#fleet.endpoints();
  }

  routes(): ReturnType<ControlApi['routes']> {
    return routeViews(this.#snapshot);
  }

  config(): unknown {
    return redact(this.#config);
  }

  explain(query: ExplainQuery): Explanation | Refusal {
    return this.#explain(query);
  }

  decisions(query: DecisionsQuery): Promise<readonly DecisionRecord[]> {
    return this.#decisions.recent(query);
  }

  drain(id: string): Refusal | null {
    return this.#fleet.drain(id);
  }

  enable(id: string): Refusal | null {
    return this.#fleet.enable(id);
  }

  metrics(): Promise<string> {
    return this.#metrics.text();
  }

  node(): NodeView {
    const geo = this.#geo.info();
    return {
      id: this.#config.node.id,
      version: this.#options.version,
      node: process.version,
      region: this.#config.node.region,
      location: this.#config.node.location,
      workers: this.#snapshot.lanes,
      listeners: this.listeners(),
      geoip: geo.source === 'none' ? null : { source: geo.source, built: geo.built },
      snapshotVersion: this.#snapshot.version,
      startedAt: this.startedAt,
    };
  }

  /** Where clients connect, `:0` resolved. */
  listeners(): readonly ListenerView[] {
    return listenerViews(this.#snapshot, this.#supervisor.ports);
  }

  get adminUrl(): string | null {
    return this.#admin?.url ?? null;
  }
}
