// The endpoint's side over HTTP/2: one connection, many requests. It counts as connected when the endpoint has sent its
// SETTINGS: only then is it known to speak HTTP/2 and how many requests it takes, and until then every failure is one of
// connecting, after which any request may be sent elsewhere.

import type { TLSSocket } from 'node:tls';
import { HPACK } from '../../wire/h2/decoder.ts';
import { DEFAULT_WINDOW_BYTES, H2_ERROR, PREFACE, SETTING } from '../../wire/h2/frames.ts';
import { SHARED, Tap } from '../buffers.ts';
import { Dial } from '../h1/dial.ts';
import { CONNECT_FAILURE, type ConnectFailure } from '../sides.ts';
import type { ClientStream } from './client-stream.ts';
import type { SessionGroup } from './group.ts';
import { CONNECTION_WINDOW_BYTES } from './inflow.ts';
import { COST, EARNED } from './patience.ts';
import { Places } from './places.ts';
import { H2Session } from './session.ts';
import { STREAM_WINDOW_BYTES } from './stream.ts';

/** What an endpoint's response head may hold; as over HTTP/1.1. */
const HEAD_LIMITS = { headBytes: 64 * 1024, headers: 200 } as const;
/** Ids after which a connection is replaced; far from where they end. */
const LAST_ID = 0x3fff_ffff;

export class H2ClientSession extends H2Session<ClientStream> {
  readonly scheme: 'http' | 'https';
  /** The endpoint takes extended CONNECT (RFC 8441). */
  canConnect = false;
  readonly #group: SessionGroup;
  readonly #startMs: number;
  readonly places: Places;
  /** Nobody new is let in; those that wait here still are, unless the endpoint takes no more (`Places.refuse`). */
  #isClosing = false;
  /** When something was read last. */
  #readMs = 0;
  #nextId = 1;
  readonly #dial: Dial;
  #failure: ConnectFailure | null = null;
  readonly #touched: ClientStream[] = [];

  static open(group: SessionGroup): H2ClientSession {
    const tap = new Tap();
    const reading = { take: (chunk: Buffer) => tap.take(chunk), next: () => tap.next() };
    const dial = new Dial(group, { onConnect: () => session.#onConnect(), ...reading }, '');
    const session = new H2ClientSession(group, dial);
    tap.reader = session;
    return session;
  }

  constructor(group: SessionGroup, dial: Dial) {
    super(group.plane, dial.socket, SHARED);
    this.#group = group;
    this.#dial = dial;
    this.scheme = group.spec.scheme === 'h2' ? 'https' : 'http';
    this.#startMs = group.plane.clock();
    this.places = new Places(group, () => this.plane.wheel.disarm(this));
    this.plane.wheel.arm(this, this.#startMs + group.pool.timeouts.connectMs);
  }

  /** Whether another request may be begun now. */
  get hasRoom(): boolean {
    return this.places.isFree && !this.isLeaving;
  }

  /**
   * On its way out: told to end, too old, or at an address that is not the endpoint's any more. It serves what it has, and another
   * may be opened in its place.
   */
  get isLeaving(): boolean {
    return this.#isClosing || this.isOver || this.plane.wheel.nowMs >= this.#dial.retireAtMs;
  }

  /** Not connected yet, with room for another who waits. */
  get isAwaited(): boolean {
    return !this.places.isOpen && !this.isLeaving && this.places.mayWait;
  }

  protected override get headLimits(): { readonly headBytes: number; readonly headers: number } {
    return HEAD_LIMITS;
  }

  #onConnect(): void {
    if (this.isOver) return;
    this.places.connectMs = this.plane.wheel.stamp() - this.#startMs;
    if (this.scheme === 'https' && (this.socket as TLSSocket).alpnProtocol !== 'h2') {
      this.#failure = CONNECT_FAILURE.TLS; // it would be another protocol, and there is no falling back
      return this.destroy();
    }
    this.sender.raw(PREFACE);
    this.sender.settings([
      [SETTING.ENABLE_PUSH, 0],
      [SETTING.INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES],
      [SETTING.MAX_HEADER_LIST_SIZE, HEAD_LIMITS.headBytes],
    ]);
    this.sender.windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
  }

  protected override onSettings(id: number, value: number): void {
    if (id === SETTING.MAX_CONCURRENT_STREAMS) this.places.most = value;
    else if (id === SETTING.ENABLE_CONNECT_PROTOCOL) this.canConnect = value === 1;
  }

  protected override onSettingsEnd(): void {
    const isFirst = this.places.open();
    if (isFirst) this.#rest();
    this.places.serve(!isFirst);
    this.#group.onRoom();
  }

  // ── lending ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The id of a stream that is about to send its head. */
  nextId(stream: ClientStream): number {
    const id = this.#nextId;
    this.#nextId += 2;
    if (id > LAST_ID) this.#leave();
    this.streams.set(id, stream);
    return id;
  }

  /** Its exchange has no use for it any more: done, or given up. */
  cancel(stream: ClientStream): void {
    if (stream.isClosed) return;
    this.places.leave(stream);
    if (stream.id !== 0 && !stream.isOrphan && !(stream.isRemoteEnded && stream.hasEnded && !stream.isEnding))
      this.sendReset(stream.id, stream.isRemoteEnded ? H2_ERROR.NO_ERROR : H2_ERROR.CANCEL);
    if (stream.isRemoteEnded) this.patience.earn(EARNED.ANSWER);
    this.#end(stream);
  }

  #end(stream: ClientStream): void {
    if (stream.isClosed) return;
    stream.close();
    this.#unlist(stream);
  }

  /** Its answer is whole, and its client has yet to take the rest: that needs no stream any more. */
  #orphan(stream: ClientStream): void {
    stream.orphan();
    this.#unlist(stream);
  }

  /** Its place is free. */
  #unlist(stream: ClientStream): void {
    this.streams.delete(stream.id);
    if (!stream.isLent) return;
    this.places.giveBack(stream);
    if (this.isOver || this.places.pass()) return;
    this.#group.onRoom();
    if (this.isOver || this.places.lent > 0) return;
    if (this.#isClosing) this.shut();
    else if (this.isLeaving) this.fail(H2_ERROR.NO_ERROR);
    else this.#rest();
  }

  /** Without a request for a while it closes. */
  #rest(): void {
    const leftMs = Math.max(this.#dial.retireAtMs - this.plane.wheel.nowMs, 0);
    this.plane.wheel.armIn(this, Math.min(this.#group.pool.timeouts.idleMs, leftMs));
  }

  /** The addresses of its endpoint have changed. */
  checkAddress(): void {
    this.#dial.checkAddress();
    if (this.places.isOpen && this.#dial.retireAtMs === 0 && !this.isOver) this.retire();
  }

  /** It asks for something that the endpoint does not do. */
  refuse(stream: ClientStream): void {
    this.#end(stream);
    stream.refused();
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  override take(chunk: Buffer): void {
    if (this.isOver) return;
    super.take(chunk);
    this.#readMs = this.plane.wheel.nowMs;
    const touched = this.#touched;
    for (let i = 0; i < touched.length; i++) {
      const stream = touched[i]!;
      stream.isTouched = false;
      stream.flushUser();
    }
    touched.length = 0;
  }

  /** Its user has something to send on when this read is through. */
  touch(stream: ClientStream): void {
    if (stream.isTouched) return;
    stream.isTouched = true;
    this.#touched.push(stream);
  }

  protected override onHeaders(streamId: number, code: number, isEnd: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.onStray(streamId, H2_ERROR.STREAM_CLOSED);
    if (stream.isRemoteEnded) return this.resetStream(stream, H2_ERROR.STREAM_CLOSED);
    this.touch(stream);
    if (!stream.onHeaders(this.block, code === HPACK.OK, isEnd)) this.resetStream(stream, H2_ERROR.PROTOCOL_ERROR);
  }

  protected override onReset(stream: ClientStream, error: number): void {
    // A whole answer stays one, whatever is said of the rest of the request (RFC 9113, 8.1).
    if (stream.isRemoteEnded) return this.#orphan(stream);
    stream.isReused = false; // it speaks of this very request: no coincidence
    this.#end(stream);
    if (error === H2_ERROR.REFUSED_STREAM) stream.refused();
    else stream.lost(false);
  }

  override resetStream(stream: ClientStream, error: number): void {
    if (stream.isClosed) return;
    this.sendReset(stream.id, error);
    this.#end(stream);
    stream.lost(true);
    this.spend(COST.FAULT);
  }

  /** The endpoint begins none: pushing is turned off. */
  protected override isUnbegun(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId >= this.#nextId;
  }

  /** Clients give up as many requests at a time as they like, so there is no list of those that is long enough. */
  protected override wasReset(): boolean {
    return true;
  }

  protected override onGoaway(lastId: number): void {
    this.#leave();
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastId || stream.isRemoteEnded) continue;
      this.#end(stream);
      stream.refused();
    }
    this.places.serve(true);
    if (this.places.lent === 0) this.shut();
  }

  /** It takes no more requests. */
  #leave(): void {
    this.#isClosing = true;
    this.places.refuse();
    this.#group.onLeaving();
  }

  /** A request had no answer for `ms`. If nothing else was heard here either, the next ones had better have another connection. */
  noteSilence(ms: number): void {
    if (this.#isClosing || this.isOver || ms <= 0 || this.plane.wheel.nowMs - this.#readMs < ms) return;
    this.#leave();
    this.places.serve(true);
  }

  override onWriting(): void {} // exchanges time what their endpoint owes them

  override onDeadline(): void {
    if (this.isOver) return this.destroy();
    if (!this.places.isOpen) {
      this.#failure = this.#dial.failure(true);
      this.destroy();
    } else if (this.places.lent === 0) this.fail(H2_ERROR.NO_ERROR);
  }

  // ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** No new requests; closes when the last one is done. */
  retire(): void {
    this.#isClosing = true;
    if (this.places.isEmpty) this.fail(H2_ERROR.NO_ERROR);
  }

  override destroy(): void {
    this.places.refuse();
    super.destroy();
  }

  protected override abandon(): void {
    for (const stream of this.places.close()) {
      if (this.places.isOpen) {
        this.#end(stream);
        stream.refused();
      } else stream.connectFailed(this.#failure ?? this.#dial.failure(false));
    }
    for (const stream of [...this.streams.values()]) {
      if (stream.isRemoteEnded) {
        this.#orphan(stream);
        continue;
      }
      this.#end(stream);
      stream.lost(false);
    }
  }

  protected override onClosed(): void {
    this.#group.forget(this);
  }
}
