// One run: nodes, servers and ways under one calendar, until everything that was asked has been answered. Who picks is the
// product's own policy, a peer's or an oracle; all else is the same for all. Scenarios change it while it runs (scenarios.ts).

import { OUTCOME, type Outcome } from '../../../src/core/sample.ts';
import { seeded } from '../../../src/core/selector.ts';
import { decodeDigest } from '../../../src/core/share/codec.ts';
import type { Digest } from '../../../src/core/share/digest.ts';
import { NONE } from '../../../src/core/snapshot.ts';
import { Calendar } from './calendar.ts';
import { castOf } from './cast.ts';
import { type Jobs, normalOf } from './jobs.ts';
import { type Geography, Network } from './network.ts';
import { type Node, PROBE_SPEC } from './node.ts';
import { ERROR_MS, Oracle } from './oracle.ts';
import type { Peer, PeerView } from './peers.ts';
import { Server, WORKERS } from './server.ts';

const EVENT = {
  PEEK: 0,
  PROBE: 1,
  ARRIVE: 2,
  DONE: 3,
  REPLY: 4,
  EXPIRE: 5,
  STEP: 6,
  SECOND: 7,
  PUBLISH: 8,
  HEAR: 9,
} as const;
/** As Fleet.start does. */
const PEEK_MS = 50;
/** As the prober does: the first few come faster, all with jitter. */
const QUICK_PROBES = 5;
const QUICK_RATIO = 1 / 4;
const JITTER_RATIO = 0.2;
const PROBE_GAIN = 0.3;
/** A refusal or a fast failure takes the server no time to speak of. */
const FAST_MS = 0.2;
const RETRY_AFTER_MS = 1000;
/** A choice is right when it is this near to the oracle's. */
const RIGHT_MS = 5;
const RIGHT_RATIO = 0.1;

export interface WorldSpec {
  readonly policy: string;
  readonly seed: number;
  readonly geography: Geography;
  readonly jobs: Jobs;
  readonly nodes: number;
  readonly meanServiceMs: number;
  readonly probeServiceMs: number;
  readonly untilMs: number;
  /** Endpoints that appear only during the run. */
  readonly absent: readonly number[];
  readonly steps: readonly Step[];
  readonly onSecond?: (world: World, ms: number) => void;
  /** What nodes tell one another; absent or null = nothing. */
  readonly share?: ShareSpec | null;
}

/** Digests: how often a node publishes one, and how long it takes until all others have it; both with jitter. ms. */
export interface ShareSpec {
  readonly intervalMs: number;
  readonly delayMs: number;
}

/** Something happens. */
export interface Step {
  readonly atMs: number;
  readonly run: (world: World) => void;
}

export class World {
  readonly nodes: readonly Node[];
  readonly network: Network;
  readonly servers: readonly Server[];
  readonly spec: WorldSpec;
  nowMs = 0;
  /** Per request: who was picked (NONE = nobody), what it took with errors at 1000 ms, and whether it failed or went wrong. */
  readonly endpoint: Int16Array;
  readonly tookMs: Float64Array;
  readonly isBad: Uint8Array;
  readonly isWrong: Uint8Array;
  readonly #calendar = new Calendar();
  readonly #oracle: Oracle;
  readonly #chargedTwice: number | null;
  readonly #peers: readonly Peer[];
  readonly #views: readonly PeerView[];
  readonly #random: () => number;
  readonly #edges: number;
  readonly #width: number;
  /** Per request and, after these, per probe. */
  readonly #sentMs: Float64Array;
  readonly #rttMs: Float64Array;
  readonly #outcome: Uint8Array;
  readonly #life: Int32Array;
  readonly #inflight: Int32Array;
  /** Per probe: which watch it is of, its connect time, whether it has ended. */
  readonly #watch: Int32Array;
  readonly #connectMs: Float64Array;
  readonly #hasEnded: Uint8Array;
  readonly #probes: Int32Array;
  /** When the clocks jumped last, and by how much. */
  #jumpedAtMs = Number.NEGATIVE_INFINITY;
  #jumpedByMs = 0;
  #nextProbe: number;
  #nextJob = 0;
  /** One brain: every node has at once what any of them sees. */
  readonly #isOne: boolean;
  /** Digests on their way, by the number of their event. */
  readonly #told = new Map<number, { readonly from: number; readonly digest: Digest }>();
  /** Bytes of all digests that nodes wrote. */
  toldBytes = 0;
  #nextTold = 0;

  constructor(spec: WorldSpec) {
    const { geography, jobs, policy, seed } = spec;
    this.spec = spec;
    this.#width = geography.endpoints.length;
    this.#edges = geography.edges.length;
    this.#random = seeded(seed * 31 + 7);
    this.network = new Network(geography);
    this.servers = geography.endpoints.map(() => new Server());
    this.#oracle = new Oracle(this.network, this.servers, spec.meanServiceMs);
    this.#chargedTwice = policy === 'oracle-a' ? 2 : policy === 'oracle-b' ? 1 : null;
    for (const e of spec.absent) this.#oracle.isPresent[e] = 0;
    const cast = castOf(spec);
    this.nodes = cast.nodes;
    this.#peers = cast.peers;
    this.#views = cast.views;
    const probesEach = Math.ceil(spec.untilMs / (PROBE_SPEC.intervalMs * (1 - JITTER_RATIO))) + QUICK_PROBES + 2;
    const probes = this.nodes.length * this.#width * probesEach;
    const all = jobs.count + probes;
    this.endpoint = new Int16Array(all);
    this.tookMs = new Float64Array(jobs.count);
    this.isBad = new Uint8Array(jobs.count);
    this.isWrong = new Uint8Array(jobs.count);
    this.#sentMs = new Float64Array(all);
    this.#rttMs = new Float64Array(all);
    this.#outcome = new Uint8Array(all);
    this.#life = new Int32Array(all);
    this.#inflight = new Int32Array(jobs.count);
    this.#watch = new Int32Array(probes);
    this.#connectMs = new Float64Array(probes);
    this.#hasEnded = new Uint8Array(probes);
    this.#probes = new Int32Array(this.nodes.length * this.#width);
    this.#nextProbe = jobs.count;
    this.#isOne = policy === 'one';
  }

  // What scenarios do.

  slow(e: number, factor: number): void {
    this.#oracle.rescale(e, this.nowMs, factor / this.servers[e]!.slowness);
    this.servers[e]!.slowness = factor;
  }

  limit(e: number, perS: number): void {
    this.servers[e]!.limitPerS = perS;
  }

  turn(e: number, isUp: boolean): void {
    const server = this.servers[e]!;
    for (let id = server.dequeue(); id !== NONE; id = server.dequeue()) this.#reply(id, OUTCOME.RESET);
    server.turn(isUp);
    this.#oracle.rescale(e, this.nowMs, 0);
  }

  appear(e: number): void {
    this.#oracle.isPresent[e] = 1;
    this.nodes.forEach((node, n) => {
      node.at(this.nowMs);
      node.add(e);
      this.#calendar.push(this.nowMs + this.#random() * 50, EVENT.PROBE, n * this.#width + e);
    });
  }

  /** Every node's clock is ahead by `ms` at once. */
  jumpClocks(ms: number): void {
    this.#jumpedAtMs = this.nowMs;
    this.#jumpedByMs = ms;
    for (const node of this.nodes) node.skewMs += ms;
  }

  stall(forMs: number): void {
    for (const node of this.nodes) node.stalledUntilMs = this.nowMs + forMs;
  }

  /** The window begins: moves of home before it do not count. */
  countAnew(): void {
    for (const node of this.nodes) node.switches = 0;
  }

  /** Runs to the end. */
  run(): void {
    const { jobs, steps, untilMs, onSecond } = this.spec;
    const calendar = this.#calendar;
    for (let i = 0; i < steps.length; i++) calendar.push(steps[i]!.atMs, EVENT.STEP, i);
    this.nodes.forEach((_, n) => {
      calendar.push(this.#random() * PEEK_MS, EVENT.PEEK, n);
      for (let e = 0; e < this.#width; e++) {
        if (this.#oracle.isPresent[e] === 1)
          calendar.push(this.#random() * Math.max(50, this.#width), EVENT.PROBE, n * this.#width + e);
      }
    });
    const { share } = this.spec;
    for (let n = 0; share && n < this.nodes.length; n++) {
      calendar.push(this.#random() * share.intervalMs, EVENT.PUBLISH, n);
    }
    if (onSecond !== undefined) for (let ms = 1000; ms <= untilMs; ms += 1000) calendar.push(ms, EVENT.SECOND, 0);
    for (;;) {
      const jobMs = this.#nextJob < jobs.count ? jobs.atMs[this.#nextJob]! : Number.POSITIVE_INFINITY;
      if (jobMs < calendar.nextMs) {
        this.nowMs = jobMs;
        this.#send(this.#nextJob++);
        continue;
      }
      if (!calendar.pop()) return;
      this.nowMs = calendar.atMs;
      this.#happen(calendar.kind, calendar.which);
    }
  }

  #happen(kind: number, which: number): void {
    switch (kind) {
      case EVENT.PEEK:
        return this.#peek(which);
      case EVENT.PROBE:
        return this.#probe(which);
      case EVENT.ARRIVE:
        return this.#arrive(which);
      case EVENT.DONE:
        return this.#done(which);
      case EVENT.REPLY:
        return which < this.spec.jobs.count ? this.#settle(which) : this.#probeReplied(which);
      case EVENT.EXPIRE:
        return this.#probeEnded(which, false, 'timeout', null);
      case EVENT.STEP:
        return this.spec.steps[which]!.run(this);
      case EVENT.PUBLISH:
        return this.#publish(which);
      case EVENT.HEAR:
        return this.#hear(which);
      default:
        this.spec.onSecond?.(this, this.nowMs);
    }
  }

  #publish(n: number): void {
    const { share, untilMs } = this.spec;
    if (!share || this.nowMs > untilMs) return;
    const jitter = () => 1 + JITTER_RATIO * (2 * this.#random() - 1);
    this.#calendar.push(this.nowMs + share.intervalMs * jitter(), EVENT.PUBLISH, n);
    const node = this.nodes[n]!;
    node.at(this.nowMs);
    const bytes = node.tell(share.intervalMs);
    this.toldBytes += bytes.length;
    const digest = decodeDigest(bytes);
    if (typeof digest === 'string') throw new Error(`a digest of our own cannot be read: ${digest}`);
    this.#told.set(this.#nextTold, { from: n, digest });
    this.#calendar.push(this.nowMs + share.delayMs * jitter(), EVENT.HEAR, this.#nextTold++);
  }

  #hear(told: number): void {
    const { from, digest } = this.#told.get(told)!;
    this.#told.delete(told);
    this.nodes.forEach((node, n) => {
      if (n === from) return;
      node.at(this.nowMs);
      node.hear(digest);
    });
  }

  #peek(n: number): void {
    if (this.nowMs > this.spec.untilMs) return;
    const node = this.nodes[n]!;
    const atMs = Math.max(this.nowMs + PEEK_MS, node.stalledUntilMs);
    this.#calendar.push(atMs, EVENT.PEEK, n);
    if (this.nowMs < node.stalledUntilMs) return;
    node.at(this.nowMs);
    node.peek();
  }

  /** A client's request comes to its node and is sent on. */
  #send(id: number): void {
    const { jobs, meanServiceMs } = this.spec;
    const n = jobs.node[id]!;
    const edge = n % this.#edges;
    const best = this.#oracle.best(edge, this.nowMs, this.#chargedTwice ?? 2);
    const e = this.#chargedTwice !== null ? best : this.#pick(n);
    this.endpoint[id] = e;
    if (e === NONE) {
      this.tookMs[id] = ERROR_MS;
      this.isBad[id] = 1;
      this.isWrong[id] = 1;
      return;
    }
    const least = this.#oracle.costOf(edge, best, this.nowMs, 2);
    this.isWrong[id] = this.#oracle.costOf(edge, e, this.nowMs, 2) > least * (1 + RIGHT_RATIO) + RIGHT_MS ? 1 : 0;
    const rttMs = this.network.sampleMs(edge, e, jobs.normal[id]!);
    this.#sentMs[id] = this.nowMs;
    this.#rttMs[id] = rttMs;
    const server = this.servers[e]!;
    const waitMs = this.#oracle.waitMs(e, this.nowMs + rttMs / 2);
    const isLost =
      !server.isUp || jobs.chance[id]! < server.failing || waitMs > (1000 / WORKERS) * meanServiceMs * server.slowness;
    if (!isLost) this.#oracle.sent(e, this.nowMs + rttMs / 2, jobs.serviceMs[id]! * server.slowness);
    if (this.nodes.length > 0) {
      const { inflight } = this.nodes[n]!;
      this.#inflight[id] = inflight[e]!;
      if (this.#isOne) for (const node of this.nodes) node.inflight[e]!++;
      else inflight[e]!++;
    }
    this.#calendar.push(this.nowMs + rttMs / 2, EVENT.ARRIVE, id);
  }

  #pick(n: number): number {
    const node = this.nodes[n]!;
    const nowMs = node.at(this.nowMs);
    const peer = this.#peers[n];
    if (peer === undefined) return node.pick();
    const view = this.#views[n]!;
    view.count = node.count;
    view.nowMs = nowMs;
    return peer.pick(view);
  }

  #arrive(id: number): void {
    const isProbe = id >= this.spec.jobs.count;
    const server = this.servers[this.endpoint[id]!]!;
    if (!server.isUp) this.#reply(id, OUTCOME.CONNECT_FAILED);
    else if (!isProbe && !server.admits(this.nowMs)) this.#reply(id, OUTCOME.TOO_MANY);
    else if (!isProbe && this.spec.jobs.chance[id]! < server.failing) this.#reply(id, OUTCOME.STATUS_5XX);
    else if (server.busy < WORKERS) this.#begin(id, server);
    else if (server.isFull) this.#reply(id, OUTCOME.STATUS_5XX);
    else server.enqueue(id);
  }

  #begin(id: number, server: Server): void {
    const { jobs, probeServiceMs } = this.spec;
    server.busy++;
    this.#life[id] = server.life;
    const ms = id < jobs.count ? jobs.serviceMs[id]! : probeServiceMs;
    this.#calendar.push(this.nowMs + ms * server.slowness, EVENT.DONE, id);
  }

  #done(id: number): void {
    const server = this.servers[this.endpoint[id]!]!;
    if (server.life !== this.#life[id]!) return this.#reply(id, OUTCOME.RESET);
    server.busy--;
    this.#reply(id, OUTCOME.OK);
    const next = server.dequeue();
    if (next !== NONE) this.#begin(next, server);
  }

  #reply(id: number, outcome: Outcome): void {
    this.#outcome[id] = outcome;
    const fast = outcome === OUTCOME.OK ? 0 : FAST_MS;
    this.#calendar.push(this.nowMs + this.#rttMs[id]! / 2 + fast, EVENT.REPLY, id);
  }

  #settle(id: number): void {
    const outcome = this.#outcome[id] as Outcome;
    const isBad = outcome !== OUTCOME.OK;
    const e = this.endpoint[id]!;
    const tookMs = this.nowMs - this.#sentMs[id]!;
    this.tookMs[id] = isBad ? ERROR_MS : tookMs;
    this.isBad[id] = isBad ? 1 : 0;
    const n = this.spec.jobs.node[id]!;
    const node = this.nodes[n];
    if (node === undefined) return;
    // The clock may have jumped while it was under way: the node reckons with what it read when it sent.
    const skewMs = this.#sentMs[id]! < this.#jumpedAtMs ? node.skewMs - this.#jumpedByMs : node.skewMs;
    const sentMs = this.#sentMs[id]! + skewMs;
    node.at(this.nowMs);
    node.inflight[e]!--;
    const status =
      outcome === OUTCOME.OK ? 200 : outcome === OUTCOME.TOO_MANY ? 429 : outcome === OUTCOME.STATUS_5XX ? 503 : 0;
    const pauseMs = status === 429 ? RETRY_AFTER_MS : 0;
    node.settled(e, outcome, status, sentMs, status > 0, this.#inflight[id]!, pauseMs);
    if (this.#isOne) this.#settleAtOthers(id, n, outcome, status, pauseMs);
    if (status > 0) this.#peers[n]?.settled?.(e, tookMs, node.nowMs);
  }

  /** As if they had asked from where they are. */
  #settleAtOthers(id: number, from: number, outcome: Outcome, status: number, pauseMs: number): void {
    const e = this.endpoint[id]!;
    const restMs = this.nowMs - this.#sentMs[id]! - this.#rttMs[id]!;
    this.nodes.forEach((node, n) => {
      if (n === from) return;
      node.at(this.nowMs);
      node.inflight[e]!--;
      const tookMs = restMs + this.network.usualMs(n % this.#edges, e);
      node.settled(e, outcome, status, node.nowMs - tookMs, status > 0, this.#inflight[id]!, pauseMs);
    });
  }

  /** A probe begins: a connect, and a cheap request behind it. */
  #probe(watch: number): void {
    if (this.nowMs > this.spec.untilMs) return;
    const n = Math.floor(watch / this.#width);
    const e = watch % this.#width;
    const interval = PROBE_SPEC.intervalMs * (++this.#probes[watch]! < QUICK_PROBES ? QUICK_RATIO : 1);
    const jitter = 1 + JITTER_RATIO * (2 * this.#random() - 1);
    this.#calendar.push(Math.max(this.nowMs + interval * jitter, this.nodes[n]!.stalledUntilMs), EVENT.PROBE, watch);
    const id = this.#nextProbe++;
    const p = id - this.spec.jobs.count;
    const edge = n % this.#edges;
    const connectMs = this.network.sampleMs(edge, e, normalOf(this.#random));
    const rttMs = this.network.sampleMs(edge, e, normalOf(this.#random));
    this.#watch[p] = watch;
    this.endpoint[id] = e;
    this.#connectMs[p] = connectMs;
    this.#rttMs[id] = rttMs;
    this.#sentMs[id] = this.nowMs + connectMs;
    this.#calendar.push(this.nowMs + PROBE_SPEC.timeoutMs, EVENT.EXPIRE, id);
    if (this.#random() < this.network.lossRatio) return;
    if (!this.servers[e]!.isUp) return this.#reply(id, OUTCOME.CONNECT_FAILED);
    this.#calendar.push(this.nowMs + connectMs + rttMs / 2, EVENT.ARRIVE, id);
  }

  #probeReplied(id: number): void {
    if (this.#outcome[id] === OUTCOME.OK) this.#probeEnded(id, true, null, this.nowMs - this.#sentMs[id]!);
    else this.#probeEnded(id, false, this.#outcome[id] === OUTCOME.STATUS_5XX ? 'status' : 'connect', null);
  }

  #probeEnded(
    id: number,
    ok: boolean,
    failure: 'timeout' | 'status' | 'connect' | null,
    firstByteMs: number | null,
  ): void {
    const p = id - this.spec.jobs.count;
    if (this.#hasEnded[p] === 1) return;
    const watch = this.#watch[p]!;
    const n = Math.floor(watch / this.#width);
    const e = watch % this.#width;
    const node = this.nodes[n]!;
    // A loop that stands still hears of it later.
    if (this.nowMs < node.stalledUntilMs) {
      // Answers that lie in the socket are read before the time-outs are looked at.
      const kind = failure === 'timeout' ? EVENT.EXPIRE : EVENT.REPLY;
      return this.#calendar.push(node.stalledUntilMs + (failure === 'timeout' ? 1 : 0), kind, id);
    }
    this.#hasEnded[p] = 1;
    const connectMs = ok ? this.#connectMs[p]! : null;
    const view = this.#views[n];
    if (view !== undefined && connectMs !== null) {
      const before = view.probeRttMs[e]!;
      view.probeRttMs[e] = Number.isNaN(before) ? connectMs : before + (connectMs - before) * PROBE_GAIN;
    }
    node.at(this.nowMs);
    node.probed(e, {
      ok,
      dnsMs: null,
      connectMs,
      tlsMs: null,
      firstByteMs,
      warm: true,
      status: ok ? 200 : failure === 'status' ? 503 : null,
      error: failure,
      failure,
      stalled: this.nowMs < node.stalledUntilMs + 100,
    });
  }
}
