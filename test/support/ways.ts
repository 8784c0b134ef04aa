// The ways by which a client reaches Fermat, so that a test can be written once for all of them: HTTP/1.1, HTTP/1.1 over TLS,
// HTTP/2 over TLS. A WebSocket is always the one of `ws`; over HTTP/2 its handshake is turned into an extended CONNECT
// (RFC 8441) on its way out, and the answer into the 101 that it waits for.

import { createHash } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectH2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { type ClientOptions, WebSocket } from 'ws';
import type { Config, Fermat } from './fermat.ts';
import { type Issued, tlsListener } from './pki.ts';

export const WAYS = ['http/1.1', 'http/1.1 over TLS', 'h2 over TLS'] as const;
export type WayName = (typeof WAYS)[number];

/** An answer whose body streams. */
export interface Streamed {
  readonly status: number;
  readonly body: Readable;
  /** The client goes away. */
  abort(): void;
}

/** A request whose body is written bit by bit. */
export interface Upload {
  readonly body: Writable;
  readonly answer: Promise<Streamed>;
}

export interface Way {
  webSocket(path: string, protocols?: readonly string[], options?: ClientOptions): WebSocket;
  /** A GET on a connection (over HTTP/2: a stream) of its own. */
  get(path: string): Promise<Streamed>;
  /** The same with a body. */
  post(path: string): Upload;
  close(): void;
}

/** Listeners `http` and `https`, the latter with this certificate. */
export function listenersOf(certificate: Issued): Config {
  const secure = tlsListener([certificate], { alpn: ['h2', 'http/1.1'] });
  return { listeners: [{ name: 'http', address: '127.0.0.1:0' }, secure] };
}

export function openWay(name: WayName, fermat: Fermat): Way {
  const { http, https } = fermat.ports;
  if (name === 'http/1.1') return new OverH1('http', http!);
  return name === 'h2 over TLS' ? new OverH2(https!) : new OverH1('https', https!);
}

class OverH1 implements Way {
  readonly #scheme: 'http' | 'https';
  readonly #port: number;

  constructor(scheme: 'http' | 'https', port: number) {
    this.#scheme = scheme;
    this.#port = port;
  }

  webSocket(path: string, protocols: readonly string[] = [], options: ClientOptions = {}): WebSocket {
    const url = `${this.#scheme === 'http' ? 'ws' : 'wss'}://127.0.0.1:${this.#port}${path}`;
    return new WebSocket(url, [...protocols], { rejectUnauthorized: false, ...options });
  }

  get(path: string): Promise<Streamed> {
    const { body, answer } = this.#request('GET', path);
    body.end();
    return answer;
  }

  post(path: string): Upload {
    return this.#request('POST', path);
  }

  #request(method: string, path: string): Upload {
    const options = { method, host: '127.0.0.1', port: this.#port, path, agent: false as const };
    const request =
      this.#scheme === 'http' ? requestHttp(options) : requestHttps({ ...options, rejectUnauthorized: false });
    const answer = new Promise<Streamed>((resolve, reject) => {
      request.on('error', reject);
      request.on('response', (body) => {
        body.on('error', () => {}); // of an abort
        resolve({ status: body.statusCode ?? 0, body, abort: () => request.destroy() });
      });
    });
    return { body: request, answer };
  }

  close(): void {}
}

class OverH2 implements Way {
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    this.#session = connectH2(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      settings: { initialWindowSize: 1 << 20 },
    });
    this.#session.on('error', () => {}); // what it breaks says so
  }

  webSocket(path: string, protocols: readonly string[] = [], options: ClientOptions = {}): WebSocket {
    const createConnection = () => new ConnectStream(this.#session) as never;
    return new WebSocket(`ws://127.0.0.1${path}`, [...protocols], { ...options, createConnection });
  }

  get(path: string): Promise<Streamed> {
    return this.#request('GET', path).answer;
  }

  post(path: string): Upload {
    return this.#request('POST', path);
  }

  #request(method: string, path: string): Upload {
    const stream = this.#session.request({ ':method': method, ':path': path }, { endStream: method === 'GET' });
    const answer = new Promise<Streamed>((resolve, reject) => {
      stream.on('error', reject);
      stream.on('response', (headers) =>
        resolve({ status: headers[':status'] ?? 0, body: stream, abort: () => stream.close(8) }),
      );
    });
    return { body: stream, answer };
  }

  close(): void {
    this.#session.destroy();
  }
}

/** Takes an HTTP/1.1 upgrade, makes an extended CONNECT of it, and carries the bytes of either side. */
class ConnectStream extends Duplex {
  readonly #session: ClientHttp2Session;
  #stream: ClientHttp2Stream | null = null;
  #head = '';

  constructor(session: ClientHttp2Session) {
    super({ allowHalfOpen: true });
    this.#session = session;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#stream !== null) return void this.#stream.write(chunk, done);
    this.#head += chunk.toString('latin1');
    if (this.#head.endsWith('\r\n\r\n')) this.#whenReady(() => this.#ask());
    done();
  }

  override _read(): void {
    this.#stream?.resume();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#stream === null) done();
    else this.#stream.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stream?.close(8);
    done(error);
  }

  /** Only when its settings have come is it known whether the other side takes an extended CONNECT. */
  #whenReady(go: () => void): void {
    if (this.#session.remoteSettings?.enableConnectProtocol === true) go();
    else this.#session.once('remoteSettings', go);
  }

  #ask(): void {
    const [start = '', ...lines] = this.#head.trimEnd().split('\r\n');
    const fields = lines.map((line) => line.split(': ') as [string, string]);
    const own = ['host', 'connection', 'upgrade', 'sec-websocket-key'];
    const passed = fields.filter(([name]) => !own.includes(name.toLowerCase()));
    const key = fields.find(([name]) => name.toLowerCase() === 'sec-websocket-key')?.[1] ?? '';
    const stream = this.#session.request(
      {
        ...Object.fromEntries(passed),
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'https',
        ':path': start.split(' ')[1] ?? '/',
        ':authority': '127.0.0.1',
      },
      { endStream: false },
    );
    this.#stream = stream;
    stream.on('response', (headers) => this.push(answerOf(headers, key)));
    stream.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.on('end', () => this.push(null));
    stream.on('error', (error) => this.destroy(error));
    stream.on('close', () => {
      if (!stream.readableEnded) this.destroy();
    });
  }
}

/** The head of the HTTP/1.1 answer that says the same. */
function answerOf(headers: Record<string, unknown>, key: string): string {
  const status = Number(headers[':status']);
  const lines = Object.entries(headers)
    .filter(([name]) => !name.startsWith(':'))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  if (status !== 200) return `HTTP/1.1 ${status} No\r\n${lines}Connection: close\r\n\r\n`;
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\n${lines}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}
