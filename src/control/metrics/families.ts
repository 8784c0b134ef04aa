// How the cells of the lanes are called in Prometheus: a name, a help text and labels for each kind. The names are
// CONTRACT.md's. Labels come from uids of configured things and from short closed lists only, never from a request.

import {
  CELL,
  type CellKind,
  COMPRESS_DIRECTION,
  COMPRESS_MISS,
  CONNECT_REASONS,
  EVENT,
  GEOIP_RESULTS,
  HANDSHAKE_RESULTS,
  HEDGE_RESULTS,
  lastA,
  lastC,
  METHODS,
  OTHER,
  RETRY_RESULTS,
  SHED_REASONS,
} from '../../core/cells.ts';
import { OUTCOME } from '../../core/sample.ts';
import { ROLE_NAMES } from '../../core/selector.ts';
import { COMPRESS_CODINGS } from '../../core/snapshot.ts';
import type { Names } from '../numbers.ts';
import type { Exposed } from './expose.ts';
import type { Labels } from './totals.ts';

export interface Family extends Exposed {
  readonly kind: CellKind;
  /** Which one, of kind EVENTS. */
  readonly event?: number;
}

export const FAMILIES: readonly Family[] = [
  {
    kind: CELL.REQUESTS,
    name: 'fermat_requests_total',
    help: 'Requests answered, by the status that the client got; endpoint "none" is Fermat itself.',
    type: 'counter',
  },
  {
    kind: CELL.DURATION,
    name: 'fermat_request_duration_seconds',
    help: 'First byte of a request to last byte of its response, as the client has it.',
    type: 'histogram',
  },
  {
    kind: CELL.OVERHEAD,
    name: 'fermat_overhead_seconds',
    help: 'What Fermat itself adds to a request without a body: its time less that of the endpoint.',
    type: 'histogram',
  },
  {
    kind: CELL.FIRST_BYTE,
    name: 'fermat_upstream_first_byte_seconds',
    help: 'Request sent to first byte of the response of the endpoint.',
    type: 'histogram',
  },
  {
    kind: CELL.CONNECT,
    name: 'fermat_upstream_connect_seconds',
    help: 'Time to open a connection to the endpoint, TLS included.',
    type: 'histogram',
  },
  {
    kind: CELL.SELECTIONS,
    name: 'fermat_selections_total',
    help: 'Choices of an endpoint, by the role it was chosen in.',
    type: 'counter',
  },
  {
    kind: CELL.RETRIES,
    name: 'fermat_retries_total',
    help: 'Retries and how they ended; "budget" were due, but not afforded.',
    type: 'counter',
  },
  {
    kind: CELL.EVENTS,
    event: EVENT.HEDGE,
    name: 'fermat_hedges_total',
    help: 'Second attempts beside a slow first one and how they ended; "budget" were due, but not afforded.',
    type: 'counter',
  },
  {
    kind: CELL.EVENTS,
    event: EVENT.SHED,
    name: 'fermat_shed_total',
    help: 'Requests turned away for overload or a limit on requests in flight (503; reason client: 429), by what was too much.',
    type: 'counter',
  },
  {
    kind: CELL.EVENTS,
    event: EVENT.LIMITED,
    name: 'fermat_rate_limited_total',
    help: 'Requests turned away by a limit on their rate (429).',
    type: 'counter',
  },
  {
    kind: CELL.CONNECTIONS,
    name: 'fermat_connections',
    help: 'Connections of clients that are open now.',
    type: 'gauge',
  },
  {
    kind: CELL.GEOIP,
    name: 'fermat_geoip_lookups_total',
    help: 'Look-ups of client addresses; "cached" were answered by a look-up before.',
    type: 'counter',
  },
  {
    kind: CELL.FAILURES,
    name: 'fermat_upstream_failures_total',
    help: 'Attempts that count against the endpoint; "reason": why a connection never came about.',
    type: 'counter',
  },
  {
    kind: CELL.HANDSHAKES,
    name: 'fermat_tls_handshakes_total',
    help: 'TLS handshakes with clients and how they ended.',
    type: 'counter',
  },
  {
    kind: CELL.COMPRESSED,
    name: 'fermat_compressed_responses_total',
    help: 'Responses compressed on their way to the client.',
    type: 'counter',
  },
  {
    kind: CELL.COMPRESS_BYTES,
    name: 'fermat_compression_bytes_total',
    help: 'Bytes of compressed responses, into the compressor and out of it.',
    type: 'counter',
  },
  {
    kind: CELL.COMPRESS_MISSES,
    name: 'fermat_compression_misses_total',
    help: 'Responses not compressed as they should: "busy" went out as they were, "error" were cut.',
    type: 'counter',
  },
];

const DIRECTIONS: readonly string[] = Object.keys(COMPRESS_DIRECTION).map((name) => name.toLowerCase());
const MISSES: readonly string[] = Object.keys(COMPRESS_MISS).map((name) => name.toLowerCase());
const OUTCOMES: readonly string[] = Object.keys(OUTCOME).map((name) => name.toLowerCase());

/** Labels of a cell; the meaning of a, b, c is in core/cells.ts. Never throws: what has no name is `other`. */
export function labelsOf(names: Names, kind: number, a: number, b: number, c: number): Labels {
  // The cell that takes what there was no room to name.
  const isOverflow = b === OTHER && a === lastA(kind, a) && c === lastC(kind);
  const none = isOverflow ? 'other' : 'none';
  const nameOf = (list: readonly string[], uid: number) => (uid === OTHER ? none : (list[uid] ?? 'other'));
  switch (kind) {
    case CELL.REQUESTS:
      return {
        route: nameOf(names.routes, a),
        endpoint: nameOf(names.endpoints, b),
        method: METHODS[c >>> 10] ?? 'other',
        code: isOverflow ? 'other' : codeText(c & 0x3ff),
      };
    case CELL.DURATION:
      return { route: nameOf(names.routes, a) };
    case CELL.FIRST_BYTE:
      return { pool: nameOf(names.pools, a), endpoint: nameOf(names.endpoints, b) };
    case CELL.CONNECT:
      return { endpoint: nameOf(names.endpoints, a) };
    case CELL.SELECTIONS:
      return { pool: nameOf(names.pools, a), endpoint: nameOf(names.endpoints, b), role: ROLE_NAMES[c] ?? 'other' };
    case CELL.RETRIES:
      return { pool: nameOf(names.pools, a), result: RETRY_RESULTS[b] ?? 'other' };
    case CELL.EVENTS:
      if (a === EVENT.HEDGE) return { pool: nameOf(names.pools, b), result: HEDGE_RESULTS[c] ?? 'other' };
      if (a === EVENT.SHED) return { route: nameOf(names.routes, b), reason: SHED_REASONS[c] ?? 'other' };
      if (a === EVENT.LIMITED) return { route: nameOf(names.routes, b) };
      return {};
    case CELL.CONNECTIONS:
      return { listener: nameOf(names.listeners, a) };
    case CELL.GEOIP:
      return { result: GEOIP_RESULTS[a] ?? 'other' };
    case CELL.HANDSHAKES:
      return { listener: nameOf(names.listeners, a), result: HANDSHAKE_RESULTS[b] ?? 'other' };
    case CELL.FAILURES:
      return {
        pool: nameOf(names.pools, a),
        endpoint: nameOf(names.endpoints, b),
        outcome: isOverflow ? 'other' : (OUTCOMES[c & 0xf] ?? 'other'),
        reason: CONNECT_REASONS[c >>> 4] ?? 'other',
      };
    case CELL.COMPRESSED:
      return { route: nameOf(names.routes, a), coding: COMPRESS_CODINGS[b] ?? 'other' };
    case CELL.COMPRESS_BYTES:
      return {
        route: nameOf(names.routes, a),
        coding: COMPRESS_CODINGS[b] ?? 'other',
        direction: DIRECTIONS[c] ?? 'other',
      };
    case CELL.COMPRESS_MISSES:
      return { route: nameOf(names.routes, a), coding: COMPRESS_CODINGS[b] ?? 'other', reason: MISSES[c] ?? 'other' };
    default:
      return {};
  }
}

/** A code of core's codeOf. */
function codeText(code: number): string {
  if (code >= 100) return String(code);
  return code === 0 ? 'other' : `${code}xx`;
}
