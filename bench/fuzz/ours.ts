// Our codec as a function from bytes to what it saw, fed in pieces of any size.

import { BODY, BodyReader } from '../../src/wire/body.ts';
import { faultOf } from '../../src/wire/fault.ts';
import type { Fields } from '../../src/wire/fields.ts';
import { RequestReader } from '../../src/wire/request.ts';
import { ResponseReader } from '../../src/wire/response.ts';
import { emptyReading, type Reading, type Seen } from './seen.ts';

export const LIMITS = { requestLineBytes: 8192, headBytes: 32768, headers: 100 };

function pairs(fields: Fields): string[] {
  const out: string[] = [];
  for (let i = 0; i < fields.count; i++) out.push(fields.name(i), fields.value(i));
  return out;
}

/** Position in pieces; a piece is what one read of a socket gave. */
class Cursor {
  readonly #pieces: readonly Buffer[];
  #index = 0;
  at = 0;

  constructor(pieces: readonly Buffer[]) {
    this.#pieces = pieces;
  }

  /** The piece to read from, or null when all is read. */
  get piece(): Buffer | null {
    while (this.#index < this.#pieces.length && this.at >= this.#pieces[this.#index]!.length) {
      this.#index++;
      this.at = 0;
    }
    return this.#pieces[this.#index] ?? null;
  }

  skipPiece(): void {
    this.#index++;
    this.at = 0;
  }
}

interface HeadFeeder {
  readonly fault: number;
  feed(chunk: Buffer, from: number): number;
}

/** True when a head came out. */
function readHead(reader: HeadFeeder, cursor: Cursor, reading: Reading): boolean {
  for (let piece = cursor.piece; piece !== null; piece = cursor.piece) {
    const next = reader.feed(piece, cursor.at);
    if (next >= 0) {
      cursor.at = next;
      return true;
    }
    if (reader.fault !== 0) {
      reading.stop = 'bad';
      reading.why = faultOf(reader.fault).detail;
      return false;
    }
    cursor.skipPiece();
  }
  return false;
}

/** True when the body is over. */
function readBody(body: BodyReader, seen: Seen, cursor: Cursor, reading: Reading, atEnd: boolean): boolean {
  for (;;) {
    const piece = cursor.piece;
    if (piece === null && !body.isDone) return atEnd && body.finish();
    const code = body.read(piece ?? Buffer.alloc(0), cursor.at);
    cursor.at = body.at;
    if (code === BODY.DATA) seen.body += piece!.toString('latin1', body.from, body.to);
    if (code === BODY.END) {
      seen.trailers = pairs(body.trailers);
      return true;
    }
    if (code === BODY.BAD) {
      reading.stop = 'bad';
      reading.why = faultOf(body.fault).detail;
      return false;
    }
  }
}

/** Reads a connection's requests until one says that it is the last. */
export function readRequests(pieces: readonly Buffer[]): Reading {
  const reading = emptyReading();
  const cursor = new Cursor(pieces);
  const reader = new RequestReader(LIMITS);
  const body = new BodyReader(LIMITS);
  while (readHead(reader, cursor, reading)) {
    const { head } = reader;
    const { method: start, target: detail, minor, framing, length, keepAlive, upgrade } = head;
    const seen: Seen = { start, detail, minor, fields: pairs(head), body: '', trailers: [], isComplete: false };
    reading.messages.push(seen);
    reader.reset();
    body.begin(framing, length);
    seen.isComplete = readBody(body, seen, cursor, reading, false);
    if (!seen.isComplete) return reading;
    if (!keepAlive || upgrade !== '') {
      reading.stop = 'over';
      return reading;
    }
  }
  return reading;
}

/** Reads the responses to one request of this method (index in METHODS), up to the end of the connection. */
export function readResponses(pieces: readonly Buffer[], methodId: number): Reading {
  const reading = emptyReading();
  const cursor = new Cursor(pieces);
  const reader = new ResponseReader(LIMITS);
  const body = new BodyReader(LIMITS);
  reader.expect(methodId);
  while (readHead(reader, cursor, reading)) {
    const { head } = reader;
    const { status, reason: detail, minor, framing, length } = head;
    const seen: Seen = {
      start: String(status),
      detail,
      minor,
      fields: pairs(head),
      body: '',
      trailers: [],
      isComplete: false,
    };
    reading.messages.push(seen);
    reader.reset();
    body.begin(framing, length);
    seen.isComplete = readBody(body, seen, cursor, reading, true);
    if (!seen.isComplete) return reading;
    if (status >= 200 || status === 101) {
      reading.stop = 'over';
      return reading;
    }
  }
  return reading;
}
