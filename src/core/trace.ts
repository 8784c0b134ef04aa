// Whether a request is traced, and what its traceparent and tracestate say (W3C Trace Context, level 2). Only the reading of flags
// is for every request; the rest is for those that are traced, which may cost something. Ids come from outside, where there is
// chance good enough for them; what a span holds is in trace-spans.ts.

/** What a Snapshot says of traces; null there = none are made. */
export interface TracingSpec {
  /** Part of the requests that nobody who is trusted has decided about; 0…1. */
  readonly ratio: number;
  /** The sampled flag of a trusted peer decides. */
  readonly parentBased: boolean;
  /** Endpoints are told whose child they are. */
  readonly propagate: boolean;
  /** Query parameters whose values are told to nobody. Lower case. */
  readonly redactQuery: readonly string[];
  /** Of the node. */
  readonly maxSpansPerSecond: number;
}

/**
 * Bits of the flags that are known; others are not passed on. RANDOM is of level 2: it is passed on with the trace id that it is about, but
 * not set, since what reads level 1 alone may be strict.
 */
export const TRACE_FLAG = { SAMPLED: 1, RANDOM: 2 } as const;
/** In place of flags: there is no parent, or its traceparent is not valid. */
export const NO_PARENT = -1;

const TRACE_ID_CHARS = 32;
const SPAN_ID_CHARS = 16;
const TRACE_ID_AT = 3;
const SPAN_ID_AT = TRACE_ID_AT + TRACE_ID_CHARS + 1;
const FLAGS_AT = SPAN_ID_AT + SPAN_ID_CHARS + 1;
/** Of version 00, which is as long as this and no longer. */
const TRACEPARENT_CHARS = FLAGS_AT + 2;

const DASH = 45;
const ZERO = 48;
const NINE = 57;
const LOWER_A = 97;
const LOWER_F = 102;

/**
 * The flags of the traceparent that stands at text[at, end), or NO_PARENT. Of a version to come its first fields are read as those of
 * version 00, as level 2, 3.2.4 has it. Allocates nothing. O(55).
 */
export function parentFlags(text: string, at: number, end: number): number {
  const chars = end - at;
  if (chars < TRACEPARENT_CHARS) return NO_PARENT;
  if (!isHex(text, at, at + 2) || isAll(text, at, at + 2, LOWER_F)) return NO_PARENT;
  const isVersion00 = isAll(text, at, at + 2, ZERO);
  if (chars > TRACEPARENT_CHARS && (isVersion00 || text.charCodeAt(at + TRACEPARENT_CHARS) !== DASH)) return NO_PARENT;
  if (!isId(text, at + TRACE_ID_AT, TRACE_ID_CHARS) || !isId(text, at + SPAN_ID_AT, SPAN_ID_CHARS)) return NO_PARENT;
  const flagsAt = at + FLAGS_AT;
  if (text.charCodeAt(flagsAt - 1) !== DASH || !isHex(text, flagsAt, flagsAt + 2)) return NO_PARENT;
  return digitOf(text.charCodeAt(flagsAt + 1)) & (TRACE_FLAG.SAMPLED | TRACE_FLAG.RANDOM);
}

/** Behind a dash, of lower-case hex digits, not all of them 0. */
function isId(text: string, at: number, chars: number): boolean {
  return text.charCodeAt(at - 1) === DASH && isHex(text, at, at + chars) && !isAll(text, at, at + chars, ZERO);
}

function isHex(text: string, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    const c = text.charCodeAt(i);
    if (!((c >= ZERO && c <= NINE) || (c >= LOWER_A && c <= LOWER_F))) return false;
  }
  return true;
}

function isAll(text: string, at: number, end: number, code: number): boolean {
  for (let i = at; i < end; i++) if (text.charCodeAt(i) !== code) return false;
  return true;
}

function digitOf(code: number): number {
  return code <= NINE ? code - ZERO : code - LOWER_A + 10;
}

/** Of a traceparent for which `parentFlags` gave flags. */
export function traceIdAt(text: string, at: number): string {
  return text.slice(at + TRACE_ID_AT, at + TRACE_ID_AT + TRACE_ID_CHARS);
}

/** The same. */
export function parentIdAt(text: string, at: number): string {
  return text.slice(at + SPAN_ID_AT, at + SPAN_ID_AT + SPAN_ID_CHARS);
}

/** Version 00. `flags`: TRACE_FLAG bits. */
export function traceparentOf(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags}`;
}

/** Members of a tracestate, empty ones not counted (level 2, 3.3.1.1). */
const MAX_MEMBERS = 32;
const MEMBER = /^([a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Whether the lines of a tracestate, joined by commas, may be passed on: each member well formed, no key twice. O(length). */
export function isTracestate(joined: string): boolean {
  const keys = new Set<string>();
  for (const part of joined.split(',')) {
    const member = trimmed(part);
    if (member === '') continue;
    const key = MEMBER.exec(member)?.[1];
    if (key === undefined || keys.has(key) || keys.size === MAX_MEMBERS) return false;
    keys.add(key);
  }
  return true;
}

/** Less OWS (RFC 9110, 5.6.3), which is less than what trim() takes. */
function trimmed(text: string): string {
  let at = 0;
  let end = text.length;
  while (at < end && isBlank(text.charCodeAt(at))) at++;
  while (end > at && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(at, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/**
 * Whether a request is to be traced. `flags`: its parent's, of whom only a trusted one is heard: an outsider could else have
 * everything traced, or hide. `random`: 0 ≤ x < 1, asked once at most.
 */
export function isSampled(spec: TracingSpec, flags: number, isTrusted: boolean, random: () => number): boolean {
  if (isTrusted && spec.parentBased && flags !== NO_PARENT) return (flags & TRACE_FLAG.SAMPLED) !== 0;
  return random() < spec.ratio;
}

/** How many spans may still be made: a bucket that holds one second's. A trace that has begun is finished, on credit if need be. */
export class SpanAllowance {
  #perSecond = 0;
  #left = 0;
  #atMs = 0;

  /** Whether there is room for another trace; if so, `spans` of it are spent. */
  take(spans: number, perSecond: number, nowMs: number): boolean {
    const most = Math.max(1, perSecond); // a worker's share may be less than one
    if (perSecond !== this.#perSecond) {
      this.#perSecond = perSecond;
      this.#left = most;
    } else this.#left = Math.min(most, this.#left + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= spans;
    return true;
  }

  /** What a trace has become larger, or smaller, than was thought. */
  spend(spans: number): void {
    this.#left -= spans;
  }
}
