// Where a tenant's data is: the name of the key from a header's bytes, and the look into a copy of a directory of a million keys.
// Keys are asked in no order, so most looks miss the caches. Nothing is left for the collector.
// Run: node --expose-gc bench/micro/locality.ts

import { pathToFileURL } from 'node:url';
import { KeyHash } from '../../src/core/key-hash.ts';
import { ReplicaReader, ReplicaWriter } from '../../src/core/locality/replica.ts';

const ROUNDS = 11;
const LOOKS = 100_000;
/** With a million keys it is the latency of memory that is measured. */
const LIMIT_NS = 2000;

export function bench() {
  return [1000, 1_000_000].map((count) => {
    const hash = new KeyHash();
    const writer = new ReplicaWriter(count);
    for (let i = 0; i < count; i++) writer.set(hash.of(`tenant-${i}`).hi, hash.lo, 1 + (i % 40), i);
    const reader = new ReplicaReader(writer.buffer);
    const keys = Array.from({ length: 50_000 }, (_, i) => `tenant-${(i * 7919) % count}`);
    let ns = Infinity;
    let bytes = Infinity;
    let known = 0;
    for (let round = 0; round < ROUNDS; round++) {
      globalThis.gc?.();
      const before = process.memoryUsage().heapUsed;
      const start = process.hrtime.bigint();
      for (let i = 0; i < LOOKS; i++) {
        hash.of(keys[i % 50_000]!);
        if (reader.placeOf(hash.hi, hash.lo) > 0) known++;
      }
      ns = Math.min(ns, Number(process.hrtime.bigint() - start) / LOOKS);
      if (round > ROUNDS >> 1) bytes = Math.min(bytes, Math.max(process.memoryUsage().heapUsed - before, 0) / LOOKS);
    }
    if (known !== LOOKS * ROUNDS) throw new Error(`expected every key to be known, got ${known}`);
    const note = `${(writer.buffer.byteLength / count).toFixed(1)} bytes a key, ${bytes.toFixed(2)} bytes allocated per look`;
    return { name: `${count} keys`, nsPerOp: Math.round(ns * 10) / 10, note, bytesPerOp: bytes, limitNs: LIMIT_NS };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.table(bench());
