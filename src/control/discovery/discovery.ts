// The owner of everything that finds endpoints: which sources run, what all of them together come to, and when that becomes what
// runs. A change goes the way of a reload (running.ts): built whole, swapped whole. What one source does is its own file.

import type { Config } from '../config/config.ts';
import type { EndpointView, EventLog } from '../types.ts';
import { Book } from './book.ts';
import { type FoundEndpoint, judge } from './entries.ts';
import { changeOf, packed, unpacked } from './memory.ts';
import { type FoundSet, Merger } from './merge.ts';
import { Pace } from './pace.ts';
import type { Desk } from './registrar.ts';
import { RegistrySource } from './registry.ts';
import type { SourceTools } from './source.ts';
import { sourceOf } from './sources.ts';
import type { DiscoverSpec } from './spec.ts';
import { Tiers } from './tiers.ts';
import { type SourceView, Watched } from './watched.ts';

/** At a start, endpoints are waited for so long before clients are let in. ms */
const FIRST_ANSWERS_MS = 2000;
/** A node is not ready while a pool without endpoints waits for its sources, up to this time. ms */
const START_MS = 10_000;
const LOOK_MS = 1000;
/** After a change that could not be taken. ms */
const AGAIN_MS = 5000;

export interface DiscoveryOptions {
  /** Monotonic, ms. */
  readonly clock: () => number;
  /** 0…1. */
  readonly random: () => number;
  readonly events: EventLog;
  /** Puts what `merged` gives to use. Never rejects; false = it was refused, and said so. */
  readonly apply: () => Promise<boolean>;
  readonly endpoints: () => readonly EndpointView[];
}

interface Outcome {
  readonly sources: ReadonlyMap<string, string>;
  readonly text: string;
}

export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #merger = new Merger();
  readonly #tiers = new Tiers();
  readonly #pace: Pace;
  /** By pool and name of the source. */
  readonly #watched = new Map<string, Watched>();
  /** Registrations by pool: they outlive a change of the configuration. */
  readonly #books = new Map<string, Book>();
  readonly #ending = new Set<Promise<void>>();
  #prints = new Map<string, string>();
  /** `POOL\0ID` → source, and the sets it came of: of what runs, and of what was merged last and may come to run. */
  #runs: Outcome = { sources: new Map(), text: '[]' };
  #merged: Outcome = this.#runs;
  #problems = '';
  #begunMs: number | null = null;
  #hasHadAny = false;
  #look: NodeJS.Timeout | null = null;
  #again: NodeJS.Timeout | null = null;
  #isOpen = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock, () => this.#apply());
  }

  /** Starts the sources; resolves when each has answered or failed once, or after two seconds. `memory`: of who ran before. */
  async begin(config: Config, memory: unknown = null): Promise<void> {
    this.#begunMs = this.#options.clock();
    this.use(config);
    this.#recall(memory);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FIRST_ANSWERS_MS);
    });
    await Promise.race([late, Promise.all([...this.#watched.values()].map(({ settled }) => settled))]);
    clearTimeout(timer);
  }

  /** From now on, news become changes by themselves. */
  open(): void {
    this.#isOpen = true;
    this.#pace.poke();
  }

  /**
   * What was merged last runs now, and so do the sources of its configuration. What is known of a pool stays until its sources
   * have answered.
   */
  use(config: Config): void {
    this.#tell(this.#runs.sources, this.#merged.sources);
    this.#runs = this.#merged;
    this.#watchAll(config);
    this.#keepBooks(config);
    this.#news();
  }

  #watchAll(config: Config): void {
    const wanted = new Map<string, { pool: string; spec: DiscoverSpec }>();
    for (const { name, discover } of config.pools) {
      for (const spec of discover) wanted.set(`${name}\0${spec.name}`, { pool: name, spec });
    }
    const prints = new Map([...wanted].map(([key, { spec }]) => [key, printOf(spec, config)]));
    const heritage = new Map<string, readonly FoundEndpoint[]>(); // by source; of those that go for good by pool
    for (const [key, watched] of this.#watched) {
      if (prints.get(key) === this.#prints.get(key)) continue;
      this.#watched.delete(key);
      const heir = wanted.has(key) ? key : watched.pool;
      heritage.set(heir, [...(heritage.get(heir) ?? []), ...watched.keeper.endpoints]);
      this.#end(watched);
    }
    for (const [key, { pool, spec }] of wanted) {
      if (this.#watched.has(key)) continue;
      const watched = this.#watch(pool, spec, config);
      const heir = heritage.has(key) ? key : pool;
      watched.keeper.adopt(heritage.get(heir) ?? []);
      heritage.delete(heir);
      this.#watched.set(key, watched);
    }
    this.#prints = prints;
    if (this.#watched.size > 0) this.#look ??= setInterval(() => this.#lookAll(), LOOK_MS).unref();
  }

  #keepBooks(config: Config): void {
    const pools = config.pools.filter(({ discover }) => discover.some(({ from }) => from.kind === 'registry'));
    const names = new Set(pools.map(({ name }) => name));
    for (const pool of this.#books.keys()) if (!names.has(pool)) this.#books.delete(pool);
  }

  /** The configuration with what is known put beside what it types. */
  merged(config: Config): Config {
    const { config: merged, sources, problems } = this.#merger.merge(config, (pool) => this.#setsOf(pool));
    this.#merged = { sources, text: textOf(poolsOf(config), (pool) => this.#setsOf(pool)) };
    const text = problems.join('\n');
    if (text !== this.#problems && problems.length > 0) {
      this.#options.events.emit('warn', 'discovery.skipped', `left out: ${problems[0]}`, { problems });
    }
    this.#problems = text;
    this.#hasHadAny ||= sources.size > 0;
    return merged;
  }

  /** `dns:shop.internal`; null = it is typed. */
  sourceOf(pool: string, id: string): string | null {
    return this.#runs.sources.get(`${pool}\0${id}`) ?? null;
  }

  views(): SourceView[] {
    return [...this.#watched.values()].map((watched) => watched.view());
  }

  /** Pools that take registrations. */
  get registries(): readonly string[] {
    return [...this.#watched.values()].filter(({ spec }) => spec.from.kind === 'registry').map(({ pool }) => pool);
  }

  /** Where registrations for a pool go; null = it takes none. */
  deskOf(pool: string): Desk | null {
    for (const { pool: name, spec, source } of this.#watched.values()) {
      if (name === pool && source instanceof RegistrySource) return { spec, source, book: this.#bookOf(pool) };
    }
    return null;
  }

  /** Why the node should not be sent traffic yet; null = not for want of endpoints. */
  whyNotReady(config: Config, endpoints: number): string | null {
    const discovering = config.pools.filter(({ discover }) => discover.length > 0);
    if (discovering.length === 0) return null;
    if (endpoints === 0 && !this.#hasHadAny) return 'no endpoint is known yet';
    if (this.#begunMs === null || this.#options.clock() - this.#begunMs > START_MS) return null;
    const waiting = discovering.find((pool) => pool.endpoints.length === 0 && this.#isWaiting(pool.name));
    return waiting === undefined ? null : `no endpoint of pool ${waiting.name} is known yet`;
  }

  /** What is known, for the process that takes over. */
  memory(): unknown {
    const found = [...this.#watched].map(([key, { keeper }]) => ({ key, endpoints: keeper.endpoints }));
    return packed(found, this.#books, this.#options.clock());
  }

  async stop(): Promise<void> {
    this.#isOpen = false;
    this.#pace.stop();
    if (this.#look !== null) clearInterval(this.#look);
    if (this.#again !== null) clearTimeout(this.#again);
    this.#look = null;
    for (const watched of this.#watched.values()) this.#end(watched);
    this.#watched.clear();
    await Promise.all(this.#ending);
  }

  #watch(pool: string, spec: DiscoverSpec, config: Config): Watched {
    const { clock, random, events } = this.#options;
    const tools: SourceTools = { clock, random, events };
    const watched = new Watched(pool, spec, { clock, events, onChange: () => this.#news() });
    // Whoever registers does so when it likes: there is no answer to wait for.
    if (spec.from.kind === 'registry') watched.settle();
    const { resolvers } = config.node;
    watched.start(sourceOf(spec.from, { sink: watched, tools, resolvers, book: this.#bookOf(pool) }));
    return watched;
  }

  #bookOf(pool: string): Book {
    let book = this.#books.get(pool);
    if (book === undefined) {
      book = new Book();
      this.#books.set(pool, book);
    }
    return book;
  }

  #end(watched: Watched): void {
    const ended = watched.stop();
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }

  #setsOf(pool: string): FoundSet[] {
    const nowMs = this.#options.clock();
    let down: Set<string> | null = null;
    const isDown = (url: string): boolean => {
      down ??= new Set(
        this.#options
          .endpoints()
          .filter((e) => e.pool === pool && !e.healthy && e.state !== 'unknown')
          .map((e) => e.url),
      );
      return down.has(url);
    };
    return [...this.#watched]
      .filter(([, watched]) => watched.pool === pool)
      .map(([key, { spec, keeper }]) => ({
        source: spec.name,
        endpoints: this.#tiers.of(key, keeper.endpoints, isDown, nowMs),
      }));
  }

  #isWaiting(pool: string): boolean {
    const mine = [...this.#watched.values()].filter((watched) => watched.pool === pool);
    return (
      mine.some(({ hasAnswered, spec }) => !hasAnswered && spec.from.kind !== 'registry') &&
      mine.every(({ keeper }) => keeper.endpoints.length === 0)
    );
  }

  #lookAll(): void {
    for (const watched of this.#watched.values()) watched.look();
    const isTiered = [...this.#watched.values()].some(({ keeper }) =>
      keeper.endpoints.some(({ tier }) => tier !== keeper.endpoints[0]!.tier),
    );
    if (isTiered) this.#news();
  }

  #news(): void {
    if (this.#isOpen) this.#pace.poke();
  }

  async #apply(): Promise<void> {
    if (!this.#isOpen) return;
    const pools = new Set([...this.#watched.values()].map(({ pool }) => pool));
    // All that is new may have been taken already, with a reload.
    if (textOf([...pools], (pool) => this.#setsOf(pool)) === this.#runs.text) return;
    if (await this.#options.apply()) return;
    this.#again = setTimeout(() => this.#news(), AGAIN_MS).unref();
  }

  #tell(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): void {
    const change = changeOf(before, after);
    if (change !== null) this.#options.events.emit('info', 'discovery.changed', change.message, change.fields);
  }

  #recall(given: unknown): void {
    const { found, books } = unpacked(given);
    for (const { key, entries } of found) {
      const watched = this.#watched.get(key);
      if (watched !== undefined) watched.keeper.adopt(judge(entries, watched.spec).endpoints);
    }
    for (const { pool, registrations } of books) {
      const desk = this.deskOf(pool);
      desk?.book.recall(registrations, this.#options.clock());
      desk?.source.start();
    }
  }
}

/** Everything a source depends on: the same text, the same source. */
function printOf(spec: DiscoverSpec, config: Config): string {
  return JSON.stringify([spec, spec.from.kind === 'dns' ? config.node.resolvers : null]);
}

function poolsOf({ pools }: Config): string[] {
  return pools.filter(({ discover }) => discover.length > 0).map(({ name }) => name);
}

function textOf(pools: readonly string[], setsOf: (pool: string) => readonly FoundSet[]): string {
  return JSON.stringify([...pools].sort().map((pool) => [pool, setsOf(pool)]));
}
