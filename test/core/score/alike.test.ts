// Endpoints that measurement cannot tell apart get the mean of each other's figures, and nobody gets a time that is not its own.

import { expect, test } from 'vitest';
import { level } from '../../../src/core/score/alike.ts';
import { timeMs } from '../../../src/core/score/time.ts';
import { CANDIDATE_DOUBLES, CD } from '../../../src/core/table.ts';

/** One [network, server] each, unloaded. */
function levelled(...endpoints: readonly (readonly [networkMs: number, serverMs: number])[]) {
  const terms = new Float64Array(endpoints.length * CANDIDATE_DOUBLES);
  endpoints.forEach(([networkMs, serverMs], i) => {
    const at = i * CANDIDATE_DOUBLES;
    terms[at + CD.NETWORK] = networkMs;
    terms[at + CD.SERVER] = serverMs;
    terms[at + CD.BASE] = serverMs;
    terms[at + CD.WEIGHT] = 1;
  });
  const members = endpoints.map((_, i) => i);
  level(terms, members, new Float64Array(endpoints.length).fill(0.1));
  return members.map((i) => {
    const at = i * CANDIDATE_DOUBLES;
    return timeMs(terms[at + CD.NETWORK]!, terms[at + CD.SERVER]!, terms[at + CD.BASE]!);
  });
}

test('endpoints of one kind come out alike', () => {
  const [a, b] = levelled([10, 5], [10.2, 5.1]);
  expect(a).toBeCloseTo(b!, 9);
});

test('one that is near and slow and one that is far and quick keep their whole times, which are the same', () => {
  const [near, far, best] = levelled([0.4, 79.1], [71.2, 8.1], [29, 4]);
  expect(near).toBeCloseTo(79.4, 0);
  expect(far).toBeCloseTo(79.4, 0);
  expect(best).toBeCloseTo(33, 9);
});

test('endpoints that differ are left as they are', () => {
  const [a, b] = levelled([10, 5], [30, 20]);
  expect([a, b]).toEqual([15, 50]);
});
