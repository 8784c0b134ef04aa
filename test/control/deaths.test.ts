import { describe, expect, it } from 'vitest';
import { backoffMs, DeathAlarm, Deaths } from '../../src/control/deaths.ts';

describe('deaths', () => {
  it('are counted for a minute each', () => {
    const deaths = new Deaths();
    expect([0, 1000, 59_999].map((atMs) => deaths.note(atMs))).toEqual([1, 2, 3]);
    expect(deaths.note(60_500)).toBe(3);
    expect(deaths.note(500_000)).toBe(1);
  });

  it('make successors wait: not at first, then 1 s, doubled up to 30 s', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 50].map(backoffMs)).toEqual([0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  it('are an alarm from the sixth within a minute on, told once a minute', () => {
    const alarm = new DeathAlarm();
    expect([1, 2, 3, 4, 5].map((s) => alarm.note(s * 1000))).toEqual([0, 0, 0, 0, 0]);
    expect(alarm.note(6000)).toBe(6);
    expect(alarm.note(7000)).toBe(0);
    for (let s = 60; s < 66; s++) expect(alarm.note(s * 1000)).toBe(0);
    expect(alarm.note(66_000)).toBe(8);
  });

  it('that come slowly are none', () => {
    const alarm = new DeathAlarm();
    for (let n = 0; n < 100; n++) expect(alarm.note(n * 13_000)).toBe(0);
  });
});
