// Cohorts in a world on a clock of its own: the real fleet, table, directory and selector.

import { describe, expect, it } from 'vitest';
import { type CohortPath, pathOf } from '../../../src/core/cohort.ts';
import { type Done, origin, sharesOf, World } from '../../support/world.ts';

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
    Array.from({ length: 8 }, (_, i) => pathOf(`10.${c}.${i}.1`, country, 100 + c)),
  );
  return (random) => {
    const own = paths[Math.floor(random() * paths.length)]!;
    return own[Math.floor(random() * own.length)]!;
  };
}

const countryOf = ({ client }: Done) => String.fromCharCode(client!.countryKey >> 8, client!.countryKey & 255);
const sharesFor = (done: readonly Done[], country: string) => sharesOf(done.filter((d) => countryOf(d) === country));

describe('clients of a country whose data lives at another endpoint', () => {
  for (const rps of [20, 200]) {
    it(`are sent there within a minute at ${rps} requests a second, and everybody else stays`, () => {
      const countries = ['DE', 'FR', 'GB', 'ES', 'IT', 'PL', 'BR'];
      const world = new World(
        [
          origin('near', noisy(12, 0.3), { probeMs: 12, connectMs: 10, region: 'aws:eu-central-1' }),
          origin('home', noisy(40, 0.3), { probeMs: 40, connectMs: 38, region: 'aws:sa-east-1' }),
        ],
        {
          clientOf: clientsOf(countries),
          awayMs: (client, id) => (client?.countryKey === pathOf('', 'BR', null).countryKey && id === 'near' ? 60 : 0),
        },
      );
      const out: unknown[] = [];
      for (let s = 0; s < 600; s += 20) {
        const done = world.run(20_000, rps);
        const br = sharesFor(done, 'BR');
        const rest = sharesOf(done.filter((d) => countryOf(d) !== 'BR'));
        out.push([s + 20, br.home?.toFixed(2), rest.home?.toFixed(3), world.fleet.cohortRows]);
      }
      console.log(rps, JSON.stringify(out));
    });
  }
});

describe('noise', () => {
  for (const seed of [1, 2, 3]) {
    it(`lends no row in ten minutes, seed ${seed}`, () => {
      const world = new World(
        [
          origin('a', noisy(12, 0.5), { probeMs: 12, connectMs: 10 }),
          origin('b', noisy(16, 0.5), { probeMs: 16, connectMs: 14 }),
          origin('c', noisy(30, 0.5), { probeMs: 30, connectMs: 28 }),
        ],
        { clientOf: clientsOf(['DE', 'FR', 'GB', 'ES', 'IT', 'PL', 'BR', 'US']), seed },
      );
      let most = 0;
      for (let s = 0; s < 600; s += 1) {
        world.run(1000, 100);
        most = Math.max(most, world.fleet.cohortRows);
      }
      console.log('most', most);
      expect(most).toBe(0);
    });
  }
});
