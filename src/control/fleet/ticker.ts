// When the fleet ticks: every 250 ms, at once when somebody's health changed, and within 50 ms when requests fail or their
// answers are late. What a tick does is the fleet's business. Owns the timers.

import type { LaneReader } from '../../core/lane-reader.ts';
import { SAMPLE } from '../../core/sample.ts';
import { Alarm } from './alarm.ts';
import type { Known } from './known.ts';

const TICK_MS = 250;
/** How often the lanes are looked at for what cannot wait. */
const PEEK_MS = 50;
/** Ticks take no more than this part of the time, whatever happens. */
const TICK_RATIO = 0.1;

export interface TickerOptions {
  /** Monotonic, ms. */
  readonly clock: () => number;
  readonly lanes: () => readonly LaneReader[];
  readonly knownOf: (slot: number) => Known | undefined;
  readonly tick: (nowMs: number) => void;
}

export class Ticker {
  readonly #options: TickerOptions;
  readonly #alarm = new Alarm();
  #tickedMs = 0;
  #tookMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #soon: NodeJS.Immediate | null = null;

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#timer === null) this.#timer = setInterval(() => this.peek(this.#options.clock()), PEEK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#soon !== null) clearImmediate(this.#soon);
    this.#timer = null;
    this.#soon = null;
  }

  /** Several changes of one moment are one tick. Whoever drives the ticks by hand is not interfered with. */
  soon(): void {
    if (this.#timer === null || this.#soon !== null) return;
    this.#soon = setImmediate(() => {
      this.#soon = null;
      this.#options.tick(this.#options.clock());
    });
  }

  /** Ticks when it is time, or when answers fail or are late: then another look at the lanes is all the notice there is. */
  peek(nowMs: number): void {
    const { clock, knownOf, lanes, tick } = this.#options;
    for (const lane of lanes()) {
      lane.glance((ring, base) => this.#alarm.look(ring, base, knownOf(ring[base + SAMPLE.SLOT]!)));
    }
    const sinceMs = nowMs - this.#tickedMs;
    const isDue = sinceMs >= TICK_MS - PEEK_MS / 2;
    if (!isDue && !(this.#alarm.isRaised && sinceMs * TICK_RATIO >= this.#tookMs)) return;
    tick(nowMs);
    this.#tookMs = clock() - nowMs;
  }

  /** A tick has been, whoever asked for it. */
  ticked(nowMs: number): void {
    this.#tickedMs = nowMs;
    this.#alarm.reset();
  }
}
