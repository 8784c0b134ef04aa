// The short form of the fault suite: the rows that are quick, with what holds on a busy machine, too. `npm run faults` runs all
// of them at length and judges latencies as well. A few at a time, since most of what they do is wait.

import { describe, expect, it } from 'vitest';
import { type FaultCase, type Figure, holds, TABLES, textOf } from './case.ts';
import { ABSENT, CASES } from './cases.ts';

const TIMEOUT_MS = 120_000;
const AT_ONCE = 2;

const waiting: (() => void)[] = [];
let running = 0;

/** Runs the case when fewer than AT_ONCE are under way. */
async function inTurn(run: FaultCase['run']): Promise<readonly Figure[]> {
  if (running === AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await run({ isQuick: true, say: () => {} });
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

describe.each(Object.entries(TABLES))('%s: %s', (table) => {
  const mine = CASES.filter((one) => one.table === table && one.isShort);

  it.concurrent.each(mine)('$fault: $expected', { timeout: TIMEOUT_MS }, async ({ run }) => {
    const figures = await inTurn(run);
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
