// The places of one connection to an endpoint: how many requests it takes at once, who has one of them, and who waits for the
// connection to come about. What becomes of the connection itself is client.ts's.

import type { ClientStream } from './client-stream.ts';
import type { SessionGroup } from './group.ts';

/** What an endpoint that does not say takes at once (RFC 9113, 6.5.2 recommends no less). */
const DEFAULT_STREAMS = 100;

export class Places {
  /** As the endpoint says. */
  most = DEFAULT_STREAMS;
  /** What it took to connect, for the first who is served. */
  connectMs = -1;
  /** Lent out, of which some may not have sent a head yet. */
  lent = 0;
  #isOpen = false;
  #isShut = false;
  readonly #waiting: ClientStream[] = [];
  readonly #group: SessionGroup;
  readonly #onLend: () => void;

  /** `onLend` is called before a place is lent. */
  constructor(group: SessionGroup, onLend: () => void) {
    this.#group = group;
    this.#onLend = onLend;
  }

  /** Whether one may be lent now. */
  get isFree(): boolean {
    return this.#isOpen && !this.#isShut && this.lent < this.most;
  }

  /** Whether another may wait for the connection. */
  get mayWait(): boolean {
    return this.#waiting.length < DEFAULT_STREAMS;
  }

  /** Nobody has one or waits for one. */
  get isEmpty(): boolean {
    return this.lent === 0 && this.#waiting.length === 0;
  }

  /** The connection has come about, whatever became of it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** False = it had before. */
  open(): boolean {
    const isFirst = !this.#isOpen;
    this.#isOpen = true;
    return isFirst;
  }

  /** None is lent any more, not even to those that wait. */
  refuse(): void {
    this.#isShut = true;
  }

  /** The connection is over. Gives those that waited. */
  close(): ClientStream[] {
    this.#isShut = true;
    return this.#waiting.splice(0);
  }

  /** Until the connection has come about, or another has gone. */
  await(stream: ClientStream): void {
    this.#waiting.push(stream);
  }

  /** It does not wait any more, if it did. */
  leave(stream: ClientStream): void {
    const at = this.#waiting.indexOf(stream);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  lend(stream: ClientStream, isReused: boolean): void {
    this.lent++;
    this.#onLend();
    stream.isLent = true;
    const { connectMs } = this;
    this.connectMs = -1;
    stream.ready(isReused, connectMs);
  }

  giveBack(stream: ClientStream): void {
    stream.isLent = false;
    this.lent--;
  }

  /** Lends to the next who waits. False = there is nobody, or no place. */
  pass(): boolean {
    const next = this.isFree ? this.#waiting.shift() : undefined;
    if (next === undefined) return false;
    this.lend(next, true);
    return true;
  }

  /** Those that wait go on here as far as there is room, or elsewhere; the others queue. */
  serve(isReused: boolean): void {
    for (const stream of this.#waiting.splice(0)) {
      if (this.isFree) this.lend(stream, isReused);
      else if (!this.#group.move(stream)) {
        this.#waiting.push(stream);
        stream.queued();
      }
    }
  }
}
