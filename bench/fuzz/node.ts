// Node's own parser (llhttp, strict) behind node:http, fed through in-memory sockets: the real server and the real client, less
// the TCP. A batch is pushed, then the event loop turns until nothing moves, then all is read off.

import http, { type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { emptyReading, type Reading, type Seen } from './seen.ts';

const HEAD_BYTES = 65536;

/** A socket with the client's bytes in it; what is written to it is gone. */
class Wire extends Duplex {
  reading: Reading = emptyReading();
  readonly #taken: { readonly message: IncomingMessage; readonly seen: Seen }[] = [];

  constructor() {
    super({ autoDestroy: true, emitClose: true });
    this.on('error', () => {});
  }

  /** Notes a message and gathers its body. */
  note(message: IncomingMessage, seen: Seen): void {
    this.reading.messages.push(seen);
    this.#taken.push({ message, seen });
    message.on('error', () => {});
    message.on('data', (chunk: Buffer) => {
      seen.body += chunk.toString('latin1');
    });
  }

  /** What the parser says at last: `complete` is its word, while `end` may be lost to what came later on the socket. */
  readOff(): Reading {
    for (const { message, seen } of this.#taken) {
      seen.isComplete ||= message.complete;
      seen.trailers = message.rawTrailers;
    }
    this.destroy();
    return this.reading;
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: BufferEncoding, done: () => void): void {
    done();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}

function seenOf(message: IncomingMessage, start: string, detail: string): Seen {
  return {
    start,
    detail,
    minor: message.httpVersionMinor,
    fields: message.rawHeaders,
    body: '',
    trailers: [],
    isComplete: false,
  };
}

/** Lets everything that is in flight between streams of this thread arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function refuse(reading: Reading, error: Error & { code?: string }): void {
  if (reading.stop === 'bad') return;
  reading.stop = 'bad';
  reading.why = error.code ?? error.message;
}

/** The same two questions as in ours.ts, asked of Node. */
export class NodeParser {
  readonly #server: http.Server;

  constructor() {
    const server = http.createServer({ insecureHTTPParser: false, maxHeaderSize: HEAD_BYTES });
    const onRequest = (request: IncomingMessage): void => {
      (request.socket as unknown as Wire).note(request, seenOf(request, request.method!, request.url!));
    };
    server.on('request', onRequest);
    server.on('checkExpectation', onRequest);
    // The socket is left open here: to destroy it would abort the complete requests before the bad one, too.
    server.on('clientError', (error, socket) => refuse((socket as unknown as Wire).reading, error));
    this.#server = server;
  }

  async readRequests(inputs: readonly Buffer[]): Promise<Reading[]> {
    const wires = inputs.map((input) => {
      const wire = new Wire();
      this.#server.emit('connection', wire);
      wire.push(input);
      return wire;
    });
    await settled();
    return wires.map((wire) => wire.readOff());
  }

  /** One request of the given method each, answered by these bytes and the end of the connection. */
  async readResponses(inputs: readonly Buffer[], methods: readonly string[]): Promise<Reading[]> {
    const wires = inputs.map((input, i) => {
      const wire = new Wire();
      const { reading } = wire;
      const request = http.request({
        method: methods[i]!,
        host: 'example.com',
        createConnection: () => wire,
        insecureHTTPParser: false,
        maxHeaderSize: HEAD_BYTES,
      });
      request.on('information', (info) => {
        const { statusCode, statusMessage, httpVersionMinor, rawHeaders } = info;
        reading.messages.push({
          start: String(statusCode),
          detail: statusMessage,
          minor: httpVersionMinor,
          fields: rawHeaders,
          body: '',
          trailers: [],
          isComplete: true,
        });
      });
      const onResponse = (response: IncomingMessage): Seen => {
        const seen = seenOf(response, String(response.statusCode), response.statusMessage!);
        wire.note(response, seen);
        return seen;
      };
      request.on('response', onResponse);
      request.on('upgrade', (response) => {
        onResponse(response).isComplete = true;
      });
      request.on('error', (error) => refuse(reading, error));
      request.end();
      setImmediate(() => {
        wire.push(input);
        wire.push(null);
      });
      return wire;
    });
    await settled();
    await settled();
    return wires.map((wire) => wire.readOff());
  }
}
