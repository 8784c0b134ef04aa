// The verdict on an answer to a probe of type http: its status, and a text in its body where one is expected.

import type { ProbeSpec } from '../types.ts';
import { bodyFailure, statusFailure, timeoutFailure } from './failure.ts';
import { Verdict } from './line.ts';

/** How much of a body is looked at, and how much is read to keep a connection. */
const BODY_BYTES = 64 * 1024;

export class HttpVerdict extends Verdict {
  readonly #spec: ProbeSpec;
  #bodyBytes = 0;
  readonly #body: Buffer[] = [];

  constructor(spec: ProbeSpec, clock: () => number) {
    super(clock);
    this.#spec = spec;
  }

  head(status: number): void {
    const { expectStatus } = this.#spec;
    this.status = status;
    if (!expectStatus.some(([from, to]) => status >= from && status <= to)) {
      this.failure = statusFailure(status, expectStatus);
    }
  }

  body(chunk: Buffer): boolean {
    if (this.#spec.expectBody !== null) this.#body.push(chunk.subarray(0, BODY_BYTES - this.#bodyBytes));
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes < BODY_BYTES) return false;
    this.end();
    return true;
  }

  end(): void {
    const { expectBody } = this.#spec;
    if (expectBody === null || this.failure !== null) return;
    if (!Buffer.concat(this.#body).includes(expectBody)) this.failure = bodyFailure(expectBody);
  }

  protected late(timeoutMs: number): void {
    // A head that was good, and a body without end (an event stream), is no reason to doubt it.
    this.end();
    if (this.failure !== null) this.failure = timeoutFailure('body', timeoutMs);
  }
}
