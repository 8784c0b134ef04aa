// The PROXY header of an accepted connection: waited for, read and judged before anything else sees a byte. Who may send one is
// the listener's question (trustedProxies); the grammar is wire/proxy.ts. Read by way of the socket's own stream, not into the
// worker's shared buffer: it is once a connection, and what was read too far can then be given back (`unshift`).

import type { Socket } from 'node:net';
import { canonicalIp } from '../core/ip.ts';
import type { ProxyRefusal } from '../core/messages.ts';
import { PROXY, type ProxyEnds, ProxyReader } from '../wire/proxy.ts';
import type { ClientConnectionHandle, Plane } from './plane.ts';
import { Timed } from './wheel.ts';

/**
 * What became of it. `closed`: it went away, or was refused for the reason given, and its socket is closed. `unnamed`: there was
 * no header, or one that says nothing of a client. `named`: `ends` tells who the client is.
 */
export type Greeting =
  | { readonly kind: 'closed'; readonly why: ProxyRefusal | null }
  | { readonly kind: 'unnamed' }
  | { readonly kind: 'named'; readonly ends: ProxyEnds };

const UNNAMED: Greeting = { kind: 'unnamed' };

/** How a refused connection is counted; nothing is answered. */
const STATUS = { malformed: 400, untrusted: 403, late: 408 } as const satisfies Record<ProxyRefusal, number>;

/**
 * Reads the header of `socket`, which is paused and unread; `done` is called once. After `unnamed` and `named` the socket is
 * paused again, bytes behind the header wait in it, and it is the callee's. `isTrusted`: the TCP peer may name its clients.
 */
export function readProxyHeader(
  plane: Plane,
  socket: Socket,
  mode: 'required' | 'optional',
  isTrusted: boolean,
  done: (greeting: Greeting) => void,
): void {
  plane.remember(new Greeter(plane, socket, mode === 'required', isTrusted, done));
}

class Greeter extends Timed implements ClientConnectionHandle {
  readonly #plane: Plane;
  readonly #socket: Socket;
  readonly #isRequired: boolean;
  readonly #isTrusted: boolean;
  readonly #done: (greeting: Greeting) => void;
  readonly #reader = new ProxyReader();
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onEnd = (): void => this.#onFin();
  readonly #onError = (): void => {}; // `close` follows
  readonly #onClose = (): void => this.#finish({ kind: 'closed', why: this.#why });
  #why: ProxyRefusal | null = null;
  #isOver = false;

  constructor(
    plane: Plane,
    socket: Socket,
    isRequired: boolean,
    isTrusted: boolean,
    done: (greeting: Greeting) => void,
  ) {
    super();
    this.#plane = plane;
    this.#socket = socket;
    this.#isRequired = isRequired;
    this.#isTrusted = isTrusted;
    this.#done = done;
    socket.on('error', this.#onError).on('close', this.#onClose);
    if (isRequired && !isTrusted) this.#refuse('untrusted');
    else this.#listen();
  }

  #listen(): void {
    this.#socket.on('end', this.#onEnd).on('data', this.#onData).resume();
    const { headTimeoutMs, idleTimeoutMs } = this.#plane.limits;
    this.#plane.wheel.stamp();
    // Where a request may come first, it may take its time.
    this.#plane.wheel.armIn(this, this.#isRequired ? headTimeoutMs : idleTimeoutMs);
  }

  beginDrain(): void {}

  closeIdle(): void {
    if (!this.#reader.hasBegun) this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  override onDeadline(): void {
    if (this.#isRequired || this.#reader.hasBegun) this.#refuse('late');
    else this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    const { wheel, limits } = this.#plane;
    wheel.stamp();
    const isFirst = !this.#reader.hasBegun;
    const verdict = this.#reader.take(chunk);
    if (verdict === PROXY.MORE) {
      if (isFirst && !this.#isRequired) wheel.armIn(this, limits.headTimeoutMs);
      return;
    }
    if (verdict === PROXY.BAD || (verdict === PROXY.ABSENT && this.#isRequired)) return this.#refuse('malformed');
    if (verdict === PROXY.DONE && !this.#isTrusted) return this.#refuse('untrusted');
    stopReading(this.#socket);
    // The stream is in the midst of handing this chunk over, and looks at the socket's handle once more when it is done.
    process.nextTick(() => this.#handOn(this.#reader.ends));
  }

  /** Somebody who says nothing and goes (a balancer that looks whether the port is open) has done nothing wrong. */
  #onFin(): void {
    if (this.#reader.hasBegun) this.#refuse('malformed');
    else this.#socket.destroy();
  }

  #handOn(said: ProxyEnds | null): void {
    if (this.#isOver) return;
    const socket = this.#socket;
    const { rest } = this.#reader;
    socket.off('error', this.#onError).off('end', this.#onEnd);
    if (rest.length > 0) socket.unshift(rest);
    this.#finish(said === null ? UNNAMED : { kind: 'named', ends: canonical(said) });
  }

  #refuse(why: ProxyRefusal): void {
    this.#why ??= why;
    this.#plane.countRefusal(STATUS[why]);
    this.#socket.destroy();
  }

  #finish(greeting: Greeting): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.off('data', this.#onData).off('close', this.#onClose);
    this.#plane.wheel.drop(this);
    this.#plane.forget(this);
    this.#done(greeting);
  }
}

/**
 * A socket's pause stops its stream only; the handle would go on reading into its queue, and must not: who waits for a
 * handshake waits in the kernel. Nor must the stream fill its queue by itself, as it does behind every chunk below its mark.
 */
export function stopReading(socket: Socket): void {
  socket.pause();
  const { _handle: handle, _readableState: state } = socket as unknown as Inside;
  state.highWaterMark = 0;
  if (handle === null) return;
  handle.reading = false;
  handle.readStop();
}

interface Inside {
  readonly _handle: { reading: boolean; readStop(): number } | null;
  readonly _readableState: { highWaterMark: number };
}

function canonical(said: ProxyEnds): ProxyEnds {
  return {
    ...said,
    source: canonicalIp(said.source) ?? said.source,
    destination: canonicalIp(said.destination) ?? said.destination,
  };
}
