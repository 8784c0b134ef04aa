// When the configuration is read anew: on a signal, a request, a change of one of its files. One reload after another, and
// everyone is told what came of it. What a new configuration does to the node is running.ts's business.

import { unwatchFile, watchFile } from 'node:fs';
import { type Loaded, loadConfig, type Overrides } from './config/load.ts';
import { whyNotListenAll } from './ports.ts';
import type { Running } from './running.ts';
import { digestOf } from './system.ts';
import type { EventLog, ReloadResult } from './types.ts';

/** How often the configuration's files, certificates among them, are looked at: a change is served within a second. ms. */
const WATCH_MS = 500;

export interface ReloadsOptions {
  readonly configFile: string | null;
  readonly overrides: Overrides;
  readonly events: EventLog;
  /** Why there will be no more reloads; null = there may be. */
  readonly whyNot: () => string | null;
  readonly onResult: (ok: boolean) => void;
}

export class Reloads {
  readonly #options: ReloadsOptions;
  readonly #running: Running;
  #files: readonly string[];
  #digest: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ReloadsOptions, running: Running, loaded: Extract<Loaded, { ok: true }>) {
    this.#options = options;
    this.#running = running;
    this.#files = loaded.files;
    this.#digest = digestOf(loaded.files);
  }

  /** One after another; a failed one changes nothing. */
  reload(why: string): Promise<ReloadResult> {
    return this.alone(() => this.#reload(why));
  }

  /** Does `work` while nothing else changes what runs. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  watch(): void {
    const onChange = (): void => {
      if (digestOf(this.#files) !== this.#digest) {
        this.#digest = digestOf(this.#files); // a broken file is reported once, not every second
        void this.reload('file changed');
      }
    };
    for (const file of this.#files) watchFile(file, { interval: WATCH_MS, persistent: false }, onChange);
  }

  unwatch(): void {
    for (const file of this.#files) unwatchFile(file);
  }

  async #reload(why: string): Promise<ReloadResult> {
    const { configFile, overrides, whyNot, events, onResult } = this.#options;
    const refusal = whyNot();
    if (refusal !== null) return this.#failed(why, [refusal]);
    this.#digest = digestOf(this.#files); // what is read now is no news to the watch, however long the rest takes
    const loaded = loadConfig(configFile, overrides);
    if (!loaded.ok) return this.#failed(why, loaded.problems);
    const { config } = loaded;
    const digest = digestOf(loaded.files); // now: what is written while it is applied is news
    const problems = await whyNotListenAll(config.listeners, this.#running.snapshot.listeners);
    if (problems.length > 0) return this.#failed(why, problems);
    try {
      await this.#running.apply(config);
    } catch (error) {
      return this.#failed(why, [error instanceof Error ? error.message : String(error)]);
    }
    this.unwatch();
    this.#files = loaded.files;
    this.#digest = digest;
    this.watch();
    onResult(true);
    const { version } = this.#running.snapshot;
    events.emit('info', 'config.reload', `configuration reloaded (${why})`, { version });
    return { ok: true, version, problems: [] };
  }

  #failed(why: string, problems: readonly string[]): ReloadResult {
    this.#options.onResult(false);
    const message = `configuration not reloaded (${why}), the old one stays: ${problems[0]}`;
    this.#options.events.emit('error', 'config.reload', message, { problems });
    return { ok: false, version: this.#running.snapshot.version, problems };
  }
}
