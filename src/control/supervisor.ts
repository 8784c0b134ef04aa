// Owner of the worker threads and their lanes: starts them, hands them Snapshots and databases, replaces those that die or hang,
// and drains them at the end. A dead worker's lane is folded into the totals before its successor gets an empty one, so counters
// never go back. One worker's place is a seat (seat.ts).

import { setFlagsFromString } from 'node:v8';
import { clearCensus, newCensus } from '../core/census.ts';
import { type ListeningSocket, placeOf, shareOut } from '../core/handover.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import { newRateTable } from '../core/limit/table.ts';
import type { Drain, FromWorker, SharedFile } from '../core/messages.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { TraceBatch } from '../core/trace-spans.ts';
import { backoffMs, DeathAlarm } from './deaths.ts';
import { LOOK_MS } from './pulse.ts';
import { Seat, type SeatEvents } from './seat.ts';
import { Shedding } from './shedding.ts';
import { Told } from './told.ts';
import type { EventLog } from './types.ts';
import { UnproxiedTeller } from './unproxied.ts';

export { ListenError } from './seat.ts';

const FIRST_OLD_MIB = 16; // see seat.ts
/** How long workers may take to install a Snapshot before that is reported. */
const INSTALL_MS = 10_000;
/** How long they may take to name their sockets. */
const SOCKETS_MS = 5_000;
/** What draining workers get beyond their time before they are ended. */
const DRAIN_SLACK_MS = 5_000;

export interface SupervisorOptions {
  readonly lanes: number;
  readonly clock: () => number;
  readonly events: EventLog;
  readonly loopId: string;
  readonly connectionCap: number;
  /** Buckets of rate limits, for all workers (core/limit/table.ts). */
  readonly rateLimits?: SharedArrayBuffer;
  /** Called before a dead worker's lane is thrown away. */
  readonly onLaneLost: (reader: LaneReader) => void;
  readonly onRestart: () => void;
  readonly onSpans?: (batch: TraceBatch) => void;
  /** No worker has an exchange of a snapshot older than this. */
  readonly onQuiet: (version: number) => void;
}

export class Supervisor implements SeatEvents {
  readonly #options: SupervisorOptions;
  readonly #census: SharedArrayBuffer;
  readonly #rateLimits: SharedArrayBuffer;
  readonly #seats: Seat[] = [];
  readonly #alarm = new DeathAlarm();
  readonly #shedding: Shedding;
  readonly #unproxied: UnproxiedTeller;
  /** Whoever is born later is told it with his birth. */
  readonly told = new Told((message) => {
    for (const seat of this.#seats) seat.post(message);
  });
  #snapshot: Snapshot | null = null;
  #ports: Record<string, number> = {};
  /** By seat: sockets that are waiting for their worker. */
  #inherited: ListeningSocket[][] = [];
  /** Whoever dies before it listens ends the start: a socket it was to take over would be nobody's. */
  #isStarting = true;
  #isStopping = false;
  /** Nobody new sits down: he would open a socket of his own, and all sockets have just been counted. */
  #isHeld = false;
  #watch: NodeJS.Timeout | null = null;
  #quiet = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#shedding = new Shedding(options.events);
    this.#unproxied = new UnproxiedTeller(options.events);
    setFlagsFromString(`--initial-old-space-size=${FIRST_OLD_MIB}`); // of the isolates that start from now on
    // So little survives a small young generation that waking helpers for it costs more than it saves.
    setFlagsFromString('--no-parallel-scavenge');
    this.#census = newCensus(options.lanes);
    this.#rateLimits = options.rateLimits ?? newRateTable();
    for (let index = 0; index < options.lanes; index++) this.#seats.push(new Seat(index, this));
  }

  lanes(): readonly { readonly index: number; readonly reader: LaneReader }[] {
    return this.#seats;
  }

  /** Why requests are turned away now. */
  get shedding(): readonly string[] {
    return this.#shedding.reasons;
  }

  /** Ports by listener name, `:0` resolved. */
  get ports(): Readonly<Record<string, number>> {
    return this.#ports;
  }

  /**
   * Resolves when every worker accepts connections; rejects with ListenError, having ended what it began. `inherited`: sockets
   * of these listeners that are open already.
   */
  async start(
    snapshot: Snapshot,
    geo: readonly SharedFile[],
    inherited: readonly ListeningSocket[] = [],
  ): Promise<void> {
    this.#snapshot = snapshot;
    this.told.setGeo(geo);
    this.#inherited = shareOut(inherited, this.#seats.length);
    try {
      // The first one alone: it is the one that learns which ports `:0` gives.
      for (const seats of [this.#seats.slice(0, 1), this.#seats.slice(1)]) {
        if (this.#isStopping) throw new Error('it was told to end');
        for (const seat of seats) this.#spawn(seat);
        await Promise.all(seats.map((seat) => this.#untilInstalled(seat, snapshot.version)));
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#isStarting = false;
    this.#watch = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Resolves when every worker has it. Rejects with ListenError when a listener could not be opened; then all have the old one. */
  async publish(snapshot: Snapshot): Promise<void> {
    const old = this.#snapshot;
    const ports = this.#ports;
    try {
      this.#ports = portsKept(ports, old, snapshot);
      await this.#give(snapshot);
    } catch (error) {
      this.#ports = ports;
      if (old !== null) await this.#give(old).catch(() => {});
      throw error;
    }
  }

  /** Whoever has died, or dies over it, is born with it. */
  async #give(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
    for (const seat of this.#seats) seat.installed = 0;
    const [first, ...others] = this.#seats.filter((seat) => !seat.isEmpty);
    if (first === undefined) return;
    for (const seats of [[first], others]) {
      for (const seat of seats) seat.post({ type: 'snapshot', snapshot, ports: this.#ports });
      await Promise.all(seats.map((seat) => this.#untilInstalled(seat, snapshot.version)));
    }
    if (this.#seats.every(({ installed }) => installed !== snapshot.version))
      throw new Error(`every worker ended over version ${snapshot.version}`);
  }

  /** All sockets that workers listen on, and no others are opened until `release`. Rejects when a worker does not answer. */
  async hold(): Promise<ListeningSocket[]> {
    this.#isHeld = true;
    for (const seat of this.#seats) {
      seat.cancelRestart();
      seat.sockets = null;
      seat.post({ type: 'sockets' });
    }
    const untilMs = this.#options.clock() + SOCKETS_MS;
    for (const seat of this.#seats) {
      while (!seat.isEmpty && seat.sockets === null) {
        const leftMs = untilMs - this.#options.clock();
        if (leftMs <= 0) throw new Error(`worker ${seat.index} did not name its sockets within ${SOCKETS_MS / 1000} s`);
        await seat.news(leftMs);
      }
    }
    return this.#seats.flatMap((seat) => (seat.isEmpty ? [] : seat.sockets!));
  }

  /** Those who died meanwhile are replaced, when they have waited as long as if nothing had been held. */
  release(): void {
    this.#isHeld = false;
    if (this.#isStopping) return;
    for (const seat of this.#seats) if (seat.isEmpty && seat.restart === null) this.#spawnLater(seat);
  }

  /** Resolves when all workers have ended their exchanges, at the latest after both times and a little. */
  async drain(drain: Drain): Promise<void> {
    this.#isStopping = true;
    for (const seat of this.#seats) {
      seat.cancelRestart();
      seat.post({ type: 'drain', ...drain });
    }
    const { clock } = this.#options;
    const untilMs = clock() + drain.delayMs + drain.timeoutMs + DRAIN_SLACK_MS;
    for (const seat of this.#seats) {
      while (!seat.isEmpty && !seat.isDrained && clock() < untilMs) await seat.news(untilMs - clock());
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#watch !== null) clearInterval(this.#watch);
    for (const seat of this.#seats) seat.cancelRestart();
    await Promise.all(this.#seats.map((seat) => seat.end()));
  }

  #spawn(seat: Seat): void {
    const { loopId, connectionCap } = this.#options;
    seat.sit({
      census: this.#census,
      rateLimits: this.#rateLimits,
      snapshot: this.#snapshot!,
      ...this.told.all(),
      loopId,
      ports: this.#ports,
      inherited: this.#inherited[seat.index] ?? [],
      connectionCap,
    });
    this.#inherited[seat.index] = []; // closed with the worker that has them
  }

  /** A loop that does not turn accepts nothing and answers nobody: ended like one that died. */
  #look(): void {
    this.#shedding.look(this.#seats);
    for (const seat of this.#seats) {
      const looks = seat.look();
      if (looks === 0) continue;
      const message = `worker ${seat.index} has not answered for ${(looks * LOOK_MS) / 1000} s: it is ended`;
      this.#options.events.emit('error', 'worker.hung', message, { worker: seat.index });
      void seat.end();
    }
  }

  async #untilInstalled(seat: Seat, version: number): Promise<void> {
    const untilMs = this.#options.clock() + INSTALL_MS;
    while (seat.installed !== version && seat.refusal === null) {
      if (seat.isEmpty && this.#isStarting && !this.#isStopping)
        throw new Error(`worker ${seat.index} ended before it listened`);
      if (seat.isEmpty) return;
      const leftMs = untilMs - this.#options.clock();
      if (leftMs <= 0)
        throw new Error(`worker ${seat.index} did not take up version ${version} within ${INSTALL_MS / 1000} s`);
      await seat.news(leftMs);
    }
    const { refusal } = seat;
    seat.refusal = null;
    if (refusal !== null) throw refusal;
  }

  // ── what the seats tell ──────────────────────────────────────────────────────────────────────────────────────────

  onMessage(seat: Seat, message: FromWorker): void {
    if (message.type === 'installed') Object.assign(this.#ports, message.ports);
    else if (message.type === 'quiet') this.#noteQuiet();
    else if (message.type === 'unproxied') this.#unproxied.tell(message, this.#options.clock());
    else if (message.type === 'spans') {
      seat.post({ type: 'traced', spans: message.batch.spans });
      this.#options.onSpans?.(message.batch);
    }
  }

  onError(seat: Seat, error: Error): void {
    const fields = { worker: seat.index, error: error.message, stack: error.stack };
    this.#options.events.emit('error', 'worker.error', `worker ${seat.index} failed: ${error.message}`, fields);
  }

  onExit(seat: Seat, code: number): void {
    const { events, clock, onLaneLost, onRestart } = this.#options;
    onLaneLost(seat.reader);
    seat.leave();
    clearCensus(this.#census, seat.index);
    if (this.#isStopping || this.#isStarting) return;
    const deaths = seat.deaths.note(clock());
    const restartInMs = backoffMs(deaths);
    const fields = { worker: seat.index, code, deathsInLastMinute: deaths, restartInMs };
    const message = `worker ${seat.index} ended with code ${code}; its successor starts in ${restartInMs} ms`;
    events.emit('error', 'worker.exit', message, fields);
    const alarming = this.#alarm.note(clock());
    if (alarming > 0) events.emit('error', 'worker.loop', `workers keep dying: ${alarming} times in a minute`, fields);
    onRestart();
    seat.restartAtMs = clock() + restartInMs;
    if (!this.#isHeld) this.#spawnLater(seat);
  }

  #spawnLater(seat: Seat): void {
    seat.restart = setTimeout(() => this.#spawn(seat), Math.max(seat.restartAtMs - this.#options.clock(), 0));
  }

  #noteQuiet(): void {
    const version = Math.min(...this.#seats.map((seat) => seat.quiet));
    if (version <= this.#quiet) return;
    this.#quiet = version;
    this.#options.onQuiet(version);
  }
}

/** Those of listeners that stay at their address; one of the same name elsewhere has another port. */
function portsKept(ports: Readonly<Record<string, number>>, from: Snapshot | null, to: Snapshot) {
  const places = new Map(from?.listeners.map((spec) => [spec.name, placeOf(spec)]));
  const kept: Record<string, number> = {};
  for (const spec of to.listeners) {
    const port = ports[spec.name];
    if (port !== undefined && places.get(spec.name) === placeOf(spec)) kept[spec.name] = port;
  }
  return kept;
}
