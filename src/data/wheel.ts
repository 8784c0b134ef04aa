// One coarse timer wheel for every time-out of a worker. A request arms and disarms several time-outs and nearly none
// fires, so arming must cost two stores: a timer that moves later stays where it is linked and is re-filed when its slot
// comes round. One per connection; nothing is allocated.
//
//   slot:  0    1    2   …  511        TICK_MS each; a deadline beyond one turn stays linked and is looked at again
//          │         │
//          a ⇄ b     c

/** How late a timer may fire, ms. Half of the shortest time-out that matters here (50 ms). */
export const TICK_MS = 25;
/** The loop is looked at once a tick at least; when it is this much later than that, it stood still (GC, SIGSTOP, a busy machine). */
export const STALL_MS = 50;
/** What came meanwhile waits in the kernel, and what is still to come is on its way: so long, at most, nothing is called late, ms. */
const MAX_GRACE_MS = 1000;
const SLOTS = 512; // 12.8 s a turn
/** `wheelSlot` of what is being visited right now. */
const DUE = -2;
export const NEVER = Number.POSITIVE_INFINITY;

/** Something with one time-out. Owned by who embeds it; the wheel only links it. */
export abstract class Timed {
  /** When it is due, ms of the worker's clock; NEVER = disarmed. */
  deadlineMs = NEVER;
  /** Where it is linked, or -1; kept by the wheel. */
  wheelSlot = -1;
  /** The earliest moment at which its slot is looked at. */
  wheelMs = 0;
  wheelNext: Timed | null = null;
  wheelPrev: Timed | null = null;

  abstract onDeadline(nowMs: number): void;
}

export class Wheel {
  readonly #clock: () => number;
  readonly #slots: (Timed | null)[] = new Array<Timed | null>(SLOTS).fill(null);
  /**
   * The moment of the event that is being handled: a socket's read or the last tick, at most TICK_MS ago. Reading the clock for
   * every time-out that is armed would cost more than the time-outs.
   */
  nowMs: number;
  /** Ticks of the interval; between two of them everything that had arrived was read. */
  turns = 0;
  /** For how long the loop has stood still, in all, ms. Who measures across a rise of it has measured us. */
  stalledMs = 0;
  /** Told of every turn, before what is due then. */
  onTurn: ((nowMs: number) => void) | null = null;
  /** Until then nothing is due, for the loop has only just come back. */
  #graceMs = 0;
  /** Since when what is due waits for that; -1 = it does not. */
  #heldFromMs = -1;
  #due: Timed | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lastTick: number;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.nowMs = clock();
    this.#lastTick = Math.floor(this.nowMs / TICK_MS);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.turn(), TICK_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** A read begins: what it arms counts from now. Gives the moment. */
  stamp(): number {
    const nowMs = this.#clock();
    if (nowMs - this.nowMs > TICK_MS + STALL_MS) this.#noteStall(nowMs);
    this.nowMs = nowMs;
    return nowMs;
  }

  /** A tick of the interval: fires what is due, unless the loop was the late one; then it first reads what has arrived. */
  turn(): void {
    const nowMs = this.stamp();
    this.turns++;
    this.onTurn?.(nowMs);
    if (nowMs < this.#graceMs && this.#mayHold(nowMs)) return;
    this.#heldFromMs = -1;
    this.advance(nowMs);
  }

  /** Not for ever: where the loop stands still again and again, time-outs are late, but they are. */
  #mayHold(nowMs: number): boolean {
    if (this.#heldFromMs < 0) this.#heldFromMs = nowMs;
    return nowMs - this.#heldFromMs <= MAX_GRACE_MS;
  }

  #noteStall(nowMs: number): void {
    const lostMs = nowMs - this.nowMs - TICK_MS;
    this.stalledMs += lostMs;
    this.#graceMs = nowMs + Math.min(lostMs, MAX_GRACE_MS);
  }

  /** Due in `ms` from the event that is being handled, whatever was armed before. O(1). */
  armIn(timed: Timed, ms: number): void {
    this.arm(timed, this.nowMs + ms);
  }

  /** Due at `deadlineMs`, whatever was armed before. O(1). */
  arm(timed: Timed, deadlineMs: number): void {
    timed.deadlineMs = deadlineMs;
    if (deadlineMs === NEVER) return; // linking it would hold its owner for a turn
    if (timed.wheelSlot !== -1) {
      if (timed.wheelMs <= deadlineMs) return;
      this.#unlink(timed);
    }
    this.#link(timed);
  }

  /** Not due any more; unlinked when its slot comes round. O(1). */
  disarm(timed: Timed): void {
    timed.deadlineMs = NEVER;
  }

  /** Unlinks at once, so that a dead owner is not held. O(1). */
  drop(timed: Timed): void {
    timed.deadlineMs = NEVER;
    if (timed.wheelSlot !== -1) this.#unlink(timed);
  }

  /** Fires what is due. Called by `turn`; public for tests with a clock of their own. */
  advance(nowMs: number): void {
    this.nowMs = nowMs;
    const tick = Math.floor(nowMs / TICK_MS);
    let from = this.#lastTick + 1;
    if (tick - from >= SLOTS) from = tick - SLOTS + 1; // after a long stall one whole turn is enough
    this.#lastTick = tick;
    for (let t = from; t <= tick; t++) this.#visit(t % SLOTS, nowMs);
  }

  #visit(slot: number, nowMs: number): void {
    // The list is detached first, and its head kept in a field: a handler may arm, drop or destroy any other timer.
    this.#due = this.#slots[slot] ?? null;
    this.#slots[slot] = null;
    for (let t = this.#due; t !== null; t = t.wheelNext) t.wheelSlot = DUE;
    while (this.#due !== null) {
      const timed = this.#due;
      this.#unlink(timed);
      if (timed.deadlineMs <= nowMs) {
        timed.deadlineMs = NEVER;
        timed.onDeadline(nowMs);
      } else if (timed.deadlineMs !== NEVER) {
        this.#link(timed);
      }
    }
  }

  #link(timed: Timed): void {
    // Rounded up, so that the slot is visited at or after the deadline; never a slot that has already been passed.
    const tick = Math.max(Math.ceil(timed.deadlineMs / TICK_MS), this.#lastTick + 1);
    const slot = tick - this.#lastTick >= SLOTS ? (this.#lastTick + SLOTS - 1) % SLOTS : tick % SLOTS;
    timed.wheelMs = Math.min(tick, this.#lastTick + SLOTS - 1) * TICK_MS;
    timed.wheelSlot = slot;
    timed.wheelPrev = null;
    timed.wheelNext = this.#slots[slot] ?? null;
    if (timed.wheelNext !== null) timed.wheelNext.wheelPrev = timed;
    this.#slots[slot] = timed;
  }

  #unlink(timed: Timed): void {
    const { wheelNext, wheelPrev } = timed;
    if (wheelNext !== null) wheelNext.wheelPrev = wheelPrev;
    if (wheelPrev !== null) wheelPrev.wheelNext = wheelNext;
    else if (timed.wheelSlot === DUE) this.#due = wheelNext;
    else this.#slots[timed.wheelSlot] = wheelNext;
    timed.wheelNext = null;
    timed.wheelPrev = null;
    timed.wheelSlot = -1;
  }
}
