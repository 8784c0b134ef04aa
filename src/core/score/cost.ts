// Cost: what the bytes of an answer are worth in milliseconds. Clouds charge for what leaves them, by the gigabyte and by
// region, so the same answer is dearer from one place than from another; rho is what the operator gives for a millisecond.
// The size of an answer is the pool's and not the endpoint's: what is asked for does not depend on who answers.

/** Sizes older than this fade: about the last minute's traffic counts. */
const SIZE_TAU_MS = 60_000;
const BYTES_PER_GB = 1e9;
const REQUESTS_PER_RHO = 1e6;

/**
 * ms that one answer of `bytes` costs: rho · USD/GB · GB · 10⁶. `rho`: ms that a USD per million requests is worth, 0 =
 * money does not count. Finite, ≥ 0.
 */
export function costMs(rho: number, egressUsdPerGb: number, bytes: number): number {
  return rho * egressUsdPerGb * (bytes / BYTES_PER_GB) * REQUESTS_PER_RHO;
}

/** Sizes of answers, fading with time. Silence changes nothing: sum and count fade alike. */
export interface Sizes {
  sum: number;
  count: number;
  atMs: number;
}

export function newSizes(): Sizes {
  return { sum: 0, count: 0, atMs: 0 };
}

/** One answer more. Allocates nothing. */
export function sizesAfter(sizes: Sizes, bytes: number, atMs: number): void {
  const fade = fadeOf(atMs - sizes.atMs);
  sizes.sum = sizes.sum * fade + bytes;
  sizes.count = sizes.count * fade + 1;
  sizes.atMs = Math.max(sizes.atMs, atMs);
}

/** Mean size over several endpoints, each as much as it has answered lately. Bytes; 0 when nobody has. */
export function meanBytes(all: readonly Sizes[]): number {
  // Faded to the latest of them and not to now: after a long silence all would have faded to nothing.
  const latestMs = all.reduce((latest, { count, atMs }) => (count > 0 ? Math.max(latest, atMs) : latest), 0);
  let sum = 0;
  let count = 0;
  for (const sizes of all) {
    const fade = fadeOf(latestMs - sizes.atMs);
    sum += sizes.sum * fade;
    count += sizes.count * fade;
  }
  return count === 0 ? 0 : sum / count;
}

function fadeOf(elapsedMs: number): number {
  return elapsedMs <= 0 ? 1 : Math.exp(-elapsedMs / SIZE_TAU_MS);
}
