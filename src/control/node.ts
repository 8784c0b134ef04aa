// One running node: the control plane put together, and its life from the first listener to the end of the drain. It owns every
// slow loop. How a configuration becomes what runs is running.ts; when it is read anew, reloads.ts. Implements what the admin
// API may ask.

import { randomBytes } from 'node:crypto';
import { nowMs } from '../clock.ts';
import { belongsTo } from '../core/handover.ts';
import type { LaneReader } from '../core/lane.ts';
import type { Config } from './config/config.ts';
import type { Loaded, Overrides } from './config/load.ts';
import { redact } from './config/redact.ts';
import { type DecisionRecord, Decisions, type DecisionsQuery } from './decisions.ts';
import { createExplain } from './explain.ts';
import { Fleet } from './fleet.ts';
import { GeoDb } from './geodb.ts';
import { claim, type Handover } from './handover.ts';
import { Metrics } from './metrics.ts';
import { Names } from './names.ts';
import { whyNotListenAll } from './ports.ts';
import { Prober } from './prober.ts';
import { Reloads } from './reloads.ts';
import { Running } from './running.ts';
import { Succession } from './succession.ts';
import { ListenError, Supervisor } from './supervisor.ts';
import { connectionCap } from './system.ts';
import { TicketKeys } from './tickets.ts';
import type {
  ControlApi,
  EventLog,
  ExplainQuery,
  Explanation,
  NodeView,
  Refusal,
  ReloadResult,
  ReplaceResult,
} from './types.ts';
import { type ListenerView, listenerViews, routeViews } from './views.ts';

export interface NodeOptions {
  readonly configFile: string | null;
  readonly overrides: Overrides;
  readonly events: EventLog;
  readonly version: string;
  /** Another process accepts in its place: it is to `retire`. */
  readonly onReplaced?: () => void;
}

/** Who is connected to the admin API of a process that was replaced may ask once more within this time, ms. */
const ADMIN_GRACE_MS = 1000;
/** A successor waits this long for the first probe of endpoints that nobody knew, ms. */
const FIRST_PROBES_MS = 3000;

export class FermatNode implements ControlApi {
  readonly startedAt = new Date().toISOString();
  readonly events: EventLog;
  readonly #options: NodeOptions;
  readonly #running: Running;
  readonly #reloads: Reloads;
  readonly #succession: Succession;
  readonly #supervisor: Supervisor;
  readonly #tickets: TicketKeys;
  readonly #fleet: Fleet;
  readonly #names: Names;
  readonly #prober: Prober;
  readonly #metrics: Metrics;
  readonly #explain: (query: ExplainQuery) => Explanation | Refusal;
  readonly #decisions: Decisions;
  #notReady: string | null = 'starting';
  #isRetired = false;

  /** Reads the databases and compiles the configuration; nothing listens yet. */
  static async create(options: NodeOptions, loaded: Extract<Loaded, { ok: true }>): Promise<FermatNode> {
    const geo = await GeoDb.open([...loaded.config.geoipDatabases], options.events);
    return new FermatNode(options, loaded, geo);
  }

  private constructor(options: NodeOptions, loaded: Extract<Loaded, { ok: true }>, geo: GeoDb) {
    const { events } = options;
    this.#options = options;
    this.events = events;
    const lanes = process.platform === 'linux' ? loaded.config.workers : 1; // SO_REUSEPORT spreads connections only there
    this.#supervisor = this.#newSupervisor(lanes);
    this.#tickets = new TicketKeys((keys) => this.#supervisor.setTickets(keys));
    this.#metrics = this.#newMetrics();
    this.#decisions = new Decisions({
      node: () => this.#config.node.id,
      edge: () => this.#config.node.location,
      onRegret: (pool, kind, ms) => this.#metrics.regret(pool, kind, ms),
    });
    this.#fleet = this.#newFleet();
    this.#names = this.#newNames();
    this.#prober = new Prober({
      clock: nowMs,
      random: Math.random,
      names: this.#names,
      onResult: (slot, generation, result) => this.#fleet.probed(slot, generation, result),
      events,
    });
    const parts = {
      api: this,
      events,
      fleet: this.#fleet,
      names: this.#names,
      prober: this.#prober,
      supervisor: this.#supervisor,
      tickets: this.#tickets,
      onGeoReplaced: () => this.#placeAnew(),
    };
    this.#running = new Running(parts, loaded.config, geo, lanes);
    this.#reloads = this.#newReloads(loaded);
    this.#succession = this.#newSuccession();
    this.#explain = createExplain({
      snapshot: () => this.#running.snapshot,
      fleet: this.#fleet,
      geo: () => this.#running.geo,
    });
  }

  #newSupervisor(lanes: number): Supervisor {
    return new Supervisor({
      lanes,
      clock: nowMs,
      events: this.events,
      loopId: randomBytes(9).toString('hex'),
      connectionCap: connectionCap(lanes),
      onLaneLost: (reader: LaneReader) => this.#metrics.fold(reader),
      onRestart: () => this.#metrics.workerRestarted(),
      onQuiet: (version) => this.#running.quiet(version),
    });
  }

  #newMetrics(): Metrics {
    return new Metrics({
      lanes: () => this.#supervisor.lanes(),
      names: () => this.#running.compiled.names,
      endpoints: () => this.#fleet.endpoints(),
      geo: () => this.#running.geo.info(),
      listeners: () => this.#running.snapshot.listeners,
      version: this.#options.version,
    });
  }

  #newNames(): Names {
    return new Names({
      clock: nowMs,
      events: this.events,
      onChange: (host, addresses) => this.#supervisor.setAddresses(host, addresses),
      onAsked: (result) => this.#metrics.asked(result),
    });
  }

  #newFleet(): Fleet {
    return new Fleet({
      clock: nowMs,
      random: Math.random,
      events: this.events,
      lanes: () => this.#supervisor.lanes().map(({ reader }) => reader),
      counters: this.#metrics,
      edge: () => this.#config.node.location,
      decisions: this.#decisions,
    });
  }

  #newReloads(loaded: Extract<Loaded, { ok: true }>): Reloads {
    const { configFile, overrides, events } = this.#options;
    const onResult = (ok: boolean): void => this.#metrics.reload(ok);
    const whyNot = (): string | null => (this.#isEnding ? 'the node is shutting down' : null);
    return new Reloads({ configFile, overrides, events, whyNot, onResult }, this.#running, loaded);
  }

  #newSuccession(): Succession {
    return new Succession({
      events: this.events,
      fleet: this.#fleet,
      running: this.#running,
      supervisor: this.#supervisor,
      tickets: this.#tickets,
      version: this.#options.version,
      alone: (work) => this.#reloads.alone(work),
      whyNot: () => (this.#notReady === null ? null : `it is ${this.#notReady}`),
      onReplaced: () => this.#options.onReplaced?.(),
    });
  }

  get #config(): Config {
    return this.#running.config;
  }

  /** Another process serves in its place. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  get #isEnding(): boolean {
    return this.#notReady === 'draining' || this.#notReady === 'stopping';
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Resolves when every listener accepts connections. Rejects with a sentence for people, having ended what it began.
   * `handover`: from a process that runs, and goes on until this resolves.
   */
  async start(handover: Handover | null = null): Promise<void> {
    const { snapshot, compiled, geo } = this.#running;
    const inherited = handover === null ? [] : claim(handover.sockets, snapshot.listeners);
    const ours = snapshot.listeners.filter((spec) => inherited.some((socket) => belongsTo(socket, spec)));
    const [problem] = await whyNotListenAll(snapshot.listeners, ours);
    if (problem !== undefined) throw new Error(problem);
    this.#fleet.install(snapshot, compiled.probes);
    if (handover !== null) this.#takeOver(handover);
    this.#running.watchGeo();
    if (handover === null) await this.#running.openAdmin();
    this.#running.giveTickets();
    this.#running.keepNames();
    this.#tickets.start();
    this.#fleet.start();
    this.#prober.install(snapshot, compiled.probes);
    if (handover !== null) await this.#untilKnown();
    try {
      await this.#supervisor.start(snapshot, geo.files, inherited);
      // Last: until then whoever asks, asks the one that serves.
      if (handover !== null) await this.#running.openAdmin(handover.admin);
    } catch (error) {
      await this.stop();
      throw error instanceof ListenError ? new Error(`listener ${error.listener}: ${error.message}`) : error;
    }
    this.#reloads.watch();
    this.#notReady = null;
    this.#running.warn();
    this.events.emit('info', 'node.ready', `serving with ${snapshot.lanes} worker(s)`, {
      node: this.#config.node.id,
      pid: process.pid,
    });
  }

  #takeOver({ version, memory, tickets }: Handover): void {
    this.#tickets.adopt(tickets);
    const recalled = this.#fleet.recall(memory);
    const message = `taking over from version ${version}; it knew ${recalled} of the endpoints`;
    this.events.emit('info', 'node.successor', message, { pid: process.pid, recalled });
  }

  /** Its first requests come the moment it listens: until somebody has looked at every endpoint, the other one serves. */
  async #untilKnown(): Promise<void> {
    const untilMs = nowMs() + FIRST_PROBES_MS;
    while (!this.#fleet.allKnown() && nowMs() < untilMs) await after(20);
  }

  /** Not ready at once; returns when the last exchange has ended or the time is up. */
  async shutDown(): Promise<void> {
    this.#notReady = 'draining';
    this.#succession.abandon('the running process was told to end');
    const { drainDelayMs, drainTimeoutMs } = this.#running.snapshot;
    const fields = { drainDelayMs, drainTimeoutMs };
    this.events.emit('info', 'node.draining', 'draining: still accepting, answers close their connections', fields);
    await this.#supervisor.drain({ delayMs: drainDelayMs, timeoutMs: drainTimeoutMs, isHandedOver: false });
    await this.stop();
  }

  /** A successor accepts: only what was begun here is ended here. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    this.#notReady = 'draining';
    this.#reloads.unwatch();
    this.#running.admin?.retire();
    const { drainTimeoutMs } = this.#running.snapshot;
    const drained = this.#supervisor.drain({ delayMs: 0, timeoutMs: drainTimeoutMs, isHandedOver: true });
    await Promise.all([drained, after(ADMIN_GRACE_MS)]);
    await this.stop();
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    this.#notReady = 'stopping';
    this.#reloads.unwatch();
    this.#running.geo.close();
    this.#tickets.stop();
    this.#fleet.stop();
    this.#names.close();
    await Promise.all([this.#supervisor.stop(), this.#prober.stop(), this.#running.admin?.close()]);
  }

  #placeAnew(): void {
    const placed = this.#reloads.alone(async () => {
      if (this.#notReady === null) await this.#running.placeAnew();
    });
    placed.catch((error: unknown) => {
      this.events.emit('error', 'geoip.endpoints', `endpoints stay where the old databases had them: ${error}`);
    });
  }

  // ── ControlApi ───────────────────────────────────────────────────────────────────────────────────────────────────

  reload(why: string): Promise<ReloadResult> {
    return this.#reloads.reload(why);
  }

  replace(why: string): Promise<ReplaceResult> {
    return this.#succession.replace(why);
  }

  /** Whoever still asks a process that was replaced asks for the place where the other one serves. */
  notReadyBecause(): string | null {
    if (this.#isRetired) return null;
    return this.#notReady ?? (this.#fleet.anyKnown() ? null : 'no endpoint is known yet');
  }

  endpoints(): ReturnType<ControlApi['endpoints']> {
    return this.#fleet.endpoints();
  }

  routes(): ReturnType<ControlApi['routes']> {
    return routeViews(this.#running.snapshot);
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
    const { snapshot, geo } = this.#running;
    const { source, built } = geo.info();
    return {
      id: this.#config.node.id,
      pid: process.pid,
      version: this.#options.version,
      node: process.version,
      region: this.#config.node.region,
      location: this.#config.node.location,
      workers: snapshot.lanes,
      listeners: this.listeners(),
      geoip: source === 'none' ? null : { source, built },
      snapshotVersion: snapshot.version,
      shedding: this.#supervisor.shedding,
      startedAt: this.startedAt,
    };
  }

  /** Where clients connect, `:0` resolved. */
  listeners(): readonly ListenerView[] {
    return listenerViews(this.#running.snapshot, this.#supervisor.ports);
  }

  get adminUrl(): string | null {
    return this.#running.admin?.url ?? null;
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
