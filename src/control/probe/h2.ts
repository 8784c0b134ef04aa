// One open connection that can be asked over HTTP/2 (h2 after ALPN, h2c by prior knowledge), by way of node:http2, given our
// socket. Here its price does not matter, and a second implementation beside the data plane's own finds the faults of both.

import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { ProbeSpec } from '../types.ts';
import { type Address, hangUp } from './dial.ts';
import { GrpcVerdict, healthCheck, healthHeaders } from './grpc.ts';
import { HttpVerdict } from './http.ts';
import type { Limit } from './limit.ts';
import type { Answer, AnswerFields, Line, Verdict } from './line.ts';

export class H2Line implements Line {
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #clock: () => number;
  /** The session ended by an error, which its streams may tell less well. */
  #fault: unknown = null;
  #asked = 0;

  /** Takes the socket over. */
  constructor(socket: Socket, clock: () => number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#session = connect('http://probe', { createConnection: () => socket, settings: { enablePush: false } });
    this.#session.on('error', (error) => {
      this.#fault = error;
    });
  }

  /** Not after a GOAWAY either: node closes the session then. */
  get isOpen(): boolean {
    return !this.#session.closed && !this.#session.destroyed && !this.#socket.destroyed;
  }

  get asked(): number {
    return this.#asked;
  }

  async ask(spec: ProbeSpec, to: Address, limit: Limit): Promise<Answer> {
    this.#asked++;
    const isGrpc = spec.type === 'grpc';
    const verdict: Verdict = isGrpc ? new GrpcVerdict(spec, this.#clock) : new HttpVerdict(spec, this.#clock);
    try {
      await limit.run<void>((settle) => {
        const stream = this.#session.request(isGrpc ? healthHeaders(spec, to) : headersOf(spec, to), {
          endStream: !isGrpc,
        });
        verdict.written();
        let isGivenUp = false;
        const onEnd = (error: unknown): void => settle(error === null ? null : (this.#fault ?? error));
        listen(stream, verdict, () => isGivenUp, onEnd);
        if (isGrpc) stream.end(healthCheck(spec.service));
        return () => {
          isGivenUp = true;
          this.close();
        };
      });
    } catch (error) {
      this.close();
      verdict.fail(error, limit.timeoutMs);
    }
    return verdict;
  }

  close(): void {
    this.#session.destroy();
    hangUp(this.#socket);
  }
}

function headersOf(spec: ProbeSpec, to: Address): OutgoingHttpHeaders {
  return {
    ':method': spec.method,
    ':scheme': to.scheme === 'h2' ? 'https' : 'http',
    ':authority': spec.host ?? to.authority,
    ':path': spec.path,
    'user-agent': 'fermat-probe',
    accept: '*/*',
  };
}

/** node's events, told to the verdict; `settle` is called at least once. */
function listen(
  stream: ClientHttp2Stream,
  verdict: Verdict,
  isGivenUp: () => boolean,
  settle: (error: unknown) => void,
): void {
  let trailers: AnswerFields = {};
  stream.on('headers', () => verdict.arrived());
  stream.on('response', (fields) => {
    verdict.arrived();
    verdict.head(fields[':status'] ?? 0, fields);
  });
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.on('data', (chunk: Buffer) => {
    if (!verdict.body(chunk)) return;
    settle(null);
    stream.close();
  });
  stream.on('end', () => {
    // node ends the stream also where the endpoint reset it, or the connection broke.
    if (isGivenUp() || stream.rstCode !== 0 || verdict.status === null) return;
    verdict.end(trailers);
    settle(null);
  });
  stream.on('error', settle);
  stream.on('close', () => settle(Object.assign(new Error('closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })));
}
