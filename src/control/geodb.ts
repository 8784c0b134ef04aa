// The GeoIP databases of this node: read once into shared memory, handed to the workers, looked after while we run. A new
// file takes over only when it was read whole and checked; until then, and when it is broken or gone, the old bytes stay.
// Polled rather than fs.watch: files are replaced by renames, over network mounts and through symlinks (Kubernetes), where
// watches die silently. A database is never needed: without one every look-up is null and routing goes on by measurement.

import { stat } from 'node:fs/promises';
import { BUNDLED_PACKAGE, bundledFiles, type LoadedGeoFile, loadGeoFile } from '../../geoip/load.ts';
import { type GeoFile, type GeoReader, openGeo, type Place } from '../../geoip/reader.ts';
import type { EventLog } from './types.ts';

/** A file must look the same for two polls before it is read: copies in progress are left alone. */
const POLL_MS = 2000;

export interface GeoDbFileInfo {
  readonly path: string;
  /** As the file calls itself; null when it is not in use. */
  readonly type: string | null;
  readonly built: string | null;
  readonly sizeBytes: number | null;
  /** Why it, or the newest version of it, is not in use; null = all is well. */
  readonly problem: string | null;
}

export interface GeoDbInfo {
  /** `DB-IP Lite (bundled)`, or the types of the files; `none` without any. */
  readonly source: string;
  /** ISO 8601: the oldest build date of what is in use, since that is what an operator must know. */
  readonly built: string | null;
  readonly files: readonly GeoDbFileInfo[];
}

export interface GeoDbOptions {
  /** How often the files are looked at. ms, default 2000. */
  readonly pollMs?: number;
}

interface Source {
  readonly path: string;
  loaded: LoadedGeoFile | null;
  problem: string | null;
  /** What the file looked like when it was last read, and at the last poll; '' = no such file. */
  readMark: string;
  seenMark: string;
}

export class GeoDb {
  readonly #events: EventLog;
  readonly #sources: readonly Source[];
  readonly #isBundled: boolean;
  readonly #pollMs: number;
  readonly #listeners = new Set<(files: readonly GeoFile[]) => void>();
  #reader: GeoReader = openGeo([]);
  #files: readonly GeoFile[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  private constructor(paths: readonly string[], isBundled: boolean, events: EventLog, pollMs: number) {
    this.#sources = paths.map((path) => ({ path, loaded: null, problem: null, readMark: '', seenMark: '' }));
    this.#isBundled = isBundled;
    this.#events = events;
    this.#pollMs = pollMs;
  }

  /** Reads the files; [] = the bundled ones. A missing or broken one is an event, never a rejection, and is tried again
   *  when it changes. */
  static async open(files: readonly string[], events: EventLog, options: GeoDbOptions = {}): Promise<GeoDb> {
    const isBundled = files.length === 0;
    const paths = isBundled ? bundledFiles() : files;
    const db = new GeoDb(paths, isBundled, events, options.pollMs ?? POLL_MS);
    if (paths.length === 0)
      events.emit('warn', 'geoip.missing', `the bundled database ${BUNDLED_PACKAGE} is not installed`);
    await Promise.all(
      db.#sources.map(async (source) => {
        const problem = await db.#read(source);
        if (problem !== null)
          events.emit('warn', 'geoip.missing', `going on without ${problem}`, { path: source.path });
      }),
    );
    db.#useLoaded();
    db.#pollLater();
    return db;
  }

  /** What is in use, in the order of the configuration; for the workers' openGeo. A new array after each replacement. */
  get files(): readonly GeoFile[] {
    return this.#files;
  }

  /** null when unknown. Never throws. Some µs. */
  lookup(ip: string): Place | null {
    return this.#reader.lookup(ip);
  }

  info(): GeoDbInfo {
    const files = this.#sources.map(({ path, loaded, problem }) => ({
      path,
      type: loaded?.info.type ?? null,
      built: loaded?.info.built ?? null,
      sizeBytes: loaded?.info.sizeBytes ?? null,
      problem,
    }));
    const types = [...new Set(files.flatMap((file) => file.type ?? []))];
    const dates = files.flatMap((file) => file.built ?? []).sort();
    const source = types.length === 0 ? 'none' : this.#isBundled ? 'DB-IP Lite (bundled)' : types.join(', ');
    return { source, built: dates[0] ?? null, files };
  }

  /** Calls back with `files` after each replacement. Gives what ends that. */
  onReplaced(listener: (files: readonly GeoFile[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends the watching. Look-ups go on with what is there. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#listeners.clear();
  }

  /** null when the file is now in `loaded`, else why not; what was loaded before stays. Never rejects. */
  async #read(source: Source): Promise<string | null> {
    const before = await markOf(source.path);
    let problem: string | null = null;
    try {
      const loaded = await loadGeoFile(source.path);
      // Written to while we read: what we have may be half of each. The next polls will find it changed.
      if ((await markOf(source.path)) === before) source.loaded = loaded;
      else problem = `${source.path}: it changed while it was read`;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    source.readMark = before;
    source.seenMark = before;
    source.problem = problem;
    return problem;
  }

  #useLoaded(): void {
    this.#files = this.#sources.flatMap((source) => source.loaded?.file ?? []);
    this.#reader = openGeo(this.#files);
  }

  #pollLater(): void {
    if (this.#isClosed || this.#sources.length === 0) return;
    this.#timer = setTimeout(() => void this.#poll(), this.#pollMs);
    this.#timer.unref();
  }

  async #poll(): Promise<void> {
    const news: Source[] = [];
    for (const source of this.#sources) if (await this.#look(source)) news.push(source);
    if (this.#isClosed) return;
    if (news.length > 0) {
      this.#useLoaded();
      // Told only now: who hears of it may look up at once.
      for (const { path, loaded } of news) {
        const { type, built } = loaded!.info;
        const message = `database taken over: ${path} (${type}, built ${built ?? 'unknown'})`;
        this.#events.emit('info', 'geoip.replaced', message, { path, built });
      }
      for (const listener of [...this.#listeners]) this.#tell(listener);
    }
    this.#pollLater();
  }

  /** True when the file was replaced by a good one. */
  async #look(source: Source): Promise<boolean> {
    const mark = await markOf(source.path);
    const isSettled = mark === source.seenMark;
    source.seenMark = mark;
    if (!isSettled || mark === source.readMark) return false;
    const hadOne = source.loaded !== null;
    const problem = await this.#read(source);
    if (this.#isClosed) return false;
    if (problem !== null) {
      const rest = hadOne ? '; the one in use stays' : '';
      this.#events.emit('warn', 'geoip.refused', `new database refused: ${problem}${rest}`, { path: source.path });
      return false;
    }
    return true;
  }

  #tell(listener: (files: readonly GeoFile[]) => void): void {
    try {
      listener(this.#files);
    } catch (error) {
      this.#events.emit('error', 'geoip.listener', 'a listener for new databases threw', { error });
    }
  }
}

/** Changes whenever the file does: replaced (inode), rewritten (time, size), gone (''). Never rejects. */
async function markOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  } catch {
    return '';
  }
}
