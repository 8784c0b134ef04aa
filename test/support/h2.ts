// A client that speaks HTTP/2 frame by frame: it sends exactly what it is told, also what no client should, and holds the server
// to RFC 9113: every frame it gets is checked (size, stream, flow control, order), and what is wrong stands in `faults`, which must
// be empty at the end. What it sends is made by h2-frames.ts; HPACK is read by a decoder of its own. Nothing of
// src/wire/h2 is used.

import { connect, type Socket } from 'node:net';
import {
  data,
  E,
  F,
  type Frame,
  frame,
  getFields,
  headers,
  PREFACE,
  ping,
  postFields,
  reset,
  S,
  settings,
  T,
  windowUpdate,
} from './h2-frames.ts';
import { Stream } from './h2-stream.ts';
import { decodeFields, type Field, type HpackTable, newTable } from './hpack.ts';
import { PATIENCE_MS, until, within } from './until.ts';

const FIRST_WINDOW = 65_535;
const MAX_FRAME = 16_384;
const MAX_WINDOW = 0x7fff_ffff;

export interface H2Options {
  /** What the client's first SETTINGS say. */
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** Opens windows for whatever comes, at once (the default). */
  readonly isGreedy?: boolean;
  /** Sends nothing by itself: no preface, no SETTINGS, no acknowledgements. */
  readonly isBare?: boolean;
  /** Does not answer PINGs. */
  readonly isDeaf?: boolean;
  readonly from?: string;
}

export class H2Client {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly streams = new Map<number, Stream>();
  readonly faults: string[] = [];
  readonly goaways: { readonly lastId: number; readonly code: number }[] = [];
  /** What the server's SETTINGS said. */
  readonly told = new Map<number, number>();
  settingsAcks = 0;
  pongs = 0;
  hasEnded = false;
  isClosed = false;
  wasReset = false;
  /** What the server may send in all. */
  window = FIRST_WINDOW;
  /** Sent by the server, DATA only. */
  dataBytes = 0;
  /** What we may send: credit the server gave beyond the first window, by stream; 0 = the connection. */
  readonly credit = new Map<number, number>();
  isGreedy: boolean;
  readonly #isBare: boolean;
  readonly #isDeaf: boolean;
  readonly #table: HpackTable = newTable();
  #ackedWindow = FIRST_WINDOW;
  /** The most that the server may take for it now. */
  #initialWindow = FIRST_WINDOW;
  /** SETTINGS that were sent and not yet acknowledged. */
  readonly #unacknowledged: (readonly (readonly [number, number])[])[] = [];
  #pending: Buffer = Buffer.alloc(0);
  #block: Buffer[] | null = null;
  #blockStream = 0;
  #blockFlags = 0;
  #nextId = 1;
  #wakers: (() => void)[] = [];

  constructor(socket: Socket, options: H2Options = {}) {
    this.socket = socket;
    this.isGreedy = options.isGreedy ?? true;
    this.#isBare = options.isBare ?? false;
    this.#isDeaf = options.isDeaf ?? false;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk);
      this.#wake();
    });
    socket.on('end', () => {
      this.hasEnded = true;
      if (!this.#isBare) socket.end();
      this.#wake();
    });
    socket.on('drain', () => this.#wake());
    socket.on('error', () => {
      this.wasReset = true;
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
    if (this.#isBare) return;
    this.send(PREFACE);
    this.settings(...(options.settings ?? []));
    if (this.isGreedy) this.open(0, 1 << 24);
  }

  // ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(bytes.length === 1 ? bytes[0]! : Buffer.concat(bytes));
  }

  /** SETTINGS whose effect on the server's windows is kept book of. */
  settings(...pairs: (readonly [id: number, value: number])[]): void {
    this.#unacknowledged.push(pairs);
    this.#judgeWindow();
    this.send(settings(...pairs));
  }

  /** WINDOW_UPDATE, kept book of. */
  open(streamId: number, bytes: number): void {
    if (streamId === 0) this.window += bytes;
    else this.stream(streamId).window += bytes;
    this.send(windowUpdate(streamId, bytes));
  }

  /** The id for the next request. */
  id(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.stream(id);
    return id;
  }

  /** Sends a head and, if one is given, the body behind it (all at once, whatever windows say). Gives the stream. */
  request(fields: readonly Field[] = getFields(), body: string | Buffer | null = null): Stream {
    const id = this.id();
    if (body === null) this.send(headers(id, fields, F.END_STREAM));
    else this.send(headers(id, fields), data(id, body, F.END_STREAM));
    return this.stream(id);
  }

  /** A head whose body is to follow. */
  start(fields: readonly Field[] = postFields()): Stream {
    const id = this.id();
    this.send(headers(id, fields));
    return this.stream(id);
  }

  giveUp(stream: Stream, code: number = E.CANCEL): void {
    stream.isGivenUp = true;
    this.send(reset(stream.id, code));
    this.#wake();
  }

  get(path = '/', more: readonly Field[] = []): Promise<Stream> {
    return this.over(this.request(getFields(path, more)));
  }

  /** Sends a body as the server's windows permit it. Resolves when all has been handed to the socket. */
  async upload(stream: Stream, bytes: Buffer, isEnd = true, timeoutMs = PATIENCE_MS): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const room = () =>
        Math.min(
          this.#room(0),
          this.#room(stream.id),
          MAX_FRAME,
          bytes.length - at,
          this.socket.writableNeedDrain ? 0 : MAX_FRAME,
        );
      const isOff = () => stream.isOver || stream.isGivenUp;
      await this.#wait(() => room() > 0 || isOff(), `a window for byte ${at} of an upload`, timeoutMs);
      if (isOff()) return;
      const count = room();
      for (const id of [0, stream.id]) this.credit.set(id, (this.credit.get(id) ?? 0) - count);
      this.send(
        data(stream.id, bytes.subarray(at, at + count), isEnd && at + count === bytes.length ? F.END_STREAM : 0),
      );
      at += count;
    }
  }

  #room(id: number): number {
    const first = id === 0 ? FIRST_WINDOW : (this.told.get(S.WINDOW) ?? FIRST_WINDOW);
    return first + (this.credit.get(id) ?? 0);
  }

  // ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  stream(id: number): Stream {
    let stream = this.streams.get(id);
    if (stream === undefined) {
      stream = new Stream(id, this.#initialWindow);
      this.streams.set(id, stream);
    }
    return stream;
  }

  /** The stream when it has ended or was reset. */
  async over(stream: Stream, timeoutMs = PATIENCE_MS): Promise<Stream> {
    await this.#wait(() => stream.isOver, `the end of stream ${stream.id}`, timeoutMs);
    return stream;
  }

  /** The stream when its final head is in. */
  async head(stream: Stream, timeoutMs = PATIENCE_MS): Promise<Stream> {
    await this.#wait(() => stream.status !== 0 || stream.isOver, `the head of stream ${stream.id}`, timeoutMs);
    return stream;
  }

  /** Waits for anything that frames bring about. */
  async come(check: () => boolean, what = 'a frame', timeoutMs = PATIENCE_MS): Promise<void> {
    await this.#wait(check, what, timeoutMs);
  }

  /** A PING there and back: whatever was sent before has been dealt with. */
  async settle(): Promise<void> {
    const before = this.pongs;
    this.send(ping());
    await this.#wait(() => this.pongs > before, 'the answer to a PING', PATIENCE_MS);
  }

  /** The code of the GOAWAY that ends the connection, once it is closed. -1 = it closed without one. */
  async ended(timeoutMs = PATIENCE_MS): Promise<number> {
    await until(() => this.hasEnded || this.isClosed, 'the end of the connection', timeoutMs);
    return this.goaways.at(-1)?.code ?? -1;
  }

  framesOf(type: number, streamId = -1): Frame[] {
    return this.frames.filter((f) => f.type === type && (streamId < 0 || f.streamId === streamId));
  }

  destroy(): void {
    this.socket.destroy();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
    if (this.faults.length > 0) throw new Error(`the server broke HTTP/2:\n${this.faults.join('\n')}`);
  }

  async #wait(check: () => boolean, what: string, timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!check()) {
      if (this.hasEnded || this.isClosed)
        throw new Error(`the connection ended before ${what}; GOAWAYs: ${JSON.stringify(this.goaways)}`);
      const something = new Promise<void>((resolve) => this.#wakers.push(resolve));
      await within(Math.max(1, deadlineMs - performance.now()), what, something);
    }
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }

  /** Until it has acknowledged a setting the server may be before it or behind it. */
  #judgeWindow(): void {
    const sent = this.#unacknowledged.flat().flatMap(([id, value]) => (id === S.WINDOW ? [value] : []));
    const value = Math.max(this.#ackedWindow, ...sent);
    const change = value - this.#initialWindow;
    this.#initialWindow = value;
    for (const stream of this.streams.values()) stream.window += change;
  }

  #take(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let at = 0;
    while (this.#pending.length - at >= 9) {
      const length = this.#pending.readUIntBE(at, 3);
      if (this.#pending.length - at < 9 + length) break;
      const one: Frame = {
        type: this.#pending[at + 3]!,
        flags: this.#pending[at + 4]!,
        streamId: this.#pending.readUInt32BE(at + 5),
        payload: this.#pending.subarray(at + 9, at + 9 + length),
        length,
        atMs: performance.now(),
      };
      at += 9 + length;
      this.#frame(one);
    }
    this.#pending = this.#pending.subarray(at);
  }

  #fault(text: string): void {
    this.faults.push(text);
  }

  #frame(f: Frame): void {
    if (this.frames.length === 0 && (f.type !== T.SETTINGS || (f.flags & F.ACK) !== 0))
      this.#fault(`the first frame is of type ${f.type}, not SETTINGS`);
    this.frames.push(f.type === T.DATA ? { ...f, payload: Buffer.alloc(0) } : f);
    if (f.payload.length > MAX_FRAME) this.#fault(`a frame of ${f.payload.length} bytes`);
    if (f.streamId > MAX_WINDOW) this.#fault('the reserved bit of a stream id is set');
    if (this.#block !== null && (f.type !== T.CONTINUATION || f.streamId !== this.#blockStream))
      this.#fault(`a frame of type ${f.type} inside a header section`);
    switch (f.type) {
      case T.DATA:
        return this.#data(f);
      case T.HEADERS:
      case T.CONTINUATION:
        return this.#headers(f);
      case T.RST_STREAM: {
        const stream = this.stream(f.streamId);
        if (stream.resetCode >= 0) this.#fault(`stream ${f.streamId} was reset twice`);
        stream.resetCode = f.payload.readUInt32BE(0);
        stream.endedAtMs = f.atMs;
        return;
      }
      case T.SETTINGS:
        return this.#settings(f);
      case T.PING:
        if ((f.flags & F.ACK) !== 0) this.pongs++;
        else if (!this.#isBare && !this.#isDeaf) this.send(frame(T.PING, F.ACK, 0, Buffer.from(f.payload)));
        return;
      case T.GOAWAY: {
        const lastId = f.payload.readUInt32BE(0);
        const previous = this.goaways.at(-1);
        if (previous !== undefined && lastId > previous.lastId) this.#fault('GOAWAY raised the last stream');
        this.goaways.push({ lastId, code: f.payload.readUInt32BE(4) });
        return;
      }
      case T.WINDOW_UPDATE: {
        const bytes = f.payload.readUInt32BE(0);
        if (bytes === 0 || bytes > MAX_WINDOW) this.#fault(`WINDOW_UPDATE of ${bytes}`);
        this.credit.set(f.streamId, (this.credit.get(f.streamId) ?? 0) + bytes);
        return;
      }
      default:
        this.#fault(`a frame of type ${f.type}`);
    }
  }

  #data(f: Frame): void {
    const stream = this.streams.get(f.streamId);
    if (stream === undefined) return this.#fault(`DATA on stream ${f.streamId} that nobody opened`);
    if (stream.status === 0) this.#fault(`DATA before the head of stream ${f.streamId}`);
    if (stream.isOver) this.#fault(`DATA on stream ${f.streamId} behind its end`);
    const bytes = f.payload.length;
    this.window -= bytes;
    stream.window -= bytes;
    this.dataBytes += bytes;
    // An empty frame is let through whatever the windows are (RFC 9113, 6.9.1).
    if (bytes > 0 && this.window < 0) this.#fault(`DATA beyond the window of the connection by ${-this.window}`);
    if (bytes > 0 && stream.window < 0)
      this.#fault(`DATA beyond the window of stream ${f.streamId} by ${-stream.window}`);
    stream.bodyBytes += bytes;
    if (stream.bodyBytes <= 4 << 20) stream.parts.push(Buffer.from(f.payload));
    if ((f.flags & F.END_STREAM) !== 0) this.#end(stream, f);
    if (this.isGreedy && bytes > 0 && !this.isClosed) {
      this.open(0, bytes);
      if (!stream.isOver) this.open(stream.id, bytes);
    }
  }

  #headers(f: Frame): void {
    if (f.type === T.HEADERS) {
      if ((f.flags & (F.PADDED | F.PRIORITY)) !== 0) this.#fault('HEADERS with padding or priority');
      this.#block = [f.payload];
      this.#blockStream = f.streamId;
      this.#blockFlags = f.flags;
    } else if (this.#block === null) return this.#fault('CONTINUATION without HEADERS');
    else this.#block.push(f.payload);
    if ((f.flags & F.END_HEADERS) === 0) return;
    const block = Buffer.concat(this.#block!);
    this.#block = null;
    const stream = this.streams.get(f.streamId);
    if (stream === undefined) return this.#fault(`HEADERS on stream ${f.streamId} that nobody opened`);
    if (stream.isOver) this.#fault(`HEADERS on stream ${f.streamId} behind its end`);
    this.#section(stream, decodeFields(this.#table, block), (this.#blockFlags & F.END_STREAM) !== 0);
    if ((this.#blockFlags & F.END_STREAM) !== 0) this.#end(stream, f);
  }

  #section(stream: Stream, fields: Field[], isEnd: boolean): void {
    for (const [name, value] of fields) {
      if (!/^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) this.#fault(`field name ${JSON.stringify(name)}`);
      if (/[\0\r\n]|^[ \t]|[ \t]$/.test(value)) this.#fault(`value of ${name}: ${JSON.stringify(value)}`);
      if (/^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|te|http2-settings|host)$/.test(name))
        this.#fault(`a field about the connection: ${name}`);
    }
    if (stream.status !== 0) {
      if (!isEnd) this.#fault('a second header section that does not end the stream');
      if (fields.some(([name]) => name.startsWith(':'))) this.#fault('a pseudo-header in the trailers');
      stream.trailers = fields;
      return;
    }
    const [first, ...others] = fields;
    if (first?.[0] !== ':status' || !/^[1-9]\d\d$/.test(first[1]) || others.some(([name]) => name.startsWith(':')))
      this.#fault(`pseudo-headers of an answer: ${JSON.stringify(fields)}`);
    const status = Number(first?.[1] ?? 0);
    if (status < 200) {
      if (isEnd || status === 101) this.#fault(`an interim ${status} with END_STREAM ${isEnd}`);
      stream.interims.push(fields);
      return;
    }
    stream.status = status;
    stream.fields = others;
  }

  #end(stream: Stream, f: Frame): void {
    stream.hasEnded = true;
    stream.endedAtMs = f.atMs;
    const length = stream.field('content-length');
    const hasNone = stream.status === 304 || stream.status === 204 || stream.bodyBytes === 0;
    if (length !== null && !hasNone && Number(length) !== stream.bodyBytes)
      this.#fault(`stream ${stream.id} ended after ${stream.bodyBytes} bytes, Content-Length ${length}`);
  }

  #settings(f: Frame): void {
    if ((f.flags & F.ACK) !== 0) {
      this.settingsAcks++;
      for (const [id, value] of this.#unacknowledged.shift() ?? []) if (id === S.WINDOW) this.#ackedWindow = value;
      this.#judgeWindow();
      return;
    }
    for (let at = 0; at < f.payload.length; at += 6)
      this.told.set(f.payload.readUInt16BE(at), f.payload.readUInt32BE(at + 2));
    if (!this.#isBare) this.send(frame(T.SETTINGS, F.ACK, 0));
  }
}

/** A connection to a port on loopback. */
export async function h2Client(port: number, options: H2Options = {}): Promise<H2Client> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    allowHalfOpen: true,
    ...(options.from ? { localAddress: options.from } : {}),
  });
  await within(
    PATIENCE_MS,
    'a connection',
    new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    }),
  );
  return new H2Client(socket, options);
}
