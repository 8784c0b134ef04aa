import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { KeyHash } from '../../../src/core/key-hash.ts';
import { eachTouched, sweep } from '../../../src/core/limit/sweep.ts';
import {
  B,
  BUCKET_INTS,
  BUCKETS,
  newRateTable,
  type RateRule,
  RateTable,
  rateRule,
  SHUT,
  TICKS,
} from '../../../src/core/limit/table.ts';

function tableOf(...rules: RateRule[]): RateTable {
  const table = new RateTable(newRateTable());
  for (const rule of rules) table.setRule(rule);
  return table;
}

/** How many of `perS` requests a second pass in `seconds`, sent evenly. */
function passed(table: RateTable, rule: RateRule, key: KeyHash, perS: number, seconds: number, fromMs = 1e9): number {
  let count = 0;
  for (let i = 0; i < perS * seconds; i++) {
    if (table.take(rule, key.hi, key.lo, fromMs + (i * 1000) / perS)) count++;
  }
  return count;
}

const key = (text: string) => new KeyHash().of(text);

describe('buckets', () => {
  test('let the burst through at once and the rate from then on', () => {
    const rule = rateRule(1, 100, 20, false);
    const table = tableOf(rule);
    expect(passed(table, rule, key('a'), 1000, 10)).toBe(20 + 100 * 10 - 1);
  });

  test.each([
    [0.01, 3],
    [1 / 3, 1],
    [7, 7],
    [1000, 10],
    [300_000, 1000],
  ])('keep a rate of %d/s exact to 1 % over a hundred intervals', (ratePerS, burst) => {
    const rule = rateRule(1, ratePerS, burst, false);
    const table = tableOf(rule);
    const seconds = Math.max(100 / ratePerS, 1);
    const perS = (ratePerS * 4) | 0 || ratePerS * 4;
    const count = passed(table, rule, key('a'), perS, seconds);
    const expected = ratePerS * seconds + burst;
    expect(count).toBeGreaterThan(expected * 0.99 - 2);
    expect(count).toBeLessThan(expected * 1.01 + 1);
  });

  test('say how long to wait, what is left and when the bucket is full again', () => {
    const rule = rateRule(1, 10, 5, false);
    const table = tableOf(rule);
    const { hi, lo } = key('a');
    expect(table.take(rule, hi, lo, 1000)).toBe(true);
    expect(table.left).toBe(4);
    expect(table.fullMs).toBeCloseTo(100, 0);
    for (let i = 0; i < 4; i++) expect(table.take(rule, hi, lo, 1000)).toBe(true);
    expect(table.left).toBe(0);
    expect(table.take(rule, hi, lo, 1050)).toBe(false);
    expect(table.waitMs).toBeCloseTo(50, 0);
    expect(table.fullMs).toBeCloseTo(450, 0);
    expect(table.take(rule, hi, lo, 1101)).toBe(true);
  });

  test('are one for all tables over the same memory, and one each for other keys and limits', () => {
    const buffer = newRateTable();
    const [a, b] = [new RateTable(buffer), new RateTable(buffer)];
    const rule = rateRule(1, 1, 2, false);
    a.setRule(rule);
    const { hi, lo } = key('a');
    expect([a.take(rule, hi, lo, 5), b.take(rule, hi, lo, 5), a.take(rule, hi, lo, 5)]).toEqual([true, true, false]);
    const other = key('b');
    expect(b.take(rule, other.hi, other.lo, 5)).toBe(true);
  });

  test('take their interval from control: a share of the rate, everybody’s share, or nothing at all', () => {
    const rule = rateRule(1, 1000, 10, true);
    const table = tableOf(rule);
    const { hi, lo } = key('a');
    table.take(rule, hi, lo, 1e9);
    table.buckets[table.find(hi, lo) + B.INTERVAL] = TICKS * 4;
    expect(passed(table, rule, key('a'), 5000, 4, 1e9 + 1000)).toBeCloseTo(1000, -2);
    table.force(rule.index, TICKS * 2);
    expect(passed(table, rule, key('a'), 5000, 4, 1e9 + 10_000)).toBeCloseTo(2000, -2);
    table.force(rule.index, SHUT);
    expect(table.take(rule, hi, lo, 1e9 + 20_000)).toBe(false);
    table.force(rule.index, 0);
    expect(table.take(rule, hi, lo, 1e9 + 20_000)).toBe(true);
  });

  test('take back what another limit has made void', () => {
    const rule = rateRule(1, 1, 1, true);
    const table = tableOf(rule);
    const { hi, lo } = key('a');
    expect(table.take(rule, hi, lo, 5)).toBe(true);
    table.giveBack(rule, table.lastAt, table.lastInterval);
    expect(table.take(rule, hi, lo, 5)).toBe(true);
    expect(table.buckets[table.find(hi, lo) + B.PASSED]).toBe(1);
  });

  test('do not owe because their clock has come round', () => {
    const rule = rateRule(1, 1_000_000, 1, false); // comes round after 16.8 s
    const table = tableOf(rule);
    const { hi, lo } = key('a');
    for (let ms = 0; ms < 120_000; ms += 700) expect(table.take(rule, hi, lo, 7e9 + ms)).toBe(true);
  });

  test('are bounded: a flood of keys turns nobody away, and who owes most is forgotten last', () => {
    const rule = rateRule(1, 0.001, 50, false);
    const table = tableOf(rule);
    const heavy = key('heavy');
    for (let i = 0; i < 50; i++) table.take(rule, heavy.hi, heavy.lo, 1e9);
    const hash = new KeyHash();
    for (let i = 0; i < BUCKETS * 3; i++) {
      hash.of(`flood-${i}`);
      expect(table.take(rule, hash.hi, hash.lo, 1e9 + i / 1000)).toBe(true);
    }
    expect(table.evicted).toBeGreaterThan(BUCKETS);
    expect(table.take(rule, heavy.hi, heavy.lo, 1e9 + 400)).toBe(false);
  });
});

describe('control’s looks', () => {
  test('free what owes nothing any more, and count the rest', () => {
    const rule = rateRule(1, 10, 5, false);
    const table = tableOf(rule);
    const hash = new KeyHash();
    for (let i = 0; i < 100; i++) table.take(rule, hash.of(`k${i}`).hi, hash.lo, 1000);
    for (let i = 0; i < 10; i++) for (let n = 0; n < 4; n++) table.take(rule, hash.of(`k${i}`).hi, hash.lo, 1000);
    expect(sweep(table, 0, BUCKETS, 1050)).toBe(100);
    expect(sweep(table, 0, BUCKETS, 1200)).toBe(10);
    expect(sweep(table, 0, BUCKETS, 2000, () => true)).toBe(0);
    expect(sweep(table, 0, BUCKETS, 2000)).toBe(0);
    expect(table.buckets.some((_, i) => i % BUCKET_INTS === B.HI && table.buckets[i] !== 0)).toBe(false);
  });

  test('find every touched bucket of a counted limit once, a bounded number at a time', () => {
    const counted = rateRule(1, 10, 5, true);
    const silent = rateRule(2, 10, 5, false);
    const table = tableOf(counted, silent);
    const hash = new KeyHash();
    for (let i = 0; i < 500; i++) table.take(counted, hash.of(`k${i % 100}`).hi, hash.lo, 1000);
    for (let i = 0; i < 500; i++) table.take(silent, hash.of(`s${i}`).hi, hash.lo, 1000);
    const seen: number[] = [];
    let asked = 0;
    let word = 0;
    for (let look = 0; look < 100; look++) {
      word = eachTouched(table, word, 10, (at) => {
        seen.push(at);
        asked += table.buckets[at + B.ASKED]!;
      });
    }
    expect(new Set(seen).size).toBe(100);
    expect(seen.length).toBe(100);
    expect(asked).toBe(500);
  });
});

test('a flood of keys that are touched again and again keeps no other from its turn', () => {
  const rule = rateRule(1, 10, 5, true);
  const table = tableOf(rule);
  const hash = new KeyHash();
  const seen = new Set<number>();
  let word = 0;
  for (let look = 0; look < 12; look++) {
    for (let i = 0; i < 1000; i++) table.take(rule, hash.of(`k${i}`).hi, hash.lo, 1000);
    word = eachTouched(table, word, 100, (at) => seen.add(at));
  }
  expect(seen.size).toBe(1000);
});

test('two workers that see a key for the first time at once take from one bucket', async () => {
  const keys = 3000;
  const buffer = newRateTable();
  new RateTable(buffer).setRule(rateRule(1, 1 / 3600, 1, false));
  const meeting = new SharedArrayBuffer(4 + keys * 4);
  const workerData = { buffer, meeting, keys, untilMs: Date.now() + 2000 };
  const racer = new URL('../../support/rate-racer.ts', import.meta.url);
  const ends = [1, 2].map(() => new Promise((resolve) => new Worker(racer, { workerData }).once('exit', resolve)));
  await Promise.all(ends);
  const passed = [...new Int32Array(meeting, 4)];
  const asked = passed.filter((count) => count > 0).length;
  expect(asked).toBeGreaterThan(10);
  // One that is stopped by the kernel in the middle is not waited for.
  expect(passed.filter((count) => count > 1).length).toBeLessThan(Math.max(asked / 20, 3));
});

test('keys of a million texts have different names, spread evenly over the table', () => {
  const names = new Set<bigint>();
  const fill = new Int32Array(64);
  const hash = new KeyHash();
  for (let i = 0; i < 1_000_000; i++) {
    hash.of(`tenant-${i}`);
    names.add((BigInt(hash.hi) << 32n) | BigInt(hash.lo >>> 0));
    fill[(hash.hi >>> 3) & 63]!++;
  }
  expect(names.size).toBe(1_000_000);
  for (const count of fill) expect(Math.abs(count - 15_625)).toBeLessThan(800);
});
