// What a client's HTTP/2 connection as a whole is waited for, since when, and which of it has had its time: that it ends a frame
// or header section it began, that it takes what it was sent, that it asks for something. Any of them may run while the others
// do, and what a client sends meanwhile puts none of them off. Streams are timed by themselves.

import type { Socket } from 'node:net';
import type { LimitsSpec } from '../../core/snapshot.ts';
import { DrainPace } from '../pace.ts';
import { NEVER } from '../wheel.ts';

export const OVERDUE = { NOTHING: 0, FRAME: 1, DRAIN: 2, REQUEST: 3 } as const;
export type Overdue = (typeof OVERDUE)[keyof typeof OVERDUE];

export class Vigil {
  readonly drain: DrainPace;
  #frameMs = NEVER;
  #requestMs = NEVER;

  constructor(socket: Socket) {
    this.drain = new DrainPace(socket);
  }

  /** A frame that is not whole has begun, unless one had before; or none is. */
  frame(isMidway: boolean, nowMs: number): void {
    if (!isMidway) this.#frameMs = NEVER;
    else if (this.#frameMs === NEVER) this.#frameMs = nowMs;
  }

  /** Nothing is under way, unless that was so before; or something is. */
  request(isAwaited: boolean, nowMs: number): void {
    if (!isAwaited) this.#requestMs = NEVER;
    else if (this.#requestMs === NEVER) this.#requestMs = nowMs;
  }

  /** The next moment to look, ms; NEVER = nothing is waited for. */
  dueMs(limits: LimitsSpec): number {
    const requestMs = this.#requestMs + limits.idleTimeoutMs;
    return Math.min(this.#frameMs + limits.headTimeoutMs, requestMs, this.drain.dueMs);
  }

  overdue(nowMs: number, limits: LimitsSpec): Overdue {
    if (this.drain.isTooSlow(nowMs)) return OVERDUE.DRAIN;
    if (nowMs >= this.#frameMs + limits.headTimeoutMs) return OVERDUE.FRAME;
    return nowMs >= this.#requestMs + limits.idleTimeoutMs ? OVERDUE.REQUEST : OVERDUE.NOTHING;
  }
}
