// A WebSocket on its way through: bytes both ways, nothing of them read but where frames end. That is known at all times, so that
// a process which is going to end can say so (1001) to both sides in between, without breaking a message.

import { randomBytes } from 'node:crypto';
import { CLOSE_CODE, closeFrame, FrameTrack } from '../wire/websocket-frames.ts';
import type { Exchange } from './exchange.ts';

/** Goodbye is answered within this time, or taken as answered, ms. */
const GOODBYE_MS = 2000;
const TO_CLIENT = closeFrame(CLOSE_CODE.GOING_AWAY, null);

export class Tunnel {
  readonly #exchange: Exchange;
  readonly #fromEndpoint = new FrameTrack();
  readonly #fromClient = new FrameTrack();
  /** Each side is told as soon as a frame towards it ends. */
  #isLeaving = false;
  #isClientTold = false;
  #isEndpointTold = false;
  /** The client has said its last byte: behind it nothing can be said for it. */
  hasFin = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** Bytes for the client. False = hold back. */
  fromEndpoint(bytes: Buffer, from: number, to: number): boolean {
    const { down } = this.#exchange;
    if (!this.#isLeaving) {
      this.#fromEndpoint.pass(bytes, from, to);
      return down.chunk(bytes, from, to);
    }
    if (this.#isClientTold) return true; // who has said goodbye says nothing more
    const end = this.#fromEndpoint.passFrame(bytes, from, to);
    const hasRoom = down.chunk(bytes, from, end < 0 ? to : end);
    if (end >= 0) this.#tellClient();
    return hasRoom;
  }

  /** Bytes for the endpoint. False = hold back. */
  fromClient(bytes: Buffer, from: number, to: number): boolean {
    const up = this.#exchange.up!;
    if (!this.#isLeaving) {
      this.#fromClient.pass(bytes, from, to);
      return up.chunk(bytes, from, to);
    }
    if (this.#isEndpointTold) {
      this.#fromClient.pass(bytes, from, to);
      if (this.#fromClient.hasClose && this.#fromClient.isBetween && this.#isClientTold) this.#end();
      return true;
    }
    const end = this.#fromClient.passFrame(bytes, from, to);
    const hasRoom = up.chunk(bytes, from, end < 0 ? to : end);
    if (end < 0) return hasRoom;
    this.#tellEndpoint();
    return end === to ? hasRoom : this.fromClient(bytes, end, to);
  }

  /** The process is going to end: both sides are told, and the tunnel is over when the client has answered. */
  leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    if (this.#fromClient.isBetween) this.#tellEndpoint();
    if (this.#fromEndpoint.isBetween) this.#tellClient();
    this.#exchange.idleMs = GOODBYE_MS;
    this.#exchange.up?.expectWithin(GOODBYE_MS);
    this.#exchange.flush();
  }

  /** Unless the endpoint has said goodbye itself. */
  #tellClient(): void {
    this.#isClientTold = true;
    if (!this.#fromEndpoint.hasClose) this.#exchange.down.chunk(TO_CLIENT, 0, TO_CLIENT.length);
  }

  #tellEndpoint(): void {
    this.#isEndpointTold = true;
    if (this.#fromClient.hasClose || this.hasFin) return;
    const frame = closeFrame(CLOSE_CODE.GOING_AWAY, randomBytes(4));
    this.#exchange.up?.chunk(frame, 0, frame.length);
  }

  /** The bytes that brought the client's answer are still being handled by whoever reads its connection. */
  #end(): void {
    const exchange = this.#exchange;
    setImmediate(() => {
      if (exchange.tunnel === this) exchange.onUpstreamTimeout();
    });
  }
}
