// What reading a request head, a response head and a trailer section have in common: bytes come in pieces, lines come out.
// A head that arrives whole is parsed where it lies and nothing is copied but its text. One that arrives in pieces is gathered;
// new bytes are looked at once for line ends (a bare CR or LF is refused there and then, not at a time-out) and each line is
// parsed once, when it is whole, so the work stays linear even byte by byte.

import { CR, LF, latin1, VALUE_BYTE } from './chars.ts';
import { FAULT, type Fault, NO_FAULT } from './fault.ts';
import type { Fields } from './fields.ts';
import { BAD, byteFault, NEED, readLines } from './lines.ts';

const EMPTY = Buffer.alloc(0);
/** First size of the buffer that gathers a head: most heads in two pieces fit. */
const FIRST_BYTES = 1024;

/** Reads one block of lines at a time; subclasses know the start line and what the fields mean. */
export abstract class HeadReader<H extends Fields> {
  readonly head: H;
  /** Of whoever lends readers: where this one is, and who has it. */
  place = -1;
  user: object | null = null;
  /** Why `feed` gave BAD; stays until `reset`. */
  fault: Fault = NO_FAULT;

  readonly #maxBytes: number;
  readonly #maxLines: number;
  /** OF_RESPONSE for what endpoints send, else 0. */
  readonly #faultBase: number;
  #hasStart = false;
  /** Length of the start line, its CRLF included. */
  #startBytes = 0;
  #held: Buffer = EMPTY;
  #heldBytes = 0;
  /** In #held: bytes before this are known to hold no line end that has not been dealt with. */
  #scanAt = 0;
  #lineAt = 0;

  constructor(head: H, maxBytes: number, maxLines: number, faultBase: number) {
    this.head = head;
    this.#maxBytes = maxBytes;
    this.#maxLines = maxLines;
    this.#faultBase = faultBase;
  }

  /** Reads the start line at buf[at…): gives the position after it, NEED or BAD (and sets `fault`). */
  protected abstract readStart(buf: Buffer, at: number, end: number): number;

  /** All lines are in: works out what they mean. Gives NO_FAULT, or the fault. `head.text` is there. */
  protected abstract settle(): Fault;

  /** Where the lines at buf[at, end) end, if they are known already and `head` holds them as if read; else NEED: they will be. */
  protected recall(_buf: Buffer, _at: number, _end: number): number {
    return NEED;
  }

  /** buf[at, end) was read into `head` and found good. */
  protected remember(_buf: Buffer, _at: number, _end: number): void {}

  /** The fault of a block that is too large; sides name it differently. */
  protected tooLarge(): Fault {
    return FAULT.HEAD_TOO_LARGE;
  }

  /** No byte of a block has been seen since `reset`. */
  get isEmpty(): boolean {
    return !this.#hasStart && this.#heldBytes === 0;
  }

  /** Makes ready for the next message. What `head` holds stays readable until the next `feed`. */
  reset(): void {
    this.fault = NO_FAULT;
    this.#hasStart = false;
    this.#heldBytes = 0;
    this.#held = EMPTY;
  }

  /**
   * Takes chunk[from…). Gives ≥ 0: the block is complete and the rest of the chunk starts there; NEED: the bytes were kept; BAD:
   * `fault` says why, and nothing more is taken until `reset`. Never throws; keeps no reference to the chunk.
   */
  feed(chunk: Buffer, from: number): number {
    if (this.fault !== NO_FAULT) return BAD;
    if (this.#heldBytes > 0) return this.#feedMore(chunk, from);
    const room = from + this.#maxBytes;
    const end = chunk.length < room ? chunk.length : room;
    if (from >= end) return NEED;
    const next = this.#parse(chunk, from, from, end);
    if (next !== NEED) return next;
    if (end === room) return this.refuse(this.tooLarge());
    this.#hold(chunk, from, end);
    this.#scanned();
    return NEED;
  }

  #feedMore(chunk: Buffer, from: number): number {
    const before = this.#heldBytes;
    const room = from + this.#maxBytes - before;
    const end = chunk.length < room ? chunk.length : room;
    this.#hold(chunk, from, end);
    const scan = this.#scan();
    if (scan === BAD) return BAD;
    // A line that lacks only its LF is judged as it stands: what it says will not change.
    const isNearlyWhole = this.#hasStart && this.#held[this.#heldBytes - 1] === CR;
    if (scan !== NEED || isNearlyWhole || (!this.#hasStart && this.#startIsLong())) {
      const next = this.#parse(this.#held, 0, this.#lineAt, this.#heldBytes);
      if (next === BAD) return BAD;
      if (next !== NEED) {
        this.#held = EMPTY;
        this.#heldBytes = 0;
        return from + next - before;
      }
      this.#scanned();
    }
    return this.#heldBytes === this.#maxBytes ? this.refuse(this.tooLarge()) : NEED;
  }

  /** Whether a start line without an end is too long already. */
  #startIsLong(): boolean {
    return this.#heldBytes > this.maxStartBytes + 1;
  }

  /** Longest start line without its CRLF, in bytes; of requests it has a limit of its own. */
  protected get maxStartBytes(): number {
    return this.#maxBytes;
  }

  #parse(buf: Buffer, base: number, at: number, end: number): number {
    const head = this.head;
    let p = at;
    if (!this.#hasStart) {
      p = this.readStart(buf, at, end);
      if (p < 0) {
        this.#lineAt = 0;
        return p;
      }
      this.#hasStart = true;
      this.#startBytes = p - base;
      const known = this.recall(buf, p, end);
      if (known !== NEED) return known;
      head.clear();
    }
    const linesAt = base + this.#startBytes;
    const next = readLines(head, buf, linesAt, p, end, this.#maxLines);
    if (next === NEED) {
      this.#lineAt = head.resumeAt - base;
      return NEED;
    }
    if (next === BAD) return this.refuse(head.parseFault);
    head.text = latin1(buf, linesAt, next);
    const fault = this.settle();
    if (fault !== NO_FAULT) return this.refuse(fault);
    this.remember(buf, linesAt, next);
    return next;
  }

  /** Sets `fault`, lets go of what was gathered, gives BAD. */
  protected refuse(fault: Fault): number {
    this.fault = fault + this.#faultBase;
    this.#held = EMPTY;
    this.#heldBytes = 0;
    this.#hasStart = true;
    return BAD;
  }

  #hold(chunk: Buffer, from: number, end: number): void {
    const needed = this.#heldBytes + end - from;
    if (needed > this.#held.length) {
      let size = Math.max(FIRST_BYTES, this.#held.length);
      while (size < needed) size *= 2;
      const grown = Buffer.allocUnsafeSlow(size);
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldBytes, from, end);
    this.#heldBytes = needed;
  }

  /** The parser has looked at every byte held; only a CR at the very end still waits for its LF. */
  #scanned(): void {
    const end = this.#heldBytes;
    this.#scanAt = end > 0 && this.#held[end - 1] === CR ? end - 1 : end;
  }

  /** Looks at the new bytes: ≥ 0 when a line ended, NEED when none did, BAD for a byte that no line may hold. */
  #scan(): number {
    const buf = this.#held;
    const end = this.#heldBytes;
    for (let p = this.#scanAt; p < end; p++) {
      const byte = buf[p]!;
      if (VALUE_BYTE[byte] !== 0) continue;
      if (byte !== CR) return this.refuse(byteFault(byte));
      if (p + 1 === end) {
        this.#scanAt = p;
        return NEED;
      }
      return buf[p + 1] === LF ? p : this.refuse(FAULT.BARE_CR);
    }
    this.#scanAt = end;
    return NEED;
  }
}
