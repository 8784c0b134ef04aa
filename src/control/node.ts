// One running node, from the first listener to the end of the drain: it owns every slow loop (parts.ts), begins and ends them.
// How a configuration becomes what runs is running.ts; when it is read anew, reloads.ts; how another process takes over,
// succession.ts. Of what the admin API may ask, only what concerns its life is here; the rest is asked.ts.

import { nowMs } from '../clock.ts';
import { belongsTo } from '../core/handover.ts';
import { Asked } from './asked.ts';
import type { Config } from './config/config.ts';
import type { Loaded } from './config/load.ts';
import { GeoDb } from './geodb.ts';
import { claim, type Handover } from './handover.ts';
import { type NodeOptions, Parts } from './parts.ts';
import { whyNotListenAll } from './ports.ts';
import type { Predecessor } from './predecessor.ts';
import type { Running } from './running.ts';
import { ListenError } from './supervisor.ts';
import type { ControlApi, EventLog, NodeView } from './types.ts';
import { type ListenerView, listenerViews, nodeView } from './views.ts';

export type { NodeOptions } from './parts.ts';

/** Who is connected to the admin API of a process that was replaced may ask once more within this time, ms. */
const ADMIN_GRACE_MS = 1000;
/** A successor waits this long for the first probe of endpoints that nobody knew, ms. */
const FIRST_PROBES_MS = 3000;

export class FermatNode extends Asked implements ControlApi {
  readonly startedAt = new Date().toISOString();
  readonly events: EventLog;
  readonly #options: NodeOptions;
  readonly #parts: Parts;
  #notReady: string | null = 'starting';
  #isRetired = false;

  /** Reads the databases and compiles the configuration; nothing listens yet. */
  static async create(options: NodeOptions, loaded: Extract<Loaded, { ok: true }>): Promise<FermatNode> {
    const geo = await GeoDb.open([...loaded.config.geoipDatabases], options.events);
    return new FermatNode(options, loaded, geo);
  }

  private constructor(options: NodeOptions, loaded: Extract<Loaded, { ok: true }>, geo: GeoDb) {
    super(() => this.#parts);
    this.#options = options;
    this.events = options.events;
    const owner = {
      api: this,
      onGeoReplaced: () => this.#placeAnew(),
      whyNotReload: () => (this.#isEnding ? 'the node is shutting down' : null),
      whyNotReplace: () => (this.#notReady === null ? null : `it is ${this.#notReady}`),
    };
    this.#parts = new Parts(options, owner, loaded, geo);
  }

  get #running(): Running {
    return this.#parts.running;
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
  start(handover: Handover | null = null): Promise<void> {
    return this.#parts.reloads.alone(() => this.#start(handover)); // who asks for a reload meanwhile gets it afterwards
  }

  async #start(handover: Handover | null): Promise<void> {
    const { listeners } = this.#running.snapshot;
    const inherited = handover === null ? [] : claim(handover.sockets, listeners);
    const ours = listeners.filter((spec) => inherited.some((socket) => belongsTo(socket, spec)));
    const [problem] = await whyNotListenAll(listeners, ours);
    if (problem !== undefined) throw new Error(problem);
    await this.#running.find(handover?.discovered);
    if (this.#isEnding) return; // told so meanwhile
    const { snapshot, compiled, geo } = this.#running;
    this.#parts.fleet.install(snapshot, compiled.probes);
    if (handover !== null) this.#takeOver(handover);
    this.#running.watchGeo();
    if (handover === null) await this.#running.openAdmin();
    this.#running.giveTickets();
    this.#running.keepNames();
    if (handover !== null) this.#parts.names.recall(handover.names);
    this.#parts.redis.use(this.#config.state.redis);
    this.#parts.share.start();
    this.#parts.tickets.start();
    this.#parts.limits.install(snapshot);
    this.#parts.limits.start();
    this.#parts.localities.install(snapshot);
    this.#parts.localities.start();
    this.#parts.fleet.start();
    this.#parts.live.start();
    this.#parts.prober.install(snapshot, compiled.probes);
    this.#parts.overlay.install(this.#config, snapshot);
    this.#parts.tracing.install(this.#config.tracing);
    if (handover !== null) await this.#untilKnown();
    await this.#parts.share.ready();
    try {
      this.#parts.accessLogs.check(this.#config.logging);
      this.#parts.accessLogs.use(this.#config.logging);
      await this.#parts.supervisor.start(snapshot, geo.files, inherited);
      // Last: until then whoever asks, asks the one that serves.
      if (handover !== null) await this.#running.openAdmin(handover.admin);
    } catch (error) {
      await this.stop();
      throw error instanceof ListenError ? new Error(`listener ${error.listener}: ${error.message}`) : error;
    }
    if (this.#isEnding) return; // told so meanwhile
    this.#parts.reloads.watch();
    this.#parts.discovery.open();
    this.#parts.registrations.start();
    this.#notReady = null;
    this.#running.warn();
    this.events.emit('info', 'node.ready', `serving with ${snapshot.lanes} worker(s)`, {
      node: this.#config.node.id,
      pid: process.pid,
    });
  }

  inheritFrom(predecessor: Predecessor): void {
    this.#parts.succession.inheritFrom(predecessor);
  }

  #takeOver({ version, memory, tickets }: Handover): void {
    this.#parts.tickets.adopt(tickets);
    const recalled = this.#parts.fleet.recall(memory);
    const message = `taking over from version ${version}; it knew ${recalled} of the endpoints`;
    this.events.emit('info', 'node.successor', message, { pid: process.pid, recalled });
  }

  /** Its first requests come the moment it listens: until it knows every endpoint, and where data is, the other one serves. */
  async #untilKnown(): Promise<void> {
    const untilMs = nowMs() + FIRST_PROBES_MS;
    const { fleet, localities } = this.#parts;
    const isKnown = () => fleet.allKnown() && localities.notReadyBecause() === null;
    while (!isKnown() && nowMs() < untilMs) await after(20);
  }

  /** Not ready at once; returns when the last exchange has ended or the time is up. */
  async shutDown(): Promise<void> {
    this.#notReady = 'draining';
    this.#parts.succession.abandon('the running process was told to end');
    const { drainDelayMs, drainTimeoutMs } = this.#running.snapshot;
    const fields = { drainDelayMs, drainTimeoutMs };
    this.events.emit('info', 'node.draining', 'draining: still accepting, answers close their connections', fields);
    await this.#parts.supervisor.drain({ delayMs: drainDelayMs, timeoutMs: drainTimeoutMs, isHandedOver: false });
    await this.stop();
  }

  /** A successor accepts: only what was begun here is ended here. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    this.#notReady = 'draining';
    this.#parts.reloads.unwatch();
    this.#running.admin?.retire();
    this.#parts.registrations.stop();
    void this.#parts.discovery.stop();
    const { drainTimeoutMs } = this.#running.snapshot;
    const drained = this.#parts.supervisor.drain({ delayMs: 0, timeoutMs: drainTimeoutMs, isHandedOver: true });
    await Promise.all([drained, after(ADMIN_GRACE_MS)]);
    await this.stop();
    await this.#parts.succession.conclude(drainTimeoutMs);
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    this.#notReady = 'stopping';
    this.#parts.reloads.unwatch();
    this.#running.geo.close();
    this.#parts.tickets.stop();
    this.#parts.fleet.stop();
    this.#parts.live.stop();
    this.#parts.names.close();
    this.#parts.limits.stop();
    this.#parts.localities.stop();
    this.#parts.overlay.stop();
    await this.#parts.share.stop();
    this.#parts.redis.destroy();
    const { supervisor, prober, discovery, registrations } = this.#parts;
    registrations.stop();
    await Promise.all([
      supervisor.stop(),
      this.#parts.tracing.stop(),
      prober.stop(),
      discovery.stop(),
      this.#running.admin?.close(),
    ]);
    await this.#parts.accessLogs.stop(); // last: until then workers have lines
  }

  #placeAnew(): void {
    const placed = this.#parts.reloads.alone(async () => {
      if (this.#notReady === null) await this.#running.placeAnew();
    });
    placed.catch((error: unknown) => {
      this.events.emit('error', 'geoip.endpoints', `endpoints stay where the old databases had them: ${error}`);
    });
  }

  // ── ControlApi ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whoever still asks a process that was replaced asks for the place where the other one serves. */
  notReadyBecause(): string | null {
    if (this.#isRetired) return null;
    const { discovery, fleet, localities } = this.#parts;
    const waiting = this.#notReady ?? discovery.whyNotReady(this.#config, this.#running.snapshot.endpoints.length);
    return waiting ?? localities.notReadyBecause() ?? (fleet.anyKnown() ? null : 'no endpoint is known yet');
  }

  node(): NodeView {
    const { version } = this.#options;
    return nodeView(this.#running, this.#parts, { version, startedAt: this.startedAt, listeners: this.listeners() });
  }

  /** Where clients connect, `:0` resolved. */
  listeners(): readonly ListenerView[] {
    return listenerViews(this.#running.snapshot, this.#parts.supervisor.ports);
  }

  get adminUrl(): string | null {
    return this.#running.admin?.url ?? null;
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
