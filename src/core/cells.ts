// What the workers count: kinds of metric cells, the codes that stand in their keys and the buckets of histograms. The cells
// themselves lie in the lanes (lane.ts); what Prometheus calls them is metrics/families.ts's.

/** What is counted. The meaning of a, b, c stands beside each; all are uids or small codes. */
export const CELL = {
  REQUESTS: 1, // route, endpoint (or OTHER: answered by Fermat), method << 10 | status
  DURATION: 2, // route                                   histogram, DURATION_BUCKETS_S
  OVERHEAD: 3, // -                                       histogram, OVERHEAD_BUCKETS_S
  FIRST_BYTE: 4, // pool, endpoint                        histogram, DURATION_BUCKETS_S
  CONNECT: 5, // endpoint                                 histogram, DURATION_BUCKETS_S
  SELECTIONS: 6, // pool, endpoint, ROLE code
  RETRIES: 7, // pool, RETRY_RESULTS index
  CONNECTIONS: 8, // listener                             gauge: goes up and down
  GEOIP: 9, // GEOIP_RESULTS index
  FAILURES: 10, // pool, endpoint, CONNECT_REASONS index << 4 | OUTCOME code    what counts against the endpoint
  HANDSHAKES: 11, // listener, HANDSHAKE_RESULTS index
  COMPRESSED: 12, // route, COMPRESS_CODINGS index
  COMPRESS_BYTES: 13, // route, COMPRESS_CODINGS index, COMPRESS_DIRECTION
  COMPRESS_MISSES: 14, // route, COMPRESS_CODINGS index, COMPRESS_MISS
  EVENTS: 15, // EVENT code, uid of a pool or route, result; the last number: a key has four bits for it
} as const;
export type CellKind = (typeof CELL)[keyof typeof CELL];

/** A uid that stands for "none of them"; where it is all that a key says, for "too many to name". */
export const OTHER = 0x3fff;
/** A uid that stands for "one of too many to name". */
export const MANY = OTHER - 1;

/** Methods with a label of their own; index 0 is every other token. */
export const METHODS = [
  'other',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'CONNECT',
] as const;
export const RETRY_RESULTS = ['success', 'failure', 'budget'] as const;
/** Why a connection to an endpoint never came about; index = CONNECT_FAILURE of data/sides.ts, plus one. */
export const CONNECT_REASONS = [
  'none',
  'refused',
  'timeout',
  'tls',
  'dns',
  'tls_expired',
  'tls_name',
  'tls_untrusted',
  'tls_plaintext',
  'tls_timeout',
  'descriptors',
] as const;
/** What is rare enough to share a kind. `b` and `c` of its cell stand beside each. */
export const EVENT = {
  HEDGE: 1, // pool, HEDGE_RESULTS index
  SHED: 2, // route, SHED_REASONS index
  LIMITED: 3, // route: a limit on the rate of requests
} as const;
/** Of a second attempt beside the first; `budget`: it was due, but could not be afforded. */
export const HEDGE_RESULTS = ['won', 'lost', 'budget'] as const;
/** Why a request was turned away: what was too much. Index = SHED. */
export const SHED_REASONS = ['loop', 'memory', 'requests', 'client', 'pool', 'endpoint'] as const;
export const SHED = {
  LOOP: 0, // the worker's event loop is late
  MEMORY: 1,
  REQUESTS: 2, // in flight at the node
  CLIENT: 3, // … of one client
  POOL: 4, // … in one pool
  ENDPOINT: 5, // at every endpoint that may be asked, waiting included
} as const;
/** Of a TLS handshake with a client; `timeout`: it took too long, or longer than others could wait. */
export const HANDSHAKE_RESULTS = ['ok', 'resumed', 'failed', 'timeout'] as const;
export const COMPRESS_DIRECTION = { IN: 0, OUT: 1 } as const;
/** BUSY: sent as it was, since too many were under way; ERROR: cut, since the compressor failed. */
export const COMPRESS_MISS = { BUSY: 0, ERROR: 1 } as const;
/**
 * The code that a status is counted under: its own where people know it, else its class (1 … 5, for `1xx` … `5xx`), 0 = none of
 * these. An endpoint that makes numbers up must not use up the room for everybody's.
 */
export function codeOf(status: number): number {
  return CODES[status] ?? 0;
}

/** Whether a code of `codeOf` is a 5xx. */
export function isServerError(code: number): boolean {
  return code >= 500 || code === 5;
}

/** IANA's registry, and what nginx, IIS, Cloudflare and AWS made customary. */
const KNOWN_CODES: readonly (readonly [from: number, to: number])[] = [
  [100, 104],
  [200, 208],
  [226, 226],
  [300, 308],
  [400, 431],
  [440, 440],
  [444, 444],
  [449, 451],
  [460, 464],
  [494, 499],
  [500, 511],
  [520, 530],
  [561, 561],
  [598, 599],
];
const CODES = Uint16Array.from({ length: 1000 }, (_, status) => {
  if (KNOWN_CODES.some(([from, to]) => status >= from && status <= to)) return status;
  return status >= 600 ? 0 : Math.floor(status / 100);
});

export const GEOIP_RESULTS = ['hit', 'miss', 'cached', 'error'] as const;

/** Upper bounds in seconds; a last bucket takes the rest. */
export const DURATION_BUCKETS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30,
] as const;
export const OVERHEAD_BUCKETS_S = [
  0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25,
] as const;
/** Buckets of a histogram kind, or null for a counter or gauge. Seconds. */
export function bucketsOf(kind: number): readonly number[] | null {
  switch (kind) {
    case CELL.OVERHEAD:
      return OVERHEAD_BUCKETS_S;
    case CELL.DURATION:
    case CELL.FIRST_BYTE:
    case CELL.CONNECT:
      return DURATION_BUCKETS_S;
    default:
      return null;
  }
}

/**
 * Most cells of a kind in one lane, and most series of its family, so that no kind takes the room of another: neither clients nor
 * endpoints can make the exposition grow without end. In the last eighth of it only what coarser keys name finds room, and at last
 * one cell takes all that is left: nothing goes uncounted.
 */
export const CELL_CAPS = {
  [CELL.REQUESTS]: 6144,
  [CELL.DURATION]: 1024,
  [CELL.OVERHEAD]: 8,
  [CELL.FIRST_BYTE]: 2048,
  [CELL.CONNECT]: 2048,
  [CELL.SELECTIONS]: 3072,
  [CELL.RETRIES]: 512,
  [CELL.CONNECTIONS]: 128,
  [CELL.GEOIP]: 16,
  [CELL.FAILURES]: 3072,
  [CELL.HANDSHAKES]: 512,
  [CELL.COMPRESSED]: 512,
  [CELL.COMPRESS_BYTES]: 1024,
  [CELL.COMPRESS_MISSES]: 512,
  [CELL.EVENTS]: 2048,
} as const satisfies Record<CellKind, number>;

/** Cells of a kind that say exactly what they count; beyond these, coarser ones where there are any, and the last. */
export function fineCapOf(kind: CellKind): number {
  const cap = CELL_CAPS[kind];
  return hasCoarse(kind) ? cap - (cap >>> 3) : cap - 1;
}

export function hasCoarse(kind: CellKind): boolean {
  return coarseB(kind, 0) !== 0;
}

/** A coarser key for what has no room: the endpoint is one of many, the method any. The same key when there is none. */
export function coarseB(kind: number, b: number): number {
  switch (kind) {
    case CELL.REQUESTS:
    case CELL.FIRST_BYTE:
    case CELL.SELECTIONS:
    case CELL.FAILURES:
      return b === OTHER ? OTHER : MANY;
    default:
      return b;
  }
}

export function coarseC(kind: number, c: number): number {
  return kind === CELL.REQUESTS ? c & 0x3ff : c;
}

/** More codes of events than there will be. */
const MAX_EVENTS = 32;

/** The key of the one cell that takes what is left: an event keeps its code, since each is a family of its own. */
export function lastA(kind: number, a: number): number {
  return kind === CELL.EVENTS && a < MAX_EVENTS ? a : OTHER;
}

export function lastC(kind: number): number {
  return kind === CELL.EVENTS ? OTHER : 0;
}

/** Whether a key says less than it would, had there been room. */
export function isOverflow(kind: number, a: number, b: number, c: number): boolean {
  return b === MANY || a === MANY || (b === OTHER && a === lastA(kind, a) && c === lastC(kind));
}
