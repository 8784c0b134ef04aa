// What the other nodes told, by endpoint, with its age. A node that is not heard of for three of its intervals is forgotten with
// all it said. Asked on the tick; what it gives is worked out anew only when something was heard or time has passed.

import { distanceKm, priorMs } from '../geo.ts';
import type { LatLon } from '../snapshot.ts';
import type { Digest, SharedCohort, SharedEndpoint } from './digest.ts';
import { noOpinion, type Opinion } from './opinion.ts';

/** More nodes than this share nothing with those beyond. */
export const MAX_PEERS = 1024;
/** Endpoints that are remembered of all of them together, whatever they tell. */
const MAX_KEYS = 16_384;
const TTL_INTERVALS = 3;
/** What a digest says of the load, of a queue, of failures: worth half after this. */
const LOAD_HALF_MS = 1500;
/** And of times that change slowly. */
const LEVEL_HALF_MS = 30_000;
/** A ratio of failures stands on the answers of so many seconds. */
const ERROR_S = 3;
/** What has not been told again for so long is not believed at all. */
const KEPT_MS = 120_000;
/** Within this distance the network is the same. */
const NEAR_KM = 100;
/** At this distance what another measured of the network is worth half, moved by what geography says. */
const HALF_KM = 500;
/** What one node's figure may count as: probes, and answers. */
const MOST_PROBES = 3;
const MOST_ANSWERS = 24;
/** Another region's server term counts for less: what stands between may be in it. */
const FAR_WEIGHT = 0.1;
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
  /** Digests so far. */
  digests: number;
  cohorts: readonly SharedCohort[];
  readonly keys: Set<number>;
  /** From us; NaN = not known. */
  km: number;
  isNear: boolean;
}

interface Told {
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
    peer.digests++;
    if (digest.isWhole) Object.assign(peer, { wholeMs: nowMs - delayMs, cohorts: digest.cohorts });
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
    peer.cohorts = digest.cohorts;
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
      this.#merge(topic, place, nowMs);
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
      digests: 0,
      cohorts: [],
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

  #merge({ told, opinion }: Topic, place: LatLon | null, nowMs: number): void {
    Object.assign(opinion, noOpinion());
    const network = newMean();
    const base = newMean();
    const offset = newMean();
    const wait = newMean();
    const errors = newMean();
    let newest = Number.POSITIVE_INFINITY;
    for (const { peer, endpoint: e, atMs } of told.values()) {
      const toldMs = Math.max(nowMs - Math.max(atMs, peer.completeMs), 0);
      if (toldMs > KEPT_MS) continue;
      const fresh = halved(toldMs, LOAD_HALF_MS);
      const standing = halved(toldMs + e.ageMs, LEVEL_HALF_MS);
      opinion.nodes++;
      opinion.inflight += e.inflight * fresh;
      opinion.perS += e.perS * fresh;
      addTo(network, ...this.#networkOf(peer, e, place, standing));
      const weight = standing * Math.min(e.samples, MOST_ANSWERS) * (peer.isNear ? 1 : FAR_WEIGHT);
      addTo(base, e.baseMs, weight);
      addTo(offset, e.offsetMs, weight);
      addTo(wait, Math.max(e.serverMs - e.baseMs, 0), e.perS * fresh);
      // Its memory of failures fades by itself; one that it has taken out is another matter.
      if (e.state === 'healthy') addTo(errors, e.errorRatio, (e.perS * ERROR_S + 1) * fresh);
      if (e.state === 'unknown') continue;
      opinion.judging++;
      if (e.state === 'healthy') continue;
      opinion.out++;
      if (toldMs >= newest || e.reason === null) continue;
      newest = toldMs;
      opinion.reason = e.reason;
    }
    opinion.networkMs = meanOf(network);
    opinion.networkWeight = Math.min(network.weight, MOST_PROBES);
    opinion.baseMs = meanOf(base);
    opinion.offsetMs = meanOf(offset);
    opinion.serverWeight = Math.min(base.weight, MOST_ANSWERS);
    opinion.waitMs = meanOf(wait);
    opinion.waitPerS = wait.weight;
    opinion.errorRatio = errors.weight > 0 ? meanOf(errors) : 0;
    opinion.errorWeight = errors.weight;
  }

  /** Round trip as from here, and its weight in probes. From afar it is moved by what the distances say, and weighs less. */
  #networkOf(peer: Peer, e: SharedEndpoint, place: LatLon | null, standing: number): [ms: number, weight: number] {
    if (peer.isNear) return [e.networkMs, MOST_PROBES * standing];
    const { place: here } = this.#self;
    if (here === null || peer.place === null || place === null || Number.isNaN(peer.km)) return [Number.NaN, 0];
    const moved = e.networkMs + priorMs(distanceKm(here, place)) - priorMs(distanceKm(peer.place, place));
    const least = priorMs(distanceKm(here, place)) / 2;
    return [Math.max(moved, least), standing / (1 + (peer.km / HALF_KM) ** 2)];
  }
}

interface Mean {
  sum: number;
  weight: number;
}

function newMean(): Mean {
  return { sum: 0, weight: 0 };
}

function addTo(mean: Mean, value: number, weight: number): void {
  if (Number.isNaN(value) || !(weight > 0)) return;
  mean.sum += value * weight;
  mean.weight += weight;
}

function meanOf({ sum, weight }: Mean): number {
  return weight > 0 ? sum / weight : Number.NaN;
}

function halved(ageMs: number, halfMs: number): number {
  return 2 ** (-ageMs / halfMs);
}
