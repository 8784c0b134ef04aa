// Where a body's bytes are and where it ends (RFC 9112 6 and 7). The reader owns no bytes: it gives ranges of the chunk that it
// was given, so content is never copied here. Chunked is read without leniency: digits, no blanks, CRLF and nothing else.

import { CR, HEX_VALUE, HTAB, LF, TOKEN_LOWER, VALUE_BYTE } from './chars.ts';
import { FAULT, type Fault, NO_FAULT } from './fault.ts';
import { Fields } from './fields.ts';
import { FRAMING, type Framing } from './framing.ts';
import { byteFault, NEED } from './lines.ts';
import { TrailerReader } from './trailers.ts';

export { FRAMING, type Framing } from './framing.ts';

/** What `BodyReader.read` found. */
export const BODY = {
  /** The chunk is used up. */
  MORE: 0,
  /** Content: chunk[from, to). */
  DATA: 1,
  /** The message is over; the rest of the chunk starts at `at`; `trailers` holds what came with it. */
  END: 2,
  /** Refused: `fault`. */
  BAD: -1,
} as const;

export interface BodyLimits {
  /** Longest trailer section, bytes. */
  readonly headBytes: number;
  /** Most trailer fields. */
  readonly headers: number;
}

const DEFAULT_LIMITS: BodyLimits = { headBytes: 16 * 1024, headers: 100 };
/** Chunk extensions of one message, bytes. Nobody uses them but those who want to keep us busy (CVE-2024-22019). */
const MAX_EXTENSION_BYTES = 4096;
/** 2^53 has 14 hexadecimal digits; two zeros more are let pass. */
const MAX_SIZE_DIGITS = 16;

const SEMICOLON = 59;
const EQUALS = 61;
const QUOTE = 34;
const BACKSLASH = 92;

const STATE = {
  SIZE: 0,
  SIZE_LF: 1,
  NAME: 2,
  VALUE: 3,
  QUOTED: 4,
  ESCAPED: 5,
  QUOTED_END: 6,
  DATA: 7,
  DATA_CR: 8,
  DATA_LF: 9,
  TRAILERS: 10,
  TRAILERS_LF: 11,
  TRAILER_LINES: 12,
} as const;

/** Reads one body after the other; `begin` each. */
export class BodyReader {
  readonly trailers = new Fields(0);
  /** After `read`: where to go on in the chunk. */
  at = 0;
  /** After DATA: the content is chunk[from, to). */
  from = 0;
  to = 0;
  fault: Fault = NO_FAULT;
  /** Content bytes so far. */
  received = 0;
  isDone = true;

  readonly #limits: BodyLimits;
  /** OF_RESPONSE if this side is the endpoint's. */
  readonly #faultBase: number;
  #framing: Framing = FRAMING.NONE;
  /** Content bytes to come: of the message, or of the current chunk. */
  #left = 0;
  #state = 0;
  /** Of the part being read: digits of the size, or bytes of the extension's name or value. */
  #partBytes = 0;
  #extensionBytes = 0;
  #trailerReader: TrailerReader | null = null;

  constructor(limits: BodyLimits = DEFAULT_LIMITS, faultBase = 0) {
    this.#limits = limits;
    this.#faultBase = faultBase;
  }

  /** A new message. NONE, and LENGTH of 0 bytes, are done at once. */
  begin(framing: Framing, length: number): void {
    this.#framing = framing;
    this.#left = framing === FRAMING.LENGTH ? length : 0;
    this.isDone = framing === FRAMING.NONE || (framing === FRAMING.LENGTH && length === 0);
    this.received = 0;
    this.fault = NO_FAULT;
    this.trailers.count = 0;
    if (framing !== FRAMING.CHUNKED) return;
    this.trailers.clear();
    this.#trailerReader?.reset();
    this.#state = STATE.SIZE;
    this.#partBytes = 0;
    this.#extensionBytes = 0;
  }

  /** Reads chunk[at…): a BODY code. Call again with `this.at` until MORE, END or BAD. Never throws. */
  read(chunk: Buffer, at: number): number {
    this.at = at;
    if (this.isDone) return BODY.END;
    if (this.fault !== NO_FAULT) return BODY.BAD;
    const end = chunk.length;
    if (at >= end) return BODY.MORE;
    if (this.#framing === FRAMING.CHUNKED) return this.#readChunked(chunk, at, end);
    if (this.#framing === FRAMING.LENGTH) {
      this.#take(at, end);
      if (this.#left === 0) this.isDone = true;
    } else {
      this.from = at;
      this.to = end;
      this.at = end;
      this.received += end - at;
    }
    return BODY.DATA;
  }

  /** The peer has closed. Whether that is a legal end; if not, `fault` is INCOMPLETE_BODY. */
  finish(): boolean {
    if (this.#framing === FRAMING.UNTIL_CLOSE && this.fault === NO_FAULT) this.isDone = true;
    if (!this.isDone && this.fault === NO_FAULT) this.#refuse(FAULT.INCOMPLETE_BODY);
    return this.isDone;
  }

  #take(at: number, end: number): void {
    const available = end - at;
    const taken = available < this.#left ? available : this.#left;
    this.from = at;
    this.to = at + taken;
    this.at = at + taken;
    this.#left -= taken;
    this.received += taken;
  }

  #readChunked(chunk: Buffer, start: number, end: number): number {
    let p = start;
    while (p < end) {
      const state = this.#state;
      if (state === STATE.DATA) {
        this.#take(p, end);
        if (this.#left === 0) this.#state = STATE.DATA_CR;
        return BODY.DATA;
      }
      if (state === STATE.TRAILER_LINES) return this.#readTrailers(chunk, p);
      const byte = chunk[p]!;
      if (state === STATE.TRAILERS && byte !== CR) {
        this.#state = STATE.TRAILER_LINES;
        continue;
      }
      p++;
      const fault = state === STATE.SIZE ? this.#readSize(byte) : this.#readFrame(state, byte);
      if (fault !== NO_FAULT) return this.#refuse(fault);
      if (this.isDone) {
        this.at = p;
        return BODY.END;
      }
    }
    this.at = end;
    return BODY.MORE;
  }

  #readSize(byte: number): Fault {
    const digit = HEX_VALUE[byte]!;
    if (digit !== 255) {
      if (++this.#partBytes > MAX_SIZE_DIGITS) return FAULT.BAD_CHUNK_SIZE;
      this.#left = this.#left * 16 + digit;
      return this.#left > Number.MAX_SAFE_INTEGER ? FAULT.BAD_CHUNK_SIZE : NO_FAULT;
    }
    if (this.#partBytes === 0) return VALUE_BYTE[byte] === 1 ? FAULT.BAD_CHUNK_SIZE : byteFault(byte);
    return this.#endPart(byte, FAULT.BAD_CHUNK_SIZE);
  }

  /** After a size, or an extension's name or value: the next extension or the end of the line. */
  #endPart(byte: number, otherwise: Fault): Fault {
    this.#partBytes = 0;
    if (byte === SEMICOLON) {
      this.#state = STATE.NAME;
      return this.#countExtension();
    }
    if (byte === CR) {
      this.#state = STATE.SIZE_LF;
      return NO_FAULT;
    }
    return VALUE_BYTE[byte] === 1 ? otherwise : byteFault(byte);
  }

  #countExtension(): Fault {
    return ++this.#extensionBytes > MAX_EXTENSION_BYTES ? FAULT.CHUNK_LINE_TOO_LONG : NO_FAULT;
  }

  /** One byte of what is neither size nor content. */
  #readFrame(state: number, byte: number): Fault {
    switch (state) {
      case STATE.SIZE_LF:
        if (byte !== LF) return FAULT.BARE_CR;
        this.#state = this.#left === 0 ? STATE.TRAILERS : STATE.DATA;
        return NO_FAULT;
      case STATE.DATA_CR:
        this.#state = STATE.DATA_LF;
        return byte === CR ? NO_FAULT : FAULT.BAD_CHUNK_END;
      case STATE.DATA_LF:
        this.#state = STATE.SIZE;
        this.#partBytes = 0;
        return byte === LF ? NO_FAULT : FAULT.BAD_CHUNK_END;
      case STATE.TRAILERS:
        this.#state = STATE.TRAILERS_LF;
        return NO_FAULT;
      case STATE.TRAILERS_LF:
        this.isDone = byte === LF;
        return byte === LF ? NO_FAULT : FAULT.BARE_CR;
      default:
        return this.#readExtension(state, byte);
    }
  }

  /** RFC 9112 7.1.1 without the bad whitespace; read only to know where it ends. */
  #readExtension(state: number, byte: number): Fault {
    const isToken = TOKEN_LOWER[byte] !== 0;
    if (state === STATE.NAME || state === STATE.VALUE) {
      if (isToken) this.#partBytes++;
      else if (state === STATE.VALUE && byte === QUOTE && this.#partBytes === 0) this.#state = STATE.QUOTED;
      else if (this.#partBytes === 0) return VALUE_BYTE[byte] === 1 ? FAULT.BAD_CHUNK_EXTENSION : byteFault(byte);
      else if (state === STATE.NAME && byte === EQUALS) {
        this.#state = STATE.VALUE;
        this.#partBytes = 0;
      } else return this.#endPart(byte, FAULT.BAD_CHUNK_EXTENSION);
      return this.#countExtension();
    }
    if (state === STATE.QUOTED_END) return this.#endPart(byte, FAULT.BAD_CHUNK_EXTENSION);
    if (VALUE_BYTE[byte] === 0 && byte !== HTAB) return byteFault(byte);
    if (state === STATE.ESCAPED) this.#state = STATE.QUOTED;
    else if (byte === BACKSLASH) this.#state = STATE.ESCAPED;
    else if (byte === QUOTE) this.#state = STATE.QUOTED_END;
    return this.#countExtension();
  }

  #readTrailers(chunk: Buffer, at: number): number {
    this.#trailerReader ??= new TrailerReader(this.trailers, this.#limits.headBytes, this.#limits.headers);
    const reader = this.#trailerReader;
    const next = reader.feed(chunk, at);
    if (next === NEED) {
      this.at = chunk.length;
      return BODY.MORE;
    }
    const { fault } = reader;
    reader.reset();
    if (next < 0) return this.#refuse(fault);
    this.at = next;
    this.isDone = true;
    return BODY.END;
  }

  #refuse(fault: Fault): number {
    this.fault = fault + this.#faultBase;
    return BODY.BAD;
  }
}
