// What is believed of a source: never less than it said on the strength of one odd answer.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FoundEndpoint, judge } from '../../../src/control/discovery/entries.ts';
import { Keeper } from '../../../src/control/discovery/keeper.ts';
import { DIRECTORY, specOf } from './support.ts';

function endpoints(...hosts: string[]): readonly FoundEndpoint[] {
  return judge(
    hosts.map((host) => ({ at: host, endpoint: { url: `http://${host}` } })),
    specOf(DIRECTORY),
  ).endpoints;
}

const hostsOf = (keeper: Keeper) => keeper.endpoints.map(({ host }) => host).sort();

describe('an answer', () => {
  test('that is large enough is believed at once, whatever it leaves out', () => {
    const keeper = new Keeper(1, 30_000);
    keeper.take(endpoints('a', 'b'), 0);
    keeper.take(endpoints('b', 'c'), 1);
    expect(hostsOf(keeper)).toEqual(['b', 'c']);
    expect(keeper.dueAtMs).toBeNull();
  });

  test('that is empty is believed when the grace is over', () => {
    const keeper = new Keeper(1, 30_000);
    keeper.take(endpoints('a', 'b'), 0);
    keeper.take([], 1000);
    expect(hostsOf(keeper)).toEqual(['a', 'b']);
    expect(keeper.dueAtMs).toBe(31_000);
    keeper.tick(30_999);
    expect(hostsOf(keeper)).toEqual(['a', 'b']);
    keeper.tick(31_000);
    expect(hostsOf(keeper)).toEqual([]);
    expect(keeper.dueAtMs).toBeNull();
  });

  test('that is empty before and after a failure is doubted for a whole grace from then on', () => {
    const keeper = new Keeper(1, 30_000);
    keeper.take(endpoints('a', 'b'), 0);
    keeper.take([], 1000);
    keeper.fail();
    keeper.tick(60_000);
    keeper.take([], 61_000);
    expect(hostsOf(keeper)).toEqual(['a', 'b']);
    keeper.tick(90_999);
    expect(hostsOf(keeper)).toEqual(['a', 'b']);
    keeper.tick(91_000);
    expect(hostsOf(keeper)).toEqual([]);
  });

  test('that is good again within the grace ends the doubt', () => {
    const keeper = new Keeper(1, 30_000);
    keeper.take(endpoints('a'), 0);
    keeper.take([], 1000);
    keeper.take(endpoints('b'), 2000);
    keeper.tick(60_000);
    expect(hostsOf(keeper)).toEqual(['b']);
  });

  test('below the minimum brings its new ones at once, and takes none away before the grace is over', () => {
    const keeper = new Keeper(2, 10_000);
    keeper.take(endpoints('a', 'b'), 0);
    keeper.take(endpoints('c'), 1000);
    expect(hostsOf(keeper)).toEqual(['a', 'b', 'c']);
    keeper.take(endpoints('d'), 5000);
    expect(hostsOf(keeper)).toEqual(['a', 'b', 'c', 'd']);
    keeper.tick(11_000);
    expect(hostsOf(keeper)).toEqual(['d']);
  });

  test('repeated does not prolong the grace', () => {
    const keeper = new Keeper(1, 10_000);
    keeper.take(endpoints('a'), 0);
    for (let atMs = 1000; atMs <= 11_000; atMs += 1000) keeper.take([], atMs);
    expect(hostsOf(keeper)).toEqual([]);
  });

  test('that is the first is believed, however small', () => {
    const keeper = new Keeper(3, 30_000);
    keeper.take(endpoints('a'), 0);
    expect(hostsOf(keeper)).toEqual(['a']);
    expect(keeper.dueAtMs).toBeNull();
  });
});

test('who has said goodbye needs no grace', () => {
  const keeper = new Keeper(1, 30_000);
  keeper.take(endpoints('a'), 0);
  keeper.take([], 1000, new Set(['http://a']));
  expect(hostsOf(keeper)).toEqual([]);
});

test('a failure changes nothing, and while it lasts no doubt becomes certainty', () => {
  const keeper = new Keeper(1, 10_000);
  keeper.take(endpoints('a'), 0);
  keeper.take([], 1000);
  keeper.fail();
  keeper.tick(100_000);
  expect(hostsOf(keeper)).toEqual(['a']);
  keeper.take([], 100_001);
  expect(hostsOf(keeper)).toEqual(['a']);
  keeper.tick(130_001);
  expect(hostsOf(keeper)).toEqual([]);
});

test('what another process knew is only a beginning', () => {
  const keeper = new Keeper(1, 10_000);
  keeper.adopt(endpoints('a'));
  expect(hostsOf(keeper)).toEqual(['a']);
  keeper.take(endpoints('b'), 0);
  keeper.adopt(endpoints('a'));
  expect(hostsOf(keeper)).toEqual(['b']);
});

test('whatever comes in whatever order: what was told last is there, and what a doubtful answer left out is there for the grace', () => {
  const GRACE_MS = 10_000;
  const step = fc.oneof(
    fc.record({ told: fc.subarray(['a', 'b', 'c', 'd', 'e']), afterMs: fc.integer({ min: 0, max: 4000 }) }),
    fc.record({ told: fc.constant(null), afterMs: fc.integer({ min: 0, max: 4000 }) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 }), fc.array(step, { maxLength: 30 }), (minimum, steps) => {
      const keeper = new Keeper(minimum, GRACE_MS);
      let nowMs = 0;
      /** Told by the last answer that was large enough, and since when answers are too small. */
      let good: readonly string[] = [];
      let smallSinceMs: number | null = null;
      for (const { told, afterMs } of steps) {
        nowMs += afterMs;
        keeper.tick(nowMs);
        if (told === null) {
          keeper.fail();
          continue;
        }
        keeper.take(endpoints(...told), nowMs);
        if (told.length >= minimum) [good, smallSinceMs] = [told, null];
        else smallSinceMs ??= nowMs;
        const hosts = hostsOf(keeper);
        expect(hosts).toEqual(expect.arrayContaining(told));
        if (smallSinceMs === null) expect(hosts).toEqual([...told].sort());
        else if (nowMs - smallSinceMs < GRACE_MS) expect(hosts).toEqual(expect.arrayContaining([...good]));
      }
    }),
  );
});
