// Connections counted over the workers of a node.

import { describe, expect, it } from 'vitest';
import { Census, clearCensus, newCensus } from '../../src/core/census.ts';
import { canonicalIp } from '../../src/core/ip.ts';

const keyOf = (ip: string): number => Census.keyOf(canonicalIp(ip)!);

describe('limits', () => {
  it('of the node hold over all workers', () => {
    const buffer = newCensus(3);
    const rows = [0, 1, 2].map((lane) => new Census(buffer, lane));
    for (let i = 0; i < 9; i++) expect(rows[i % 3]!.enter(100 + i, 9, 0)).toBe(true);
    for (const row of rows) expect(row.enter(500, 9, 0)).toBe(false);
    rows[1]!.leave(101);
    expect(rows[2]!.enter(500, 9, 0)).toBe(true);
    expect(rows[0]!.enter(500, 9, 0)).toBe(false);
  });

  it('of a client hold over all workers and leave other clients alone', () => {
    const buffer = newCensus(2);
    const [a, b] = [new Census(buffer, 0), new Census(buffer, 1)];
    const [one, two] = [keyOf('192.0.2.1'), keyOf('192.0.2.2')];
    expect([a.enter(one, 0, 2), b.enter(one, 0, 2), a.enter(one, 0, 2), b.enter(one, 0, 2)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(a.enter(two, 0, 2)).toBe(true);
    b.leave(one);
    expect(a.enter(one, 0, 2)).toBe(true);
  });

  it('of zero are none', () => {
    const census = new Census(newCensus(1), 0);
    for (let i = 0; i < 10_000; i++) census.enter(1, 0, 0);
    expect(census.enter(1, 0, 0)).toBe(true);
    expect(census.enter(1, 10_001, 0)).toBe(false);
  });

  it('do not count who was refused', () => {
    const census = new Census(newCensus(1), 0);
    census.enter(1, 0, 1);
    for (let i = 0; i < 10; i++) census.enter(1, 0, 1);
    census.leave(1);
    expect(census.enter(1, 1, 1)).toBe(true);
  });
});

describe('a dead worker', () => {
  it('is forgotten with all it held, and nobody else is', () => {
    const buffer = newCensus(2);
    const [a, b] = [new Census(buffer, 0), new Census(buffer, 1)];
    for (let i = 0; i < 5; i++) a.enter(7, 0, 0);
    b.enter(7, 0, 0);
    clearCensus(buffer, 0);
    expect(b.enter(7, 2, 2)).toBe(true);
    expect(b.enter(7, 2, 2)).toBe(false);
  });
});

describe('the key of a client', () => {
  it('is never the place of the sum, and within the table', () => {
    for (let i = 0; i < 20_000; i++) {
      const key = keyOf(`10.${i & 3}.${(i >> 2) & 255}.${(i >> 10) & 255}`);
      expect(key >= 1 && key <= 16_384).toBe(true);
    }
    expect(Census.keyOf('')).toBeGreaterThan(0);
  });

  it('spreads neighbours: a hundred of them share little', () => {
    const keys = new Set(Array.from({ length: 100 }, (_, i) => keyOf(`192.0.2.${i}`)));
    expect(keys.size).toBeGreaterThan(96);
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::9'],
    ['2001:db8:1:2::1', '2001:db8:1:2::2'],
    ['2001:db8:1::1', '2001:db8:1::ffff'],
    ['2001:db8::1', '2001:db8::2'],
    ['2001:db8::1', '2001:db8::5:6:7:8'],
    ['2001:db8:1::1', '2001:db8:1:0:5:6:7:8'],
  ])('is one for the /64 of %s and %s, however they are spelt', (a, b) => {
    expect(keyOf(a)).toBe(keyOf(b));
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['2001:db8:1::1', '2001:db8:2::1'],
    ['2001:db8:0:1::1', '2001:db8:1::1'],
  ])('is another for %s than for %s', (a, b) => {
    expect(keyOf(a)).not.toBe(keyOf(b));
  });
});
