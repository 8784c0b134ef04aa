// One run: nodes, servers and ways under one calendar, until everything that was asked has been answered. Who picks is the
// product's own policy, a peer's or an oracle; all else is the same for all. Scenarios change it while it runs (scenarios.ts).
// Here is what happens at servers and to the world; requests are traffic.ts's, probes probing.ts's, digests telling.ts's.

import { OUTCOME, type Outcome } from '../../../src/core/sample.ts';
import { seeded } from '../../../src/core/selector.ts';
import { NONE } from '../../../src/core/snapshot.ts';
import { Calendar } from './calendar.ts';
import { castOf } from './cast.ts';
import { EVENT } from './events.ts';
import { type Flights, newFlights } from './flights.ts';
import type { Jobs } from './jobs.ts';
import { type Geography, Network } from './network.ts';
import type { Node } from './node.ts';
import { Oracle } from './oracle.ts';
import { mostProbes, Probing } from './probing.ts';
import { Server, WORKERS } from './server.ts';
import { type ShareSpec, Telling } from './telling.ts';
import { Traffic } from './traffic.ts';

/** As Fleet.start does. */
const PEEK_MS = 50;
/** A refusal or a fast failure takes the server no time to speak of. */
const FAST_MS = 0.2;

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
  /** A request that finds nobody is sent once more, elsewhere. */
  readonly retries?: boolean;
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
  /** Per request: who was picked last (NONE = nobody), what it took with errors at 1000 ms, and whether it failed or went wrong. */
  readonly endpoint: Int16Array;
  readonly tookMs: Float64Array;
  readonly isBad: Uint8Array;
  readonly isWrong: Uint8Array;
  readonly #calendar = new Calendar();
  readonly #oracle: Oracle;
  readonly #flights: Flights;
  readonly #traffic: Traffic;
  readonly #probing: Probing;
  readonly #telling: Telling | null;
  readonly #random: () => number;
  readonly #width: number;
  #nextJob = 0;

  constructor(spec: WorldSpec) {
    const { geography, jobs, seed } = spec;
    const calendar = this.#calendar;
    const random = seeded(seed * 31 + 7);
    const network = new Network(geography);
    const servers = geography.endpoints.map(() => new Server());
    const oracle = new Oracle(network, servers, spec.meanServiceMs);
    for (const e of spec.absent) oracle.isPresent[e] = 0;
    const cast = castOf(spec);
    const { nodes, views } = cast;
    const flights = newFlights(jobs.count, mostProbes(nodes.length * servers.length, spec.untilMs));
    this.spec = spec;
    this.nodes = nodes;
    this.network = network;
    this.servers = servers;
    this.#random = random;
    this.#width = servers.length;
    this.#oracle = oracle;
    this.#flights = flights;
    this.#traffic = new Traffic({ spec, cast, calendar, network, servers, oracle, flights });
    this.#probing = new Probing({
      calendar,
      nodes,
      views,
      network,
      servers,
      flights,
      random,
      edges: geography.edges.length,
      reply: (id, outcome) => this.#reply(id, outcome),
    });
    this.#telling = spec.share ? new Telling(spec.share, calendar, nodes, random) : null;
    this.endpoint = flights.endpoint;
    this.tookMs = this.#traffic.tookMs;
    this.isBad = this.#traffic.isBad;
    this.isWrong = this.#traffic.isWrong;
  }

  /** Bytes of all digests that nodes wrote. */
  get toldBytes(): number {
    return this.#telling?.bytes ?? 0;
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
    this.#traffic.jumpClocks(ms, this.nowMs);
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
    this.#telling?.begin();
    if (onSecond !== undefined) for (let ms = 1000; ms <= untilMs; ms += 1000) calendar.push(ms, EVENT.SECOND, 0);
    for (;;) {
      const jobMs = this.#nextJob < jobs.count ? jobs.atMs[this.#nextJob]! : Number.POSITIVE_INFINITY;
      if (jobMs < calendar.nextMs) {
        this.nowMs = jobMs;
        this.#traffic.send(this.#nextJob++, jobMs);
        continue;
      }
      if (!calendar.pop()) return;
      this.nowMs = calendar.atMs;
      this.#happen(calendar.kind, calendar.which);
    }
  }

  #happen(kind: number, which: number): void {
    const { nowMs } = this;
    switch (kind) {
      case EVENT.PEEK:
        return this.#peek(which);
      case EVENT.PROBE:
        if (nowMs <= this.spec.untilMs) this.#probing.begin(which, nowMs);
        return;
      case EVENT.ARRIVE:
        return this.#arrive(which);
      case EVENT.DONE:
        return this.#done(which);
      case EVENT.REPLY:
        if (which < this.spec.jobs.count) this.#traffic.settle(which, nowMs);
        else this.#probing.replied(which, nowMs);
        return;
      case EVENT.EXPIRE:
        return this.#probing.expired(which, nowMs);
      case EVENT.STEP:
        return this.spec.steps[which]!.run(this);
      case EVENT.PUBLISH:
        if (nowMs <= this.spec.untilMs) this.#telling?.publish(which, nowMs);
        return;
      case EVENT.HEAR:
        return this.#telling?.hear(which, nowMs);
      default:
        this.spec.onSecond?.(this, nowMs);
    }
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

  #arrive(id: number): void {
    const isProbe = id >= this.spec.jobs.count;
    const server = this.servers[this.#flights.endpoint[id]!]!;
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
    this.#flights.life[id] = server.life;
    const ms = id < jobs.count ? jobs.serviceMs[id]! : probeServiceMs;
    this.#calendar.push(this.nowMs + ms * server.slowness, EVENT.DONE, id);
  }

  #done(id: number): void {
    const server = this.servers[this.#flights.endpoint[id]!]!;
    if (server.life !== this.#flights.life[id]!) return this.#reply(id, OUTCOME.RESET);
    server.busy--;
    this.#reply(id, OUTCOME.OK);
    const next = server.dequeue();
    if (next !== NONE) this.#begin(next, server);
  }

  #reply(id: number, outcome: Outcome): void {
    this.#flights.outcome[id] = outcome;
    const fast = outcome === OUTCOME.OK ? 0 : FAST_MS;
    this.#calendar.push(this.nowMs + this.#flights.rttMs[id]! / 2 + fast, EVENT.REPLY, id);
  }
}
