// The simulator's own clockwork: events in order of time, and of entry within a moment.

import { describe, expect, it } from 'vitest';
import { Calendar } from '../../bench/route/sim/calendar.ts';
import { seeded } from '../../src/core/selector.ts';

describe('the calendar', () => {
  it('gives events in order of time, and of entry within a moment', () => {
    const calendar = new Calendar();
    const random = seeded(1);
    const put = Array.from({ length: 5000 }, (_, i) => ({ atMs: Math.floor(random() * 500), i }));
    for (const { atMs, i } of put) calendar.push(atMs, 0, i);
    const taken: number[] = [];
    while (calendar.pop()) taken.push(calendar.which);
    const expected = [...put].sort((a, b) => a.atMs - b.atMs || a.i - b.i).map(({ i }) => i);
    expect(taken).toEqual(expected);
    expect(calendar.nextMs).toBe(Number.POSITIVE_INFINITY);
  });
});
