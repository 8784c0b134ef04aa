// What both kinds of HTTP/2 streams have: what waits for a window on the way out, what waits for a reader on the way in, and
// the credit that is given back for what was read. Bounded by the windows: nothing here grows beyond them.

import { kept } from '../buffers.ts';
import { Timed } from '../wheel.ts';
import type { Sender } from './sender.ts';

/** What a peer may send on one stream before somebody has taken it: at first, and again once its reader was slow. */
export const STREAM_WINDOW_BYTES = 64 * 1024;
/** The same while its reader takes everything at once: what is on its way over a long distance waits for nobody. */
export const MAX_STREAM_WINDOW_BYTES = 256 * 1024;
/** What all streams of a connection may have beyond their first windows; or a hundred that stop reading at once held four times as much. */
const MAX_GROWN_BYTES = 1024 * 1024;

export abstract class H2Stream extends Timed {
  id = 0;
  isClosed = false;
  /** We have said our last word, or it waits behind the pending bytes (`isEnding`). */
  hasEnded = false;
  /** What came of it has not been acted upon; `wake` does. */
  isAsleep = false;
  /** The peer has said its last word. */
  isRemoteEnded = false;

  // On the way out; written by the sender too.
  sendWindow = 0;
  pendingBytes = 0;
  isWaiting = false;
  isEnding = false;
  trailerLines = '';
  flagsAt = 0;
  flagsEpoch = -1;
  readonly #pending: Buffer[] = [];

  // On the way in.
  recvWindow = STREAM_WINDOW_BYTES;
  isPaused = false;
  readonly #held: Buffer[] = [];
  /** The peer's last word is behind what is held. */
  #owesEnd = false;
  #credit = 0;
  /** What the peer may have under way or waiting here. */
  #window = STREAM_WINDOW_BYTES;
  /** Nothing had to be held since credit was last given. */
  #isKeepingUp = true;

  /** Ready for the next request on this object. */
  protected open(id: number, sendWindow: number): void {
    this.id = id;
    this.isClosed = false;
    this.hasEnded = false;
    this.isRemoteEnded = false;
    this.isAsleep = false;
    this.sendWindow = sendWindow;
    this.pendingBytes = 0;
    this.isWaiting = false;
    this.isEnding = false;
    this.trailerLines = '';
    this.flagsEpoch = -1;
    this.#pending.length = 0;
    this.recvWindow = STREAM_WINDOW_BYTES;
    this.isPaused = false;
    this.#held.length = 0;
    this.#owesEnd = false;
    this.#credit = 0;
    this.#window = STREAM_WINDOW_BYTES;
    this.#isKeepingUp = true;
  }

  /** More of it comes, or the read that it came with is through: it goes on its way. */
  wake(): void {}
  /** Body bytes, in order; not while paused. */
  protected abstract onBody(chunk: Buffer, from: number, to: number): void;
  /** Behind the last of them. */
  protected abstract onBodyEnd(): void;
  /** Everything that waited has gone out. */
  abstract onSent(): void;
  /** END_STREAM has been written. */
  abstract onEnded(): void;
  protected abstract get sender(): Sender;

  // ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  hold(chunk: Buffer, from: number, to: number): void {
    this.#pending.push(kept(chunk, from, to));
    this.pendingBytes += to - from;
  }

  firstPending(): Buffer | null {
    return this.#pending[0] ?? null;
  }

  /** The first `bytes` of the first pending piece have gone out. */
  take(bytes: number): void {
    this.pendingBytes -= bytes;
    const first = this.#pending[0]!;
    if (bytes === first.length) this.#pending.shift();
    else if (bytes > 0) this.#pending[0] = first.subarray(bytes);
  }

  /** What waits is not wanted any more. */
  protected dropPending(): void {
    this.#pending.length = 0;
    this.pendingBytes = 0;
    this.isEnding = false;
  }

  // ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Body bytes as they arrive; kept while nobody wants them. */
  deliver(chunk: Buffer, from: number, to: number): void {
    if (this.isPaused || this.#held.length > 0) {
      this.#held.push(kept(chunk, from, to));
      this.#shrink();
      return;
    }
    this.onBody(chunk, from, to);
    this.giveCredit(to - from);
  }

  /** More of the body is here than was told so far. */
  protected get hasHeld(): boolean {
    return this.#held.length > 0;
  }

  /** The last word of the peer: `onBodyEnd` follows behind what is kept. */
  deliverEnd(): void {
    this.isRemoteEnded = true;
    this.#owesEnd = true;
    this.#tellEnd();
  }

  #tellEnd(): void {
    if (!this.#owesEnd || this.isPaused || this.#held.length > 0 || this.isClosed) return;
    this.#owesEnd = false;
    this.onBodyEnd();
  }

  /** Delivers what was kept, until somebody pauses again. */
  protected takeUp(): void {
    this.isPaused = false;
    while (this.#held.length > 0 && !this.isPaused && !this.isClosed) {
      const piece = this.#held.shift()!;
      this.onBody(piece, 0, piece.length);
      this.giveCredit(piece.length);
    }
    this.#tellEnd();
  }

  /** Bytes that need no room any more: the peer may send as many again. */
  giveCredit(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit < this.#window / 2 || this.isRemoteEnded || this.isClosed) return;
    if (this.#isKeepingUp) this.#grow();
    this.#isKeepingUp = true;
    this.sender.windowUpdate(this.id, this.#credit);
    this.recvWindow += this.#credit;
    this.#credit = 0;
  }

  /** Twice the window for who keeps up. */
  #grow(): void {
    const { sender } = this;
    const more = Math.min(this.#window, MAX_STREAM_WINDOW_BYTES - this.#window, MAX_GROWN_BYTES - sender.grownBytes);
    if (more <= 0) return;
    this.#window += more;
    this.#credit += more;
    sender.grownBytes += more;
  }

  /** What was granted cannot be taken back, but so much less is given back for what is read. */
  #shrink(): void {
    this.#isKeepingUp = false;
    const less = this.#window - STREAM_WINDOW_BYTES;
    if (less === 0) return;
    this.#window = STREAM_WINDOW_BYTES;
    this.#credit -= less;
    this.sender.grownBytes -= less;
  }

  /** Lets go of everything kept. */
  protected forget(): void {
    this.#shrink();
    this.isClosed = true;
    this.isAsleep = false;
    this.#pending.length = 0;
    this.#held.length = 0;
    this.pendingBytes = 0;
  }
}
