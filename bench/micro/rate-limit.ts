// One request taken out of its bucket: one key for all (a limit on a route), and 50,000 keys (a limit on clients), with the
// hashing of an address. The limit is 0.3 µs, and nothing is left for the collector.
// Run: node --expose-gc bench/micro/rate-limit.ts

import { pathToFileURL } from 'node:url';
import { KeyHash } from '../../src/core/key-hash.ts';
import { newRateTable, RateTable, rateRule } from '../../src/core/limit/table.ts';

const ROUNDS = 15;
const TAKES = 100_000;
const LIMIT_NS = 300;

function best(run: () => void): { nsPerOp: number; bytesPerOp: number } {
  let ns = Infinity;
  let bytes = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    run();
    ns = Math.min(ns, Number(process.hrtime.bigint() - start) / TAKES);
    if (round > ROUNDS >> 1) bytes = Math.min(bytes, Math.max(process.memoryUsage().heapUsed - before, 0) / TAKES);
  }
  return { nsPerOp: Math.round(ns * 10) / 10, bytesPerOp: bytes };
}

export function bench() {
  const table = new RateTable(newRateTable());
  const node = rateRule(1, 1000, 100, false);
  const fleet = rateRule(2, 1000, 100, true);
  table.setRule(node);
  table.setRule(fleet);
  const hash = new KeyHash();
  const keys = Array.from({ length: 50_000 }, (_, i) => `198.51.${(i >> 8) & 255}.${i & 255}`);
  const names = keys.map((text) => ({ ...hash.of(text) }));
  // As the event loop has it: a moment for several requests.
  const moments = Array.from({ length: 1024 }, (_, i) => 1e9 + i * 10);
  const one = hash.of('route');
  const { hi, lo } = one;
  const cases: [string, () => void][] = [
    [
      'one key, per node',
      () => {
        for (let i = 0; i < TAKES; i++) table.take(node, hi, lo, moments[i >> 7]!);
      },
    ],
    [
      'one key, fleet',
      () => {
        for (let i = 0; i < TAKES; i++) table.take(fleet, hi, lo, moments[i >> 7]!);
      },
    ],
    [
      '50,000 keys, fleet',
      () => {
        for (let i = 0; i < TAKES; i++) {
          const name = names[(i * 7919) % 50_000]!;
          table.take(fleet, name.hi, name.lo, moments[i >> 7]!);
        }
      },
    ],
    [
      '50,000 clients, hashed, fleet',
      () => {
        for (let i = 0; i < TAKES; i++) {
          hash.of(keys[(i * 7919) % 50_000]!);
          table.take(fleet, hash.hi, hash.lo, moments[i >> 7]!);
        }
      },
    ],
  ];
  return cases.map(([name, run]) => {
    const { nsPerOp, bytesPerOp } = best(run);
    return {
      name,
      nsPerOp,
      note: `${bytesPerOp.toFixed(2)} bytes allocated per request`,
      bytesPerOp,
      limitNs: LIMIT_NS,
    };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.table(bench());
