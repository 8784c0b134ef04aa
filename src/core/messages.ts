// What the control plane and a worker thread say to each other. Numbers that change often do not travel here: they are on
// the board (core/table.ts, core/lane.ts).

import type { ListeningSocket } from './handover.ts';
import type { Snapshot } from './snapshot.ts';
import type { TraceBatch } from './trace-spans.ts';

/** A GeoIP database in shared memory; the shape geoip/reader.ts reads. */
export interface SharedFile {
  readonly path: string;
  readonly bytes: SharedArrayBuffer;
}

/**
 * Secrets of TLS session tickets by name of the listener, 48 bytes each. All workers have the same, so that any of them
 * resumes what another began.
 */
export type TicketKeyring = Readonly<Record<string, Uint8Array>>;

/** Where names of endpoints are, as DNS has it; [] = nowhere, null = nobody needs the name any more. IPv4 first. */
export type Addresses = Readonly<Record<string, readonly string[] | null>>;

/** What a worker is born with. */
export interface WorkerBirth {
  readonly lane: number;
  readonly laneBuffer: SharedArrayBuffer;
  /** Open client connections, one row of `census.ts` per lane; a worker writes its own row and reads all. */
  readonly census: SharedArrayBuffer;
  /** Buckets of rate limits (limit/table.ts), one table for all workers. */
  readonly rateLimits: SharedArrayBuffer;
  readonly snapshot: Snapshot;
  readonly geo: readonly SharedFile[];
  readonly tickets: TicketKeyring;
  /** A name that is missing has not been answered yet. */
  readonly addresses: Addresses;
  /** Directories of where data is (locality/replica.ts), by name. */
  readonly localities: Readonly<Record<string, SharedArrayBuffer>>;
  /** Random name of this process in CDN-Loop; all workers share it. */
  readonly loopId: string;
  /** Ports that `:0` listeners were given, by listener name. */
  readonly ports: Readonly<Record<string, number>>;
  /** Sockets of the process that ran before, to be taken over in place of opening some. */
  readonly inherited: readonly ListeningSocket[];
  /** Connections the node may hold when the configuration leaves it to the descriptors. */
  readonly connectionCap: number;
}

export type ToWorker =
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot; readonly ports: Readonly<Record<string, number>> }
  | { readonly type: 'geo'; readonly files: readonly SharedFile[] }
  /** What peers are told that was measured here (data/overlay). */
  | { readonly type: 'measured'; readonly text: string }
  /** Of the names that have changed. */
  | { readonly type: 'addresses'; readonly addresses: Addresses }
  /** A newer copy of a directory of where data is. */
  | { readonly type: 'locality'; readonly name: string; readonly buffer: SharedArrayBuffer }
  /** Of all TLS listeners, those of the next Snapshot included. */
  | { readonly type: 'tickets'; readonly keys: TicketKeyring }
  /** Which sockets it listens on: `sockets` answers. */
  | { readonly type: 'sockets' }
  /** So many spans of its last batches have been taken: it may send as many more. */
  | { readonly type: 'traced'; readonly spans: number }
  /** Ends what it does, in the steps of data/drain.ts. */
  | ({ readonly type: 'drain' } & Drain);

/** Answers close their connections at once; after `delayMs` nothing new is accepted; after another `timeoutMs` all is cut. */
export interface Drain {
  readonly delayMs: number;
  readonly timeoutMs: number;
  /** Another process accepts from the same sockets. */
  readonly isHandedOver: boolean;
}

/** Why a connection was closed that should have begun with a PROXY header, or should not have. */
export type ProxyRefusal = 'malformed' | 'untrusted' | 'late';

export type FromWorker =
  /** Listening on all of the snapshot's listeners, or why not. */
  | { readonly type: 'installed'; readonly version: number; readonly ports: Readonly<Record<string, number>> }
  | {
      readonly type: 'refused';
      readonly version: number;
      readonly listener: string;
      readonly code: string;
      readonly message: string;
    }
  /** No exchange of a snapshot older than `version` is left here. */
  | { readonly type: 'quiet'; readonly version: number }
  /** Told of the first in a while, since there may be many. */
  | { readonly type: 'unproxied'; readonly listener: string; readonly address: string; readonly why: ProxyRefusal }
  | { readonly type: 'sockets'; readonly sockets: readonly ListeningSocket[] }
  /** Requests that were traced; `traced` answers. */
  | { readonly type: 'spans'; readonly batch: TraceBatch }
  | { readonly type: 'drained' };
