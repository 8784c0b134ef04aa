// What others do, as small objects with one face, on the same node with the same health checks. Each says where it is from.
// What they are told (capacities, places) is as a careful operator would tell them.

import { NONE } from '../../../src/core/snapshot.ts';

/** What a peer sees when it picks. One per node, used again. */
export interface PeerView {
  /** The healthy ones, ascending; the first `count` are meant. */
  readonly eligible: Int32Array;
  count: number;
  /** This node's own, by endpoint. */
  readonly inflight: Int32Array;
  nowMs: number;
  readonly random: () => number;
  /** By endpoint: great circle to where it says it is; smoothed connect time of the probes, NaN = none yet. */
  readonly distanceKm: Float64Array;
  readonly probeRttMs: Float64Array;
  /** What each endpoint can take, and this node's part of that. Requests/s. */
  readonly capacityPerS: number;
}

export interface Peer {
  /** An endpoint, or NONE when nobody is eligible. */
  pick(v: PeerView): number;
  /** An answer's first byte came (errors too), after `ms`. */
  settled?(e: number, ms: number, nowMs: number): void;
}

/** The endpoint of least cost; ties go to the next in turn, as HAProxy and Traefik do. */
abstract class Least implements Peer {
  #turn = 0;

  abstract costOf(e: number, v: PeerView): number;

  pick(v: PeerView): number {
    let best: number = NONE;
    let least = Number.POSITIVE_INFINITY;
    const from = v.count === 0 ? 0 : this.#turn++ % v.count;
    for (let i = 0; i < v.count; i++) {
      const e = v.eligible[from + i < v.count ? from + i : from + i - v.count]!;
      const cost = this.costOf(e, v);
      if (best === NONE || cost < least) [best, least] = [e, cost];
    }
    return best;
  }
}

/** The cheaper of two random ones. */
abstract class TwoChoices implements Peer {
  abstract costOf(e: number, v: PeerView): number;

  pick(v: PeerView): number {
    if (v.count === 0) return NONE;
    const i = Math.floor(v.random() * v.count);
    const a = v.eligible[i]!;
    if (v.count === 1) return a;
    const j = Math.floor(v.random() * (v.count - 1));
    const b = v.eligible[j < i ? j : j + 1]!;
    return this.costOf(b, v) < this.costOf(a, v) ? b : a;
  }
}

class RoundRobin implements Peer {
  #turn = -1;

  pick(v: PeerView): number {
    if (v.count === 0) return NONE;
    if (this.#turn < 0) this.#turn = Math.floor(v.random() * v.count);
    this.#turn = (this.#turn + 1) % v.count;
    return v.eligible[this.#turn]!;
  }
}

class RandomTwo extends TwoChoices {
  costOf(): number {
    return 0;
  }
}

/** nginx least_conn, HAProxy leastconn, Caddy least_conn. */
class LeastRequest extends Least {
  costOf(e: number, v: PeerView): number {
    return v.inflight[e]!;
  }
}

/** Envoy LEAST_REQUEST with its default of two choices. */
class LeastRequestOfTwo extends TwoChoices {
  costOf(e: number, v: PeerView): number {
    return v.inflight[e]!;
  }
}

/** Finagle PeakEwma.scala and linkerd2-proxy: a rise at once, a fall over 10 s; one with no figure and load is avoided. */
class PeakEwma extends TwoChoices {
  static readonly #TAU_MS = 10_000;
  static readonly #PENALTY = 1e12;
  readonly #costMs: Float64Array;
  readonly #atMs: Float64Array;

  constructor(endpoints: number) {
    super();
    this.#costMs = new Float64Array(endpoints);
    this.#atMs = new Float64Array(endpoints);
  }

  settled(e: number, ms: number, nowMs: number): void {
    const weight = Math.exp(-Math.max(nowMs - this.#atMs[e]!, 0) / PeakEwma.#TAU_MS);
    const cost = this.#costMs[e]!;
    this.#costMs[e] = ms > cost ? ms : cost * weight + ms * (1 - weight);
    this.#atMs[e] = nowMs;
  }

  costOf(e: number, v: PeerView): number {
    const weight = Math.exp(-Math.max(v.nowMs - this.#atMs[e]!, 0) / PeakEwma.#TAU_MS);
    const cost = this.#costMs[e]! * weight;
    const load = v.inflight[e]!;
    return cost === 0 && load > 0 ? PeakEwma.#PENALTY + load : cost * (load + 1);
  }
}

/** Traefik 3.6 leasttime: mean first byte of the last 100 × (1 + in flight) / weight; nothing measured costs nothing. */
class LeastTime extends Least {
  static readonly #KEPT = 100;
  readonly #ms: Float64Array;
  readonly #sum: Float64Array;
  readonly #count: Int32Array;

  constructor(endpoints: number) {
    super();
    this.#ms = new Float64Array(endpoints * LeastTime.#KEPT);
    this.#sum = new Float64Array(endpoints);
    this.#count = new Int32Array(endpoints);
  }

  settled(e: number, ms: number): void {
    const at = e * LeastTime.#KEPT + (this.#count[e]!++ % LeastTime.#KEPT);
    this.#sum[e]! += ms - this.#ms[at]!;
    this.#ms[at] = ms;
  }

  costOf(e: number, v: PeerView): number {
    const count = Math.min(this.#count[e]!, LeastTime.#KEPT);
    return count === 0 ? 0 : (this.#sum[e]! / count) * (1 + v.inflight[e]!);
  }
}

/** What geographical DNS does: the nearest that is healthy. */
class Nearest extends Least {
  costOf(e: number, v: PeerView): number {
    return v.distanceKm[e]!;
  }
}

/** Latency-based DNS and Cloudflare's "dynamic steering": the least round trip of the probes. */
class ProbeRtt extends Least {
  costOf(e: number, v: PeerView): number {
    const ms = v.probeRttMs[e]!;
    return Number.isNaN(ms) ? 1e6 : ms;
  }
}

/** Google Cloud's waterfall by region: fills the nearest up to 80 % of its configured capacity, then the next. */
class Waterfall extends Least {
  static readonly #TARGET = 0.8;
  static readonly #BURST_S = 0.1;
  readonly #tokens: Float64Array;
  readonly #atMs: Float64Array;

  constructor(endpoints: number) {
    super();
    this.#tokens = new Float64Array(endpoints);
    this.#atMs = new Float64Array(endpoints);
  }

  costOf(e: number, v: PeerView): number {
    const perMs = (v.capacityPerS * Waterfall.#TARGET) / 1000;
    const most = Math.max(perMs * 1000 * Waterfall.#BURST_S, 1);
    this.#tokens[e] = Math.min(this.#tokens[e]! + (v.nowMs - this.#atMs[e]!) * perMs, most);
    this.#atMs[e] = v.nowMs;
    return this.#tokens[e]! >= 1 ? v.distanceKm[e]! : 1e6 + v.distanceKm[e]!;
  }

  override pick(v: PeerView): number {
    const e = super.pick(v);
    if (e !== NONE && this.#tokens[e]! >= 1) this.#tokens[e]!--;
    return e;
  }
}

/** Round robin over all that are within 30 ms of the least round trip. */
class ThirtyMsBand implements Peer {
  static readonly #BAND_MS = 30;
  #turn = 0;

  pick(v: PeerView): number {
    if (v.count === 0) return NONE;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < v.count; i++) {
      const ms = v.probeRttMs[v.eligible[i]!]!;
      if (ms < least) least = ms;
    }
    for (let i = 0; i < v.count; i++) {
      const e = v.eligible[this.#turn++ % v.count]!;
      if (!(v.probeRttMs[e]! > least + ThirtyMsBand.#BAND_MS)) return e;
    }
    return v.eligible[0]!;
  }
}

export const PEERS = {
  'round-robin': () => new RoundRobin(),
  'random-two': () => new RandomTwo(),
  'least-request': () => new LeastRequest(),
  'least-request-p2c': () => new LeastRequestOfTwo(),
  'peak-ewma-p2c': (endpoints: number) => new PeakEwma(endpoints),
  leasttime: (endpoints: number) => new LeastTime(endpoints),
  'nearest-geo': () => new Nearest(),
  'probe-rtt': () => new ProbeRtt(),
  waterfall: (endpoints: number) => new Waterfall(endpoints),
  'band-30ms': () => new ThirtyMsBand(),
} satisfies Record<string, (endpoints: number) => Peer>;
export type PeerName = keyof typeof PEERS;

export function isPeer(name: string): name is PeerName {
  return Object.hasOwn(PEERS, name);
}
