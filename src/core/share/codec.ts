// A digest as bytes: 22 of them for an endpoint, so that hundreds fit where hundreds of nodes send to each other. Times are
// coded by their logarithm, to a quarter of a thousandth. What comes in comes from a place that anybody may have written to: it
// is read whole or not at all, and nothing that is read is out of range.
//
//   magic 2 │ version 1 │ flags 1 │ instance 8 │ sequence 4 │ interval 2 │ lat 4 │ lon 4 │ lengths 1+1 │ counts 2+1 │ node │ region │
//   endpoints 22 each │ cohorts 15 each │ CRC-32 4                                                            all big-endian

import type { EjectReason } from '../outlier.ts';
import {
  type Digest,
  MAX_COHORTS,
  MAX_ENDPOINTS,
  MAX_NAME,
  type SharedCohort,
  type SharedEndpoint,
  type SharedState,
  VERSION,
} from './digest.ts';

const MAGIC = 0xfe4d;
const WHOLE = 1;
const COMPLETE = 2;
const HEAD = 31;
export const ENDPOINT_BYTES = 22;
const COHORT_BYTES = 15;
const TAIL = 4;
/** Longest that is looked at. */
export const MAX_BYTES = HEAD + 2 * MAX_NAME + MAX_ENDPOINTS * ENDPOINT_BYTES + MAX_COHORTS * COHORT_BYTES + TAIL;

const STATES: readonly SharedState[] = ['unknown', 'healthy', 'unhealthy', 'ejected'];
const REASONS: readonly (EjectReason | null)[] = [
  null,
  'connect',
  'reset',
  'timeout',
  'status',
  'ratio',
  'success-rate',
];

/** foreign: no digest at all · version: of another form · broken: cut off, or changed on the way · range: says what cannot be. */
export type Unreadable = 'foreign' | 'version' | 'broken' | 'range';

/** Names are cut at MAX_NAME bytes, lists at their limits; numbers are brought into range. Never throws. */
export function encodeDigest(digest: Digest): Uint8Array {
  const node = textOf(digest.node);
  const region = textOf(digest.region ?? '');
  const endpoints = digest.endpoints.slice(0, MAX_ENDPOINTS);
  const cohorts = digest.cohorts.slice(0, MAX_COHORTS);
  const body = HEAD + node.length + region.length;
  const size = body + endpoints.length * ENDPOINT_BYTES + cohorts.length * COHORT_BYTES + TAIL;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, MAGIC);
  view.setUint8(2, VERSION);
  view.setUint8(3, (digest.isWhole ? WHOLE : 0) | (digest.isComplete ? COMPLETE : 0));
  view.setBigUint64(4, BigInt(`0x${digest.instance}`));
  view.setUint32(12, digest.sequence >>> 0);
  view.setUint16(16, clamp(Math.round(digest.intervalMs), 1, 65_535));
  view.setFloat32(18, digest.place?.latDeg ?? Number.NaN);
  view.setFloat32(22, digest.place?.lonDeg ?? Number.NaN);
  view.setUint8(26, node.length);
  view.setUint8(27, region.length);
  view.setUint16(28, endpoints.length);
  view.setUint8(30, cohorts.length);
  bytes.set(node, HEAD);
  bytes.set(region, HEAD + node.length);
  let at = body;
  for (const endpoint of endpoints) at = writeEndpoint(view, at, endpoint);
  for (const cohort of cohorts) at = writeCohort(view, at, cohort);
  view.setUint32(at, crc32(bytes.subarray(0, at)));
  return bytes;
}

/** The digest, or why it is none. Never throws; O(bytes). */
export function decodeDigest(bytes: Uint8Array): Digest | Unreadable {
  if (bytes.length < HEAD + TAIL || bytes.length > MAX_BYTES) return 'foreign';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(0) !== MAGIC) return 'foreign';
  if (view.getUint8(2) !== VERSION) return 'version';
  const [nodeLength, regionLength] = [view.getUint8(26), view.getUint8(27)];
  const [endpointCount, cohortCount] = [view.getUint16(28), view.getUint8(30)];
  const body = HEAD + nodeLength + regionLength;
  const end = body + endpointCount * ENDPOINT_BYTES + cohortCount * COHORT_BYTES;
  if (end + TAIL !== bytes.length || view.getUint32(end) !== crc32(bytes.subarray(0, end))) return 'broken';
  const node = namedBy(bytes.subarray(HEAD, HEAD + nodeLength));
  const region = namedBy(bytes.subarray(HEAD + nodeLength, body));
  const place = placeAt(view);
  const isInRange = nodeLength <= MAX_NAME && regionLength <= MAX_NAME && view.getUint16(16) > 0;
  if (node === null || region === null || place === undefined || !isInRange) return 'range';
  const endpoints: SharedEndpoint[] = [];
  const cohorts: SharedCohort[] = [];
  for (let i = 0; i < endpointCount; i++) {
    const endpoint = endpointAt(view, body + i * ENDPOINT_BYTES);
    if (endpoint === null) return 'range';
    endpoints.push(endpoint);
  }
  for (let i = 0; i < cohortCount; i++) {
    const cohort = cohortAt(view, end - (cohortCount - i) * COHORT_BYTES);
    if (cohort === null) return 'range';
    cohorts.push(cohort);
  }
  return {
    instance: view.getBigUint64(4).toString(16).padStart(16, '0'),
    node,
    region: region === '' ? null : region,
    place,
    sequence: view.getUint32(12),
    intervalMs: view.getUint16(16),
    isWhole: (view.getUint8(3) & WHOLE) !== 0,
    isComplete: (view.getUint8(3) & COMPLETE) !== 0,
    endpoints,
    cohorts,
  };
}

function writeEndpoint(view: DataView, at: number, e: SharedEndpoint): number {
  view.setUint16(at, Math.floor(e.key / 2 ** 32));
  view.setUint32(at + 2, e.key >>> 0);
  view.setUint8(at + 6, STATES.indexOf(e.state) | (REASONS.indexOf(e.reason) << 2));
  view.setUint8(at + 7, ageCode(e.ageMs));
  view.setUint16(at + 8, timeCode(e.networkMs));
  view.setUint16(at + 10, timeCode(e.serverMs));
  view.setUint16(at + 12, timeCode(e.baseMs));
  view.setInt16(at + 14, signedCode(e.offsetMs));
  view.setUint16(at + 16, clamp(Math.round(e.inflight), 0, 65_535));
  view.setUint16(at + 18, timeCode(Math.max(e.perS, 0)));
  view.setUint8(at + 20, Math.round(255 * Math.sqrt(clamp(e.errorRatio, 0, 1))));
  view.setUint8(at + 21, ageCode(e.samples * AGE_UNIT_MS));
  return at + ENDPOINT_BYTES;
}

function endpointAt(view: DataView, at: number): SharedEndpoint | null {
  const marks = view.getUint8(at + 6);
  const reason = REASONS[marks >> 2];
  const perS = timeOf(view.getUint16(at + 18));
  if (reason === undefined || Number.isNaN(perS)) return null;
  return {
    key: view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2),
    state: STATES[marks & 3]!,
    reason,
    ageMs: ageOf(view.getUint8(at + 7)),
    networkMs: timeOf(view.getUint16(at + 8)),
    serverMs: timeOf(view.getUint16(at + 10)),
    baseMs: timeOf(view.getUint16(at + 12)),
    offsetMs: signedOf(view.getInt16(at + 14)),
    inflight: view.getUint16(at + 16),
    perS,
    errorRatio: (view.getUint8(at + 20) / 255) ** 2,
    samples: Math.round(ageOf(view.getUint8(at + 21)) / AGE_UNIT_MS),
  };
}

const LN_STEP = 8000;
const LN_MOST = 4;

function writeCohort(view: DataView, at: number, c: SharedCohort): number {
  view.setUint16(at, Math.floor(c.cohort / 2 ** 32));
  view.setUint32(at + 2, c.cohort >>> 0);
  view.setUint16(at + 6, Math.floor(c.endpoint / 2 ** 32));
  view.setUint32(at + 8, c.endpoint >>> 0);
  view.setInt16(at + 12, Math.round(clamp(c.ln, -LN_MOST, LN_MOST) * LN_STEP));
  view.setUint8(at + 14, clamp(Math.round(c.count), 0, 255));
  return at + COHORT_BYTES;
}

function cohortAt(view: DataView, at: number): SharedCohort | null {
  const ln = view.getInt16(at + 12) / LN_STEP;
  if (Math.abs(ln) > LN_MOST) return null;
  return {
    cohort: view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2),
    endpoint: view.getUint16(at + 6) * 2 ** 32 + view.getUint32(at + 8),
    ln,
    count: view.getUint8(at + 14),
  };
}

// ── numbers ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Below this a time is nothing, above it its logarithm counts. ms */
const TIME_UNIT_MS = 0.05;
/** The longest, 10 minutes, is 65,200 of 65,535. */
const TIME_STEPS = 4000;
const SIGNED_STEPS = 2000;
const NOT_A_TIME = -32_768;
const AGE_UNIT_MS = 100;
const AGE_STEPS = 8;

/** 0 = none. */
function timeCode(ms: number): number {
  if (!(ms >= 0)) return 0;
  return clamp(1 + Math.round(Math.log1p(ms / TIME_UNIT_MS) * TIME_STEPS), 1, 65_535);
}

function timeOf(code: number): number {
  return code === 0 ? Number.NaN : Math.expm1((code - 1) / TIME_STEPS) * TIME_UNIT_MS;
}

function signedCode(ms: number): number {
  if (Number.isNaN(ms)) return NOT_A_TIME;
  const code = Math.round(Math.log1p(Math.abs(ms) / TIME_UNIT_MS) * SIGNED_STEPS);
  return Math.sign(ms) * Math.min(code, 32_767);
}

function signedOf(code: number): number {
  if (code === NOT_A_TIME) return Number.NaN;
  return Math.sign(code) * Math.expm1(Math.abs(code) / SIGNED_STEPS) * TIME_UNIT_MS;
}

function ageCode(ms: number): number {
  return clamp(Math.round(Math.log2(1 + Math.max(ms, 0) / AGE_UNIT_MS) * AGE_STEPS), 0, 255);
}

function ageOf(code: number): number {
  return (2 ** (code / AGE_STEPS) - 1) * AGE_UNIT_MS;
}

/** NaN gives `least`. */
function clamp(x: number, least: number, most: number): number {
  return x > least ? Math.min(x, most) : least;
}

function placeAt(view: DataView): Digest['place'] | undefined {
  const [latDeg, lonDeg] = [view.getFloat32(18), view.getFloat32(22)];
  if (Number.isNaN(latDeg) && Number.isNaN(lonDeg)) return null;
  return Math.abs(latDeg) <= 90 && Math.abs(lonDeg) <= 180 ? { latDeg, lonDeg } : undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** At most MAX_NAME bytes, whole characters. */
function textOf(text: string): Uint8Array {
  const into = new Uint8Array(MAX_NAME);
  return into.subarray(0, encoder.encodeInto(text, into).written);
}

/** null = not text, or with characters that have no place in a name. */
function namedBy(bytes: Uint8Array): string | null {
  try {
    const text = decoder.decode(bytes);
    return /^[^\x00-\x1f\x7f]*$/.test(text) ? text : null;
  } catch {
    return null;
  }
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let i = 0; i < 8; i++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 as of IEEE 802.3; keeps accidents out, not people. */
function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = CRC[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
