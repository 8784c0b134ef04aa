// Endpoints that register themselves, as a source: the book of the pool, and the time at which somebody's runs out.

import type { Book } from './book.ts';
import type { Sink, Source, SourceTools } from './source.ts';

const GATHER_MS = 20;

export class RegistrySource implements Source {
  readonly #book: Book;
  readonly #sink: Sink;
  readonly #clock: () => number;
  #timer: NodeJS.Timeout | null = null;
  #telling: NodeJS.Timeout | null = null;
  /** URLs of those who have said goodbye since it was told. */
  #left = new Set<string>();
  #isStopped = false;

  constructor(book: Book, sink: Sink, { clock }: SourceTools) {
    this.#book = book;
    this.#sink = sink;
    this.#clock = clock;
  }

  start(): void {
    // An empty book says nothing: after a restart everybody is about to register anew.
    if (this.#book.size > 0) this.changed();
  }

  /** Somebody has registered, or left. Told a moment later: after a restart of the edge, all come at once. */
  changed(left: string | null = null): void {
    if (left !== null) this.#left.add(left);
    if (this.#isStopped) return;
    this.#telling ??= setTimeout(() => this.#tell(), GATHER_MS).unref();
  }

  #tell(): void {
    this.#telling = null;
    this.#book.expire(this.#clock());
    this.#sink.found(this.#book.entries(), this.#left);
    this.#left = new Set();
    this.renewed();
  }

  /** Somebody stays longer. */
  renewed(): void {
    if (this.#isStopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { nextMs } = this.#book;
    if (nextMs === null) return;
    const delayMs = Math.max(1, nextMs - this.#clock());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#book.expire(this.#clock())) this.changed();
      else this.renewed();
    }, delayMs).unref();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#telling !== null) clearTimeout(this.#telling);
  }
}
