// What a probe asks on, and what judges the answer: a Line is one open connection, whatever it speaks (ask.ts is HTTP/1.1,
// h2.ts HTTP/2); a Verdict is told what comes back, piece by piece, and knows what was expected (http.ts, grpc.ts).

import type { ProbeSpec } from '../types.ts';
import type { Address } from './dial.ts';
import { type ProbeFailure, requestFailure, timeoutFailure } from './failure.ts';
import { Ended, type Limit } from './limit.ts';

/** Fields of a head or of trailers, by lower-case name. */
export type AnswerFields = Readonly<Record<string, string | readonly string[] | number | undefined>>;

export interface Answer {
  /** Of HTTP, also where more than that is asked. */
  readonly status: number | null;
  /** Request written → first byte of the answer, ms. */
  readonly firstByteMs: number | null;
  /** null = as expected. */
  readonly failure: ProbeFailure | null;
}

/** A connection that serves one request at a time. Owns its socket. */
export interface Line {
  /** It may be asked again. */
  readonly isOpen: boolean;
  /** Requests that were made on it. */
  readonly asked: number;
  /** Never rejects but with Ended when stopped. Closes the connection when it cannot be asked again. */
  ask(spec: ProbeSpec, to: Address, limit: Limit): Promise<Answer>;
  /** Ends the connection, and with it a request that still runs. */
  close(): void;
}

/** One answer as it comes. */
export abstract class Verdict implements Answer {
  status: number | null = null;
  firstByteMs: number | null = null;
  failure: ProbeFailure | null = null;
  readonly #clock: () => number;
  #writtenMs = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** The request is on its way. */
  written(): void {
    this.#writtenMs = this.#clock();
  }

  /** Something came: the first time it is timed. An interim answer is a first byte, but no verdict. */
  arrived(): void {
    this.firstByteMs ??= this.#clock() - this.#writtenMs;
  }

  abstract head(status: number, fields: AnswerFields): void;
  /** True = enough was seen; the rest is not worth reading, even though that costs the connection. */
  abstract body(chunk: Buffer): boolean;
  /** The answer is whole. */
  abstract end(trailers: AnswerFields): void;
  /** The time was up in the middle of the answer. */
  protected abstract late(timeoutMs: number): void;

  /** The exchange did not end by itself. Throws Ended when it was stopped. */
  fail(error: unknown, timeoutMs: number): void {
    if (error instanceof Ended && error.why === 'stopped') throw error;
    // A wrong status needs no body to be wrong.
    if (this.failure !== null) return;
    if (!(error instanceof Ended)) this.failure = requestFailure(error, this.firstByteMs === null);
    else if (this.status === null) this.failure = timeoutFailure('answer', timeoutMs);
    else this.late(timeoutMs);
  }
}
