// What a worker measures of its own overload: how late its event loop is, on every tick of the wheel, and how much memory the
// process has, on every beat. What follows from that is core/pressure.ts's rule; who is turned away, admission.ts's decision.

import {
  type LoopPressure,
  type MemoryLevel,
  memoryLevelOf,
  memoryPressure,
  newLoopPressure,
  noteDelay,
} from '../core/pressure.ts';
import type { LimitsSpec } from '../core/snapshot.ts';
import { TICK_MS } from './wheel.ts';

/** What the system allows this process at most; 0 = it does not say. */
const SYSTEM_BYTES = constrained();

export class Overload {
  /** 0 = calm; core/pressure.ts has the scale. */
  pressure = 0;
  /** Answers close their connections: memory is short. */
  isClosing = false;
  #loop: LoopPressure;
  #memory: MemoryLevel = 0;
  #lastTickMs: number;
  /** 0 = not looked at. */
  #targetMs = 0;
  #limitBytes = 0;

  constructor(limits: LimitsSpec, nowMs: number) {
    this.#loop = newLoopPressure(nowMs);
    this.#lastTickMs = nowMs;
    this.install(limits, nowMs);
  }

  install({ loopDelayMs, memoryBytes }: LimitsSpec, nowMs: number): void {
    this.#targetMs = loopDelayMs;
    this.#limitBytes =
      memoryBytes > 0 && SYSTEM_BYTES > 0 ? Math.min(memoryBytes, SYSTEM_BYTES) : memoryBytes || SYSTEM_BYTES;
    if (loopDelayMs === 0) this.#loop = newLoopPressure(nowMs);
    this.#judge();
  }

  /** Of both, which one says so. */
  get isMemory(): boolean {
    return memoryPressure(this.#memory) >= this.#loop.value;
  }

  /** No connection is accepted any more: memory is all but gone. */
  get isFull(): boolean {
    return this.#memory >= 4;
  }

  /** The wheel has turned, which it should do every TICK_MS. */
  tick(nowMs: number): void {
    const lateMs = nowMs - this.#lastTickMs - TICK_MS;
    this.#lastTickMs = nowMs;
    if (this.#targetMs > 0 && noteDelay(this.#loop, Math.max(0, lateMs), nowMs, this.#targetMs)) this.#judge();
  }

  /** A few times a second. */
  beat(): void {
    if (this.#limitBytes === 0 && this.#memory === 0) return;
    const ratio = this.#limitBytes === 0 ? 0 : process.memoryUsage.rss() / this.#limitBytes;
    this.#memory = memoryLevelOf(ratio, this.#memory);
    this.#judge();
  }

  #judge(): void {
    this.pressure = Math.max(this.#loop.value, memoryPressure(this.#memory));
    this.isClosing = this.#memory > 0;
  }
}

/** Without a control group libuv gives 0 or a number beyond all memory. */
function constrained(): number {
  const bytes = process.constrainedMemory();
  return bytes < 2 ** 50 ? bytes : 0;
}
