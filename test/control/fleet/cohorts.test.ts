// Cohorts in a world on a clock of its own: the real fleet, table, directory and selector.

import { describe, expect, it } from 'vitest';
import { type CohortPath, countryKeyOf, EDGE_COHORT, pathOf } from '../../../src/core/cohort.ts';
import { Selector } from '../../../src/core/selector.ts';
import { contextOf, snapshotOf } from '../../support/specs.ts';
import { type Done, origin, PROBE, sharesOf, World } from '../../support/world.ts';

/** Log-normal around `ms`. */
function noisy(ms: number, deviation: number): (random: () => number) => number {
  return (random) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return ms * Math.exp(deviation * normal);
  };
}

/** Clients of a country: eight prefixes each. */
function clientsOf(countries: readonly string[]): (random: () => number) => CohortPath {
  const paths = countries.map((country, c) =>
    Array.from({ length: 8 }, (_, i) => pathOf(`10.${c}.${i}.1`, country, null)),
  );
  return (random) => {
    const own = paths[Math.floor(random() * paths.length)]!;
    return own[Math.floor(random() * own.length)]!;
  };
}

const isOf =
  (countryKey: number) =>
  ({ client }: Done): boolean =>
    client?.countryKey === countryKey;

/** A second at a time: the world's list of what is to come stays short. */
function runFor(world: World, seconds: number, rps: number): Done[] {
  return Array.from({ length: seconds }, () => world.run(1000, rps)).flat();
}

const COUNTRIES = ['DE', 'FR', 'GB', 'ES', 'IT', 'PL', 'BR'];
const BRAZIL = countryKeyOf('BR');

/** Everybody is best served by `near`, but for clients from Brazil, whose data is at `home`. */
function brazil(options: { readonly seed?: number; readonly factor?: () => number } = {}): World {
  const { factor = () => 1 } = options;
  const near = noisy(12, 0.3);
  const far = noisy(40, 0.3);
  return new World(
    [
      origin('near', (random) => near(random) * factor(), { probeMs: 12, connectMs: 10, region: 'aws:eu-central-1' }),
      origin('home', (random) => far(random) * factor(), { probeMs: 40, connectMs: 38, region: 'aws:sa-east-1' }),
    ],
    {
      clientOf: clientsOf(COUNTRIES),
      awayMs: (client, id) => (client?.countryKey === BRAZIL && id === 'near' ? 60 : 0),
      seed: options.seed ?? 1,
    },
  );
}

describe('clients of a country whose data lives at another endpoint', () => {
  it.each([20, 200])('are sent there within 20 s at %i requests a second, and everybody else stays', (rps) => {
    for (const seed of [1, 2, 3]) {
      const world = brazil({ seed });
      runFor(world, 20, rps);
      const done = runFor(world, 300, rps);
      expect(sharesOf(done.filter(isOf(BRAZIL))).home).toBeGreaterThan(0.9);
      expect(sharesOf(done.filter((d) => !isOf(BRAZIL)(d))).near).toBeGreaterThan(0.99);
    }
  });

  it('come back when their data does', () => {
    let awayMs = 60;
    const world = new World(
      [
        origin('near', noisy(30, 0.2), { probeMs: 30, connectMs: 28 }),
        origin('home', noisy(60, 0.2), { probeMs: 60, connectMs: 58 }),
      ],
      {
        clientOf: clientsOf(COUNTRIES),
        awayMs: (client, id) => (client?.countryKey === BRAZIL && id === 'near' ? awayMs : 0),
      },
    );
    runFor(world, 20, 100);
    expect(sharesOf(runFor(world, 20, 100).filter(isOf(BRAZIL))).home).toBeGreaterThan(0.9);
    awayMs = 0;
    // `near` is too far off for exploration: what is known of it has to fade first.
    runFor(world, 600, 100);
    expect(sharesOf(runFor(world, 20, 100).filter(isOf(BRAZIL))).near).toBeGreaterThan(0.9);
    expect(world.fleet.cohortRows).toBe(0);
  });

  it('are told so by an explanation: whose row it is, its order and what their way costs', () => {
    const world = brazil();
    runFor(world, 30, 100);
    const theirs = world.fleet.candidates(0, pathOf('10.6.3.9', 'BR', null));
    expect(theirs).toMatchObject({ cohort: BRAZIL, chosen: 'home' });
    expect(theirs.candidates.map((c) => [c.id, c.role])).toEqual([
      ['home', 'band'],
      ['near', 'overflow'],
    ]);
    expect(theirs.candidates[0]!.share).toBeGreaterThan(0.95);
    expect(theirs.candidates[1]!.networkMs).toBeGreaterThan(40);
    const others = world.fleet.candidates(0, pathOf('10.0.3.9', 'DE', null));
    expect(others).toMatchObject({ cohort: EDGE_COHORT, chosen: 'near' });
    expect(world.fleet.candidates(0)).toEqual(others);
  });

  it('keep their row over a change of structure, and lose it when they send no more', () => {
    const world = brazil();
    runFor(world, 30, 100);
    expect(world.fleet.cohortRows).toBe(1);
    const next = snapshotOf(world.snapshot.endpoints, world.snapshot.pools, 1, 2);
    world.fleet.install(next, new Map([['shop', PROBE]]));
    expect(world.fleet.cohortRows).toBe(1);
    const ctx = contextOf(world.random);
    ctx.place = pathOf('10.6.3.9', 'BR', null);
    const selector = new Selector(next);
    expect(next.endpoints[selector.pick(0, ctx)]!.id).toBe('home');
    expect(selector.cohort).toBe(BRAZIL);
    world.run(200_000);
    expect(world.fleet.cohortRows).toBe(0);
    expect(next.endpoints[selector.pick(0, ctx)]!.id).toBe('near');
    expect(selector.cohort).toBe(EDGE_COHORT);
  });
});

describe('what happens to everybody', () => {
  it('lends no row: noise for ten minutes', () => {
    for (const seed of [1, 2, 3]) {
      const world = new World(
        [
          origin('a', noisy(12, 0.5), { probeMs: 12, connectMs: 10 }),
          origin('b', noisy(16, 0.5), { probeMs: 16, connectMs: 14 }),
          origin('c', noisy(30, 0.5), { probeMs: 30, connectMs: 28 }),
        ],
        { clientOf: clientsOf([...COUNTRIES, 'US']), seed },
      );
      let most = 0;
      for (let second = 0; second < 600; second++) {
        world.run(1000, 100);
        most = Math.max(most, world.fleet.cohortRows);
      }
      expect(most).toBe(0);
    }
  });

  it('lends no row: brownouts of an endpoint, eight times as slow every half minute', () => {
    let factor = 1;
    const a = noisy(12, 0.3);
    const world = new World(
      [
        origin('a', (random) => a(random) * factor, { probeMs: 12, connectMs: 10 }),
        origin('b', noisy(14, 0.3), { probeMs: 14, connectMs: 12 }),
        origin('c', noisy(40, 0.3), { probeMs: 40, connectMs: 38 }),
      ],
      { clientOf: clientsOf([...COUNTRIES, 'US']) },
    );
    let most = 0;
    for (let second = 0; second < 300; second++) {
      factor = second % 30 > 20 ? 8 : 1;
      world.run(1000, 100);
      most = Math.max(most, world.fleet.cohortRows);
    }
    expect(most).toBe(0);
  });
});

describe('a new node beside one that knows a country', () => {
  const brazilAtHome = (world: World) => sharesOf(runFor(world, 4, 50).filter(isOf(BRAZIL))).home ?? 0;

  it('sends its clients to their data almost at once, where it would take many more requests alone', () => {
    const warm = brazil();
    runFor(warm, 60, 100);
    const told = warm.fleet.cohorts.shared(warm.nowMs);
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThanOrEqual(32);
    const alone = brazil({ seed: 5 });
    const beside = brazil({ seed: 5 });
    for (const world of [alone, beside]) world.run(600);
    beside.fleet.cohorts.beginWith(told, beside.nowMs);
    expect(brazilAtHome(beside)).toBeGreaterThan(brazilAtHome(alone) + 0.2);
  });

  it('keeps to what it has learned itself', () => {
    const warm = brazil();
    runFor(warm, 60, 100);
    const own = brazil({ seed: 5 });
    runFor(own, 60, 100);
    const before = own.fleet.cohorts.shared(own.nowMs);
    const wrong = warm.fleet.cohorts.shared(warm.nowMs).map((ratio) => ({ ...ratio, ln: -ratio.ln }));
    own.fleet.cohorts.beginWith(wrong, own.nowMs);
    expect(own.fleet.cohorts.shared(own.nowMs)).toEqual(before);
  });
});
