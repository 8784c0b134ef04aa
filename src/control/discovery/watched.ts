// One source of one pool at work: its answers judged, the good ones kept, its failures told once. Knows nothing of other sources.

import type { EventLog } from '../types.ts';
import { type FoundEndpoint, judge } from './entries.ts';
import { Keeper } from './keeper.ts';
import type { Entry, Sink, Source } from './source.ts';
import type { DiscoverSpec } from './spec.ts';

/** A row of GET /api/v1/discovery. */
export interface SourceView {
  readonly pool: string;
  /** DiscoverSpec.name. */
  readonly source: string;
  /** Believed now. */
  readonly endpoints: number;
  /** Failures of it since it is watched. */
  readonly errors: number;
  /** ISO 8601; null = it has never answered. */
  readonly lastSuccess: string | null;
  /** Why it cannot tell at present; null = it can. */
  readonly error: string | null;
  /** Entries that were left out, and why. */
  readonly skipped: readonly string[];
}

export interface WatchedOptions {
  readonly clock: () => number;
  readonly events: EventLog;
  /** What is believed has changed. */
  readonly onChange: () => void;
}

export class Watched implements Sink {
  readonly pool: string;
  readonly spec: DiscoverSpec;
  readonly keeper: Keeper;
  readonly #options: WatchedOptions;
  #source: Source | null = null;
  #isStopped = false;
  #errors = 0;
  #error: string | null = null;
  #succeededAt: string | null = null;
  #unread: readonly string[] = [];
  #skipped: readonly string[] = [];
  #told = '';
  readonly #settled = Promise.withResolvers<void>();

  constructor(pool: string, spec: DiscoverSpec, options: WatchedOptions) {
    this.pool = pool;
    this.spec = spec;
    this.keeper = new Keeper(spec.minimum, spec.graceMs);
    this.#options = options;
  }

  /** It has answered, or failed, for the first time; never rejects. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  get source(): Source | null {
    return this.#source;
  }

  get hasAnswered(): boolean {
    return this.#succeededAt !== null;
  }

  start(source: Source): void {
    this.#source = source;
    source.start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#settled.resolve();
    await this.#source?.stop();
  }

  /** Nobody needs to be asked before anybody can be there. */
  settle(): void {
    this.#settled.resolve();
  }

  found(entries: readonly Entry[], left?: ReadonlySet<string>): void {
    if (this.#isStopped) return;
    const { endpoints, problems } = judge(entries, this.spec);
    if (this.#error !== null) this.#tell('info', 'discovery.back', 'answers again', {});
    this.#error = null;
    this.#succeededAt = new Date().toISOString();
    this.#skip(problems, this.#unread);
    const wasDoubted = this.keeper.dueAtMs !== null;
    this.#change(() => this.keeper.take(endpoints, this.#options.clock(), left));
    if (!wasDoubted && this.keeper.dueAtMs !== null) {
      const fields = { told: endpoints.length, minimum: this.spec.minimum, graceMs: this.spec.graceMs };
      this.#tell(
        'warn',
        'discovery.doubted',
        `tells of ${endpoints.length} endpoint(s), fewer than minimum: the others stay for the grace`,
        fields,
      );
    }
    this.#settled.resolve();
  }

  failed(what: string): void {
    if (this.#isStopped) return;
    this.#errors++;
    this.keeper.fail();
    if (this.#error === null) {
      this.#tell('warn', 'discovery.failed', `${what}: the ${this.keeper.endpoints.length} endpoint(s) known stay`, {});
    }
    this.#error = what;
    this.#settled.resolve();
  }

  complain(problems: readonly string[]): void {
    if (this.#isStopped) return;
    if (problems.length > 0 && problems.join('\n') !== this.#unread.join('\n')) this.#errors++;
    this.#skip(this.#skipped, problems);
  }

  /** Believes what has been doubted for long enough. */
  look(): void {
    this.#change(() => this.keeper.tick(this.#options.clock()));
  }

  view(): SourceView {
    return {
      pool: this.pool,
      source: this.spec.name,
      endpoints: this.keeper.endpoints.length,
      errors: this.#errors,
      lastSuccess: this.#succeededAt,
      error: this.#error,
      skipped: [...this.#unread, ...this.#skipped],
    };
  }

  #skip(skipped: readonly string[], unread: readonly string[]): void {
    this.#skipped = skipped;
    this.#unread = unread;
    const problems = [...unread, ...skipped];
    const text = problems.join('\n');
    if (text === this.#told) return;
    this.#told = text;
    if (problems.length > 0) this.#tell('warn', 'discovery.skipped', `left out: ${problems[0]}`, { problems });
  }

  #change(act: () => void): void {
    const before = this.keeper.endpoints;
    act();
    const after = this.keeper.endpoints;
    if (before !== after && !isSame(before, after)) this.#options.onChange();
  }

  #tell(level: 'info' | 'warn', type: string, what: string, fields: Record<string, unknown>): void {
    const message = `${this.spec.name} (pool ${this.pool}) ${what}`;
    this.#options.events.emit(level, type, message, { pool: this.pool, source: this.spec.name, ...fields });
  }
}

function isSame(a: readonly FoundEndpoint[], b: readonly FoundEndpoint[]): boolean {
  return a.length === b.length && JSON.stringify(a) === JSON.stringify(b);
}
