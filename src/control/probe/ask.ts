// One open connection that can be asked over HTTP/1.1, by way of an undici Client that is given our socket and refused any
// other. The first byte is timed from the moment the request is written. Redirects are not followed: a status is a status.

import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import type { ProbeSpec } from '../types.ts';
import { type Address, hangUp } from './dial.ts';
import { HttpVerdict } from './http.ts';
import type { Limit } from './limit.ts';
import type { Answer, Line, Verdict } from './line.ts';

export class H1Line implements Line {
  readonly #socket: Socket;
  readonly #client: Client;
  readonly #clock: () => number;
  #isGiven = false;
  #asked = 0;

  /** Takes the socket over. */
  constructor(socket: Socket, to: Address, clock: () => number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#client = new Client(originOf(to), {
      connect: (_options, callback) => {
        // Not at once: undici would not notice, and the request would wait for ever.
        queueMicrotask(() => {
          if (this.#isGiven || socket.destroyed) return callback(new Error('connection closed'), null);
          this.#isGiven = true;
          callback(null, socket);
        });
      },
      allowH2: false,
      // The limit of the probe is the only clock; idle connections are ours to end, or the endpoint's.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 3_600_000,
      keepAliveMaxTimeout: 3_600_000,
    });
    this.#client.on('connectionError', () => undefined);
    this.#client.on('disconnect', () => undefined);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable && !this.#client.destroyed;
  }

  get asked(): number {
    return this.#asked;
  }

  async ask(spec: ProbeSpec, to: Address, limit: Limit): Promise<Answer> {
    this.#asked++;
    const verdict = new HttpVerdict(spec, this.#clock);
    try {
      await limit.run<void>((settle) => {
        this.#client.dispatch(requestOf(spec, to), handlerOf(verdict, settle));
        return () => this.close();
      });
    } catch (error) {
      this.close();
      verdict.fail(error, limit.timeoutMs);
    }
    return verdict;
  }

  close(): void {
    if (!this.#isGiven) hangUp(this.#socket);
    // Rejects only when called twice.
    this.#client.destroy().catch(() => undefined);
  }
}

/** undici's callbacks, told to the verdict. */
function handlerOf(verdict: Verdict, settle: (error: unknown) => void): Dispatcher.DispatchHandler {
  return {
    onRequestStart: () => verdict.written(),
    onResponseStarted: () => verdict.arrived(),
    onResponseStart: (_controller, status) => {
      verdict.arrived();
      if (status >= 200) verdict.head(status, {});
    },
    onResponseData: (controller, chunk) => {
      if (!verdict.body(chunk)) return;
      settle(null);
      controller.abort(new Error('enough'));
    },
    onResponseEnd: () => {
      verdict.end({});
      settle(null);
    },
    onResponseError: (_controller, error) => settle(error),
  };
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
  const protocol = scheme === 'https' ? 'https' : 'http';
  if (socketPath !== null) return `${protocol}://localhost`;
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
