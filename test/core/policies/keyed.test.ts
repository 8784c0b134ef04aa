// Requests that belong to an endpoint: the policy `hash`, and stickiness inside the band of `fastest`.

import { describe, expect, it } from 'vitest';
import { hashText } from '../../../src/core/policies/mix.ts';
import { Selector } from '../../../src/core/selector.ts';
import type { PoolSpec } from '../../../src/core/snapshot.ts';
import { CANDIDATE_DOUBLES, CANDIDATE_INTS, CD, CI, ROW, shapeOf, TableWriter } from '../../../src/core/table.ts';
import { contextOf, endpointSpec, poolSpec, snapshotOf } from '../../support/specs.ts';

const KEYS = Array.from({ length: 4000 }, (_, i) => hashText(`session-${i}`));

/** A row in which the members `order` may be picked, in that order; the first `band` are the band. */
function selectorOf(
  ids: readonly string[],
  order: readonly number[],
  pool: Partial<PoolSpec>,
  band = order.length,
  weight = 1,
) {
  const indexes = ids.map((_, i) => i);
  const snapshot = snapshotOf(
    ids.map((id, i) => endpointSpec(i, { id, weight })),
    [poolSpec('p', indexes, 0, { exploreRatio: 0, ...pool })],
  );
  const writer = new TableWriter(snapshot.table, shapeOf(snapshot));
  const { ints, doubles, shape } = writer;
  const row = shape.rows[0]!;
  ints[row.at + ROW.BAND] = band;
  ints[row.at + ROW.OVERFLOW] = Math.min(3, order.length - band);
  ints[row.at + ROW.ELIGIBLE] = order.length;
  [...order, ...indexes.filter((i) => !order.includes(i))].forEach((member, at) => {
    const int = row.ints + at * CANDIDATE_INTS;
    ints[int + CI.SLOT] = member;
    ints[int + CI.INDEX] = member;
    ints[row.ints + member * CANDIDATE_INTS + CI.PLACE] = at;
    const double = row.doubles + at * CANDIDATE_DOUBLES;
    doubles[double + CD.NETWORK] = 10;
    doubles[double + CD.ERROR_FACTOR] = 1;
    doubles[double + CD.RAMP] = 1;
    doubles[double + CD.WEIGHT] = weight;
    doubles[double + CD.KNEE] = 10;
  });
  writer.publish();
  const selector = new Selector(snapshot);
  const ctx = contextOf(() => 0.5);
  const pick = (hash: number, tried: readonly number[] = []) => {
    ctx.hash = hash;
    ctx.tried.set(tried);
    ctx.triedCount = tried.length;
    return selector.pick(0, ctx);
  };
  return { pick, inflight: ctx.inflight };
}

const idsOf = (n: number) => Array.from({ length: n }, (_, i) => `endpoint-${i}`);
const all = (n: number) => Array.from({ length: n }, (_, i) => i);
const HASH = { policy: 'hash', hashOn: { kind: 'client' } } as const;
const STICKY = { policy: 'fastest', hashOn: { kind: 'cookie', name: 'sid' } } as const;

describe('the policy hash', () => {
  it('sends a key always to the same endpoint, and keys evenly to all', () => {
    const { pick } = selectorOf(idsOf(10), all(10), HASH);
    const counts = new Array<number>(10).fill(0);
    for (const key of KEYS) {
      const slot = pick(key);
      expect(pick(key)).toBe(slot);
      counts[slot]!++;
    }
    expect(Math.min(...counts)).toBeGreaterThan(KEYS.length / 10 / 1.35);
    expect(Math.max(...counts)).toBeLessThan((KEYS.length / 10) * 1.35);
  });

  it('agrees among nodes that list the endpoints in another order', () => {
    const ids = idsOf(8);
    const here = selectorOf(ids, all(8), HASH);
    const there = selectorOf([...ids].reverse(), all(8), HASH);
    for (const key of KEYS.slice(0, 500)) expect(7 - there.pick(key)).toBe(here.pick(key));
  });

  it('moves only the keys of the endpoint that leaves: one of twenty', () => {
    const before = selectorOf(idsOf(20), all(20), HASH);
    const after = selectorOf(
      idsOf(20),
      all(20).filter((i) => i !== 7),
      HASH,
    );
    const moved = KEYS.filter((key) => before.pick(key) !== after.pick(key));
    expect(moved.every((key) => before.pick(key) === 7)).toBe(true);
    expect(moved.length / KEYS.length).toBeLessThan(0.07);
  });

  it.each([
    1, 100,
  ])('bounds the load of a hot key (weight %d): beyond 1.25 times the mean it overflows in its own order', (weight) => {
    const { pick, inflight } = selectorOf(idsOf(4), all(4), HASH, 4, weight);
    const home = pick(KEYS[0]!);
    const used = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const slot = pick(KEYS[0]!);
      used.add(slot);
      inflight[slot]!++;
    }
    expect(used.size).toBe(4);
    expect(inflight[home]).toBeLessThan(200 / 4 / 0.75);
    expect(inflight[home]).toBe(Math.max(...inflight.subarray(0, 4)));
  });

  it('retries at the next in the key’s own order, which is where the key lives when its endpoint is gone', () => {
    const whole = selectorOf(idsOf(6), all(6), HASH);
    for (const key of KEYS.slice(0, 200)) {
      const home = whole.pick(key);
      const without = selectorOf(
        idsOf(6),
        all(6).filter((i) => i !== home),
        HASH,
      );
      expect(whole.pick(key, [home])).toBe(without.pick(key));
    }
  });

  it('spreads requests without a key by load', () => {
    const { pick } = selectorOf(idsOf(4), all(4), HASH);
    expect(new Set(Array.from({ length: 100 }, () => pick(0))).size).toBe(4);
  });
});

describe('stickiness within the band', () => {
  it('keeps a key at one endpoint of the band, whatever their order is at the moment, and never leaves the band', () => {
    const one = selectorOf(idsOf(6), [0, 1, 2, 3, 4, 5], STICKY, 3);
    const other = selectorOf(idsOf(6), [2, 0, 1, 5, 4, 3], STICKY, 3);
    const seen = new Set<number>();
    for (const key of KEYS.slice(0, 500)) {
      const slot = one.pick(key);
      expect(other.pick(key)).toBe(slot);
      seen.add(slot);
    }
    expect([...seen].sort()).toEqual([0, 1, 2]);
  });

  it('moves a key only when its endpoint leaves the band', () => {
    const three = selectorOf(idsOf(4), [0, 1, 2, 3], STICKY, 3);
    const two = selectorOf(idsOf(4), [0, 1, 2, 3], STICKY, 2);
    for (const key of KEYS.slice(0, 500)) if (three.pick(key) !== 2) expect(two.pick(key)).toBe(three.pick(key));
  });

  it('stands back while the endpoint has a queue, and after it was tried', () => {
    const { pick, inflight } = selectorOf(idsOf(3), all(3), STICKY, 3);
    const home = pick(KEYS[0]!);
    inflight[home] = 11;
    expect(pick(KEYS[0]!)).not.toBe(home);
    inflight[home] = 0;
    expect(pick(KEYS[0]!, [home])).not.toBe(home);
    expect(pick(KEYS[0]!)).toBe(home);
  });
});
