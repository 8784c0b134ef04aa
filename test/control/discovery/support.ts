// A sink that remembers, and specs with everything at its default.

import { afterEach } from 'vitest';
import type { Entry, Sink, Source, SourceTools } from '../../../src/control/discovery/source.ts';
import type { DiscoverSpec, SourceSpec } from '../../../src/control/discovery/spec.ts';
import { createEventLog } from '../../../src/control/events.ts';
import { until } from '../../support/until.ts';

export const tools: SourceTools = {
  clock: () => performance.now(),
  random: () => 0,
  events: createEventLog({ level: 'silent', write: () => {} }),
};

export class Remembering implements Sink {
  readonly answers: (readonly Entry[])[] = [];
  readonly left: ReadonlySet<string>[] = [];
  readonly failures: string[] = [];
  problems: readonly string[] = [];

  found(entries: readonly Entry[], left: ReadonlySet<string> = new Set()): void {
    this.answers.push(entries);
    this.left.push(left);
  }

  failed(what: string): void {
    this.failures.push(what);
  }

  complain(problems: readonly string[]): void {
    this.problems = problems;
  }

  /** URLs of the last answer. */
  get urls(): unknown[] | null {
    return this.answers.at(-1)?.map(({ endpoint }) => endpoint.url) ?? null;
  }
}

export function specOf(from: SourceSpec, more: Partial<DiscoverSpec> = {}): DiscoverSpec {
  const defaults = { region: null, location: null, weight: 1, capacity: 0, egressUsdPerGb: 0, labels: {} };
  return { name: from.kind, minimum: 1, graceMs: 30_000, defaults, from, ...more };
}

export const DIRECTORY: SourceSpec = { kind: 'directory', path: '/nowhere' };
export const REGISTRY: SourceSpec = { kind: 'registry', token: '0123456789abcdef', otherToken: null, networks: [] };

/** The source of a test, what it tells, and its end. */
class OneSource {
  sink = new Remembering();
  #source: Source | null = null;

  start(source: Source): void {
    this.#source = source;
    source.start();
  }

  async stop(): Promise<void> {
    await this.#source?.stop();
  }

  /** The last answer is these URLs, in any order. */
  told(...urls: string[]): Promise<unknown> {
    const wanted = urls.sort().join();
    const check = () => this.sink.urls !== null && [...this.sink.urls].sort().join() === wanted;
    return until(check, `an answer of ${wanted || 'nobody'}`, 8000);
  }

  async clear(): Promise<void> {
    await this.stop();
    this.#source = null;
    this.sink = new Remembering();
  }
}

/** For the tests of the file: each begins with nothing told, and its source is stopped behind it. */
export function oneSource(): OneSource {
  const one = new OneSource();
  afterEach(() => one.clear());
  return one;
}
