// The short form of the fault suite: the rows that are quick, with what holds on a busy machine, too. `npm run faults` runs all
// of them at length and judges latencies as well.

import { describe, expect, it } from 'vitest';
import { type Figure, holds, TABLES, textOf } from './case.ts';
import { ABSENT, CASES } from './cases.ts';

const TIMEOUT_MS = 60_000;

describe.each(Object.entries(TABLES))('%s: %s', (table) => {
  const mine = CASES.filter((one) => one.table === table && one.isShort);

  it.each(mine)('$fault: $expected', { timeout: TIMEOUT_MS }, async ({ run }) => {
    const figures: readonly Figure[] = await run({ isQuick: true, say: () => {} });
    expect(figures.length).toBeGreaterThan(0);
    expect(figures.filter((figure) => figure.isFirm && !holds(figure)).map(textOf)).toEqual([]);
  });
});

describe('the tables of faults', () => {
  it('name each row once, with what is expected', () => {
    const names = [...CASES, ...ABSENT].map(({ table, fault }) => `${table}: ${fault}`);
    expect(new Set(names).size).toBe(names.length);
    expect([...CASES, ...ABSENT].every(({ expected }) => expected.length > 0)).toBe(true);
  });
});
