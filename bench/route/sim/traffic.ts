// The requests of a run, as clients and nodes see them: picked, sent, settled, and sent once more where nobody was. What servers
// do with them is world.ts's.

import { OUTCOME, type Outcome } from '../../../src/core/sample.ts';
import { NONE } from '../../../src/core/snapshot.ts';
import type { Calendar } from './calendar.ts';
import type { Cast } from './cast.ts';
import { EVENT } from './events.ts';
import type { Flights } from './flights.ts';
import type { Network } from './network.ts';
import { ERROR_MS, type Oracle } from './oracle.ts';
import { type Server, WORKERS } from './server.ts';
import type { WorldSpec } from './world.ts';

const RETRY_AFTER_MS = 1000;
/** A choice is right when it is this near to the oracle's. */
const RIGHT_MS = 5;
const RIGHT_RATIO = 0.1;

export interface TrafficOptions {
  readonly spec: WorldSpec;
  readonly cast: Cast;
  readonly calendar: Calendar;
  readonly network: Network;
  readonly servers: readonly Server[];
  readonly oracle: Oracle;
  readonly flights: Flights;
}

export class Traffic {
  /** Per request: what it took with errors at 1000 ms, and whether it failed or went wrong at first. */
  readonly tookMs: Float64Array;
  readonly isBad: Uint8Array;
  readonly isWrong: Uint8Array;
  readonly #o: TrafficOptions;
  readonly #edges: number;
  /** The oracle picks, and charges waits so many times; null = the nodes do. */
  readonly #charged: number | null;
  /** One brain: every node has at once what any of them sees. */
  readonly #isOne: boolean;
  /** When the client asked; whom the first attempt found away; what was in flight there. */
  readonly #askedMs: Float64Array;
  readonly #tried: Int16Array;
  readonly #inflight: Int32Array;
  /** When the clocks jumped last, and by how much. */
  #jumpedAtMs = Number.NEGATIVE_INFINITY;
  #jumpedByMs = 0;

  constructor(options: TrafficOptions) {
    const { policy, jobs, geography } = options.spec;
    this.#o = options;
    this.#edges = geography.edges.length;
    this.#charged = policy === 'oracle-a' ? 2 : policy === 'oracle-b' ? 1 : null;
    this.#isOne = policy === 'one';
    this.tookMs = new Float64Array(jobs.count);
    this.isBad = new Uint8Array(jobs.count);
    this.isWrong = new Uint8Array(jobs.count);
    this.#askedMs = new Float64Array(jobs.count);
    this.#tried = new Int16Array(jobs.count).fill(NONE);
    this.#inflight = new Int32Array(jobs.count);
  }

  /** Every node's clock is ahead by `ms` at once. */
  jumpClocks(ms: number, nowMs: number): void {
    this.#jumpedAtMs = nowMs;
    this.#jumpedByMs = ms;
    for (const node of this.#o.cast.nodes) node.skewMs += ms;
  }

  /** A client's request comes to its node and is sent on. */
  send(id: number, nowMs: number): void {
    const { flights, oracle, spec } = this.#o;
    const n = spec.jobs.node[id]!;
    const edge = n % this.#edges;
    const best = oracle.best(edge, nowMs, this.#charged ?? 2);
    const e = this.#charged !== null ? best : this.#pick(n, NONE, nowMs);
    this.#askedMs[id] = nowMs;
    flights.endpoint[id] = e;
    if (e === NONE) {
      this.tookMs[id] = ERROR_MS;
      this.isBad[id] = 1;
      this.isWrong[id] = 1;
      return;
    }
    const least = oracle.costOf(edge, best, nowMs, 2);
    this.isWrong[id] = oracle.costOf(edge, e, nowMs, 2) > least * (1 + RIGHT_RATIO) + RIGHT_MS ? 1 : 0;
    this.#attempt(id, e, nowMs);
  }

  #attempt(id: number, e: number, nowMs: number): void {
    const { calendar, cast, flights, network, oracle, servers, spec } = this.#o;
    const { jobs, meanServiceMs } = spec;
    const n = jobs.node[id]!;
    const rttMs = network.sampleMs(n % this.#edges, e, jobs.normal[id]!);
    flights.endpoint[id] = e;
    flights.sentMs[id] = nowMs;
    flights.rttMs[id] = rttMs;
    const server = servers[e]!;
    const waitMs = oracle.waitMs(e, nowMs + rttMs / 2);
    const isLost =
      !server.isUp || jobs.chance[id]! < server.failing || waitMs > (1000 / WORKERS) * meanServiceMs * server.slowness;
    if (!isLost) oracle.sent(e, nowMs + rttMs / 2, jobs.serviceMs[id]! * server.slowness);
    if (cast.nodes.length > 0) {
      const { inflight } = cast.nodes[n]!;
      this.#inflight[id] = inflight[e]!;
      if (this.#isOne) for (const node of cast.nodes) node.inflight[e]!++;
      else inflight[e]!++;
    }
    calendar.push(nowMs + rttMs / 2, EVENT.ARRIVE, id);
  }

  /** By whoever picks at the node, not `tried`. */
  #pick(n: number, tried: number, nowMs: number): number {
    const { nodes, peers, views } = this.#o.cast;
    const node = nodes[n]!;
    const clockMs = node.at(nowMs);
    const peer = peers[n];
    if (peer === undefined) return node.pick(tried);
    const view = views[n]!;
    view.count = tried === NONE ? node.count : node.omit(tried);
    view.nowMs = clockMs;
    const e = peer.pick(view);
    if (tried !== NONE) node.readEligible();
    return e;
  }

  /** An attempt's end has come to its node. */
  settle(id: number, nowMs: number): void {
    const { cast, flights, spec } = this.#o;
    const outcome = flights.outcome[id] as Outcome;
    const isBad = outcome !== OUTCOME.OK;
    const e = flights.endpoint[id]!;
    this.tookMs[id] = isBad ? ERROR_MS : nowMs - this.#askedMs[id]!;
    this.isBad[id] = isBad ? 1 : 0;
    const n = spec.jobs.node[id]!;
    const node = cast.nodes[n];
    if (node !== undefined) {
      // The clock may have jumped while it was under way: the node reckons with what it read when it sent.
      const sentMs = flights.sentMs[id]!;
      const skewMs = sentMs < this.#jumpedAtMs ? node.skewMs - this.#jumpedByMs : node.skewMs;
      node.at(nowMs);
      node.inflight[e]!--;
      const status =
        outcome === OUTCOME.OK ? 200 : outcome === OUTCOME.TOO_MANY ? 429 : outcome === OUTCOME.STATUS_5XX ? 503 : 0;
      const pauseMs = status === 429 ? RETRY_AFTER_MS : 0;
      node.settled(e, outcome, status, sentMs + skewMs, status > 0, this.#inflight[id]!, pauseMs);
      if (this.#isOne) this.#settleAtOthers(id, outcome, status, pauseMs, nowMs);
      if (status > 0) cast.peers[n]?.settled?.(e, nowMs - sentMs, node.nowMs);
    }
    if (spec.retries === true && (outcome === OUTCOME.CONNECT_FAILED || outcome === OUTCOME.RESET))
      this.#again(id, nowMs);
  }

  /** One more attempt, at another endpoint: what every proxy does where nobody was there, or the connection was lost. */
  #again(id: number, nowMs: number): void {
    if (this.#tried[id] !== NONE) return;
    const n = this.#o.spec.jobs.node[id]!;
    const tried = this.#o.flights.endpoint[id]!;
    this.#tried[id] = tried;
    const e =
      this.#charged !== null ? this.#o.oracle.best(n % this.#edges, nowMs, this.#charged) : this.#pick(n, tried, nowMs);
    if (e !== NONE) this.#attempt(id, e, nowMs);
  }

  /** As if they had asked from where they are. */
  #settleAtOthers(id: number, outcome: Outcome, status: number, pauseMs: number, nowMs: number): void {
    const { cast, flights, network, spec } = this.#o;
    const e = flights.endpoint[id]!;
    const restMs = nowMs - flights.sentMs[id]! - flights.rttMs[id]!;
    cast.nodes.forEach((node, n) => {
      if (n === spec.jobs.node[id]!) return;
      node.at(nowMs);
      node.inflight[e]!--;
      const tookMs = restMs + network.usualMs(n % this.#edges, e);
      node.settled(e, outcome, status, node.nowMs - tookMs, status > 0, this.#inflight[id]!, pauseMs);
    });
  }
}
