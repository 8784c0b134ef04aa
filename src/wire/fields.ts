// One block of field lines as offsets into the text it came in: no header object, no string a field, nothing allocated a message.
// Names that somebody in here cares about have a small integer, found by a perfect hash built once at load (three characters and
// the length pick the slot, one comparison settles it), so that the rest of the code switches on integers.

import { TOKEN_LOWER } from './chars.ts';

/** Integers of the known field names. The first 32 also have a bit in `Fields.seen`. */
export const FIELD = {
  OTHER: 0,
  HOST: 1,
  CONNECTION: 2,
  CONTENT_LENGTH: 3,
  TRANSFER_ENCODING: 4,
  UPGRADE: 5,
  EXPECT: 6,
  TE: 7,
  TRAILER: 8,
  KEEP_ALIVE: 9,
  PROXY_CONNECTION: 10,
  PROXY_AUTHENTICATE: 11,
  PROXY_AUTHORIZATION: 12,
  PROXY_AUTHENTICATION_INFO: 13,
  VIA: 14,
  CDN_LOOP: 15,
  FORWARDED: 16,
  X_FORWARDED_FOR: 17,
  X_FORWARDED_PROTO: 18,
  X_FORWARDED_HOST: 19,
  X_FORWARDED_PORT: 20,
  X_REAL_IP: 21,
  X_REQUEST_ID: 22,
  MAX_FORWARDS: 23,
  DATE: 24,
  SET_COOKIE: 25,
  COOKIE: 26,
  AUTHORIZATION: 27,
  RETRY_AFTER: 28,
  CONTENT_TYPE: 29,
  ACCEPT: 30,
  HTTP2_SETTINGS: 31,
  USER_AGENT: 32,
  REFERER: 33,
  CONTENT_ENCODING: 34,
  CONTENT_RANGE: 35,
  CACHE_CONTROL: 36,
  WWW_AUTHENTICATE: 37,
  LOCATION: 38,
  RANGE: 39,
  ORIGIN: 40,
  TRACEPARENT: 41,
  TRACESTATE: 42,
  SERVER: 43,
  SERVER_TIMING: 44,
  AGE: 45,
  EXPIRES: 46,
  VARY: 47,
  PROXY_STATUS: 48,
} as const;

/** Lower-case name by integer; '' for OTHER. */
export const FIELD_NAMES: readonly string[] = Object.keys(FIELD).map((key) =>
  key === 'OTHER' ? '' : key.toLowerCase().replaceAll('_', '-'),
);

const SLOTS = 512;
const { slots: SLOT_ID, a: HASH_A, b: HASH_B, c: HASH_C } = perfectHash();
const NAME_BYTES: readonly Uint8Array[] = FIELD_NAMES.map((name) => Uint8Array.from(name, (ch) => ch.charCodeAt(0)));

function perfectHash(): { slots: Uint8Array; a: number; b: number; c: number } {
  for (let seed = 1; seed < 100_000; seed++) {
    const a = ((seed * 7) % 509) | 1;
    const b = ((seed * 131) % 509) | 1;
    const c = ((seed * 37) % 509) | 1;
    const slots = new Uint8Array(SLOTS);
    const isFree = FIELD_NAMES.every((name, id) => {
      if (id === 0) return true;
      const n = name.length;
      const slot =
        (name.charCodeAt(0) * a + name.charCodeAt((n * 3) >> 2) * b + name.charCodeAt(n - 1) * c + n) & (SLOTS - 1);
      if (slots[slot] !== 0) return false;
      slots[slot] = id;
      return true;
    });
    if (isFree) return { slots, a, b, c };
  }
  throw new Error('field names: no perfect hash found; two names share length, first, 3/4 and last character');
}

/** The integer of the name in buf[at, end), which must be a non-empty token; OTHER if it is none of ours. */
export function fieldIdOf(buf: Uint8Array, at: number, end: number): number {
  const n = end - at;
  const slot =
    TOKEN_LOWER[buf[at]!]! * HASH_A +
    TOKEN_LOWER[buf[at + ((n * 3) >> 2)]!]! * HASH_B +
    TOKEN_LOWER[buf[end - 1]!]! * HASH_C +
    n;
  const id = SLOT_ID[slot & (SLOTS - 1)]!;
  if (id === 0) return 0;
  const known = NAME_BYTES[id]!;
  if (known.length !== n) return 0;
  for (let i = 0; i < n; i++) {
    if (TOKEN_LOWER[buf[at + i]!] !== known[i]) return 0;
  }
  return id;
}

const NAME_IDS = new Map(FIELD_NAMES.map((name, id) => [name, id]));

/** The integer of a lower-case name; OTHER if it is none of ours. For set-up time, not for a request. */
export function fieldIdOfName(lower: string): number {
  return NAME_IDS.get(lower) ?? FIELD.OTHER;
}

const NO_BYTES = new Uint8Array(0);
const NO_INTS = new Int32Array(0);

/**
 * One parsed block of field lines; reused, valid until the next parse. The arrays are replaced when they grow: take them from here
 * each time. Line i spans nameAt[i] to the nameAt of the next; lines are adjacent in `text`.
 */
export class Fields {
  /** latin1: all lines, blank line included, start line not. Offsets below count from its start. */
  text = '';
  count = 0;
  /** FIELD integer of each line. */
  id: Uint8Array = NO_BYTES;
  nameAt: Int32Array = NO_INTS;
  nameEnd: Int32Array = NO_INTS;
  /** The value without the whitespace around it. */
  valueAt: Int32Array = NO_INTS;
  valueEnd: Int32Array = NO_INTS;
  /** 1: the line is exactly `name: value CRLF`, so a run of such lines is its own re-serialisation. */
  plain: Uint8Array = NO_BYTES;
  /** 1: not to be forwarded. Set by the parse for hop-by-hop fields; the data plane may set more. */
  drop: Uint8Array = NO_BYTES;
  /** Bit `1 << id` for each id < 32 that is present. */
  seen = 0;
  /** The same, for ids that are present more than once. */
  repeated = 0;
  /** Of the parser: where the line that is not complete yet starts, in the buffer given last. */
  resumeAt = 0;
  /** Of the parser: why it said BAD. */
  parseFault = 0;

  constructor(capacity: number) {
    if (capacity > 0) growTo(this, capacity);
  }

  /** Forgets the lines; keeps the arrays. */
  clear(): void {
    this.count = 0;
    this.seen = 0;
    this.repeated = 0;
  }

  name(i: number): string {
    return this.text.slice(this.nameAt[i], this.nameEnd[i]);
  }

  value(i: number): string {
    return this.text.slice(this.valueAt[i], this.valueEnd[i]);
  }

  /** First line with this id, or -1. An absent id < 32 costs one test. */
  find(id: number): number {
    if (id < 32 && (this.seen & (1 << id)) === 0) return -1;
    for (let i = 0; i < this.count; i++) {
      if (this.id[i] === id) return i;
    }
    return -1;
  }

  /** Next line after `i` with the id of line `i`, or -1. */
  findNext(i: number): number {
    const id = this.id[i]!;
    for (let k = i + 1; k < this.count; k++) {
      if (this.id[k] === id) return k;
    }
    return -1;
  }

  /** First line with this name (lower case), or -1. */
  findName(lower: string): number {
    for (let i = 0; i < this.count; i++) {
      if (this.nameIs(i, lower)) return i;
    }
    return -1;
  }

  /** Whether line i has this name (given in lower case); case-insensitive. */
  nameIs(i: number, lower: string): boolean {
    const at = this.nameAt[i]!;
    const n = lower.length;
    if (this.nameEnd[i]! - at !== n) return false;
    const text = this.text;
    for (let k = 0; k < n; k++) {
      if (TOKEN_LOWER[text.charCodeAt(at + k)] !== lower.charCodeAt(k)) return false;
    }
    return true;
  }

  /** Whether line i's name starts with `lower` (given in lower case); case-insensitive. */
  nameStartsWith(i: number, lower: string): boolean {
    const at = this.nameAt[i]!;
    const n = lower.length;
    if (this.nameEnd[i]! - at < n) return false;
    for (let k = 0; k < n; k++) {
      if (TOKEN_LOWER[this.text.charCodeAt(at + k)] !== lower.charCodeAt(k)) return false;
    }
    return true;
  }

  /** The same of its value. `lower`: letters, digits, `/` and `-`. */
  valueStartsWith(i: number, lower: string): boolean {
    const at = this.valueAt[i]!;
    const n = lower.length;
    if (this.valueEnd[i]! - at < n) return false;
    for (let k = 0; k < n; k++) {
      const c = this.text.charCodeAt(at + k);
      if (c !== lower.charCodeAt(k) && (c | 32) !== lower.charCodeAt(k)) return false;
    }
    return true;
  }
}

/** Adds a line of ours behind those that were parsed. `name` and `value` must be valid. */
export function addLine(fields: Fields, name: string, value: string): void {
  const { count, text } = fields;
  if (count === fields.id.length) growTo(fields, count + 8);
  fields.text = `${text}${name}: ${value}\r\n`;
  fields.id[count] = fieldIdOfName(name.toLowerCase());
  fields.nameAt[count] = text.length;
  fields.nameEnd[count] = text.length + name.length;
  fields.valueAt[count] = text.length + name.length + 2;
  fields.valueEnd[count] = fields.text.length - 2;
  fields.plain[count] = 0; // it does not follow the line before it
  fields.drop[count] = 0;
  fields.count = count + 1;
}

/** Makes room for at least `capacity` lines; what is there stays. */
export function growTo(fields: Fields, capacity: number): void {
  const bytes = (old: Uint8Array): Uint8Array => {
    const grown = new Uint8Array(capacity);
    grown.set(old);
    return grown;
  };
  const ints = (old: Int32Array): Int32Array => {
    const grown = new Int32Array(capacity);
    grown.set(old);
    return grown;
  };
  fields.id = bytes(fields.id);
  fields.plain = bytes(fields.plain);
  fields.drop = bytes(fields.drop);
  fields.nameAt = ints(fields.nameAt);
  fields.nameEnd = ints(fields.nameEnd);
  fields.valueAt = ints(fields.valueAt);
  fields.valueEnd = ints(fields.valueEnd);
}

/**
 * All lines whose `drop` is 0, re-serialised, each ended by CRLF; '' if none. Runs of plain lines are copied by one slice: they
 * were checked byte by byte and are what we would write ourselves.
 */
export function copyKept(fields: Fields): string {
  const { text, drop, plain, nameAt, valueEnd, count } = fields;
  let out = '';
  let runAt = -1;
  for (let i = 0; i < count; i++) {
    const isKept = drop[i] === 0;
    if (isKept && plain[i] === 1) {
      if (runAt < 0) runAt = nameAt[i]!;
      continue;
    }
    if (runAt >= 0) out += text.slice(runAt, valueEnd[i - 1]! + 2);
    runAt = -1;
    if (isKept) out += `${fields.name(i)}: ${fields.value(i)}\r\n`;
  }
  if (runAt >= 0) out += text.slice(runAt, valueEnd[count - 1]! + 2);
  return out;
}
