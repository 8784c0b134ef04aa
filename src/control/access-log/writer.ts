// Takes whole lines out of the rings and writes them: to a file as they lie, to a pipe in pieces that no other writer's get
// into. It may wait for the disk as long as it likes. What it cannot write stays in the rings, which then overflow, and the
// workers count; only lines for a reader that is gone are lost here, and counted, too.

import { closeSync, writeSync } from 'node:fs';
import { BELL, LineTaker, RING_BYTES } from '../../core/access-log.ts';
import { isSame, openSink, type Sink, STDOUT } from './file.ts';
import type { WriterBirth } from './messages.ts';

const LF = 10;
const TROUBLE_EVERY_MS = 60_000;
/** After an error of the disk, or without a reader of a FIFO, it is tried again so often. */
const AGAIN_MS = 500;

/** What a round came to. FULL: a pipe took some, and no more for the moment: its reader is there. STUCK: it took none. */
export const ROUND = { NOTHING: 0, WRITTEN: 1, STUCK: 2, FULL: 3 } as const;
export type Round = (typeof ROUND)[keyof typeof ROUND];

export class LineWriter {
  readonly #takers: readonly LineTaker[];
  readonly #words: Int32Array;
  readonly #onTrouble: (message: string) => void;
  #file: string | null;
  #sink: Sink | null = null;
  /** By ring: the line that comes next has been written in part. */
  readonly #isMidLine: boolean[];
  /** In the round under way something was written. */
  #hasMoved = false;
  #againAtMs = 0;
  #troubleFromMs = 0;

  constructor({ rings, bell, file }: WriterBirth, onTrouble: (message: string) => void) {
    this.#takers = rings.map((buffer) => new LineTaker(buffer));
    this.#isMidLine = rings.map(() => false);
    this.#words = new Int32Array(bell);
    this.#onTrouble = onTrouble;
    this.#file = file;
  }

  /** From now on; the same file once more is opened anew. */
  use(file: string | null): void {
    let sink: Sink | null;
    try {
      sink = openSink(file);
    } catch (error) {
      this.#tell(`${file} cannot be opened, the access log goes on where it was: ${messageOf(error)}`);
      return;
    }
    // What is left of a line that another file has the beginning of would be no line there.
    if (this.#sink !== null && (sink === null || !isSame(this.#sink, sink))) this.#loseHalves();
    this.#close();
    this.#file = file;
    this.#sink = sink;
    this.#againAtMs = 0;
  }

  get isEmpty(): boolean {
    return this.#takers.every(({ waiting }) => waiting === 0);
  }

  /** Writes what there is. */
  round(nowMs: number): Round {
    if (this.isEmpty) return ROUND.NOTHING;
    if (nowMs < this.#againAtMs) return ROUND.STUCK;
    if (this.#sink === null && !this.#open(nowMs)) return ROUND.STUCK;
    let isStuck = false;
    this.#hasMoved = false;
    for (let i = 0; i < this.#takers.length; i++) {
      // One that was left in the midst of a line goes first, or another's would stand in it.
      const first = this.#isMidLine.indexOf(true);
      if (first >= 0 && first !== i && !this.#write(first, nowMs)) return this.#held();
      isStuck = !this.#write(i, nowMs) || isStuck;
    }
    return isStuck ? this.#held() : ROUND.WRITTEN;
  }

  #held(): Round {
    return this.#hasMoved ? ROUND.FULL : ROUND.STUCK;
  }

  /** What is left is given up, and counted. */
  giveUp(): void {
    for (const [i, taker] of this.#takers.entries()) this.#lose(taker, taker.waiting, i);
    this.#close();
  }

  close(): void {
    this.#close();
  }

  /** False = what is left cannot be written now. */
  #write(i: number, nowMs: number): boolean {
    const taker = this.#takers[i]!;
    // What comes meanwhile waits for the next round, so that no ring holds up the others.
    let left = taker.waiting;
    while (left > 0) {
      const sink = this.#sink;
      if (sink === null) return false;
      const piece = pieceOf(taker, left, sink.mostBytes);
      let written = 0;
      try {
        written = writeSync(sink.fd, piece);
      } catch (error) {
        return this.#failed(error as NodeJS.ErrnoException, nowMs);
      }
      this.#isMidLine[i] = written > 0 ? piece[written - 1] !== LF : this.#isMidLine[i]!;
      taker.take(written);
      if (written > 0) this.#hasMoved = true;
      left -= written;
    }
    return true;
  }

  #failed(error: NodeJS.ErrnoException, nowMs: number): boolean {
    if (error.code === 'EAGAIN') return false;
    if (error.code === 'EPIPE' && this.#file === null) {
      // `| head` has seen enough. Nobody else will read there.
      this.#tell('nobody reads stdout any more: lines of the access log are dropped');
      for (const [i, taker] of this.#takers.entries()) this.#lose(taker, taker.waiting, i);
      return true;
    }
    if (error.code === 'EPIPE') {
      // The next reader of the FIFO begins with a whole line.
      this.#close();
      this.#loseHalves();
    } else this.#tell(`the access log cannot be written to ${this.#file ?? 'stdout'}: ${messageOf(error)}`);
    this.#againAtMs = nowMs + AGAIN_MS;
    return false;
  }

  #open(nowMs: number): boolean {
    try {
      this.#sink = openSink(this.#file);
    } catch (error) {
      this.#tell(`the access log cannot be written to ${this.#file}: ${messageOf(error)}`);
    }
    if (this.#sink === null) this.#againAtMs = nowMs + AGAIN_MS;
    return this.#sink !== null;
  }

  #loseHalves(): void {
    for (const [i, taker] of this.#takers.entries()) if (this.#isMidLine[i]) this.#lose(taker, toLineEnd(taker), i);
  }

  #lose(taker: LineTaker, bytes: number, i: number): void {
    if (bytes === 0) return;
    const { at } = taker;
    let lines = 0;
    for (let k = 0; k < bytes; k++) if (taker.bytes[(at + k) & (RING_BYTES - 1)] === LF) lines++;
    taker.take(bytes);
    this.#isMidLine[i] = false;
    Atomics.add(this.#words, BELL.LOST, lines);
  }

  #close(): void {
    if (this.#sink !== null && this.#sink.fd !== STDOUT) closeSync(this.#sink.fd);
    this.#sink = null;
  }

  #tell(message: string): void {
    const nowMs = performance.now();
    if (nowMs < this.#troubleFromMs) return;
    this.#troubleFromMs = nowMs + TROUBLE_EVERY_MS;
    this.#onTrouble(message);
  }
}

/** Whole lines: as many as fit in `most` bytes, or one that does not. */
function pieceOf(taker: LineTaker, waiting: number, most: number): Uint8Array {
  const { at, bytes } = taker;
  const toEnd = RING_BYTES - at;
  const piece = bytes.subarray(at, at + Math.min(waiting, toEnd, most));
  const end = piece.lastIndexOf(LF);
  if (end >= 0) return piece.subarray(0, end + 1);
  const length = toLineEnd(taker);
  if (length <= toEnd) return bytes.subarray(at, at + length);
  // It goes round the end of the ring.
  return Buffer.concat([bytes.subarray(at), bytes.subarray(0, length - toEnd)]);
}

/** Bytes of the line that comes next, its line feed included. */
function toLineEnd(taker: LineTaker): number {
  const { at, waiting } = taker;
  for (let k = 0; k < waiting; k++) if (taker.bytes[(at + k) & (RING_BYTES - 1)] === LF) return k + 1;
  return waiting;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
