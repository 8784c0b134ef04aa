// What the other nodes told, by endpoint, with its age. A node that is not heard of for three of its intervals is forgotten with
// all it said. Asked on the tick; what it gives is worked out anew only when something was heard or time has passed.

import { distanceKm } from '../geo.ts';
import type { LatLon } from '../snapshot.ts';
import type { Digest, SharedEndpoint } from './digest.ts';
import { mergeInto } from './merge.ts';
import { noOpinion, type Opinion } from './opinion.ts';

/** More nodes than this share nothing with those beyond. */
export const MAX_PEERS = 1024;
/** Endpoints that are remembered of all of them together, whatever they tell. */
const MAX_KEYS = 16_384;
const TTL_INTERVALS = 3;
/** Within this distance the network is the same. */
const NEAR_KM = 100;
/** An opinion is at most this old. */
const REFRESH_MS = 200;

export interface Self {
  readonly instance: string;
  readonly region: string | null;
  readonly place: LatLon | null;
}

/** A node, as last heard of. */
export interface Peer {
  readonly instance: string;
  node: string;
  region: string | null;
  place: LatLon | null;
  sequence: number;
  intervalMs: number;
  heardMs: number;
  /** When it last told of everything. */
  wholeMs: number;
  /** As of when all that it told stands. */
  completeMs: number;
  readonly keys: Set<number>;
  /** From us; NaN = not known. */
  km: number;
  isNear: boolean;
}

/** What it said of one endpoint, and when. */
export interface Told {
  readonly peer: Peer;
  endpoint: SharedEndpoint;
  atMs: number;
}

interface Topic {
  readonly told: Map<Peer, Told>;
  readonly opinion: Opinion;
  atMs: number;
  isStale: boolean;
}

/** ours: our own, come back · stale: older than what was heard before · full: too many nodes or endpoints already. */
export type Heard = 'ok' | 'ours' | 'stale' | 'full';

export class Peers {
  #self: Self;
  readonly #peers = new Map<string, Peer>();
  readonly #topics = new Map<number, Topic>();

  constructor(self: Self) {
    this.#self = self;
  }

  /** Where we are now; what was said stays. */
  move(self: Self): void {
    this.#self = self;
    for (const peer of this.#peers.values()) this.#place(peer);
  }

  get all(): Iterable<Peer> {
    return this.#peers.values();
  }

  named(instance: string): Peer | undefined {
    return this.#peers.get(instance);
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Takes a digest in that was written `delayMs` ago at least. Monotonic ms. Never throws. */
  hear(digest: Digest, nowMs: number, delayMs = 0): Heard {
    if (digest.instance === this.#self.instance) return 'ours';
    let peer = this.#peers.get(digest.instance);
    if (peer !== undefined && digest.sequence <= peer.sequence) return this.#fillIn(peer, digest, nowMs, delayMs);
    if (peer === undefined) {
      if (this.#peers.size >= MAX_PEERS) return 'full';
      peer = this.#newPeer(digest);
    }
    const { node, region, place, sequence, intervalMs } = digest;
    const isGap = !digest.isWhole && sequence !== peer.sequence + 1;
    Object.assign(peer, { node, region, place, sequence, intervalMs, heardMs: nowMs });
    if (digest.isWhole) peer.wholeMs = nowMs - delayMs;
    // With what was missed, other things may have changed than this tells of.
    if (isGap) peer.wholeMs = Number.NEGATIVE_INFINITY;
    else if (digest.isComplete) peer.completeMs = nowMs - delayMs;
    this.#place(peer);
    if (digest.isWhole) this.#forgetBut(peer, new Set(digest.endpoints.map(({ key }) => key)));
    return this.#take(peer, digest.endpoints, nowMs - delayMs, true);
  }

  /** A whole digest from before what was heard last: it tells of what nothing was heard of since. */
  #fillIn(peer: Peer, digest: Digest, nowMs: number, delayMs: number): Heard {
    if (!digest.isWhole || nowMs - delayMs <= peer.wholeMs) return 'stale';
    peer.wholeMs = nowMs - delayMs;
    return this.#take(peer, digest.endpoints, nowMs - delayMs, false);
  }

  #take(peer: Peer, endpoints: readonly SharedEndpoint[], atMs: number, isNews: boolean): Heard {
    let heard: Heard = 'ok';
    for (const endpoint of endpoints) {
      const topic = this.#topicOf(endpoint.key);
      if (topic === null) {
        heard = 'full';
        continue;
      }
      if (!isNews && (topic.told.get(peer)?.atMs ?? Number.NEGATIVE_INFINITY) >= atMs) continue;
      topic.told.set(peer, { peer, endpoint, atMs });
      topic.isStale = true;
      peer.keys.add(endpoint.key);
    }
    return heard;
  }

  /** Something may have been told that was not heard: nobody's silence says any more that nothing changed. */
  missed(): void {
    for (const peer of this.#peers.values()) {
      peer.wholeMs = Number.NEGATIVE_INFINITY;
      peer.completeMs = Number.NEGATIVE_INFINITY;
    }
  }

  /** Forgets whoever was not heard of for three intervals. Gives how many. */
  expire(nowMs: number): number {
    let gone = 0;
    for (const peer of this.#peers.values()) {
      if (nowMs - peer.heardMs <= peer.intervalMs * TTL_INTERVALS) continue;
      this.#forgetBut(peer, new Set());
      this.#peers.delete(peer.instance);
      gone++;
    }
    return gone;
  }

  /**
   * What others know of an endpoint (endpointKey) at `place`; null = nothing. The same object every time: nobody keeps it
   * beyond the tick.
   */
  opinionOf(key: number, place: LatLon | null, nowMs: number): Opinion | null {
    const topic = this.#topics.get(key);
    if (topic === undefined || topic.told.size === 0) return null;
    if (topic.isStale || nowMs - topic.atMs >= REFRESH_MS) {
      mergeInto(topic.opinion, topic.told.values(), this.#self, place, nowMs);
      topic.isStale = false;
      topic.atMs = nowMs;
    }
    return topic.opinion.nodes > 0 ? topic.opinion : null;
  }

  #newPeer({ instance, node, region, place, sequence, intervalMs }: Digest): Peer {
    const peer: Peer = {
      instance,
      node,
      region,
      place,
      sequence,
      intervalMs,
      heardMs: 0,
      wholeMs: Number.NEGATIVE_INFINITY,
      completeMs: Number.NEGATIVE_INFINITY,
      keys: new Set(),
      km: Number.NaN,
      isNear: false,
    };
    this.#peers.set(instance, peer);
    return peer;
  }

  #place(peer: Peer): void {
    const { region, place } = this.#self;
    peer.km = place === null || peer.place === null ? Number.NaN : distanceKm(place, peer.place);
    peer.isNear = (region !== null && region === peer.region) || peer.km <= NEAR_KM;
  }

  #topicOf(key: number): Topic | null {
    let topic = this.#topics.get(key);
    if (topic !== undefined) return topic;
    if (this.#topics.size >= MAX_KEYS) return null;
    topic = { told: new Map(), opinion: noOpinion(), atMs: 0, isStale: true };
    this.#topics.set(key, topic);
    return topic;
  }

  #forgetBut(peer: Peer, keys: ReadonlySet<number>): void {
    for (const key of peer.keys) {
      if (keys.has(key)) continue;
      peer.keys.delete(key);
      const topic = this.#topics.get(key);
      topic?.told.delete(peer);
      if (topic?.told.size === 0) this.#topics.delete(key);
      else if (topic !== undefined) topic.isStale = true;
    }
  }
}
