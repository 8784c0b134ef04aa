// How hard a worker sheds: one number from 0 to 3, out of what its event loop and the memory of the process say. Pure; the
// measuring is data/overload.ts's.
//
//   0        1                 2                     3
//   nobody ─ all of low ─ all of low and normal ─ everybody             in between: that part of the next class
//
// Event loop: what counts is the least delay within a window, not the mean or the worst: one pause of the collector is none,
// but where even the luckiest moment is late, there is a standing queue (CoDel, RFC 8289, section 3.2). The delay is steered
// towards its target: above it a little more is shed with each window, below half of it a little less, in between it stays
// as it is. All or nothing would swing, since to shed ends what it was shed for. Normal routes are shed at ten times the
// target only; high ones never, since who waits long is still served.
//
// Memory: steps, since there is no rate to find: what is shed now is not what holds the memory. A step taken is left two
// points below where it was entered.

/** How many times the target the delay has to be for normal routes to be shed, too. */
const NORMAL_TIMES = 10;
/** Of a window's loop delays the least one counts; a window has as many, and takes as long, at least. Behind a pause one is in time. */
const WINDOW_TICKS = 2;
const WINDOW_MS = 200;
/** What one window adds at the target itself, and at most; what one takes away. */
const STEP = 0.1;
const MAX_STEP = 0.5;

/** Of the limit of memory: from here on answers close their connections … */
const CLOSING_RATIO = 0.9;
/** … and low, normal, and all requests are turned away. */
const SHED_RATIOS = [0.95, 0.975, 0.99] as const;
const HYSTERESIS = 0.02;

/** Shed by the loop's delay. */
export interface LoopPressure {
  /** 0 … 2. */
  value: number;
  leastMs: number;
  ticks: number;
  sinceMs: number;
}

export function newLoopPressure(nowMs: number): LoopPressure {
  return { value: 0, leastMs: Number.POSITIVE_INFINITY, ticks: 0, sinceMs: nowMs };
}

/** A tick was `lateMs` late. `targetMs` > 0. Whether the value may have changed. */
export function noteDelay(p: LoopPressure, lateMs: number, nowMs: number, targetMs: number): boolean {
  if (lateMs < p.leastMs) p.leastMs = lateMs;
  p.ticks++;
  if (p.ticks < WINDOW_TICKS || nowMs - p.sinceMs < WINDOW_MS) return false;
  p.value = steered(p.value, p.leastMs / targetMs);
  p.leastMs = Number.POSITIVE_INFINITY;
  p.ticks = 0;
  p.sinceMs = nowMs;
  return true;
}

/** `times` the target that the standing delay is. */
function steered(value: number, times: number): number {
  const beyond = times / NORMAL_TIMES;
  if (value >= 1 && beyond > 1) return Math.min(2, value + Math.min(MAX_STEP, STEP * beyond));
  if (value > 1) return beyond < 0.5 ? Math.max(1, value - STEP) : value;
  if (times > 1) return Math.min(1, value + Math.min(MAX_STEP, STEP * times));
  if (times >= 0.5) return value;
  return value <= STEP ? 0 : value - STEP;
}

/** 0 = there is room; 1 = answers close their connections; 2, 3, 4 = low, normal, all requests are turned away as well. */
export type MemoryLevel = 0 | 1 | 2 | 3 | 4;

/** `ratio` of the limit that is in use, after `level`. */
export function memoryLevelOf(ratio: number, level: MemoryLevel): MemoryLevel {
  let now = steps(ratio);
  if (now < level) now = Math.min(level, steps(ratio + HYSTERESIS)) as MemoryLevel;
  return now;
}

function steps(ratio: number): MemoryLevel {
  if (ratio < CLOSING_RATIO) return 0;
  return (1 + SHED_RATIOS.reduce((n, from) => (ratio >= from ? n + 1 : n), 0)) as MemoryLevel;
}

/** What a level of memory means on the scale above. */
export function memoryPressure(level: MemoryLevel): number {
  return Math.max(0, level - 1);
}
