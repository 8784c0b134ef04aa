// Where a request's data is, and so from which row it may be picked (docs/locality.md). One look into this node's copy of the
// directory; nobody is asked. A request is placed once: what moves while it is under way concerns the next one.

import { KeyHash, SEED_HI, SEED_LO } from '../core/key-hash.ts';
import { NOWHERE, ReplicaReader } from '../core/locality/replica.ts';
import type { Selector } from '../core/selector.ts';
import { type LocalitySpec, NONE, type Snapshot } from '../core/snapshot.ts';
import { MODE, ROW, rowShapeAt } from '../core/table.ts';
import { PROBLEM, type Problem } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { addKey } from './keyed.ts';

/** How an exchange is bound to its row. */
export const BOUND = {
  FREE: 0, // the route's own row
  SOFT: 1, // a place's, but any is better than none
  HARD: 2, // a place's, and no other
} as const;
export type Bound = (typeof BOUND)[keyof typeof BOUND];

export interface Locality {
  readonly spec: LocalitySpec;
  /** By row that the locality may choose, by slot: 1 = it is there. */
  readonly inside: ReadonlyMap<number, Uint8Array>;
}

/** null = the route's requests go anywhere. */
export function localityOf(spec: LocalitySpec | null, { rows, pools, endpoints }: Snapshot): Locality | null {
  if (spec === null) return null;
  const inside = new Map<number, Uint8Array>();
  for (const row of [...spec.rows, spec.unknownRow]) {
    if (row === NONE || inside.has(row)) continue;
    const { pool, members } = rows[row]!;
    const slots = members.map((member) => endpoints[pools[pool]!.endpoints[member]!]!.slot);
    const at = new Uint8Array(Math.max(-1, ...slots) + 1);
    for (const slot of slots) at[slot] = 1;
    inside.set(row, at);
  }
  return { spec, inside };
}

export class Directories {
  readonly #hash = new KeyHash();
  readonly #copies = new Map<string, ReplicaReader>();

  /** A newer copy of a directory. */
  install(name: string, buffer: SharedArrayBuffer): void {
    this.#copies.set(name, new ReplicaReader(buffer));
  }

  /** Sets `ex.row` and how the exchange is bound to it, or says why the request goes nowhere. */
  place(ex: Exchange, { spec }: Locality): Problem | null {
    const copy = this.#copies.get(spec.directory);
    if (copy === undefined || !copy.isLoaded) return spec.isHard ? PROBLEM.localityUnknown : null;
    const hash = this.#hash;
    hash.begin(SEED_HI, SEED_LO);
    const isKeyed = addKey(hash, spec.key, ex.head, '');
    hash.end();
    const place = isKeyed ? copy.placeOf(hash.hi, hash.lo) : NOWHERE;
    if (place === NOWHERE && spec.unknownRow === NONE) return null;
    const row = place === NOWHERE ? spec.unknownRow : (spec.rows[place] ?? NONE);
    if (row === NONE) return spec.isHard ? PROBLEM.noEndpointAtPlace : null;
    ex.row = row;
    ex.bound = spec.isHard ? BOUND.HARD : BOUND.SOFT;
    return null;
  }
}

/** Whether a row has somebody healthy, by the version of the table that is current. */
export function isServed({ table }: Selector, row: number): boolean {
  table.refresh();
  return table.ints[rowShapeAt(table.shape, row).at + ROW.MODE] === MODE.NORMAL;
}
