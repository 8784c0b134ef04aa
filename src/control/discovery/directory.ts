// Endpoints from the files of a directory: YAML or JSON, each a list of endpoints in the form of the configuration. Looked at twice
// a second, read when they changed and have come to rest. A file that cannot be read keeps what it said last; one that is gone
// takes its endpoints along.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathText } from '../config/problems.ts';
import { readText } from '../config/read.ts';
import { parseSource } from '../config/source.ts';
import { wordsOf } from './backoff.ts';
import type { Entry, Sink, Source, SourceTools } from './source.ts';
import type { DirectorySpec } from './spec.ts';

/** As often as the configuration's own files are looked at. */
const LOOK_MS = 500;
/** A file that was written to just now may not be whole. */
const REST_MS = 100;
const MAX_FILES = 1000;

interface Read {
  readonly stamp: string;
  readonly entries: readonly Entry[];
  /** null = it was read. */
  readonly problem: string | null;
}

export class DirectorySource implements Source {
  readonly #path: string;
  readonly #sink: Sink;
  #files = new Map<string, Read>();
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #looking: Promise<void> = Promise.resolve();
  #said = '';

  constructor({ path }: DirectorySpec, sink: Sink, _tools: SourceTools) {
    this.#path = path;
    this.#sink = sink;
  }

  start(): void {
    this.#looking = this.#look();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    this.#timer = null;
    try {
      const stamps = await this.#stamps();
      if (this.#isStopped) return;
      this.#say(stamps);
    } catch (error) {
      if (this.#isStopped) return;
      this.#said = '';
      this.#sink.failed(`${this.#path} cannot be read (${wordsOf(error)})`);
    }
    this.#timer = setTimeout(() => {
      this.#looking = this.#look();
    }, LOOK_MS).unref();
  }

  /** What changes when a file does, by name; null = it is being written. */
  async #stamps(): Promise<Map<string, string | null>> {
    const names = (await readdir(this.#path)).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
    const stamps = new Map<string, string | null>();
    for (const name of names.slice(0, MAX_FILES)) {
      const found = await stat(join(this.#path, name)).catch(() => null);
      if (found === null) continue; // gone in between
      const isResting = Math.abs(Date.now() - found.mtimeMs) >= REST_MS;
      stamps.set(name, isResting ? `${found.ino} ${found.size} ${found.mtimeMs}` : null);
    }
    return stamps;
  }

  #say(stamps: ReadonlyMap<string, string | null>): void {
    const files = new Map<string, Read>();
    for (const [name, stamp] of stamps) {
      const before = this.#files.get(name);
      if (stamp === null) {
        if (before !== undefined) files.set(name, before);
        continue;
      }
      files.set(name, before?.stamp === stamp ? before : this.#read(name, stamp, before?.entries ?? []));
    }
    this.#files = files;
    const said = JSON.stringify([...files].map(([name, { stamp }]) => [name, stamp]));
    if (said === this.#said) return;
    this.#said = said;
    const all = [...files.values()];
    this.#sink.complain(all.flatMap(({ problem }) => (problem === null ? [] : [problem])));
    this.#sink.found(all.flatMap(({ entries }) => entries));
  }

  #read(name: string, stamp: string, before: readonly Entry[]): Read {
    const text = readText(join(this.#path, name));
    if (!text.ok) return { stamp, entries: before, problem: `${name}: ${text.problem}` };
    // The environment is the operator's: others who write files here do not get to see it.
    const { source, problems, isBroken } = parseSource(text.text, {});
    const [first] = problems;
    if (isBroken || first !== undefined) {
      const { line, col } = first?.offset === undefined ? { line: 1, col: 1 } : source.placeAt(first.offset);
      return { stamp, entries: before, problem: `${name}:${line}:${col} ${first?.what ?? 'not readable'}` };
    }
    const list = Array.isArray(source.tree) ? source.tree : (source.tree as { endpoints?: unknown } | null)?.endpoints;
    if (!Array.isArray(list)) return { stamp, entries: before, problem: `${name}: expected a list of endpoints` };
    const prefix = Array.isArray(source.tree) ? [] : ['endpoints'];
    const entries = list.map((endpoint, i) => {
      const { line, col } = source.placeOf([...prefix, i], false);
      const isMapping = typeof endpoint === 'object' && endpoint !== null && !Array.isArray(endpoint);
      return {
        at: `${name}:${line}:${col} ${pathText([...prefix, i])}`,
        endpoint: isMapping ? endpoint : { url: endpoint },
      };
    });
    return { stamp, entries, problem: null };
  }
}
