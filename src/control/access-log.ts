// The access log of the node: the rings that workers put lines in (core/access-log.ts), and the thread that takes them out and
// writes them (access-log/thread.ts). The thread starts with the first configuration that wants a log, and stays; a slow disk or
// a reader that stands still holds up nobody but it; should it die, another goes on in its place. What was dropped is counted
// here, and told once a minute.

import { closeSync, statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type AccessLogSpec, BELL, countsOf, newBell, newRing, ring } from '../core/access-log.ts';
import { openLog } from './access-log/file.ts';
import type { FromWriter, ToWriter, WriterBirth } from './access-log/messages.ts';
import type { Config } from './config/config.ts';
import type { EventLog } from './types.ts';

/** How often it is looked whether lines were dropped. */
const LOOK_MS = 1000;
/** They are told of at most so often. */
const TELL_MS = 60_000;
/** What the writer gets for what is left, when the node ends. */
const STOP_MS = 2000;
/** Beyond it the node does not wait even for the writer's own word. */
const SLACK_MS = 500;
/** A writer that has died has a successor after so long, which finds in the rings what it left there. */
const REPLACE_MS = 500;
/** Of a process that ends at once. */
const EXIT_MS = 500;

type Logging = Config['logging'];

export class AccessLogs {
  readonly #events: EventLog;
  readonly #clock: () => number;
  readonly #lanes: number;
  readonly #rings: SharedArrayBuffer[] = [];
  readonly #bell = newBell();
  readonly #words = new Int32Array(this.#bell);
  /** Totals, which the 32 bits of the rings are too few for; and the last that was read of each ring. */
  #lines = 0;
  #dropped = 0;
  readonly #last: { lines: number; dropped: number }[] = [];
  #lastLost = 0;
  #told = 0;
  #tellFromMs = 0;
  /** There is a writer from then on, but for moments. */
  #isStarted = false;
  #isEnding = false;
  #writer: Worker | null = null;
  #replacing: NodeJS.Timeout | null = null;
  #writerEnded: Promise<void> = Promise.resolve();
  #file: string | null = null;
  #watch: NodeJS.Timeout | null = null;
  readonly #onExit = (): void => this.#endAtOnce();

  constructor(options: { readonly events: EventLog; readonly clock: () => number; readonly lanes: number }) {
    this.#events = options.events;
    this.#clock = options.clock;
    this.#lanes = options.lanes;
  }

  /** For the Snapshot: null = nothing is written. Rings are made when they are first asked for. */
  specOf({ access, accessLog }: Logging): AccessLogSpec | null {
    if (access === 'off') return null;
    while (this.#rings.length < this.#lanes) {
      this.#rings.push(newRing());
      this.#last.push({ lines: 0, dropped: 0 });
    }
    const { file: _, ...what } = accessLog;
    return { format: access, ...what, rings: this.#rings, bell: this.#bell };
  }

  /** Throws a sentence for people when the file cannot be written to; changes nothing. */
  check({ access, accessLog: { file } }: Logging): void {
    if (access === 'off' || file === null) return;
    // To whoever reads a FIFO, an end that is opened and closed is the end of it.
    if (statSync(file, { throwIfNoEntry: false })?.isFIFO() === true) return;
    try {
      const fd = openLog(file);
      if (fd !== null) closeSync(fd);
    } catch (error) {
      throw new Error(`logging.accessLog.file: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Lines go there from now on, to a file that is opened anew (it may have been moved away). */
  use({ access, accessLog: { file } }: Logging): void {
    if (access === 'off') return; // what is left still goes where it went
    this.#file = file;
    if (!this.#isStarted) this.#start();
    else this.#post({ type: 'use', file });
  }

  /** Of the node so far, workers that have died included. */
  counts(): { readonly lines: number; readonly dropped: number } {
    this.#rings.forEach((buffer, i) => {
      const now = countsOf(buffer);
      const last = this.#last[i]!;
      this.#lines += (now.lines - last.lines) >>> 0;
      this.#dropped += (now.dropped - last.dropped) >>> 0;
      this.#last[i] = now;
    });
    const lost = Atomics.load(this.#words, BELL.LOST);
    this.#dropped += (lost - this.#lastLost) >>> 0;
    this.#lastLost = lost;
    return { lines: this.#lines, dropped: this.#dropped };
  }

  /** Resolves when everything is written that was put in, or the time for it is over. The workers have ended. */
  async stop(): Promise<void> {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
    if (!this.#isStarted) return;
    process.off('exit', this.#onExit);
    this.#isEnding = true;
    if (this.#replacing !== null) clearTimeout(this.#replacing);
    if (this.#writer === null) this.#begin(); // somebody must write what is left
    this.#askToEnd(STOP_MS);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_MS + SLACK_MS);
    });
    await Promise.race([this.#writerEnded, late]);
    clearTimeout(timer);
    this.#writer = null;
    this.#look(true);
  }

  #start(): void {
    this.#isStarted = true;
    process.once('exit', this.#onExit);
    this.#watch = setInterval(() => this.#look(false), LOOK_MS).unref();
    this.#begin();
  }

  #begin(): void {
    const workerData: WriterBirth = { rings: this.#rings, bell: this.#bell, file: this.#file };
    const writer = new Worker(new URL('./access-log/thread.ts', import.meta.url), {
      workerData,
      name: 'fermat-log',
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 },
    });
    writer.unref();
    writer.on('message', (message: FromWriter) => this.#hear(message));
    let why = 'it ended unasked';
    writer.on('error', (error: Error) => {
      why = error.message;
    });
    this.#writerEnded = new Promise((resolve) => {
      writer.once('exit', () => {
        this.#replace(why);
        resolve();
      });
    });
    this.#writer = writer;
  }

  #replace(why: string): void {
    this.#writer = null;
    if (this.#isEnding) return;
    this.#events.emit('error', 'access.writer', `the writer of the access log died and is replaced: ${why}`);
    this.#replacing = setTimeout(() => this.#begin(), REPLACE_MS).unref();
  }

  /** To a writer that is not there it need not be said: its successor is told at its birth. */
  #post(message: ToWriter): void {
    this.#writer?.postMessage(message);
    ring(this.#words);
  }

  #hear({ message }: FromWriter): void {
    this.#events.emit('error', 'access.file', message, { file: this.#file });
  }

  #look(isLast: boolean): void {
    const { dropped } = this.counts();
    const nowMs = this.#clock();
    const more = dropped - this.#told;
    if (more === 0 || (!isLast && nowMs < this.#tellFromMs)) return;
    this.#told = dropped;
    this.#tellFromMs = nowMs + TELL_MS;
    const where = this.#file ?? 'stdout';
    const message = `${more} lines of the access log were dropped: ${where} does not take them as fast as they come`;
    this.#events.emit('warn', 'access.dropped', message, { dropped: more, total: dropped, file: this.#file });
  }

  #askToEnd(ms: number): void {
    Atomics.store(this.#words, BELL.STOP, ms);
    ring(this.#words);
  }

  /** Nothing asynchronous happens any more: what is in the rings is written while this thread waits. */
  #endAtOnce(): void {
    this.#askToEnd(EXIT_MS);
    Atomics.wait(this.#words, BELL.ENDED, 0, EXIT_MS);
  }
}
