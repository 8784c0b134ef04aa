import { describe, expect, it } from 'vitest';
import { Strikes } from '../../src/core/strikes.ts';

const A = '192.0.2.1';

/** Floods until it has to wait; gives how long. */
function waitOf(strikes: Strikes, nowMs: number): number {
  strikes.strike(A, nowMs);
  return strikes.waitMs(A, nowMs);
}

describe('who keeps flooding', () => {
  it('waits from the third time on, a second, then twice as long each time, ten at most', () => {
    const strikes = new Strikes();
    const waits: number[] = [];
    for (let i = 0, nowMs = 0; i < 8; i++) {
      const waitMs = waitOf(strikes, nowMs);
      waits.push(waitMs);
      nowMs += waitMs + 100;
    }
    expect(waits).toEqual([0, 0, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it('waits no longer for what it had begun before it had to wait', () => {
    const strikes = new Strikes();
    for (let i = 0; i < 50; i++) strikes.strike(A, 10);
    expect(strikes.waitMs(A, 10)).toBe(1000);
    expect(strikes.waitMs(A, 1009)).toBe(1);
    expect(strikes.waitMs(A, 1010)).toBe(0);
  });

  it('is forgotten after half a minute of peace', () => {
    const strikes = new Strikes();
    for (let i = 0; i < 3; i++) strikes.strike(A, 0);
    expect(waitOf(strikes, 31_001)).toBe(0);
  });

  it('is one client for a whole /64, and nobody else', () => {
    const strikes = new Strikes();
    for (let i = 0; i < 3; i++) strikes.strike(`2001:db8:0:1::${i}`, 0);
    expect(strikes.waitMs('2001:db8:0:1:ffff::9', 0)).toBe(1000);
    expect(strikes.waitMs('2001:db8:0:2::1', 0)).toBe(0);
    expect(strikes.waitMs(A, 0)).toBe(0);
  });

  it('makes us remember a thousand addresses and no more, those that struck last', () => {
    const strikes = new Strikes();
    for (let n = 0; n < 5000; n++) for (let i = 0; i < 3; i++) strikes.strike(`10.0.${n >> 8}.${n & 255}`, 0);
    expect(strikes.size).toBe(1024);
    expect(strikes.waitMs('10.0.0.1', 0)).toBe(0);
    expect(strikes.waitMs(`10.0.${4999 >> 8}.${4999 & 255}`, 0)).toBe(1000);
  });
});
