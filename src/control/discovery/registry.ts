// Endpoints that register themselves, as a source: the book of the pool, and the time at which somebody's runs out.

import type { Book } from './book.ts';
import type { Sink, Source, SourceTools } from './source.ts';

export class RegistrySource implements Source {
  readonly #book: Book;
  readonly #sink: Sink;
  readonly #clock: () => number;
  #timer: NodeJS.Timeout | null = null;
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

  /** Somebody has registered, or left. */
  changed(left: ReadonlySet<string> = new Set()): void {
    if (this.#isStopped) return;
    this.#book.expire(this.#clock());
    this.#sink.found(this.#book.entries(), left);
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
  }
}
