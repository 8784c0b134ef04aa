// A request head: request line (RFC 9112 3), Host and target (3.2), framing, expectations and upgrades. Anything that two parties
// could read differently is refused with the fault that names it; the request line as soon as its CRLF is in.

import { CR, LF, latin1, latin1Again, SLASH, SP, TARGET_BYTE, TOKEN_LOWER, tokenIs } from './chars.ts';
import { FAULT, type Fault, NO_FAULT } from './fault.ts';
import { FIELD } from './fields.ts';
import { FRAMING, Message, OPTION, readConnection, readFraming, readUpgrade } from './framing.ts';
import { Authority } from './host.ts';
import { NEED, USUAL_LINES } from './lines.ts';
import { METHOD, METHODS, methodIdOf } from './method.ts';
import { HeadReader } from './reader.ts';
import { LastBlock } from './repeat.ts';
import { DIGIT_1, isVersion, startFault, VERSION_BYTES, versionFault } from './version.ts';

export { FRAMING, type Framing } from './framing.ts';
export { BAD, NEED } from './lines.ts';

export interface RequestLimits {
  /** Longest request line without its CRLF, bytes; 414 beyond. */
  readonly requestLineBytes: number;
  /** Longest head, blank line included, bytes; 431 beyond. */
  readonly headBytes: number;
  /** Most field lines; 431 beyond. */
  readonly headers: number;
}

/** Leading CRLFs that are skipped before a request (RFC 9112 2.2 asks for one at least); more are refused. */
const MAX_BLANK_LINES = 4;
const STAR = 42;
const QUERY = 63;

/** A request; reused, valid until the next `feed` of its reader. */
export class RequestHead extends Message {
  method = '';
  /** Index in METHODS. */
  methodId = 0;
  /** As sent. */
  target = '';
  /** Path and query to forward, byte-equal; of absolute-form, '/' if empty; '*' for `OPTIONS *` and `OPTIONS http://h`. */
  path = '';
  /** Of absolute-form, else the value of Host; '' if there is none (HTTP/1.0). */
  authority = '';
  /** Of `authority`: without port, lower case, IPv6 in brackets. */
  host = '';
  /** Of `authority`; 0 if none. */
  port = 0;
  isAbsolute = false;
  /** `Expect: 100-continue`, HTTP/1.1 only; whether there is content to wait for is `framing`'s to say. */
  expectContinue = false;
  /** Some other expectation: 417. */
  expectOther = false;
  /** HTTP/2's way to ask for `upgrade` (RFC 8441): told as a GET, and answered by 200, not 101. */
  isExtendedConnect = false;
  /** Of the HTTP/2 codec: which lines these are (h2/tail.ts); 0 says nothing. */
  linesStamp = 0;
}

/** Reads request heads of one connection, one after the other; `reset` between them. */
export class RequestReader extends HeadReader<RequestHead> {
  readonly #maxStart: number;
  /** Host of the last request: it rarely changes on a connection, and then costs one comparison. */
  readonly #hostField = new Authority();
  #absolute: Authority | null = null;
  #absolutePath = '';
  #isAbsolute = false;
  #methodId = 0;
  #method = '';
  #target = '';
  #minor: 0 | 1 = 1;
  readonly #last = new LastBlock();
  /** Of the request that `#last` came with. */
  #lastMinor = -1;
  /** Not even a blank line has been seen since `reset`. */
  get isUntouched(): boolean {
    return this.isEmpty && this.#blankLines === 0 && !this.#isAfterCr;
  }

  /** It asks for HEAD, as far as it could be read: not even a refusal has a body then. */
  get isHead(): boolean {
    return this.#methodId === METHOD.HEAD;
  }

  #blankLines = 0;
  #isAfterCr = false;

  constructor(limits: RequestLimits) {
    super(new RequestHead(USUAL_LINES), limits.headBytes, limits.headers, 0);
    this.#maxStart = limits.requestLineBytes;
  }

  override feed(chunk: Buffer, from: number): number {
    if (!this.isEmpty || from >= chunk.length) return super.feed(chunk, from);
    const first = chunk[from];
    if (first !== CR && first !== LF && !this.#isAfterCr) return super.feed(chunk, from);
    const at = this.#skipBlankLines(chunk, from);
    return at < 0 ? at : super.feed(chunk, at);
  }

  override reset(): void {
    super.reset();
    this.#methodId = METHOD.OTHER;
    this.#blankLines = 0;
    this.#isAfterCr = false;
  }

  protected override get maxStartBytes(): number {
    return this.#maxStart;
  }

  #skipBlankLines(chunk: Buffer, from: number): number {
    for (let p = from; p < chunk.length; p++) {
      const byte = chunk[p];
      if (this.#isAfterCr) {
        if (byte !== LF) return this.refuse(FAULT.BARE_CR);
        this.#isAfterCr = false;
        if (++this.#blankLines > MAX_BLANK_LINES) return this.refuse(FAULT.BAD_REQUEST_LINE);
      } else if (byte === CR) this.#isAfterCr = true;
      else if (byte === LF) return this.refuse(FAULT.BARE_LF);
      else return p;
    }
    return NEED;
  }

  protected override readStart(buf: Buffer, at: number, end: number): number {
    const limit = at + this.#maxStart + 2;
    const stop = end < limit ? end : limit;
    let p = at;
    while (p < stop && TOKEN_LOWER[buf[p]!] !== 0) p++;
    const methodEnd = p;
    if (p < stop) {
      if (p === at || buf[p] !== SP) return this.refuse(startFault(buf[p]!, FAULT.BAD_METHOD));
      p++;
      while (p < stop && TARGET_BYTE[buf[p]!] !== 0) p++;
    }
    if (p === stop) return end >= limit ? this.#refuseOf(buf, at, methodEnd, FAULT.LINE_TOO_LONG) : NEED;
    const targetEnd = p;
    if (p === methodEnd + 1 || buf[p] !== SP)
      return this.#refuseOf(buf, at, methodEnd, startFault(buf[p]!, FAULT.BAD_TARGET));
    p++;
    if (stop - p < VERSION_BYTES || !isVersion(buf, p)) {
      const fault = versionFault(buf, p, stop);
      if (fault !== NO_FAULT) return this.#refuseOf(buf, at, methodEnd, fault);
      return end >= limit ? this.#refuseOf(buf, at, methodEnd, FAULT.LINE_TOO_LONG) : NEED;
    }
    this.#minor = buf[p + 7] === DIGIT_1 ? 1 : 0;
    this.#methodId = methodIdOf(buf, at, methodEnd);
    this.#method = this.#methodId === METHOD.OTHER ? latin1(buf, at, methodEnd) : METHODS[this.#methodId]!;
    this.#target = latin1Again(buf, methodEnd + 1, targetEnd, this.#target);
    const fault = this.#judgeTarget(buf, methodEnd + 1, targetEnd);
    return fault === NO_FAULT ? p + VERSION_BYTES : this.refuse(fault);
  }

  /** What is wrong is behind the method, which says how to refuse it. */
  #refuseOf(buf: Buffer, at: number, methodEnd: number, fault: Fault): number {
    this.#methodId = methodIdOf(buf, at, methodEnd);
    return this.refuse(fault);
  }

  #judgeTarget(buf: Buffer, at: number, end: number): Fault {
    this.#isAbsolute = false;
    if (this.#methodId === METHOD.CONNECT) return FAULT.CONNECT;
    if (buf[at] === SLASH) return NO_FAULT;
    if (buf[at] === STAR) {
      return end === at + 1 && this.#methodId === METHOD.OPTIONS ? NO_FAULT : FAULT.BAD_TARGET;
    }
    return this.#readAbsolute(this.#target);
  }

  /** absolute-form (RFC 9112 3.2.2): http or https, a host, no userinfo. */
  #readAbsolute(target: string): Fault {
    const colon = target.indexOf('://');
    if (colon < 0 || !(tokenIs(target, 0, colon, 'http') || tokenIs(target, 0, colon, 'https')))
      return FAULT.BAD_TARGET;
    const at = colon + 3;
    let end = at;
    while (end < target.length && target.charCodeAt(end) !== SLASH && target.charCodeAt(end) !== QUERY) end++;
    this.#absolute ??= new Authority();
    if (!this.#absolute.parse(target, at, end)) return FAULT.BAD_TARGET;
    this.#isAbsolute = true;
    if (end < target.length)
      this.#absolutePath = target.charCodeAt(end) === SLASH ? target.slice(end) : `/${target.slice(end)}`;
    else this.#absolutePath = this.#methodId === METHOD.OPTIONS ? '*' : '/';
    return NO_FAULT;
  }

  protected override settle(): Fault {
    const head = this.head;
    head.minor = this.#minor;
    head.isH2 = false;
    head.isExtendedConnect = false;
    head.isAbsolute = this.#isAbsolute;
    this.#settleStart(head);
    const hostFault = this.#settleHost(head);
    if (hostFault !== NO_FAULT) return hostFault;
    const framingFault = readFraming(head);
    if (framingFault !== NO_FAULT) return framingFault;
    const options = readConnection(head);
    if (options < 0) return -options;
    head.keepAlive = head.minor === 1 && (options & OPTION.CLOSE) === 0;
    settleExpect(head);
    head.upgrade = '';
    if ((options & OPTION.UPGRADE) === 0 || (head.seen & (1 << FIELD.UPGRADE)) === 0 || head.minor === 0)
      return NO_FAULT;
    return settleUpgrade(head);
  }

  /** What the request line says. */
  #settleStart(head: RequestHead): void {
    head.methodId = this.#methodId;
    head.method = this.#method;
    head.target = this.#target;
    head.path = this.#isAbsolute ? this.#absolutePath : this.#target;
  }

  /** The lines mean what they meant, if the version is the same; but for absolute-form, which has a word in what Host means. */
  protected override recall(buf: Buffer, at: number, end: number): number {
    const isLike = this.#minor === this.#lastMinor && !this.#isAbsolute;
    const next = isLike ? this.#last.endOf(buf, at, end) : NEED;
    if (next < 0) {
      this.#last.forget();
      return NEED;
    }
    this.#last.restore(this.head);
    this.#settleStart(this.head);
    return next;
  }

  /** What was read is not to be known again. */
  forget(): void {
    this.#last.forget();
  }

  protected override remember(buf: Buffer, at: number, end: number): void {
    this.#lastMinor = this.#isAbsolute ? -1 : this.#minor;
    this.#last.keep(buf, at, end, this.head);
  }

  /** Exactly one valid Host in HTTP/1.1, at most one in 1.0; the authority of absolute-form wins over it (RFC 9112 3.2). */
  #settleHost(head: RequestHead): Fault {
    let authority: Authority | null = null;
    if ((head.seen & (1 << FIELD.HOST)) !== 0) {
      if ((head.repeated & (1 << FIELD.HOST)) !== 0) return FAULT.MANY_HOSTS;
      const i = head.find(FIELD.HOST);
      if (!this.#hostField.parse(head.text, head.valueAt[i]!, head.valueEnd[i]!)) return FAULT.BAD_HOST;
      authority = this.#hostField;
    } else if (head.minor === 1) return FAULT.NO_HOST;
    if (this.#isAbsolute) authority = this.#absolute;
    head.authority = authority === null ? '' : authority.text;
    head.host = authority === null ? '' : authority.host;
    head.port = authority === null ? 0 : authority.port;
    return NO_FAULT;
  }
}

/** Works out `expectContinue` and `expectOther`. */
export function settleExpect(head: RequestHead): void {
  head.expectContinue = false;
  head.expectOther = false;
  if ((head.seen & (1 << FIELD.EXPECT)) === 0) return;
  for (let i = head.find(FIELD.EXPECT); i >= 0; i = head.findNext(i)) {
    if (!tokenIs(head.text, head.valueAt[i]!, head.valueEnd[i]!, '100-continue')) head.expectOther = true;
    else if (head.minor === 1) head.expectContinue = true;
  }
}

function settleUpgrade(head: RequestHead): Fault {
  const upgrade = readUpgrade(head);
  if (upgrade === null) return FAULT.BAD_UPGRADE;
  if (upgrade !== '' && (head.framing === FRAMING.CHUNKED || head.length > 0)) {
    // Where the tunnel starts would be a matter of opinion: the most repeated smuggling bug of proxies.
    if (tokenIs(upgrade, 0, upgrade.length, 'websocket')) return FAULT.UPGRADE_WITH_BODY;
    return NO_FAULT; // nobody behind us hears of another one, and Java's client offers h2c with whatever it posts
  }
  head.upgrade = upgrade;
  return NO_FAULT;
}
