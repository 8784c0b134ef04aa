// The access log of a worker: which requests get a line, lines gathered, and handed over some times a second to the ring whose
// other end the writer's thread has (core/access-log.ts). Nothing here waits for anybody: where the ring is full, lines are
// dropped and counted. What a line says is access/json.ts and access/combined.ts.

import { type AccessLogSpec, LinePutter } from '../core/access-log.ts';
import { CombinedLines } from './access/combined.ts';
import type { Format } from './access/format.ts';
import { JsonLines } from './access/json.ts';
import { Noted } from './access/noted.ts';
import { Page } from './access/page.ts';
import type { Problem } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { ENDING } from './settle.ts';
import type { Peer } from './sides.ts';

/** Lines wait here for so long at most, or until they may be so many bytes. */
const FLUSH_MS = 40;
const FLUSH_BYTES = 64 * 1024;

export class AccessLog {
  isOn = false;
  readonly #lane: number;
  readonly #random: () => number;
  readonly #clock: () => number;
  #spec: AccessLogSpec | null = null;
  #putter: LinePutter | null = null;
  #format: Format | null = null;
  /** Whether a line may be left out. */
  #isSampling = false;
  #slowMs = Number.POSITIVE_INFINITY;
  /** Pieces that were made for a spec before this one are not used again. */
  #epoch = 0;
  readonly #page = new Page();
  /** Most that the lines can take that are still to be made. */
  #bytes = 0;
  /** Made, and to be made. */
  #lines = 0;
  /** A flush is due. */
  #isTimed = false;
  readonly #onTime = (): void => {
    this.#isTimed = false;
    this.flush();
  };

  /** `clock`: the worker's, ms. */
  constructor(lane: number, random: () => number, clock: () => number) {
    this.#lane = lane;
    this.#random = random;
    this.#clock = clock;
  }

  /** From now on; null = nothing is written. What was gathered is handed over first. */
  install(spec: AccessLogSpec | null): void {
    this.flush();
    this.#spec = spec;
    this.isOn = spec !== null;
    this.#epoch++;
    if (spec === null) return;
    this.#format = spec.format === 'json' ? new JsonLines(spec) : new CombinedLines(spec);
    this.#isSampling = spec.sample < 1;
    this.#slowMs = spec.slowMs ?? Number.POSITIVE_INFINITY;
    this.#putter ??= new LinePutter(spec.rings[this.#lane]!, spec.bell); // the same ones for the life of the node
  }

  /** To be called when `isOn`, once an exchange, at its end. `totalMs`: of the exchange. */
  write(ex: Exchange, totalMs: number): void {
    const isDrawn = this.#isSampling && !this.#isKept(ex.books.status, ex.books.ending, totalMs);
    if (isDrawn && this.#random() >= this.#spec!.sample) return;
    ex.noted ??= new Noted();
    const { noted } = ex;
    if (noted.epoch !== this.#epoch) noted.forget(this.#epoch);
    const format = this.#format!;
    this.#bytes += format.note(ex, noted, totalMs, isDrawn);
    this.#lines++;
    if (format.isFull) this.flush();
    else this.#ripen();
  }

  /** A request that could not be read, or (`problem` null) was taken back before that, so that there is no exchange. */
  refuse(peer: Peer, status: number, problem: Problem | null): void {
    const isDrawn = this.#isSampling && !this.#isKept(status, ENDING.REFUSED, 0);
    if (isDrawn && this.#random() >= this.#spec!.sample) return;
    const line = this.#format!.refusal(peer, status, problem, Date.now(), isDrawn);
    this.#make(); // what came before it
    this.#page.reserve(line.length);
    this.#page.text(line);
    this.#lines++;
    this.#ripen();
  }

  /** Hands over what was gathered. The timer runs on: one for each batch would cost more than a batch of nothing now and then. */
  flush(): void {
    if (this.#lines === 0) return;
    this.#make();
    this.#putter!.put(this.#page.written, this.#lines);
    this.#page.turn();
    this.#lines = 0;
  }

  /** Lines of what has been noted. */
  #make(): void {
    this.#page.reserve(this.#bytes);
    this.#bytes = 0;
    this.#format!.write(this.#page, Date.now() - this.#clock());
  }

  /** What failed, was broken off, or took its time is worth its line whatever chance says. */
  #isKept(status: number, ending: number, totalMs: number): boolean {
    if (totalMs > this.#slowMs) return true;
    return !this.#spec!.sampleErrors && (status >= 500 || ending === ENDING.CUT);
  }

  #ripen(): void {
    if (this.#bytes + this.#page.length >= FLUSH_BYTES) this.flush();
    else if (!this.#isTimed) {
      this.#isTimed = true;
      setTimeout(this.#onTime, FLUSH_MS);
    }
  }
}
