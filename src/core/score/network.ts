// Network term N: the round trip to an endpoint, from its probes. Steady against single odd samples, quick when the path
// itself has changed. Also: which of two measurements stands for the network, and when a location cannot be true.

/** A level of time and the samples it stands on. `ms` is NaN until the first. */
export interface Level {
  ms: number;
  /** The last few, oldest first. */
  recent: number[];
}

const WINDOW = 5;
const GAIN = 0.3;
/** How far off a sample must be to speak of another path; and by how much at least, or loopback would jump all day. */
const STEP_RATIO = 1.5;
const STEP_MS = 0.5;
/** Below this part of what light needs, what answered was not at the endpoint's location. */
const BOUND_RATIO = 0.9;
/** Locations wrong by less than this change nothing worth saying. */
const MIN_BOUND_MS = 1;
const LIE_SAMPLES = 3;

export function newLevel(): Level {
  return { ms: Number.NaN, recent: [] };
}

/**
 * Takes a sample in: the median of the last five, smoothed by 0.3; but two samples in a row that agree with each other
 * and lie more than 1.5x away are a new path, and the level jumps to them. Ignores what is not finite or negative.
 * Source: step detection as in TCP's RTT filters (BBR's windowed filter, Cardwell et al. 2016), reduced to two samples.
 */
export function levelAfter(level: Level, sampleMs: number): void {
  if (!(sampleMs >= 0 && sampleMs < Number.POSITIVE_INFINITY)) return;
  const before = level.recent.at(-1);
  level.recent.push(sampleMs);
  if (level.recent.length > WINDOW) level.recent.shift();
  if (before === undefined) {
    level.ms = sampleMs;
  } else if (isStep(level.ms, before) && isStep(level.ms, sampleMs) && !isStep(before, sampleMs)) {
    level.recent = [before, sampleMs];
    level.ms = (before + sampleMs) / 2;
  } else if (level.recent.length < WINDOW) {
    // Of few, none is usual yet; of two the lower one, since the first often pays for what is set up.
    level.ms = [...level.recent].sort((a, b) => a - b)[(level.recent.length - 1) >> 1]!;
  } else {
    level.ms += (medianOf(level.recent) - level.ms) * GAIN;
  }
}

/** Both samples on one side of the level follow from `before` and `sample` agreeing. */
function isStep(levelMs: number, sampleMs: number): boolean {
  const low = Math.min(levelMs, sampleMs);
  return Math.max(levelMs, sampleMs) > low * STEP_RATIO + STEP_MS;
}

/** Of a non-empty list; the mean of the two in the middle when even. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * N in ms, or NaN when nothing is measured. The connect time, unless it is faster than light could be: then a front (an
 * anycast edge, an L4 balancer, a loopback test-bed) answered for the endpoint, and the warm first byte is the network.
 * `bound` is what light needs, or 0 when the distance is unknown or not believed.
 */
export function networkMs(connectMs: number, firstByteMs: number, bound: number): number {
  if (Number.isNaN(connectMs)) return firstByteMs;
  if (connectMs < bound * BOUND_RATIO && !Number.isNaN(firstByteMs)) return firstByteMs;
  return connectMs;
}

/** How fast a level that nobody measures any more gives way to the prior. */
const STALE_TAU_MS = 60_000;
/** Probes that may be missing before it is called stale. */
const STALE_INTERVALS = 3;

/**
 * The level `ageMs` after its last sample: it stands for three probe intervals, then goes to the prior of its place (null =
 * none is known, and it stands). ms.
 */
export function staleNetworkMs(levelMs: number, priorMs: number | null, ageMs: number, intervalMs: number): number {
  const staleMs = ageMs - STALE_INTERVALS * intervalMs;
  if (priorMs === null || !(staleMs > 0)) return levelMs;
  return priorMs + (levelMs - priorMs) * Math.exp(-staleMs / STALE_TAU_MS);
}

/** Whether `samples` answers, the quickest after `smallestMs`, prove that the endpoint is nearer than its location says. */
export function isLocationLie(smallestMs: number, samples: number, bound: number): boolean {
  return samples >= LIE_SAMPLES && bound >= MIN_BOUND_MS && smallestMs < bound * BOUND_RATIO;
}
