// How a request path is read for routing. Endpoints get the client's own bytes and may read them differently than we do
// (%2F as a slash, `;x` as part of a name, `//` as it stands), so besides the one normalised path there is the list of
// what else those bytes might mean; the router refuses a request when two meanings lead to two routes.
// Plain paths never come here: the router recognises them while it matches.

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;

/** Work bound on one path: readings times characters. Beyond it a path is refused as ambiguous (a few ms of CPU at most). */
const MAX_READING_CHARS = 131_072;
/** Layers of percent-encoding anybody might peel off. Deeper nesting is nobody's honest path. */
const MAX_DECODINGS = 4;

/** 1 where a character alone makes a path worth a second look: `%`, `;`, `\`, blanks, controls, not ASCII. */
export const SUSPECT: Uint8Array = suspects();

function suspects(): Uint8Array {
  const table = new Uint8Array(256);
  for (let c = 0; c < 256; c++) if (c <= 0x20 || c >= 0x7f) table[c] = 1;
  for (const c of '%;\\#') table[c.charCodeAt(0)] = 1;
  return table;
}

/** Whether the segment that starts at `at` is `.` or `..`. A query ends a segment, too. */
export function isDotSegment(path: string, at: number): boolean {
  if (path.charCodeAt(at) !== DOT) return false;
  const end = path.charCodeAt(at + 1) === DOT ? at + 2 : at + 1;
  if (end >= path.length) return true;
  const c = path.charCodeAt(end);
  return c === SLASH || c === 0x3f;
}

/**
 * The path that routes are matched on: query cut off, unreserved characters decoded, `\` and `//` folded to `/`,
 * `;parameters` dropped, dot segments resolved. null when it does not begin with `/`. Never throws.
 * Source: RFC 3986 section 6.2.2 for the decoding and the dots; CONTRACT.md for the rest.
 */
export function normalisePath(pathWithQuery: string): string | null {
  const path = withoutQuery(pathWithQuery);
  if (path.charCodeAt(0) !== SLASH) return null;
  return withoutDots(merged(withoutParameters(folded(decodedUnreserved(path, true)))));
}

/**
 * Everything the bytes of a path might mean to one endpoint or another, the normalised path first; null when there are too
 * many meanings to try. The decoding of letters, digits, `-`, `_` and `~` is no choice: RFC 3986 calls both spellings
 * the same. Everything else is, dots included: an endpoint that matches prefixes on raw bytes takes `/a/../b` for `/a`.
 */
export function readingsOf(pathWithQuery: string): readonly string[] | null {
  const path = withoutQuery(pathWithQuery);
  let readings = decodings(path);
  for (const stage of STAGES) {
    if (readings.length * path.length > MAX_READING_CHARS) return null;
    readings = expanded(readings, stage);
  }
  return readings.length * path.length > MAX_READING_CHARS ? null : readings;
}

/**
 * The path of a route as those have it who decode it: `/a%20b` is `/a b` to them. null when they could take it for a path of
 * another shape (an encoded slash, `;`, a second layer of encoding): no request for that has one meaning only.
 */
export function decodedRoute(path: string): string | null {
  for (let at = path.indexOf('%'); at >= 0; at = path.indexOf('%', at + 1)) {
    const code = byteAt(path, at);
    if (code >= 0 && (code < 0x20 || code === 0x7f || OF_SHAPE.has(code))) return null;
  }
  const bytes = decoded(path, () => true);
  return decodedAll(path) === bytes ? bytes : null;
}

/** The slash and what may be read as one, as the end of a name or as the beginning of a triplet. */
const OF_SHAPE: ReadonlySet<number> = new Set([...'/\\;?#%'].map((c) => c.charCodeAt(0)));

type Stage = (path: string) => readonly [normalised: string, otherwise: string];

/** In the order of normalisePath; each doubles the readings at most, and only where it makes a difference. */
const STAGES: readonly Stage[] = [
  (path) => [path, cutAtTerminator(path)],
  (path) => [folded(path), path],
  (path) => [withoutParameters(path), path],
  (path) => [merged(path), path],
  (path) => [withoutDots(path), path],
];

function expanded(readings: readonly string[], stage: Stage): string[] {
  const out: string[] = [];
  for (const reading of readings) for (const next of stage(reading)) if (!out.includes(next)) out.push(next);
  return out;
}

/** Unreserved decoded; the same but for dots; then everything decoded once, twice, … until nothing changes. */
function decodings(path: string): string[] {
  const out = [decodedUnreserved(path, true)];
  const dotsKept = decodedUnreserved(path, false);
  if (!out.includes(dotsKept)) out.push(dotsKept);
  let last = path;
  for (let i = 0; i < MAX_DECODINGS; i++) {
    const next = decodedAll(last);
    if (next === last) break;
    if (!out.includes(next)) out.push(next);
    last = next;
  }
  return out;
}

function withoutQuery(path: string): string {
  const end = path.indexOf('?');
  return end < 0 ? path : path.slice(0, end);
}

/** What is left for C strings and for those who decode before they cut the query or fragment. */
function cutAtTerminator(path: string): string {
  const end = path.search(/[\0?#]/);
  return end < 0 ? path : path.slice(0, end);
}

function folded(path: string): string {
  return path.includes('\\') ? path.replaceAll('\\', '/') : path;
}

function withoutParameters(path: string): string {
  return path.includes(';') ? path.replace(/;[^/]*/g, '') : path;
}

function merged(path: string): string {
  return path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
}

/** RFC 3986 section 5.2.4. Steps above the root stay at the root. */
function withoutDots(path: string): string {
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    const isLast = i === segments.length - 1;
    if (segment !== '.' && segment !== '..') {
      out.push(segment);
      continue;
    }
    if (segment === '..') out.pop();
    if (isLast) out.push('');
  }
  return `/${out.join('/')}`;
}

function decodedUnreserved(path: string, withDots: boolean): string {
  if (!path.includes('%')) return path;
  return upperTriplets(decoded(path, (code) => isUnreserved(code) && (withDots || code !== DOT)));
}

/** RFC 3986 section 6.2.2.1. */
export function upperTriplets(path: string): string {
  return path.replace(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase());
}

/** One layer of percent-encoding off; over-long UTF-8 forms of ASCII count as the ASCII they were meant to hide. */
function decodedAll(path: string): string {
  if (!path.includes('%')) return path;
  const bytes = decoded(path, () => true);
  return bytes
    .replace(/[\xc0\xc1]([\x80-\xbf])/g, (pair, low: string) => overlong(pair.charCodeAt(0) & 1, low))
    .replace(/\xe0([\x80\x81])([\x80-\xbf])/g, (_, mid: string, low: string) => overlong(mid.charCodeAt(0) & 1, low));
}

function overlong(high: number, low: string): string {
  return String.fromCharCode((high << 6) | (low.charCodeAt(0) & 0x3f));
}

/** Decodes the triplets whose byte `wants` takes; one pass, so that what it uncovers stays as it is. */
function decoded(path: string, wants: (code: number) => boolean): string {
  let out = '';
  let from = 0;
  for (let at = path.indexOf('%'); at >= 0; at = path.indexOf('%', at + 1)) {
    const code = byteAt(path, at);
    if (code < 0 || !wants(code)) continue;
    out += path.slice(from, at) + String.fromCharCode(code);
    at += 2;
    from = at + 1;
  }
  return out + path.slice(from);
}

/** The byte a triplet stands for; -1 when it is none. */
function byteAt(path: string, at: number): number {
  if (path.charCodeAt(at) !== PERCENT) return -1;
  const high = hexOf(path.charCodeAt(at + 1));
  const low = hexOf(path.charCodeAt(at + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexOf(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function isUnreserved(c: number): boolean {
  const lower = c | 0x20;
  return (
    (lower >= 0x61 && lower <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x2d || c === DOT || c === 0x5f || c === 0x7e
  );
}
