// What nodes tell one another in a run: digests as the codec writes them, published and heard late. Without a ShareSpec nothing
// is told.

import { decodeDigest } from '../../../src/core/share/codec.ts';
import type { Digest } from '../../../src/core/share/digest.ts';
import type { Calendar } from './calendar.ts';
import { EVENT, jitterOf } from './events.ts';
import type { Node } from './node.ts';

/** Digests: how often a node publishes one, and how long it takes until all others have it; both with jitter. ms. */
export interface ShareSpec {
  readonly intervalMs: number;
  readonly delayMs: number;
}

export class Telling {
  /** Of all digests that nodes wrote. */
  bytes = 0;
  readonly #share: ShareSpec;
  readonly #calendar: Calendar;
  readonly #nodes: readonly Node[];
  readonly #random: () => number;
  /** Digests on their way, by the number of their event. */
  readonly #told = new Map<number, { readonly from: number; readonly digest: Digest }>();
  #next = 0;

  constructor(share: ShareSpec, calendar: Calendar, nodes: readonly Node[], random: () => number) {
    this.#share = share;
    this.#calendar = calendar;
    this.#nodes = nodes;
    this.#random = random;
  }

  /** Every node begins at a moment of its own. */
  begin(): void {
    for (let n = 0; n < this.#nodes.length; n++) {
      this.#calendar.push(this.#random() * this.#share.intervalMs, EVENT.PUBLISH, n);
    }
  }

  /** A node's turn. */
  publish(n: number, nowMs: number): void {
    const { intervalMs, delayMs } = this.#share;
    this.#calendar.push(nowMs + intervalMs * jitterOf(this.#random), EVENT.PUBLISH, n);
    const node = this.#nodes[n]!;
    node.at(nowMs);
    const bytes = node.tell(intervalMs);
    this.bytes += bytes.length;
    const digest = decodeDigest(bytes);
    if (typeof digest === 'string') throw new Error(`a digest of our own cannot be read: ${digest}`);
    this.#told.set(this.#next, { from: n, digest });
    this.#calendar.push(nowMs + delayMs * jitterOf(this.#random), EVENT.HEAR, this.#next++);
  }

  /** All others have the digest of that number. */
  hear(told: number, nowMs: number): void {
    const { from, digest } = this.#told.get(told)!;
    this.#told.delete(told);
    this.#nodes.forEach((node, n) => {
      if (n === from) return;
      node.at(nowMs);
      node.hear(digest);
    });
  }
}
