// A client that sends exactly the bytes it is told, in the pieces it is told, and reads answers strictly.

import { connect, type Socket } from 'node:net';
import { ChunkedBody, fieldOf, fieldsOf, framingOf, headLength, type Message, parseHead } from './message.ts';
import { delay, PATIENCE_MS, until, within } from './until.ts';

export interface Answer extends Message {
  readonly status: number;
  readonly reason: string;
  readonly version: string;
  readonly body: Buffer;
  readonly text: string;
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly chunkSizes: readonly number[];
  readonly trailers: readonly (readonly [string, string])[];
  /** 1xx answers that came before it. */
  readonly interims: readonly Message[];
  /** The one value of a field, null without one. */
  field(name: string): string | null;
  /** All values of a field. */
  all(name: string): string[];
}

export class RawClient {
  readonly socket: Socket;
  /** What came and was not yet taken as part of an answer. */
  pending: Buffer = Buffer.alloc(0);
  received = 0;
  hasEnded = false;
  isClosed = false;
  wasReset = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    });
    socket.on('end', () => {
      this.hasEnded = true;
    });
    socket.on('error', () => {
      this.wasReset = true;
    });
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Sends bytes (strings are latin1), in pieces of `pieceBytes` that each travel by themselves. */
  async send(bytes: string | Buffer, pieceBytes = Infinity): Promise<void> {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    if (buffer.length <= pieceBytes) {
      this.socket.write(buffer);
      return;
    }
    for (let at = 0; at < buffer.length; at += pieceBytes) {
      this.socket.write(buffer.subarray(at, at + pieceBytes));
      await delay(1);
    }
  }

  /** The next final answer. `method` decides whether it has a body. Rejects when the connection ends before it does. */
  async answer(method = 'GET', timeoutMs = PATIENCE_MS): Promise<Answer> {
    const interims: Message[] = [];
    for (;;) {
      const head = await this.#head(timeoutMs);
      const status = statusOf(head);
      if (status >= 100 && status < 200 && status !== 101) {
        interims.push(head);
        continue;
      }
      return this.#body(head, status, method, interims, timeoutMs);
    }
  }

  /** The next interim answer's head. */
  async interim(timeoutMs = PATIENCE_MS): Promise<Message> {
    const head = await this.#head(timeoutMs);
    if (statusOf(head) >= 200) throw new Error(`expected an interim answer, got ${head.start}`);
    return head;
  }

  /** Resolves when the other side has said its last byte, orderly or not: `end` or `reset`. */
  async closed(timeoutMs = PATIENCE_MS): Promise<'end' | 'reset'> {
    await until(() => this.hasEnded || this.isClosed, 'the close of the connection', timeoutMs);
    return this.wasReset ? 'reset' : 'end';
  }

  /** Everything up to the close, as latin1. */
  async rest(timeoutMs = PATIENCE_MS): Promise<string> {
    await this.closed(timeoutMs);
    return this.pending.toString('latin1');
  }

  halfClose(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #more(what: string, timeoutMs: number): Promise<void> {
    if (this.hasEnded || this.isClosed) {
      throw new Error(`the connection was ${this.wasReset ? 'reset' : 'closed'} before ${what}; left: ${this.#left()}`);
    }
    const { socket } = this;
    let wake = (): void => {};
    const something = new Promise<void>((resolve) => {
      wake = resolve;
    });
    for (const event of ['data', 'end', 'close']) socket.once(event, wake);
    try {
      await within(timeoutMs, what, something);
    } finally {
      for (const event of ['data', 'end', 'close']) socket.off(event, wake);
    }
  }

  #left(): string {
    return JSON.stringify(this.pending.toString('latin1', 0, 300));
  }

  #take(bytes: number): Buffer {
    const taken = this.pending.subarray(0, bytes);
    this.pending = this.pending.subarray(bytes);
    return taken;
  }

  async #head(timeoutMs: number): Promise<Message> {
    for (;;) {
      const length = headLength(this.pending);
      if (length > 0) return parseHead(this.#take(length).toString('latin1'));
      await this.#more('the head of an answer', timeoutMs);
    }
  }

  async #body(head: Message, status: number, method: string, interims: Message[], timeoutMs: number): Promise<Answer> {
    const declared = framingOf(head);
    const hasNone = method === 'HEAD' || status === 204 || status === 304 || status === 101;
    const parts: Buffer[] = [];
    let framing: Answer['framing'] = 'none';
    const chunked = new ChunkedBody((bytes) => parts.push(bytes));
    if (!hasNone && declared.kind === 'length') {
      framing = 'length';
      while (this.pending.length < declared.length) await this.#more('the whole body', timeoutMs);
      parts.push(this.#take(declared.length));
    } else if (!hasNone && declared.kind === 'chunked') {
      framing = 'chunked';
      for (;;) {
        this.#take(chunked.take(this.pending));
        if (chunked.isDone) break;
        await this.#more('the last chunk', timeoutMs);
      }
    } else if (!hasNone) {
      framing = 'close';
      await this.closed(timeoutMs);
      if (this.wasReset) throw new Error(`the connection was reset in a body; left: ${this.#left()}`);
      parts.push(this.#take(this.pending.length));
    }
    const body = Buffer.concat(parts);
    return {
      ...head,
      status,
      version: head.start.slice(0, 8),
      reason: head.start.slice(13),
      body,
      text: body.toString('latin1'),
      framing,
      chunkSizes: chunked.sizes,
      trailers: chunked.trailers,
      interims,
      field: (name) => fieldOf(head, name),
      all: (name) => fieldsOf(head, name),
    };
  }
}

function statusOf(head: Message): number {
  const match = /^HTTP\/1\.1 ([1-5]\d\d) [\x20-\x7e\x80-\xff\t]*$/.exec(head.start);
  if (!match) throw new Error(`malformed status line ${JSON.stringify(head.start)}`);
  return Number(match[1]);
}

/** A connection to a port on loopback, or to a UNIX socket. */
export async function rawClient(to: number | string, from?: string): Promise<RawClient> {
  const socket =
    typeof to === 'string'
      ? connect({ path: to, allowHalfOpen: true })
      : connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, ...(from ? { localAddress: from } : {}) });
  const client = new RawClient(socket);
  await within(
    PATIENCE_MS,
    'a connection',
    new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    }),
  );
  return client;
}

/** Sends `bytes` on a connection of its own and gives the answer; the connection is left to be disposed of. */
export async function exchange(to: number, bytes: string | Buffer, method = 'GET'): Promise<Answer> {
  using client = await rawClient(to);
  await client.send(bytes);
  return await client.answer(method);
}

/** A GET with the fields given, as bytes. */
export function get(path = '/', fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: example.com\r\n${fields}\r\n`;
}
