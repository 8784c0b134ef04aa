// One open connection that can be asked over HTTP, by way of an undici Client that is given our socket and refused any
// other. The first byte is timed from the moment the request is written. Redirects are not followed: a status is a status.

import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import type { ProbeSpec } from '../types.ts';
import { type Address, hangUp } from './dial.ts';
import { bodyFailure, type ProbeFailure, requestFailure, statusFailure, timeoutFailure } from './failure.ts';
import { Ended, type Limit } from './limit.ts';

/** How much of a body is looked at, and how much is read to keep a connection. */
const BODY_BYTES = 64 * 1024;

export interface Answer {
  readonly status: number | null;
  /** Request written → first byte of the answer, ms. */
  readonly firstByteMs: number | null;
  /** null = as expected. */
  readonly failure: ProbeFailure | null;
}

/** A connection that serves one request at a time. */
export class Line {
  readonly #socket: Socket;
  readonly #client: Client;
  readonly #clock: () => number;
  #isGiven = false;
  #asked = 0;

  /** Takes the socket over. */
  constructor(socket: Socket, to: Address, clock: () => number) {
    this.#socket = socket;
    this.#clock = clock;
    // undici speaks HTTP/2 when the socket says that ALPN chose it; with h2c nobody chose, it was configured.
    if (to.scheme === 'h2c') Object.defineProperty(socket, 'alpnProtocol', { value: 'h2' });
    this.#client = new Client(originOf(to), {
      connect: (_options, callback) => {
        // Not at once: undici would not notice, and the request would wait for ever.
        queueMicrotask(() => {
          if (this.#isGiven || socket.destroyed) return callback(new Error('connection closed'), null);
          this.#isGiven = true;
          callback(null, socket);
        });
      },
      allowH2: to.scheme === 'h2' || to.scheme === 'h2c',
      // The limit of the probe is the only clock; idle connections are ours to end, or the endpoint's.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 3_600_000,
      keepAliveMaxTimeout: 3_600_000,
    });
    this.#client.on('connectionError', () => undefined);
    this.#client.on('disconnect', () => undefined);
  }

  /** It may be asked again. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable && !this.#client.destroyed;
  }

  /** Requests that were made on it. */
  get asked(): number {
    return this.#asked;
  }

  /** Never rejects but with Ended when stopped. Closes the connection when it cannot be asked again. */
  async ask(spec: ProbeSpec, to: Address, limit: Limit): Promise<Answer> {
    this.#asked++;
    const exchange = new Exchange(spec, this.#clock);
    try {
      await limit.run<void>((settle) => {
        exchange.onEnd = settle;
        this.#client.dispatch(requestOf(spec, to), exchange);
        return () => this.close();
      });
    } catch (error) {
      this.close();
      exchange.fail(error, limit.timeoutMs);
    }
    return { status: exchange.status, firstByteMs: exchange.firstByteMs, failure: exchange.failure };
  }

  /** Ends the connection, and with it a request that still runs. */
  close(): void {
    if (!this.#isGiven) hangUp(this.#socket);
    // Rejects only when called twice.
    this.#client.destroy().catch(() => undefined);
  }
}

/** One request and what came back; the callbacks are undici's. */
class Exchange implements Dispatcher.DispatchHandler {
  status: number | null = null;
  firstByteMs: number | null = null;
  failure: ProbeFailure | null = null;
  onEnd: (error: unknown) => void = () => undefined;
  readonly #spec: ProbeSpec;
  readonly #clock: () => number;
  #writtenMs = 0;
  #bodyBytes = 0;
  #body: Buffer[] = [];

  constructor(spec: ProbeSpec, clock: () => number) {
    this.#spec = spec;
    this.#clock = clock;
  }

  onRequestStart(): void {
    this.#writtenMs = this.#clock();
  }

  onResponseStarted(): void {
    this.firstByteMs ??= this.#clock() - this.#writtenMs;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    // An interim answer is a first byte, but no verdict.
    if (status < 200) return;
    this.status = status;
    this.firstByteMs ??= this.#clock() - this.#writtenMs;
    if (!this.#spec.expectStatus.some(([from, to]) => status >= from && status <= to)) {
      this.failure = statusFailure(status, this.#spec.expectStatus);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { expectBody } = this.#spec;
    if (expectBody !== null) this.#body.push(chunk.subarray(0, BODY_BYTES - this.#bodyBytes));
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes < BODY_BYTES) return;
    // Enough: the rest is not worth reading, even though that costs the connection.
    this.#judgeBody();
    this.onEnd(null);
    controller.abort(new Error('enough'));
  }

  onResponseEnd(): void {
    this.#judgeBody();
    this.onEnd(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.onEnd(error);
  }

  /** The exchange did not end by itself. */
  fail(error: unknown, timeoutMs: number): void {
    if (error instanceof Ended && error.why === 'stopped') throw error;
    // A wrong status needs no body to be wrong.
    if (this.failure !== null) return;
    if (!(error instanceof Ended)) {
      this.failure = requestFailure(error, this.firstByteMs === null);
    } else if (this.status === null) {
      this.failure = timeoutFailure('answer', timeoutMs);
    } else if (this.#spec.expectBody !== null) {
      this.#judgeBody();
      if (this.failure !== null) this.failure = timeoutFailure('body', timeoutMs);
    }
    // Else: the head was good, and a body without end (an event stream) is no reason to doubt it.
  }

  #judgeBody(): void {
    const { expectBody } = this.#spec;
    if (expectBody === null || this.failure !== null) return;
    if (!Buffer.concat(this.#body).includes(expectBody)) this.failure = bodyFailure(expectBody);
  }
}

function requestOf(spec: ProbeSpec, to: Address): Dispatcher.DispatchOptions {
  const host = spec.host ?? to.authority;
  return {
    method: spec.method as Dispatcher.HttpMethod,
    path: spec.path,
    headers: { ...(host !== '' && { host }), 'user-agent': 'fermat-probe', accept: '*/*' },
    // undici closes after HEAD by default, and there would never be a warm one.
    reset: false,
  };
}

function originOf({ scheme, host, port, socketPath }: Address): string {
  const protocol = scheme === 'https' || scheme === 'h2' ? 'https' : 'http';
  if (socketPath !== null) return `${protocol}://localhost`;
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
