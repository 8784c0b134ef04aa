// Lines on stderr, written at once, so that the last words of a dying process are not lost in a buffer; but never waited for: a
// pipe whose reader stands still, or a terminal that was stopped (Ctrl-S), would hold probes, reloads and the drain for ever. What
// neither takes waits here, within bounds.

import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

const STDERR = 2;
/** What waits at most; what comes then is counted, and told of. `GET /api/v1/events` has it. */
const MAX_BYTES = 1024 * 1024;
const AGAIN_MS = 25;
/** What a reader may take at the end of the process. */
const LAST_WORDS_MS = 500;
const NEXT_LOOK_MS = 10;

export class Stderr {
  readonly #fd: number;
  readonly #onDropped: (lines: number) => void;
  #waiting: Buffer[] = [];
  #bytes = 0;
  #dropped = 0;
  /** Some of the first that waits is written. */
  #isBegun = false;
  /** A line was broken off, by a full disk: the next begins anew. */
  #isCut = false;
  #timer: NodeJS.Timeout | null = null;

  /** `onDropped`: so many lines were lost, and now there is room again. */
  constructor(onDropped: (lines: number) => void) {
    this.#onDropped = onDropped;
    this.#fd = withoutWaiting(STDERR);
    process.on('exit', () => this.#end());
  }

  /** One line with its end. Never throws. */
  write(line: string): void {
    if (this.#bytes > MAX_BYTES) {
      this.#dropped++;
      return;
    }
    this.#add(line);
    if (this.#timer === null) this.#flush();
  }

  #add(line: string): void {
    const bytes = Buffer.from(this.#isCut ? `\n${line}` : line);
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
  }

  #flush(): void {
    this.#timer = null;
    if (this.#writeOn()) return this.#tell();
    this.#timer = setTimeout(() => this.#flush(), AGAIN_MS).unref();
  }

  /** Whether nothing waits any more. */
  #writeOn(): boolean {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!;
      try {
        const written = writeSync(this.#fd, first);
        this.#bytes -= written;
        this.#isBegun = written < first.length;
        if (this.#isBegun) this.#waiting[0] = first.subarray(written);
        else this.#waiting.shift();
        this.#isCut &&= written === 0;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
        // Nobody is there, or the disk is full: there is nowhere left to tell.
        this.#isCut ||= this.#isBegun;
        this.#isBegun = false;
        this.#waiting = [];
        this.#bytes = 0;
      }
    }
    return true;
  }

  #tell(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#onDropped(dropped);
  }

  #end(): void {
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    const untilMs = performance.now() + LAST_WORDS_MS;
    while (!this.#writeOn() && performance.now() < untilMs) Atomics.wait(sleeper, 0, 0, NEXT_LOOK_MS);
    this.#tell();
  }
}

/** A pipe or a terminal is opened once more, since others have the same description and may want to wait. */
function withoutWaiting(fd: number): number {
  try {
    const stat = fstatSync(fd);
    // A socket cannot be opened again; Node makes it one that does not wait when it opens its own stream on it.
    if (stat.isSocket()) process.stderr.on('error', () => undefined);
    if (!isatty(fd) && !stat.isFIFO()) return fd; // a file would begin at its start
    const { O_WRONLY, O_NOCTTY, O_NONBLOCK } = constants;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NOCTTY | O_NONBLOCK);
  } catch {
    return fd; // of somebody else, closed, or there is no /proc
  }
}
