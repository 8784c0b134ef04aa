// One worker's place: the thread that sits there now, its lane, and what it was last heard to say. A thread that has ended
// leaves the seat empty; when another is to sit down is the supervisor's business. Its lane is thrown away with it.

import { Worker } from 'node:worker_threads';
import type { ListeningSocket } from '../core/handover.ts';
import { newLane } from '../core/lane.ts';
import { LaneReader } from '../core/lane-reader.ts';
import type { FromWorker, ToWorker, WorkerBirth } from '../core/messages.ts';
import { Deaths } from './deaths.ts';
import { Pulse } from './pulse.ts';

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

/** What the seat tells of its thread. */
export interface SeatEvents {
  onMessage(seat: Seat, message: FromWorker): void;
  /** Something nobody caught; its end follows. */
  onError(seat: Seat, error: Error): void;
  /** Its lane still holds what it counted; `leave` throws it away. */
  onExit(seat: Seat, code: number): void;
}

/**
 * A worker keeps little and throws away much: without limits V8 lets 16 MiB of young and 256 MiB of old garbage pile up
 * before it looks, and a burst of connections shows as memory that never comes back. Measured: 10,000 aborted requests
 * grow the process by 58 MB with V8's own limits and by 22 MB with these; CPU per request differs by less than the noise.
 */
const YOUNG_MIB = 12;

export class Seat {
  readonly index: number;
  readonly deaths = new Deaths();
  laneBuffer = newLane();
  reader = new LaneReader(this.laneBuffer);
  /** Version of the last Snapshot it took up, and the oldest one it has exchanges of. */
  installed = 0;
  quiet = 0;
  isDrained = false;
  /** What it listens on, when it was asked; null = it has not answered. */
  sockets: readonly ListeningSocket[] | null = null;
  refusal: ListenError | null = null;
  /** The next thread, when it has to wait; and until when. */
  restart: NodeJS.Timeout | null = null;
  restartAtMs = 0;
  readonly #events: SeatEvents;
  #worker: Worker | null = null;
  #pulse = new Pulse();
  readonly #waiting = new Set<() => void>();

  constructor(index: number, events: SeatEvents) {
    this.index = index;
    this.#events = events;
  }

  get isEmpty(): boolean {
    return this.#worker === null;
  }

  sit(birth: Omit<WorkerBirth, 'lane' | 'laneBuffer'>): void {
    this.restart = null;
    this.installed = 0;
    this.quiet = birth.snapshot.version;
    this.#pulse = new Pulse();
    const worker = new Worker(new URL('../worker.ts', import.meta.url), {
      workerData: { ...birth, lane: this.index, laneBuffer: this.laneBuffer } satisfies WorkerBirth,
      name: `fermat-${this.index}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => {
      this.#note(message);
      this.#events.onMessage(this, message);
      this.#wakeAll();
    });
    worker.on('error', (error: Error) => this.#events.onError(this, error));
    worker.on('exit', (code) => {
      this.#worker = null;
      this.#events.onExit(this, code);
      this.#wakeAll();
    });
  }

  #note(message: FromWorker): void {
    if (message.type === 'installed') this.installed = message.version;
    else if (message.type === 'refused')
      this.#refused(new ListenError(message.listener, message.code, message.message));
    else if (message.type === 'quiet') this.quiet = message.version;
    else if (message.type === 'sockets') this.sockets = message.sockets;
    else if (message.type === 'drained') this.isDrained = true;
  }

  /** Of a worker that nobody waits for (another one died) nobody would learn that it does not listen: it ends as well. */
  #refused(error: ListenError): void {
    if (this.#waiting.size > 0) this.refusal = error;
    else {
      this.#events.onError(this, error);
      void this.end();
    }
  }

  /** An empty lane for whoever sits here next. */
  leave(): void {
    this.laneBuffer = newLane();
    this.reader = new LaneReader(this.laneBuffer);
  }

  /** Nothing happens when nobody sits here. */
  post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  /** To be called every LOOK_MS. For how many looks its event loop has not turned, when that is too many; else 0. */
  look(): number {
    return this.#worker === null ? 0 : this.#pulse.look(this.reader.heartbeat);
  }

  cancelRestart(): void {
    if (this.restart !== null) clearTimeout(this.restart);
    this.restart = null;
  }

  async end(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Resolves with its next message or its end, at the latest after `ms`. */
  news(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
    });
  }

  #wakeAll(): void {
    for (const wake of this.#waiting) wake();
  }
}
