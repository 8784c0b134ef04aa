// What bytes cost, and how big answers are: figures that can be checked on paper, and averages that fade.

import { expect, test } from 'vitest';
import { costMs, meanBytes, newSizes, sizesAfter } from '../../../src/core/score/cost.ts';

test('a price of 0.09 USD per GB on answers of 100 kB is 9 USD per million, and so 9 ms at a rho of one', () => {
  expect(costMs(1, 0.09, 100_000)).toBeCloseTo(9, 10);
  expect(costMs(2, 0.09, 100_000)).toBeCloseTo(18, 10);
});

test('costs nothing where money does not count, bytes are free or nothing is sent', () => {
  expect(costMs(0, 0.09, 1e6)).toBe(0);
  expect(costMs(5, 0, 1e6)).toBe(0);
  expect(costMs(5, 0.09, 0)).toBe(0);
});

test('the mean size is that of all answers of late, whoever gave them', () => {
  const [a, b] = [newSizes(), newSizes()];
  for (let i = 0; i < 3; i++) sizesAfter(a, 1000, 5);
  sizesAfter(b, 5000, 5);
  expect(meanBytes([a, b, newSizes()])).toBe(2000);
});

test('is 0 when nobody has answered, and stays what it was in a silence, however long', () => {
  expect(meanBytes([])).toBe(0);
  expect(meanBytes([newSizes()])).toBe(0);
  const sizes = newSizes();
  sizesAfter(sizes, 700, 1e12);
  expect(meanBytes([sizes, newSizes()])).toBe(700);
});

test('forgets what was asked for an hour ago, at every endpoint', () => {
  const [old, young] = [newSizes(), newSizes()];
  for (let i = 0; i < 1000; i++) sizesAfter(old, 1e6, 0);
  sizesAfter(young, 100, 3.6e6);
  expect(meanBytes([old, young])).toBeCloseTo(100, 3);
});

test('takes samples of several lanes as they come, also when an older one comes late', () => {
  const sizes = newSizes();
  sizesAfter(sizes, 100, 2000);
  sizesAfter(sizes, 300, 1000);
  expect(sizes.atMs).toBe(2000);
  expect(meanBytes([sizes])).toBe(200);
});
