// An endpoint that answers by script and remembers every byte. It is a bare socket server, so that it can refuse, stay silent,
// break HTTP, reset in the middle; and it reads requests with the strict reader of message.ts: whatever Fermat sends
// that this does not understand is a fault, and `faults` must be empty at the end of every test.

import { createServer, type Server, type Socket } from 'node:net';
import {
  ChunkedBody,
  type Framing,
  fieldOf,
  fieldsOf,
  framingOf,
  headLength,
  type Message,
  parseHead,
} from './message.ts';
import { PATIENCE_MS, until } from './until.ts';

/** Bytes of a body that are kept; of larger ones only the length is known. */
const KEPT_BYTES = 4 << 20;

export interface OriginConnection {
  readonly socket: Socket;
  readonly requests: OriginRequest[];
  receivedBytes: number;
  isClosed: boolean;
  /** When, on performance.now(); 0 = not yet. */
  closedAtMs: number;
  wasReset: boolean;
}

export class OriginRequest implements Message {
  readonly start: string;
  readonly head: string;
  readonly fields: Message['fields'];
  readonly method: string;
  readonly target: string;
  readonly framing: Framing;
  readonly connection: OriginConnection;
  readonly atMs = performance.now();
  bodyBytes = 0;
  trailers: readonly (readonly [string, string])[] = [];
  /** The whole body came. */
  isWhole = false;
  onTunnelData: ((bytes: Buffer) => void) | null = null;
  readonly #parts: Buffer[] = [];
  readonly #whole = Promise.withResolvers<Buffer>();

  constructor(message: Message, connection: OriginConnection) {
    this.start = message.start;
    this.head = message.head;
    this.fields = message.fields;
    const [method = '', target = '', version] = message.start.split(' ');
    if (version !== 'HTTP/1.1') throw new Error(`version in ${JSON.stringify(message.start)}`);
    this.method = method;
    this.target = target;
    this.framing = framingOf(message);
    this.connection = connection;
    this.#whole.promise.catch(() => {});
  }

  get body(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** The body when it is whole; rejects when the connection goes before. */
  whole(): Promise<Buffer> {
    return this.#whole.promise;
  }

  field(name: string): string | null {
    return fieldOf(this, name);
  }

  all(name: string): string[] {
    return fieldsOf(this, name);
  }

  /** Sends raw bytes (latin1). */
  send(bytes: string | Buffer): boolean {
    return this.connection.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** A whole answer with Content-Length. `fields` are whole lines. */
  answer(status = 200, body: string | Buffer = 'ok', fields = ''): void {
    const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
    const head = `HTTP/1.1 ${status} Reason\r\nContent-Length: ${bytes.length}\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n${fields}\r\n`;
    this.connection.socket.write(
      this.method === 'HEAD' ? Buffer.from(head, 'latin1') : Buffer.concat([Buffer.from(head, 'latin1'), bytes]),
    );
  }

  /** Closes the connection in order. */
  close(): void {
    this.connection.socket.end();
  }

  reset(): void {
    this.connection.socket.resetAndDestroy();
  }

  /** From here on the bytes of the connection are the script's own. Only while the script runs for the first time. */
  tunnel(onData: (bytes: Buffer) => void): void {
    this.onTunnelData = onData;
  }

  takeBody(bytes: Buffer): void {
    this.bodyBytes += bytes.length;
    if (this.bodyBytes <= KEPT_BYTES) this.#parts.push(Buffer.from(bytes));
  }

  finish(): void {
    this.isWhole = true;
    this.#whole.resolve(this.body);
  }

  fail(): void {
    this.#whole.reject(new Error('the request never became whole'));
  }
}

/** Called when the head of a request is in. What it throws ends the test through `faults`. */
export type Script = (request: OriginRequest) => unknown;

/** Reads the whole request, then says 200. */
export const echoOk: Script = async (request) => {
  await request.whole();
  request.answer();
};

export class Origin {
  script: Script = echoOk;
  /** Runs when a connection is accepted; a probe's too. */
  onConnection: (connection: OriginConnection) => void = () => {};
  /** false: connections are held but nothing is read from them. */
  reads = true;
  readonly faults: string[] = [];
  readonly requests: OriginRequest[] = [];
  readonly connections: OriginConnection[] = [];
  port = 0;
  #server: Server = createServer();

  /** Connections on which anything was ever said: probes by TCP say nothing. */
  get used(): OriginConnection[] {
    return this.connections.filter((connection) => connection.receivedBytes > 0);
  }

  get open(): OriginConnection[] {
    return this.connections.filter((connection) => !connection.isClosed);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The only request there was. */
  get request(): OriginRequest {
    if (this.requests.length !== 1) throw new Error(`expected one request at the origin, got ${this.requests.length}`);
    return this.requests[0]!;
  }

  /** Forgets what happened and goes back to the plain script; open connections stay. */
  reset(): void {
    this.script = echoOk;
    this.onConnection = () => {};
    this.reads = true;
    this.requests.length = 0;
    this.faults.length = 0;
    this.connections.splice(0, this.connections.length, ...this.open);
    for (const connection of this.connections) connection.receivedBytes = 0;
  }

  /** Listens; again on the same port after `refuse`. */
  async listen(): Promise<this> {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.port, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
    return this;
  }

  /** From now on connections are refused, and those that are open are reset. */
  async refuse(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket } of this.open) socket.resetAndDestroy();
    await closed;
  }

  async nth(n: number, timeoutMs = PATIENCE_MS): Promise<OriginRequest> {
    return until(() => this.requests[n - 1], `request ${n} at the origin`, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
  }

  #accept(socket: Socket): void {
    const connection: OriginConnection = {
      socket,
      requests: [],
      receivedBytes: 0,
      isClosed: false,
      closedAtMs: 0,
      wasReset: false,
    };
    this.connections.push(connection);
    socket.setNoDelay(true);
    socket.on('error', () => {
      connection.wasReset = true;
    });
    socket.on('close', () => {
      connection.isClosed = true;
      connection.closedAtMs = performance.now();
      connection.requests.at(-1)?.fail();
    });
    this.onConnection(connection);
    const reader = new RequestStream(this, connection);
    if (this.reads) socket.on('data', (chunk: Buffer) => reader.take(chunk));
    socket.on('end', () => {
      connection.requests.at(-1)?.fail();
      socket.end();
    });
  }
}

/** Cuts one connection's bytes into requests and hands each to the script. */
class RequestStream {
  readonly #origin: Origin;
  readonly #connection: OriginConnection;
  #pending: Buffer = Buffer.alloc(0);
  #request: OriginRequest | null = null;
  #chunked: ChunkedBody | null = null;

  constructor(origin: Origin, connection: OriginConnection) {
    this.#origin = origin;
    this.#connection = connection;
  }

  take(chunk: Buffer): void {
    this.#connection.receivedBytes += chunk.length;
    if (this.#request?.onTunnelData) return this.#request.onTunnelData(chunk);
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    try {
      while (this.#step()) {}
    } catch (error) {
      this.#origin.faults.push(String(error));
      this.#connection.socket.destroy();
    }
  }

  #step(): boolean {
    return this.#request === null ? this.#head() : this.#body(this.#request);
  }

  #head(): boolean {
    const length = headLength(this.#pending);
    if (length < 0) return false;
    const request = new OriginRequest(parseHead(this.#pending.toString('latin1', 0, length)), this.#connection);
    this.#pending = this.#pending.subarray(length);
    this.#request = request;
    this.#chunked = request.framing.kind === 'chunked' ? new ChunkedBody((bytes) => request.takeBody(bytes)) : null;
    this.#origin.requests.push(request);
    this.#connection.requests.push(request);
    void this.#run(request);
    if (request.onTunnelData === null) return true;
    if (this.#pending.length > 0) request.onTunnelData(this.#pending);
    return false;
  }

  async #run(request: OriginRequest): Promise<void> {
    try {
      await this.#origin.script(request);
    } catch (error) {
      // A script that waits for a body which never comes has nothing to answer.
      if (!(error instanceof Error && error.message.startsWith('the request never')))
        this.#origin.faults.push(String(error));
    }
  }

  #body(request: OriginRequest): boolean {
    const { framing } = request;
    if (this.#chunked !== null) {
      this.#pending = this.#pending.subarray(this.#chunked.take(this.#pending));
      if (!this.#chunked.isDone) return false;
      request.trailers = this.#chunked.trailers;
    } else if (framing.kind === 'length') {
      const bytes = this.#pending.subarray(0, framing.length - request.bodyBytes);
      if (bytes.length > 0) request.takeBody(bytes);
      this.#pending = this.#pending.subarray(bytes.length);
      if (request.bodyBytes < framing.length) return false;
    }
    this.#request = null;
    request.finish();
    return this.#pending.length > 0;
  }
}

export async function startOrigin(script: Script = echoOk): Promise<Origin> {
  const origin = new Origin();
  origin.script = script;
  return origin.listen();
}
