import { describe, expect, it } from 'vitest';
import { ROLE, Selector, seeded, shares } from '../../src/core/selector.ts';
import { NONE, POLICIES, type PolicyName, type PoolSpec, type Snapshot } from '../../src/core/snapshot.ts';
import {
  CANDIDATE_DOUBLES,
  CANDIDATE_INTS,
  CD,
  CI,
  FLAG,
  MODE,
  ROW,
  shapeOf,
  TableWriter,
} from '../../src/core/table.ts';
import { contextOf, endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';

interface Given {
  readonly ms: number;
  readonly weight?: number;
  readonly ramp?: number;
  readonly knee?: number;
  readonly flags?: number;
}

/** A pool whose row holds these candidates in this order: network term only, so that the score is plain. */
function rowOf(
  given: readonly Given[],
  head: { band: number; overflow: number; eligible?: number; explorable?: number; mode?: number },
  pool: Partial<PoolSpec> = {},
): { snapshot: Snapshot; selector: Selector } {
  const snapshot = snapshotOf(
    given.map((g, i) => endpointSpec(i, { id: `e${i}`, weight: g.weight ?? 1 })),
    [
      poolSpec(
        'p',
        given.map((_, i) => i),
        0,
        pool,
      ),
    ],
  );
  const writer = new TableWriter(snapshot.table, shapeOf(snapshot));
  const { ints, doubles, shape } = writer;
  ints[ROW.BAND] = head.band;
  ints[ROW.OVERFLOW] = head.overflow;
  ints[ROW.ELIGIBLE] = head.eligible ?? head.band + head.overflow;
  ints[ROW.EXPLORABLE] = head.explorable ?? 0;
  ints[ROW.MODE] = head.mode ?? MODE.NORMAL;
  let weights = 0;
  given.forEach((g, i) => {
    const int = shape.rows[0]!.ints + i * CANDIDATE_INTS;
    const at = i * CANDIDATE_DOUBLES;
    weights += g.weight ?? 1;
    ints[int + CI.SLOT] = i;
    ints[int + CI.INDEX] = i;
    ints[int + CI.FLAGS] = g.flags ?? 0;
    ints[int + CI.PLACE] = i;
    doubles[at + CD.NETWORK] = g.ms;
    doubles[at + CD.SERVER] = 1;
    doubles[at + CD.BASE] = 1;
    doubles[at + CD.GAMMA] = 1;
    doubles[at + CD.ERROR_FACTOR] = 1;
    doubles[at + CD.RAMP] = g.ramp ?? 1;
    doubles[at + CD.WEIGHT] = g.weight ?? 1;
    doubles[at + CD.WEIGHT_SUM] = weights;
    doubles[at + CD.KNEE] = g.knee ?? 1e9;
    doubles[at + CD.PEAK] = g.ms;
  });
  writer.publish();
  return { snapshot, selector: new Selector(snapshot) };
}

function picks(selector: Selector, n: number, change: Partial<ReturnType<typeof contextOf>> = {}): number[] {
  const ctx = Object.assign(contextOf(seeded(7)), change);
  return Array.from({ length: n }, () => selector.pick(0, ctx));
}

const partOf = (slots: readonly number[], slot: number) => slots.filter((s) => s === slot).length / slots.length;
const same = (n: number, ms = 10): Given[] => Array.from({ length: n }, () => ({ ms }));

describe('fastest', () => {
  it('stays with a lone band while it is unloaded, and goes to the overflow when its queue costs more', () => {
    const { selector } = rowOf([{ ms: 5 }, { ms: 40 }], { band: 1, overflow: 1 });
    expect(partOf(picks(selector, 100), 0)).toBe(1);
    const inflight = new Int32Array(16);
    inflight[0] = 30; // T = 5 + 31 + 30
    expect(partOf(picks(selector, 100, { inflight }), 1)).toBe(1);
    expect(selector.role).toBe(ROLE.OVERFLOW);
  });

  it('a silent endpoint loses the pick within a few requests, before any time-out', () => {
    const { selector } = rowOf([{ ms: 5 }, { ms: 12 }], { band: 2, overflow: 0 });
    const ctx = contextOf(seeded(1));
    let first = 0;
    while (selector.pick(0, ctx) === 0 && first < 100) ctx.inflight[0] = ++first;
    expect(first).toBeLessThan(10);
  });

  it('shares evenly among equals, and evenly by live in-flight', () => {
    const { selector } = rowOf(same(4), { band: 4, overflow: 0 });
    const slots = picks(selector, 8000);
    for (const slot of [0, 1, 2, 3]) expect(partOf(slots, slot)).toBeCloseTo(0.25, 1);
    const ctx = contextOf(seeded(3));
    for (let i = 0; i < 400; i++) ctx.inflight[selector.pick(0, ctx)]!++;
    expect(Math.max(...ctx.inflight.subarray(0, 4)) - Math.min(...ctx.inflight.subarray(0, 4))).toBeLessThan(8);
  });

  it('does not compare two far ones when a near one is in the band', () => {
    const { selector } = rowOf([{ ms: 5 }, ...same(9, 200)], { band: 1, overflow: 3, eligible: 10 });
    expect(partOf(picks(selector, 500), 0)).toBe(1);
  });

  it('masks what was tried, falls through the ranks, and ends with NONE', () => {
    const { selector } = rowOf([{ ms: 5 }, { ms: 6 }, { ms: 40 }, { ms: 90 }], { band: 2, overflow: 1, eligible: 4 });
    const ctx = contextOf(seeded(2));
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      ctx.triedCount = i;
      const slot = selector.pick(0, ctx);
      ctx.tried[i] = slot;
      seen.push(slot);
    }
    expect(seen.slice(0, 2).sort()).toEqual([0, 1]);
    expect(seen.slice(2)).toEqual([2, 3]);
    ctx.triedCount = 4;
    expect(selector.pick(0, ctx)).toBe(NONE);
    expect(selector.candidate).toBe(NONE);
  });

  it('gives a warming endpoint its ramp share, and the next best the rest', () => {
    const { selector } = rowOf([{ ms: 5, ramp: 0.25 }, { ms: 40 }, { ms: 120 }, { ms: 130 }], { band: 1, overflow: 3 });
    const slots = picks(selector, 8000);
    expect(partOf(slots, 0)).toBeCloseTo(0.25, 1);
    expect(partOf(slots, 1)).toBeCloseTo(0.75, 1);
  });

  it('has at most two in flight at an endpoint that has not answered, unless there is no other', () => {
    const cold = { ms: 5, flags: FLAG.COLD };
    const inflight = new Int32Array(16);
    inflight[0] = 2;
    expect(partOf(picks(rowOf([cold, { ms: 40 }], { band: 1, overflow: 1 }).selector, 50, { inflight }), 1)).toBe(1);
    expect(partOf(picks(rowOf([cold], { band: 1, overflow: 0 }).selector, 50, { inflight }), 0)).toBe(1);
  });

  it('explores near ones outside the band at the configured rate, for requests that allow it, never on a retry', () => {
    const head = { band: 1, overflow: 1, eligible: 3, explorable: 1 };
    const { selector } = rowOf([{ ms: 50 }, { ms: 70 }, { ms: 200 }], head, { exploreRatio: 0.05 });
    expect(partOf(picks(selector, 20_000, { mayExplore: true }), 1)).toBeCloseTo(0.05, 2);
    expect(partOf(picks(selector, 2000), 1)).toBe(0);
    const tried = new Int32Array([2]);
    expect(partOf(picks(selector, 2000, { mayExplore: true, tried, triedCount: 1 }), 1)).toBe(0);
  });
});

describe('the other policies', () => {
  const of = (policy: PolicyName, given: Given[], band = given.length) =>
    rowOf(given, { band, overflow: 0, eligible: given.length }, { policy, exploreRatio: 0 }).selector;

  it('round-robin takes them in turn and skips what was tried', () => {
    const slots = picks(of('round-robin', same(3)), 9);
    expect([...slots.slice(0, 3)].sort()).toEqual([0, 1, 2]);
    expect(slots.slice(3, 6)).toEqual(slots.slice(0, 3));
    const tried = new Int32Array([1]);
    expect(partOf(picks(of('round-robin', same(3)), 30, { tried, triedCount: 1 }), 1)).toBe(0);
  });

  it('weighted follows the weights', () => {
    const slots = picks(
      of('weighted', [
        { ms: 1, weight: 1 },
        { ms: 1, weight: 3 },
        { ms: 1, weight: 6 },
      ]),
      20_000,
    );
    expect(partOf(slots, 0)).toBeCloseTo(0.1, 1);
    expect(partOf(slots, 1)).toBeCloseTo(0.3, 1);
    expect(partOf(slots, 2)).toBeCloseTo(0.6, 1);
  });

  it('least-request takes the one with the least in flight for its weight', () => {
    const inflight = new Int32Array([5, 3, 9]);
    expect(partOf(picks(of('least-request', same(3)), 50, { inflight }), 1)).toBe(1);
    const heavy = [{ ms: 1 }, { ms: 1 }, { ms: 1, weight: 10 }];
    expect(partOf(picks(of('least-request', heavy), 50, { inflight }), 2)).toBe(1);
  });

  it('random-two never takes the most loaded of several', () => {
    const slots = picks(of('random-two', same(4)), 4000, { inflight: new Int32Array([0, 1, 2, 3]) });
    expect(partOf(slots, 3)).toBe(0);
    expect(partOf(slots, 0)).toBeCloseTo(0.5, 1);
  });

  it('nearest takes the first rank, and the next only when that was tried', () => {
    const selector = of('nearest', same(3), 1);
    expect(partOf(picks(selector, 50, { inflight: new Int32Array([99, 0, 0]) }), 0)).toBe(1);
    expect(partOf(picks(selector, 50, { tried: new Int32Array([0]), triedCount: 1 }), 1)).toBe(1);
  });

  it('every policy answers NONE when all were tried, or when there is nothing', () => {
    for (const policy of POLICIES) {
      expect(picks(of(policy, same(2)), 3, { tried: new Int32Array([1, 0]), triedCount: 2 })).toEqual([
        NONE,
        NONE,
        NONE,
      ]);
      const { selector } = rowOf(same(2), { band: 0, overflow: 0 }, { policy });
      expect(picks(selector, 2)).toEqual([NONE, NONE]);
    }
  });
});

describe('when none is healthy', () => {
  const down = { band: 0, overflow: 0, mode: MODE.DOWN };

  it('makes one trial a second and endpoint over all workers, best first', () => {
    const { snapshot, selector } = rowOf([...same(2), { ms: 1, flags: FLAG.OFF }], down);
    const other = new Selector(snapshot);
    const ctx = contextOf(seeded(1));
    ctx.nowMs = 5000;
    expect(selector.pick(0, ctx)).toBe(0);
    expect(selector.role).toBe(ROLE.TRIAL);
    expect(other.pick(0, ctx)).toBe(1);
    expect(other.pick(0, ctx)).toBe(NONE);
    ctx.nowMs = 5998;
    expect(selector.pick(0, ctx)).toBe(NONE);
    ctx.nowMs = 6002;
    expect([selector.pick(0, ctx), other.pick(0, ctx), selector.pick(0, ctx)]).toEqual([0, 1, NONE]);
  });

  it('sends nothing at all with whenAllDown: fail, neither trials nor to those that merely answer', () => {
    expect(picks(rowOf(same(2), down, { whenAllDown: 'fail' }).selector, 3)).toEqual([NONE, NONE, NONE]);
    const panic = { band: 2, overflow: 0, explorable: 0, mode: MODE.PANIC };
    for (const policy of ['fastest', 'round-robin'] as const) {
      const { selector } = rowOf(same(2), panic, { policy, whenAllDown: 'fail' });
      expect(picks(selector, 3)).toEqual([NONE, NONE, NONE]);
    }
  });

  it('says that it panics when it uses those that merely answer', () => {
    const { selector } = rowOf(same(2), { band: 2, overflow: 0, mode: MODE.PANIC });
    expect(picks(selector, 1)[0]).not.toBe(NONE);
    expect(selector.role).toBe(ROLE.PANIC);
  });
});

describe('shares', () => {
  it('predicts what the picks do, and spends no trial', () => {
    const { selector } = rowOf([{ ms: 10, ramp: 0.5 }, { ms: 10.2 }, { ms: 14 }], { band: 3, overflow: 0 });
    const predicted = shares(selector, 0, 3, contextOf(seeded(1)));
    const slots = picks(selector, 5000);
    for (const i of [0, 1, 2]) expect(Math.abs(predicted[i]! - partOf(slots, i))).toBeLessThan(0.03);
    expect(predicted.reduce((a, b) => a + b)).toBeCloseTo(1);
  });
});

describe('a pick beside an attempt that goes on', () => {
  /** Slot 0 is late with one request in flight; what comes of asking elsewhere. */
  function beside(
    given: readonly Given[],
    inflight: number[],
    head: Partial<Parameters<typeof rowOf>[1]> = {},
  ): number {
    const { selector } = rowOf(given, { band: given.length, overflow: 0, ...head });
    const ctx = contextOf(seeded(7));
    ctx.tried[0] = 0;
    ctx.triedCount = 1;
    for (const [slot, count] of inflight.entries()) ctx.inflight[slot] = count;
    return selector.pickBeside(0, ctx, 0);
  }

  it('is another endpoint that has no more in flight', () => {
    expect(beside(same(2), [1, 0])).toBe(1);
    expect(beside(same(2), [1, 1])).toBe(1);
    expect(beside(same(2), [1, 2])).toBe(NONE);
    expect(beside(same(1), [1])).toBe(NONE);
  });

  it('is none with a queue, and none that has not answered yet', () => {
    expect(beside([{ ms: 10 }, { ms: 10, knee: 4 }], [9, 4])).toBe(1);
    expect(beside([{ ms: 10 }, { ms: 10, knee: 4 }], [9, 5])).toBe(NONE);
    expect(beside([{ ms: 10 }, { ms: 10, flags: FLAG.COLD }], [1, 0])).toBe(NONE);
  });

  it('is none while nobody is healthy, and no trial is spent on it', () => {
    expect(beside(same(2), [1, 0], { mode: MODE.PANIC })).toBe(NONE);
    const { selector } = rowOf(same(2), { band: 0, overflow: 0, eligible: 0, mode: MODE.DOWN });
    const ctx = contextOf(seeded(7));
    ctx.nowMs = 5000;
    expect(selector.pickBeside(0, ctx, 0)).toBe(NONE);
    expect(selector.pick(0, ctx)).not.toBe(NONE);
  });
});
