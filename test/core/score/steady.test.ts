import { describe, expect, it } from 'vitest';
import { level as levelAlike } from '../../../src/core/score/alike.ts';
import { batchAdd, batchTake, newBatch, newSteady, type Steady, steadyAfter } from '../../../src/core/score/steady.ts';
import { seeded } from '../../../src/core/selector.ts';
import { CANDIDATE_DOUBLES, CD } from '../../../src/core/table.ts';

const TICK_MS = 250;

/** One tick with these samples. */
function tick(level: Steady, samples: readonly number[], elapsedMs = TICK_MS): void {
  const batch = newBatch();
  for (const ms of samples) batchAdd(batch, ms, 0, true);
  steadyAfter(level, batchTake(batch, level.ms), elapsedMs);
}

function lognormal(random: () => number, medianMs: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return medianMs * Math.exp(0.5 * normal);
}

/** After `ticks` of `count` samples of 10 ms and its noise. */
function settled(ticks: number, count: number, random = seeded(1)): Steady {
  const level = newSteady();
  for (let i = 0; i < ticks; i++)
    tick(
      level,
      Array.from({ length: count }, () => lognormal(random, 10)),
    );
  return level;
}

describe('the steady level of the server term', () => {
  it('stays within a few per cent of the mean under log-normal noise', () => {
    const random = seeded(4);
    const level = settled(40, 50, random);
    for (let i = 0; i < 100; i++) {
      tick(
        level,
        Array.from({ length: 50 }, () => lognormal(random, 10)),
      );
      expect(Math.abs(level.ms - 11.33)).toBeLessThan(1.2);
    }
  });

  it('takes half of a brownout in within one tick, though the usual noise is large', () => {
    const random = seeded(2);
    const level = settled(40, 50, random);
    tick(
      level,
      Array.from({ length: 50 }, () => lognormal(random, 80)),
    );
    // Single samples are bounded at four times the level and 20 ms.
    expect(level.ms).toBeGreaterThan(35);
  });

  it('rises at once when few samples agree, too', () => {
    const level = settled(40, 50);
    tick(level, [60, 62, 61]);
    expect(level.ms).toBeGreaterThan(30);
  });

  it('is not moved by one slow page among two hundred, nor far by one alone', () => {
    const among = settled(40, 50);
    const before = among.ms;
    tick(among, [...Array.from({ length: 199 }, () => 11.3), 30_000]);
    expect(Math.abs(among.ms - before)).toBeLessThan(0.5);
    const alone = newSteady();
    for (let i = 0; i < 40; i++) tick(alone, [10]);
    tick(alone, [30_000], 60_000);
    expect(alone.ms).toBeLessThan(30);
  });

  it('falls over several seconds', () => {
    const level = newSteady();
    for (let i = 0; i < 40; i++) tick(level, [80, 81, 79, 80]);
    for (let i = 0; i < 4; i++) tick(level, [10, 10, 10, 10]);
    expect(level.ms).toBeGreaterThan(50);
    expect(level.ms).toBeLessThan(65);
  });

  it('soon forgets what it assumed of its first sample', () => {
    const level = newSteady();
    tick(level, [40]);
    for (let i = 0; i < 3; i++)
      tick(
        level,
        Array.from({ length: 25 }, () => 10),
      );
    expect(level.ms).toBeLessThan(12);
  });

  it('has nothing to say of an empty tick', () => {
    const level = settled(4, 10);
    const before = { ...level };
    expect(steadyAfter(level, batchTake(newBatch(), level.ms), TICK_MS)).toBe(0);
    expect(level).toEqual(before);
  });
});

describe('endpoints that are alike', () => {
  const termsOf = (servers: readonly number[]) => {
    const terms = new Float64Array(servers.length * CANDIDATE_DOUBLES);
    servers.forEach((ms, i) => {
      terms[i * CANDIDATE_DOUBLES + CD.SERVER] = ms;
      terms[i * CANDIDATE_DOUBLES + CD.BASE] = ms;
      terms[i * CANDIDATE_DOUBLES + CD.MEAN_INFLIGHT] = i + 1;
      terms[i * CANDIDATE_DOUBLES + CD.WEIGHT] = 1;
    });
    return terms;
  };
  const field = (terms: Float64Array, of: number) =>
    Array.from({ length: terms.length / CANDIDATE_DOUBLES }, (_, i) => terms[i * CANDIDATE_DOUBLES + of]!);

  it('get one time and one usual load; others keep theirs', () => {
    const terms = termsOf([10, 10.4, 40]);
    levelAlike(terms, [0, 1, 2], new Float64Array(3).fill(0.2));
    expect(field(terms, CD.SERVER).map((ms) => Math.round(ms * 100) / 100)).toEqual([10.2, 10.2, 40]);
    expect(field(terms, CD.MEAN_INFLIGHT)).toEqual([1.5, 1.5, 3]);
  });

  it('are told apart as soon as the measurements are sure enough, and never beyond those asked for', () => {
    const sure = termsOf([10, 11.5]);
    levelAlike(sure, [0, 1], new Float64Array(2).fill(0.05));
    expect(field(sure, CD.SERVER)).toEqual([10, 11.5]);
    const one = termsOf([10, 10]);
    levelAlike(one, [1], new Float64Array(2));
    expect(field(one, CD.MEAN_INFLIGHT)).toEqual([1, 2]);
  });
});
