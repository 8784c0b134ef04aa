// The probes of a run: every node asks every endpoint again and again, as the prober does. A watch is a node and an endpoint;
// what a probe found is told to the node, and to the view of the peer that picks there.

import { OUTCOME, type Outcome } from '../../../src/core/sample.ts';
import type { Calendar } from './calendar.ts';
import { EVENT, JITTER_RATIO, jitterOf } from './events.ts';
import type { Flights } from './flights.ts';
import { normalOf } from './jobs.ts';
import type { Network } from './network.ts';
import { type Node, PROBE_SPEC } from './node.ts';
import type { PeerView } from './peers.ts';
import type { Server } from './server.ts';

/** As the prober does: the first few come faster, all with jitter. */
const QUICK_PROBES = 5;
const QUICK_RATIO = 1 / 4;
const GAIN = 0.3;
/** So long after a loop stood still, what it found is not to be trusted. ms */
const STALLED_MS = 100;

export interface ProbingOptions {
  readonly calendar: Calendar;
  readonly nodes: readonly Node[];
  readonly views: readonly PeerView[];
  readonly network: Network;
  readonly servers: readonly Server[];
  readonly flights: Flights;
  readonly random: () => number;
  readonly edges: number;
  /** The server answers at once. */
  readonly reply: (id: number, outcome: Outcome) => void;
}

/** How many probes there can be until `untilMs`. */
export function mostProbes(watches: number, untilMs: number): number {
  return watches * (Math.ceil(untilMs / (PROBE_SPEC.intervalMs * (1 - JITTER_RATIO))) + QUICK_PROBES + 2);
}

export class Probing {
  readonly #o: ProbingOptions;
  readonly #width: number;
  /** Per probe: which watch it is of, its connect time, whether it has ended. */
  readonly #watch: Int32Array;
  readonly #connectMs: Float64Array;
  readonly #hasEnded: Uint8Array;
  /** Per watch: how many there were. */
  readonly #count: Int32Array;
  #next: number;

  constructor(options: ProbingOptions) {
    const { flights, nodes, servers } = options;
    const probes = flights.endpoint.length - flights.jobs;
    this.#o = options;
    this.#width = servers.length;
    this.#watch = new Int32Array(probes);
    this.#connectMs = new Float64Array(probes);
    this.#hasEnded = new Uint8Array(probes);
    this.#count = new Int32Array(nodes.length * servers.length);
    this.#next = flights.jobs;
  }

  /** A probe begins: a connect, and a cheap request behind it. */
  begin(watch: number, nowMs: number): void {
    const { calendar, flights, network, nodes, random, servers, edges, reply } = this.#o;
    const n = Math.floor(watch / this.#width);
    const e = watch % this.#width;
    const intervalMs = PROBE_SPEC.intervalMs * (++this.#count[watch]! < QUICK_PROBES ? QUICK_RATIO : 1);
    calendar.push(Math.max(nowMs + intervalMs * jitterOf(random), nodes[n]!.stalledUntilMs), EVENT.PROBE, watch);
    const id = this.#next++;
    const p = id - flights.jobs;
    const edge = n % edges;
    const connectMs = network.sampleMs(edge, e, normalOf(random));
    const rttMs = network.sampleMs(edge, e, normalOf(random));
    this.#watch[p] = watch;
    this.#connectMs[p] = connectMs;
    flights.endpoint[id] = e;
    flights.rttMs[id] = rttMs;
    flights.sentMs[id] = nowMs + connectMs;
    calendar.push(nowMs + PROBE_SPEC.timeoutMs, EVENT.EXPIRE, id);
    if (random() < network.lossRatio) return;
    if (!servers[e]!.isUp) return reply(id, OUTCOME.CONNECT_FAILED);
    calendar.push(nowMs + connectMs + rttMs / 2, EVENT.ARRIVE, id);
  }

  replied(id: number, nowMs: number): void {
    const { outcome, sentMs } = this.#o.flights;
    if (outcome[id] === OUTCOME.OK) this.#end(id, null, nowMs - sentMs[id]!, nowMs);
    else this.#end(id, outcome[id] === OUTCOME.STATUS_5XX ? 'status' : 'connect', null, nowMs);
  }

  expired(id: number, nowMs: number): void {
    this.#end(id, 'timeout', null, nowMs);
  }

  #end(id: number, failure: 'timeout' | 'status' | 'connect' | null, firstByteMs: number | null, nowMs: number): void {
    const { calendar, flights, nodes, views } = this.#o;
    const p = id - flights.jobs;
    if (this.#hasEnded[p] === 1) return;
    const n = Math.floor(this.#watch[p]! / this.#width);
    const e = this.#watch[p]! % this.#width;
    const node = nodes[n]!;
    // A loop that stands still hears of it later: answers that lie in the socket are read before the time-outs are looked at.
    if (nowMs < node.stalledUntilMs) {
      const isLate = failure === 'timeout';
      return calendar.push(node.stalledUntilMs + (isLate ? 1 : 0), isLate ? EVENT.EXPIRE : EVENT.REPLY, id);
    }
    this.#hasEnded[p] = 1;
    const ok = failure === null;
    const connectMs = ok ? this.#connectMs[p]! : null;
    const view = views[n];
    if (view !== undefined && connectMs !== null) {
      const before = view.probeRttMs[e]!;
      view.probeRttMs[e] = Number.isNaN(before) ? connectMs : before + (connectMs - before) * GAIN;
    }
    node.at(nowMs);
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
      stalled: nowMs < node.stalledUntilMs + STALLED_MS,
    });
  }
}
