// What the console shows, as it happens: one look a second for everybody who watches, of which only what has changed is sent.
// When nobody watches there is no look; the history alone goes on (live/history.ts). How frames reach a client, and who is cut
// for not reading them, is admin/stream.ts's; what each number is, live/*.

import type { LaneReader } from '../core/lane-reader.ts';
import type { Journal } from './decisions/journal.ts';
import { measuredNetworkMs } from './fleet/known.ts';
import type { PoolState } from './fleet/ranking.ts';
import { scoreOfMember } from './fleet/views.ts';
import { Countries } from './live/countries.ts';
import { Decided } from './live/decided.ts';
import { Figures, sumsOf } from './live/figures.ts';
import { History, type Placed, STEP_MS } from './live/history.ts';
import { Latency } from './live/latency.ts';
import type { LiveApi, PoolView, SendFrame } from './live/types.ts';
import type { ControlApi } from './types.ts';

const LOOK_MS = 1000;
const COUNTRIES = 60;
/** Of the recent past, told to whoever comes. */
const EVENTS = 100;
const DECISIONS = 50;

export interface LiveSources {
  /** Monotonic, ms. */
  readonly clock: () => number;
  /** As of the last tick; another array when the structure is another. */
  readonly pools: () => readonly PoolState[];
  readonly lanes: () => readonly { readonly reader: LaneReader }[];
  readonly journal: Pick<Journal, 'after' | 'newest' | 'taken'>;
  /** Where an endpoint was found; null = it is typed. */
  readonly sourceOf: (pool: string, endpoint: string) => string | null;
  readonly api: Pick<ControlApi, 'node' | 'routes' | 'fleet' | 'notReadyBecause' | 'events'>;
  /** @default 1 s and 5 s; what is sent says 5 s all the same. */
  readonly lookMs?: number;
  readonly stepMs?: number;
}

interface Follower {
  readonly send: SendFrame;
  /** Has been told the whole; until then it is told nothing else. */
  isGreeted: boolean;
}

/** Everything that is an answer to: which endpoints are there. */
interface Structure {
  readonly pools: readonly PoolState[];
  readonly figures: Figures;
  /** In the order of `figures`. */
  readonly placed: readonly Placed[];
  /** JSON. */
  readonly endpoints: string;
}

export class Live implements LiveApi {
  readonly #sources: LiveSources;
  readonly #followers = new Set<Follower>();
  readonly #history = new History();
  readonly #latency = new Latency();
  readonly #decided: Decided;
  /** To be told of every sample's client. */
  readonly countries: Countries;
  #structure: Structure | null = null;
  #stepTimer: NodeJS.Timeout | null = null;
  #lookTimer: NodeJS.Timeout | null = null;
  #unsubscribe: (() => void) | null = null;
  /** As of the last look, JSON without its braces: all that a tick says but for endpoints and states. */
  #summary = '';

  constructor(sources: LiveSources) {
    this.#sources = sources;
    this.#decided = new Decided(sources.journal);
    this.countries = new Countries(sources.clock());
  }

  /** Begins to keep the history. */
  start(): void {
    this.#stepTimer ??= setInterval(() => this.#step(), this.#sources.stepMs ?? STEP_MS);
  }

  stop(): void {
    if (this.#stepTimer !== null) clearInterval(this.#stepTimer);
    this.#stepTimer = null;
    this.#followers.clear();
    this.#rest();
  }

  follow(send: SendFrame): () => void {
    const follower: Follower = { send, isGreeted: false };
    this.#followers.add(follower);
    this.#watch();
    void this.#greet([follower]);
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.#rest();
    };
  }

  pools(): PoolView[] {
    return this.#sources.pools().map((state) => {
      const { spec, members } = state;
      const { name, requestsPerSecond, inflight, healthy } = sumsOf(state);
      return {
        name,
        policy: spec.policy,
        endpoints: members.length,
        healthy,
        requestsPerSecond: tenth(requestsPerSecond),
        inflight,
        whenAllDown: spec.whenAllDown,
        explorePercent: Math.round(spec.exploreRatio * 1e4) / 100,
      };
    });
  }

  #watch(): void {
    if (this.#lookTimer !== null) return;
    this.#decided.begin();
    this.#look();
    this.#lookTimer = setInterval(() => this.#tick(), this.#sources.lookMs ?? LOOK_MS);
    this.#unsubscribe = this.#sources.api.events.subscribe((event) => this.#tell('event', JSON.stringify(event)));
  }

  #rest(): void {
    if (this.#lookTimer !== null) clearInterval(this.#lookTimer);
    this.#lookTimer = null;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#latency.forget();
    this.#structure = null;
  }

  /** Five more seconds. */
  #step(): void {
    const nowMs = this.#sources.clock();
    this.countries.pass(nowMs);
    this.#history.step(Date.now());
    const all: Placed[] = [];
    for (const state of this.#sources.pools()) {
      state.members.forEach((known, at) => {
        all.push(known.spec);
        this.#history.record(known.spec, measuredNetworkMs(known), scoreOfMember(state, at) ?? Number.NaN);
      });
    }
    this.#history.keep(all);
  }

  #tick(): void {
    const before = this.#structure;
    const changed = this.#look();
    if (before !== this.#structure) {
      for (const follower of this.#followers) follower.isGreeted = false;
      void this.#greet([...this.#followers]);
      return;
    }
    const { figures } = this.#structure!;
    const states = figures.changedStates(this.#dater());
    this.#tell('tick', `{${this.#summary},"endpoints":[${changed}],"states":[${states}]}`);
    for (const decision of this.#decided.news(this.#sources.clock())) this.#tell('decision', JSON.stringify(decision));
  }

  /** Takes every number anew; gives the rows of endpoints that have changed. */
  #look(): string {
    const { clock, lanes, pools, api } = this.#sources;
    const nowMs = clock();
    if (this.#structure?.pools !== pools()) this.#structure = this.#structureNow(nowMs);
    const { figures } = this.#structure;
    const changed = figures.changed(nowMs);
    this.#latency.look(lanes(), nowMs);
    this.countries.pass(nowMs);
    const rates = this.#latency.rates() ?? figures;
    const totals = {
      requestsPerSecond: tenth(rates.requestsPerSecond),
      errorsPerSecond: tenth(rates.errorsPerSecond),
      inflight: figures.inflight,
      p50Ms: tenthOf(this.#latency.quantile(0.5)),
      p99Ms: tenthOf(this.#latency.quantile(0.99)),
    };
    this.#summary = JSON.stringify({
      at: new Date().toISOString(),
      ready: api.notReadyBecause(),
      totals,
      countries: this.countries.list(COUNTRIES),
      pools: figures.pools.map((pool) => [pool.name, tenth(pool.requestsPerSecond), pool.inflight, pool.healthy]),
    }).slice(1, -1);
    return changed;
  }

  #structureNow(nowMs: number): Structure {
    const pools = this.#sources.pools();
    const figures = new Figures(pools, nowMs);
    const endpoints = figures.members.map(({ state, known: { spec } }, index) => ({
      index,
      id: spec.id,
      pool: state.spec.name,
      url: spec.url,
      ...(spec.via !== undefined && { via: spec.via.peer }),
      region: spec.region,
      location: spec.location,
      source: this.#sources.sourceOf(state.spec.name, spec.id),
    }));
    const placed = figures.members.map(({ known: { spec } }) => spec);
    return { pools, figures, placed, endpoints: JSON.stringify(endpoints) };
  }

  /** Tells them the whole, when its history has been written out. */
  async #greet(followers: readonly Follower[]): Promise<void> {
    let structure = this.#structure;
    let history = '';
    while (structure !== null) {
      history = await this.#history.text(structure.placed);
      if (structure === this.#structure) break;
      structure = this.#structure;
    }
    const present = followers.filter((follower) => this.#followers.has(follower) && !follower.isGreeted);
    if (structure === null || present.length === 0) return;
    const frame = frameOf('hello', this.#hello(structure, history));
    for (const follower of present) {
      follower.isGreeted = true;
      follower.send(frame, true);
    }
  }

  #hello({ figures, endpoints }: Structure, history: string): string {
    const { api } = this.#sources;
    const told = {
      node: api.node(),
      ready: api.notReadyBecause(),
      pools: this.pools(),
      routes: api.routes(),
      fleet: api.fleet(),
      decisions: this.#decided.recent(DECISIONS),
      events: api.events.recent().slice(-EVENTS),
    };
    const states = figures.allStates(this.#dater());
    const tick = `{${this.#summary},"endpoints":[${figures.all()}],"states":[]}`;
    const rest = `"endpoints":${endpoints},"states":[${states}],"tick":${tick},"history":${history}`;
    return `${JSON.stringify(told).slice(0, -1)},${rest}}`;
  }

  #tell(event: string, json: string): void {
    const frame = frameOf(event, json);
    for (const { send, isGreeted } of this.#followers) if (isGreeted) send(frame, false);
  }

  /** The wall clock is read once, so that one frame is consistent. */
  #dater(): (atMs: number) => string {
    const offsetMs = Date.now() - this.#sources.clock();
    return (atMs) => new Date(Math.round(offsetMs + atMs)).toISOString();
  }
}

/** JSON has no raw line ends, so one `data:` line is the whole of it. */
function frameOf(event: string, json: string): Buffer {
  return Buffer.from(`event: ${event}\ndata: ${json}\n\n`);
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

function tenthOf(value: number | null): number | null {
  return value === null ? null : tenth(value);
}
