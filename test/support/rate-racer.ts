// A worker that asks for one key after the other at the same moment as another worker does. `meeting`: how many have come so far,
// then what passed of each key.

import { workerData } from 'node:worker_threads';
import { KeyHash } from '../../src/core/key-hash.ts';
import { RateTable, rateRule } from '../../src/core/limit/table.ts';

const { buffer, meeting, keys, untilMs } = workerData as {
  buffer: SharedArrayBuffer;
  meeting: SharedArrayBuffer;
  keys: number;
  untilMs: number;
};
const table = new RateTable(buffer);
const rule = rateRule(1, 1 / 3600, 1, false);
const [come, passed] = [new Int32Array(meeting, 0, 1), new Int32Array(meeting, 4)];
const hash = new KeyHash();
const isOver = () => Date.now() > untilMs;
for (let i = 0; i < keys && !isOver(); i++) {
  hash.of(`k${i}`);
  Atomics.add(come, 0, 1);
  while (Atomics.load(come, 0) < 2 * (i + 1)) if (isOver()) process.exit();
  if (table.take(rule, hash.hi, hash.lo, 1e6)) Atomics.add(passed, i, 1);
}
