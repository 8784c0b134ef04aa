// A response head: status line (RFC 9112 4), framing by the request it answers (6.3), persistence. Held to the standard of
// requests; its faults are the endpoint's and carry OF_RESPONSE. 1xx come out like any head, with framing NONE.

import { CR, HEX_VALUE, LF, latin1Again, SP, tokenIs, VALUE_BYTE } from './chars.ts';
import { FAULT, type Fault, NO_FAULT, OF_RESPONSE } from './fault.ts';
import { FIELD, type Fields } from './fields.ts';
import { FRAMING, Message, OPTION, readConnection, readFraming, readUpgrade, skipSpace, tokenEnd } from './framing.ts';
import { byteFault, NEED, USUAL_LINES } from './lines.ts';
import { HeadReader } from './reader.ts';
import { LastBlock } from './repeat.ts';

export { FRAMING, type Framing } from './framing.ts';
export { BAD, NEED } from './lines.ts';

/** METHODS index of HEAD: the one method whose answer has fields about a body and none. */
const HEAD = 2;
const VERSION = [72, 84, 84, 80, 47, 49, 46]; // HTTP/1.
/** `HTTP/1.1 200`: what is fixed in length. */
const FIXED_BYTES = 12;
/** Longer hints say nothing: an hour. */
const MAX_HINT_S = 3600;

export interface ResponseLimits {
  /** Longest head, blank line included, bytes. */
  readonly headBytes: number;
  /** Most field lines. */
  readonly headers: number;
}

/** A response; reused, valid until the next `feed` of its reader. */
export class ResponseHead extends Message {
  /** 100-999. */
  status = 0;
  /** As sent; may be ''. */
  reason = '';
  /** `timeout` of Keep-Alive, ms; -1 if there is none. */
  keepAliveTimeoutMs = -1;
  hasDate = false;
}

/** Reads response heads of one connection; `expect` before each, `reset` between them (also after 1xx). */
export class ResponseReader extends HeadReader<ResponseHead> {
  #methodId = 0;
  #status = 0;
  #minor: 0 | 1 = 1;
  #reason = '';
  readonly #last = new LastBlock();
  /** Of the response that `#last` came with: how its body was framed depends on these, too. */
  #lastStatus = 0;
  #lastMinor = -1;
  #lastMethodId = 0;

  constructor(limits: ResponseLimits) {
    super(new ResponseHead(USUAL_LINES), limits.headBytes, limits.headers, OF_RESPONSE);
  }

  /** The method (index in METHODS) of the request that the next responses answer; holds until said anew. */
  expect(methodId: number): void {
    this.#methodId = methodId;
  }

  protected override readStart(buf: Buffer, at: number, end: number): number {
    for (let k = 0; k < FIXED_BYTES; k++) {
      if (at + k === end) return NEED;
      const byte = buf[at + k]!;
      const isFit =
        k < 7
          ? byte === VERSION[k]
          : k === 7
            ? byte === 48 || byte === 49
            : k === 8
              ? byte === SP
              : HEX_VALUE[byte]! < 10 && (k > 9 || byte !== 48);
      if (!isFit) return this.refuse(statusFault(byte, k < 8));
    }
    let p = at + FIXED_BYTES;
    if (p < end && buf[p] === SP) p++;
    // `HTTP/1.1 200` without the last space is common and can be read in one way only.
    const reasonAt = p;
    if (p < end && buf[p - 1] !== SP && buf[p] !== CR) return this.refuse(statusFault(buf[p]!, false));
    while (p < end && VALUE_BYTE[buf[p]!] !== 0) p++;
    if (p === end) return NEED;
    if (buf[p] !== CR) return this.refuse(byteFault(buf[p]!));
    if (p + 1 === end) return NEED;
    if (buf[p + 1] !== LF) return this.refuse(FAULT.BARE_CR);
    this.#minor = buf[at + 7] === 49 ? 1 : 0;
    this.#status = (buf[at + 9]! - 48) * 100 + (buf[at + 10]! - 48) * 10 + buf[at + 11]! - 48;
    this.#reason = latin1Again(buf, reasonAt, p, this.#reason);
    return p + 2;
  }

  /** The lines mean what they meant, if the version, the status and the method asked with are the same. */
  protected override recall(buf: Buffer, at: number, end: number): number {
    const isLike =
      this.#status === this.#lastStatus && this.#minor === this.#lastMinor && this.#methodId === this.#lastMethodId;
    const next = isLike ? this.#last.endOf(buf, at, end) : NEED;
    if (next < 0) {
      this.#last.forget();
      return NEED;
    }
    this.#last.restore(this.head);
    this.head.reason = this.#reason;
    return next;
  }

  /** What was read is not to be known again. */
  forget(): void {
    this.#last.forget();
  }

  protected override remember(buf: Buffer, at: number, end: number): void {
    this.#lastStatus = this.#status;
    this.#lastMinor = this.#minor;
    this.#lastMethodId = this.#methodId;
    this.#last.keep(buf, at, end, this.head);
  }

  protected override settle(): Fault {
    const head = this.head;
    head.minor = this.#minor;
    head.isH2 = false;
    head.status = this.#status;
    head.reason = this.#reason;
    head.hasDate = (head.seen & (1 << FIELD.DATE)) !== 0;
    head.keepAliveTimeoutMs = (head.seen & (1 << FIELD.KEEP_ALIVE)) === 0 ? -1 : idleHintMs(head);
    const options = readConnection(head);
    if (options < 0) return -options;
    const isClosing = (options & OPTION.CLOSE) !== 0;
    head.keepAlive = !isClosing && (head.minor === 1 || (options & OPTION.KEEP_ALIVE) !== 0);
    const fault = readFraming(head);
    if (fault !== NO_FAULT) return fault;
    head.upgrade = '';
    if ((options & OPTION.UPGRADE) !== 0 && head.minor === 1) {
      const upgrade = readUpgrade(head);
      if (upgrade === null) return FAULT.BAD_UPGRADE;
      head.upgrade = upgrade;
    }
    return settleBody(head, this.#methodId);
  }
}

/** RFC 9112 6.3: the status and the request decide before the fields do. */
function settleBody(head: ResponseHead, methodId: number): Fault {
  const { status } = head;
  if (status < 200 && status !== 101 && !head.keepAlive) return FAULT.FINAL_INTERIM;
  if (status < 200 || status === 204) {
    // Some receivers read a body here, others do not: `Content-Length: 0` is the one length that nobody misreads.
    if (head.framing === FRAMING.CHUNKED || head.length > 0) return FAULT.FRAMED_WITHOUT_BODY;
    head.framing = FRAMING.NONE;
    head.length = -1;
  } else if (status === 304 || methodId === HEAD) {
    // A length here describes what is not sent: it is the endpoint's statement and travels on.
    if (head.framing === FRAMING.LENGTH) head.drop[head.find(FIELD.CONTENT_LENGTH)] = 0;
    head.framing = FRAMING.NONE;
  } else if (head.framing === FRAMING.NONE) {
    head.framing = FRAMING.UNTIL_CLOSE;
    head.keepAlive = false;
  }
  return NO_FAULT;
}

/** `Keep-Alive: timeout=5, max=100` -> 5000; -1 if it does not say. Nothing that is wrong with it matters. */
function idleHintMs(head: Fields): number {
  const i = head.find(FIELD.KEEP_ALIVE);
  const { text } = head;
  const end = head.valueEnd[i]!;
  let p = head.valueAt[i]!;
  while (p < end) {
    const nameEnd = tokenEnd(text, p, end);
    if (tokenIs(text, p, nameEnd, 'timeout') && text.charCodeAt(nameEnd) === 61) {
      let seconds = 0;
      let k = nameEnd + 1;
      for (; k < end; k++) {
        const digit = text.charCodeAt(k) - 48;
        if (digit < 0 || digit > 9) break;
        seconds = Math.min(seconds * 10 + digit, MAX_HINT_S);
      }
      return k === nameEnd + 1 ? -1 : seconds * 1000;
    }
    const comma = text.indexOf(',', p);
    if (comma < 0 || comma >= end) break;
    p = skipSpace(text, comma + 1, end);
  }
  return -1;
}

function statusFault(byte: number, isVersion: boolean): Fault {
  if (VALUE_BYTE[byte] === 0) return byteFault(byte);
  return isVersion ? FAULT.BAD_VERSION : FAULT.BAD_STATUS_LINE;
}
