// The directories that the routes of this node ask: made and ended with the configuration, followed while it runs, shown to the
// workers, to people and to metrics. Whether the node is ready hangs on them for a while: where a route must not send a request to
// the wrong place, a node that knows no place yet is of no use.

import type { Snapshot } from '../../core/snapshot.ts';
import type { RedisLink } from '../redis/link.ts';
import type { EventLog, Refusal } from '../types.ts';
import { Directory } from './directory.ts';

const TICK_MS = 250;
const LOADED_LOOK_MS = 20;
/** A node is not ready for so long at most, ms: its other routes are waited for. */
const PATIENCE_MS = 15_000;
/** While a directory is being read, of a million keys for example. */
const LONGEST_MS = 60_000;

export interface LocalityOptions {
  readonly redis: RedisLink;
  readonly clock: () => number;
  readonly events: EventLog;
  readonly onCopy: (name: string, buffer: SharedArrayBuffer) => void;
}

/** One row of GET /api/v1/locality. */
export interface DirectoryView {
  readonly name: string;
  readonly loaded: boolean;
  readonly keys: number;
  readonly version: number;
  readonly gaps: number;
  readonly bytes: number;
}

export class Localities {
  readonly #options: LocalityOptions;
  readonly #directories = new Map<string, Directory>();
  /** Those that a route with `mode: hard` asks, and since when. */
  readonly #awaited = new Map<string, number>();
  /** Of those, whose absence was told. */
  readonly #missed = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #isStarted = false;

  constructor(options: LocalityOptions) {
    this.#options = options;
  }

  install({ routes }: Pick<Snapshot, 'routes'>): void {
    const wanted = new Map<string, number>();
    const isHard = new Set<string>();
    for (const { locality } of routes) {
      if (locality === null) continue;
      wanted.set(locality.directory, Math.max(locality.max, wanted.get(locality.directory) ?? 0));
      if (locality.isHard) isHard.add(locality.directory);
    }
    for (const [name, directory] of this.#directories) {
      if (wanted.has(name)) continue;
      directory.stop();
      this.#directories.delete(name);
    }
    const nowMs = this.#options.clock();
    for (const name of [...this.#awaited.keys()]) if (!isHard.has(name)) this.#awaited.delete(name);
    for (const name of isHard) if (!this.#awaited.has(name)) this.#awaited.set(name, nowMs);
    for (const [name, max] of wanted) this.#open(name, max);
    this.#setTimer();
  }

  start(): void {
    this.#isStarted = true;
    this.#setTimer();
  }

  /** Resolves when every directory that must be there is, or after `ms`: what would ask it is shown to the workers afterwards. */
  async untilLoaded(ms: number): Promise<void> {
    const untilMs = this.#options.clock() + ms;
    while (this.notReadyBecause() !== null && this.#options.clock() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, LOADED_LOOK_MS));
    }
  }

  /** A node without directories is not woken for them. */
  #setTimer(): void {
    const isWanted = this.#isStarted && this.#directories.size > 0;
    if (isWanted === (this.#timer !== null)) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = isWanted ? setInterval(() => this.#tick(), TICK_MS).unref() : null;
  }

  stop(): void {
    this.#isStarted = false;
    this.#setTimer();
    for (const directory of this.#directories.values()) directory.stop();
  }

  directory(name: string): Directory | null {
    return this.#directories.get(name) ?? null;
  }

  /** A directory by its name, or the only one there is; else why not. */
  named(name: string | null): Directory | Refusal {
    const names = [...this.#directories.keys()];
    const found = this.#directories.get(name ?? (names.length === 1 ? names[0]! : 'default'));
    if (found !== undefined) return found;
    const known = names.length === 0 ? 'no route of this node has one' : `there is ${names.join(', ')}`;
    return { status: 404, code: 'no_directory', message: `no directory ${name ?? 'default'}: ${known}` };
  }

  views(): DirectoryView[] {
    return [...this.#directories.values()].map(({ name, isLoaded, keys, version, gaps, bytes }) => ({
      name,
      loaded: isLoaded,
      keys,
      version,
      gaps,
      bytes,
    }));
  }

  /** Why the node should not be sent requests yet; null = no reason here. */
  notReadyBecause(): string | null {
    const nowMs = this.#options.clock();
    for (const [name, sinceMs] of this.#awaited) {
      if (this.#directories.get(name)?.isLoaded !== false || this.#isOverdue(name, sinceMs, nowMs)) continue;
      return `the directory ${name}, which says where data is, is not loaded yet`;
    }
    return null;
  }

  #open(name: string, max: number): void {
    const known = this.#directories.get(name);
    if (known !== undefined) {
      known.max = max;
      return;
    }
    const directory = new Directory(name, max, this.#options);
    this.#directories.set(name, directory);
    directory.start();
  }

  #isOverdue(name: string, sinceMs: number, nowMs: number): boolean {
    const readMs = this.#directories.get(name)?.readMs ?? sinceMs;
    return nowMs - Math.max(sinceMs, readMs) > PATIENCE_MS || nowMs - sinceMs > LONGEST_MS;
  }

  #tick(): void {
    const nowMs = this.#options.clock();
    for (const directory of this.#directories.values()) directory.tick(nowMs);
    for (const [name, sinceMs] of this.#awaited) {
      const isLoaded = this.#directories.get(name)?.isLoaded !== false;
      if (isLoaded || this.#missed.has(name) || !this.#isOverdue(name, sinceMs, nowMs)) continue;
      this.#missed.add(name);
      const message = `the directory ${name} is not there after ${Math.round((nowMs - sinceMs) / 1000)} s: its routes answer 503 until it is`;
      this.#options.events.emit('error', 'locality.missing', message, { directory: name });
    }
  }
}
