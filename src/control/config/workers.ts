// How many workers `auto` means: what this process may use, not what the machine has. Cores are those that its control group and
// its affinity leave it; where memory is bounded, no more than it holds, so that a container on a machine with many cores is not
// ended for its memory before its first request.

import { MAX_LANES } from '../../core/snapshot.ts';

const MIB = 2 ** 20;
/** Everything but workers: 290 MiB measured, 128 of them the GeoIP database, which is there twice while a new one is taken over. */
const BASE_BYTES = 384 * MIB;
/** A worker idles with 32 MiB; as much again for requests. */
const WORKER_BYTES = 64 * MIB;
/** Where memory is not bounded, the system says 0 or a number beyond all memory. */
const UNBOUNDED_BYTES = 2 ** 50;

/** From 1 to MAX_LANES. `cores` ≥ 1; `memoryBytes`: what the process may use, as process.constrainedMemory() has it. */
export function autoWorkers(cores: number, memoryBytes: number): number {
  const isBounded = memoryBytes > 0 && memoryBytes < UNBOUNDED_BYTES;
  const held = isBounded ? Math.floor((memoryBytes - BASE_BYTES) / WORKER_BYTES) : MAX_LANES;
  return Math.max(1, Math.min(MAX_LANES, cores, held));
}
