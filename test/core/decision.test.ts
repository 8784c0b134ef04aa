// A decision made again from what was captured of it.

import { describe, expect, it } from 'vitest';
import { parseRecord, type Recorded } from '../../src/control/decisions/parse.ts';
import { comparedOf, DECISION, propensitiesOf, redecide } from '../../src/core/decision.ts';
import { POLICY } from '../../src/core/policies.ts';
import { ROLE, shares } from '../../src/core/selector.ts';
import type { PolicyName } from '../../src/core/snapshot.ts';
import { MODE } from '../../src/core/table.ts';
import { Decided, type DecidedOptions } from '../support/decided.ts';

async function recorded(decided: Decided): Promise<Recorded[]> {
  const records = await decided.decisions.recent({ limit: 1024 });
  return records.map((record) => parseRecord(JSON.stringify(record)));
}

async function run(options: DecidedOptions, count = 200): Promise<Recorded[]> {
  const decided = new Decided(options);
  decided.ctx.mayExplore = true;
  decided.run(count);
  return recorded(decided);
}

describe('a captured decision', () => {
  it.each(Object.keys(POLICY) as PolicyName[])('of %s is made again bit by bit, by way of JSON', async (policy) => {
    const records = await run({ endpoints: 7, pool: { policy }, row: { band: 3, overflow: 3 } });
    expect(records).toHaveLength(200);
    for (const { state, place, role } of records) expect(redecide(state)).toEqual({ place, role });
    expect(new Set(records.map((r) => r.place)).size).toBeGreaterThan(1);
    // Another chance, another turn: another choice, here and there. So it is the captured ones that give the same.
    const others = records.map(({ state }, i) => redecide({ ...state, chance: i * 7919, turn: i % 7 }).place);
    expect(others).not.toEqual(records.map(({ place }) => place));
  });

  it('of an exploration, of a retry, in a panic and of a trial too', async () => {
    const explored = await run({ pool: { exploreRatio: 0.5 }, row: { band: 1, overflow: 3, explorable: 2 } });
    expect(explored.filter(({ role }) => role === ROLE.EXPLORE).length).toBeGreaterThan(50);
    const panicked = await run({ row: { band: 2, overflow: 3, mode: MODE.PANIC } });
    expect(panicked.every(({ role }) => role === ROLE.PANIC)).toBe(true);
    const tried = await run({ row: { band: 0, overflow: 0, eligible: 0, mode: MODE.DOWN } }, 400);
    expect(tried.length).toBeGreaterThan(20);
    expect(tried.every(({ role }) => role === ROLE.TRIAL)).toBe(true);
    const retrying = new Decided();
    retrying.ctx.tried[0] = 0;
    retrying.ctx.tried[1] = 3;
    retrying.ctx.triedCount = 2;
    retrying.run(60);
    const retries = await recorded(retrying);
    expect(retries).toHaveLength(60);
    for (const { state, place, role } of [...explored, ...panicked, ...tried, ...retries]) {
      expect(redecide(state)).toEqual({ place, role });
    }
    for (const { state, place } of retries) expect([0, 3]).not.toContain(state.endpoints[place]!.slot);
  });

  it('tells whom the policy compared: two of the band and one of the overflow, or whoever was tried in turn', async () => {
    for (const { state, place } of await run({ endpoints: 9, row: { band: 4, overflow: 3 } })) {
      const compared = comparedOf(state);
      expect(compared).toContain(place);
      expect(compared.filter((i) => i < 4)).toHaveLength(2);
      expect(compared.filter((i) => i >= 4 && i < 7)).toHaveLength(1);
      expect(compared.filter((i) => i >= 7)).toHaveLength(0);
    }
    for (const { state, place } of await run({ pool: { policy: 'round-robin' } }, 20)) {
      expect(comparedOf(state)).toEqual([place]);
    }
  });

  it('has propensities that are what the selector does over many requests in that state', async () => {
    const decided = new Decided({
      endpoints: 6,
      pool: { exploreRatio: 0.1 },
      row: { band: 3, overflow: 3, explorable: 2 },
    });
    decided.ctx.mayExplore = true;
    decided.load();
    decided.request();
    decided.tick();
    const [{ state }] = (await recorded(decided)) as [Recorded];
    const propensities = propensitiesOf(state);
    expect(propensities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    const long = shares(decided.selector, 0, 6, decided.ctx, 20_000, 0.123);
    for (let i = 0; i < 6; i++) expect(Math.abs(propensities[i]! - long[i]!)).toBeLessThan(0.04);
    expect(propensities[3]! + propensities[4]!).toBeGreaterThanOrEqual(0.1);
  });

  it('names its fields once each', () => {
    expect(Object.values(DECISION)).toEqual(Object.keys(DECISION).map((_, i) => i));
  });
});
