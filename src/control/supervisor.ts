// Owner of the worker threads and their lanes: starts them, hands them Snapshots and databases, replaces those that die and
// drains them at the end. A dead worker's lane is folded into the totals before its successor gets an empty one, so counters
// never go back.

import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { clearCensus, newCensus } from '../core/census.ts';
import { LaneReader, newLane } from '../core/lane.ts';
import type { FromWorker, ProxyRefusal, SharedFile, TicketKeyring, ToWorker, WorkerBirth } from '../core/messages.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { EventLog } from './types.ts';

/** Deaths within a minute that make a crash loop. */
const LOOP_DEATHS = 5;
const LOOP_WINDOW_MS = 60_000;
const MAX_BACKOFF_MS = 30_000;
/**
 * A worker keeps little and throws away much: without limits V8 lets 16 MiB of young and 256 MiB of old garbage pile up
 * before it looks, and a burst of connections shows as memory that never comes back. Measured: 10,000 aborted requests
 * grow the process by 58 MB with V8's own limits and by 22 MB with these; CPU per request differs by less than the noise.
 */
const YOUNG_MIB = 12;
const FIRST_OLD_MIB = 16;
const UNPROXIED_EVERY_MS = 60_000;
const UNPROXIED: Readonly<Record<ProxyRefusal, string>> = {
  untrusted: 'it is not one of trustedProxies, so it may not send a PROXY header',
  malformed: 'it did not begin with a valid PROXY header',
  late: 'its PROXY header was not whole in time',
};
/** How long workers may take to install a Snapshot before that is reported. */
const INSTALL_MS = 10_000;

export interface SupervisorOptions {
  readonly lanes: number;
  readonly clock: () => number;
  readonly events: EventLog;
  readonly loopId: string;
  readonly connectionCap: number;
  /** Called before a dead worker's lane is thrown away. */
  readonly onLaneLost: (reader: LaneReader) => void;
  readonly onRestart: () => void;
  /** No worker has an exchange of a snapshot older than this. */
  readonly onQuiet: (version: number) => void;
}

/** A listener that could not be opened; `code` is the system's. */
export class ListenError extends Error {
  readonly listener: string;
  readonly code: string;

  constructor(listener: string, code: string, message: string) {
    super(message);
    this.listener = listener;
    this.code = code;
  }
}

interface Seat {
  readonly index: number;
  worker: Worker | null;
  laneBuffer: SharedArrayBuffer;
  reader: LaneReader;
  installed: number;
  quiet: number;
  isDrained: boolean;
  deathsAtMs: number[];
  restart: NodeJS.Timeout | null;
  /** Ends the wait for its next `installed`, `refused` or death. */
  wake: (() => void) | null;
  refusal: ListenError | null;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #census: SharedArrayBuffer;
  readonly #seats: Seat[] = [];
  #snapshot: Snapshot | null = null;
  #geo: readonly SharedFile[] = [];
  #tickets: TicketKeyring = {};
  readonly #addresses = new Map<string, readonly string[]>();
  #ports: Record<string, number> = {};
  #isStopping = false;
  #quiet = 0;
  #unproxiedFromMs = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    setFlagsFromString(`--initial-old-space-size=${FIRST_OLD_MIB}`); // of the isolates that start from now on
    // So little survives a small young generation that waking helpers for it costs more than it saves.
    setFlagsFromString('--no-parallel-scavenge');
    this.#census = newCensus(options.lanes);
    for (let index = 0; index < options.lanes; index++) this.#seats.push(newSeat(index));
  }

  lanes(): readonly { readonly index: number; readonly reader: LaneReader }[] {
    return this.#seats;
  }

  /** Ports by listener name, `:0` resolved. */
  get ports(): Readonly<Record<string, number>> {
    return this.#ports;
  }

  /** Resolves when every worker accepts connections; rejects with ListenError, having ended what it began. */
  async start(snapshot: Snapshot, geo: readonly SharedFile[]): Promise<void> {
    this.#snapshot = snapshot;
    this.#geo = geo;
    try {
      // The first one alone: it is the one that learns which ports `:0` gives.
      for (const seats of [this.#seats.slice(0, 1), this.#seats.slice(1)]) {
        for (const seat of seats) this.#spawn(seat);
        await Promise.all(seats.map((seat) => this.#untilInstalled(seat, snapshot.version)));
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Resolves when every worker has it. Rejects with ListenError when a listener could not be opened; then all have the old one. */
  async publish(snapshot: Snapshot): Promise<void> {
    const old = this.#snapshot;
    try {
      await this.#give(snapshot);
    } catch (error) {
      if (old !== null) await this.#give(old).catch(() => {});
      throw error;
    }
  }

  async #give(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
    for (const seat of this.#seats) seat.installed = 0;
    const [first, ...others] = this.#seats;
    for (const seats of [[first!], others]) {
      for (const seat of seats) this.#post(seat, { type: 'snapshot', snapshot, ports: this.#ports });
      await Promise.all(seats.map((seat) => this.#untilInstalled(seat, snapshot.version)));
    }
  }

  setGeo(files: readonly SharedFile[]): void {
    this.#geo = files;
    for (const seat of this.#seats) this.#post(seat, { type: 'geo', files });
  }

  /** From now on; before `start` or `publish`, for their Snapshot too. */
  setTickets(keys: TicketKeyring): void {
    this.#tickets = keys;
    for (const seat of this.#seats) this.#post(seat, { type: 'tickets', keys });
  }

  /** Addresses of a name; null = nobody needs it any more. */
  setAddresses(host: string, addresses: readonly string[] | null): void {
    if (addresses === null) this.#addresses.delete(host);
    else this.#addresses.set(host, addresses);
    for (const seat of this.#seats) this.#post(seat, { type: 'addresses', addresses: { [host]: addresses } });
  }

  /** Resolves when all workers have ended their exchanges, at the latest after both times and a little. */
  async drain(delayMs: number, timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    for (const seat of this.#seats) {
      if (seat.restart !== null) clearTimeout(seat.restart);
      this.#post(seat, { type: 'drain', delayMs, timeoutMs });
    }
    const untilMs = this.#options.clock() + delayMs + timeoutMs + 5000;
    while (this.#seats.some((seat) => seat.worker !== null && !seat.isDrained) && this.#options.clock() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const seat of this.#seats) if (seat.restart !== null) clearTimeout(seat.restart);
    await Promise.all(this.#seats.map((seat) => seat.worker?.terminate()));
  }

  #post(seat: Seat, message: ToWorker): void {
    seat.worker?.postMessage(message);
  }

  #spawn(seat: Seat): void {
    seat.restart = null;
    const birth: WorkerBirth = {
      lane: seat.index,
      laneBuffer: seat.laneBuffer,
      census: this.#census,
      snapshot: this.#snapshot!,
      geo: this.#geo,
      tickets: this.#tickets,
      addresses: Object.fromEntries(this.#addresses),
      loopId: this.#options.loopId,
      ports: this.#ports,
      connectionCap: this.#options.connectionCap,
    };
    seat.quiet = birth.snapshot.version;
    seat.installed = 0;
    const worker = new Worker(new URL('../worker.ts', import.meta.url), {
      workerData: birth,
      name: `fermat-${seat.index}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    seat.worker = worker;
    worker.on('message', (message: FromWorker) => this.#hear(seat, message));
    worker.on('error', (error: Error) => {
      const fields = { worker: seat.index, error: error.message, stack: error.stack };
      this.#options.events.emit('error', 'worker.error', `worker ${seat.index} failed: ${error.message}`, fields);
    });
    worker.on('exit', (code) => this.#onExit(seat, code));
  }

  #hear(seat: Seat, message: FromWorker): void {
    switch (message.type) {
      case 'installed':
        seat.installed = message.version;
        Object.assign(this.#ports, message.ports);
        break;
      case 'refused':
        seat.refusal = new ListenError(message.listener, message.code, message.message);
        break;
      case 'quiet':
        seat.quiet = message.version;
        this.#noteQuiet();
        return;
      case 'unproxied':
        this.#tellUnproxied(message.listener, message.address, message.why);
        return;
      case 'drained':
        seat.isDrained = true;
        return;
    }
    seat.wake?.();
  }

  /** Every worker says so once a minute; once is enough of all of them. */
  #tellUnproxied(listener: string, address: string, why: ProxyRefusal): void {
    const nowMs = this.#options.clock();
    if (nowMs < this.#unproxiedFromMs) return;
    this.#unproxiedFromMs = nowMs + UNPROXIED_EVERY_MS;
    const message = `closed a connection from ${address} to ${listener}: ${UNPROXIED[why]}`;
    this.#options.events.emit('warn', 'listener.proxy', message, { listener, address, why });
  }

  #noteQuiet(): void {
    const version = Math.min(...this.#seats.map((seat) => seat.quiet));
    if (version <= this.#quiet) return;
    this.#quiet = version;
    this.#options.onQuiet(version);
  }

  #onExit(seat: Seat, code: number): void {
    const { events, clock, onLaneLost, onRestart } = this.#options;
    seat.worker = null;
    onLaneLost(seat.reader);
    seat.laneBuffer = newLane();
    seat.reader = new LaneReader(seat.laneBuffer);
    clearCensus(this.#census, seat.index);
    seat.wake?.();
    if (this.#isStopping) return;
    const nowMs = clock();
    seat.deathsAtMs = [...seat.deathsAtMs.filter((atMs) => nowMs - atMs < LOOP_WINDOW_MS), nowMs];
    const deaths = seat.deathsAtMs.length;
    const backoffMs = deaths <= 1 ? 0 : Math.min(MAX_BACKOFF_MS, 1000 * 2 ** (deaths - 2));
    const fields = { worker: seat.index, code, deathsInLastMinute: deaths, restartInMs: backoffMs };
    events.emit(
      'error',
      'worker.exit',
      `worker ${seat.index} ended with code ${code}; its successor starts in ${backoffMs} ms`,
      fields,
    );
    if (deaths === LOOP_DEATHS) events.emit('error', 'worker.loop', `worker ${seat.index} keeps dying`, fields);
    onRestart();
    seat.restart = setTimeout(() => this.#spawn(seat), backoffMs);
  }

  async #untilInstalled(seat: Seat, version: number): Promise<void> {
    const untilMs = this.#options.clock() + INSTALL_MS;
    while (seat.installed !== version && seat.refusal === null) {
      if (seat.worker === null && this.#isStopping) return;
      const leftMs = untilMs - this.#options.clock();
      if (leftMs <= 0)
        throw new Error(`worker ${seat.index} did not take up version ${version} within ${INSTALL_MS / 1000} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        seat.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      seat.wake = null;
    }
    const { refusal } = seat;
    seat.refusal = null;
    if (refusal !== null) throw refusal;
  }
}

function newSeat(index: number): Seat {
  const laneBuffer = newLane();
  return {
    index,
    worker: null,
    laneBuffer,
    reader: new LaneReader(laneBuffer),
    installed: 0,
    quiet: 0,
    isDrained: false,
    deathsAtMs: [],
    restart: null,
    wake: null,
    refusal: null,
  };
}
