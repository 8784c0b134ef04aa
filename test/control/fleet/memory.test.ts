// What one fleet hands to the next, as JSON: the next goes on as if it had been there, whatever its slots are called, and takes
// nothing that it does not understand.

import { describe, expect, it } from 'vitest';
import type { FleetMemory } from '../../../src/control/fleet/memory.ts';
import { hasShape, packed, unpackInto } from '../../../src/control/fleet/packed.ts';
import { countryKeyOf, pathOf } from '../../../src/core/cohort.ts';
import { type Origin, origin, sharesOf, World, type WorldOptions } from '../../support/world.ts';

const ORIGINS = [
  origin('near', 12, { probeMs: 11, connectMs: 10, region: 'aws:eu-central-1' }),
  origin('far', 70, { probeMs: 69, connectMs: 68, region: 'aws:us-east-1' }),
  origin('down', 5, { connectMs: 4, isUp: false, region: 'aws:eu-west-1' }),
  origin('drained', 8, { connectMs: 7, region: 'aws:eu-west-2' }),
];

/** A world that has been running; its memory has been through JSON. */
function grown(origins: readonly Origin[] = ORIGINS, options: WorldOptions = {}, seconds = 30): [World, FleetMemory] {
  const world = new World(origins, options);
  world.fleet.drain('drained');
  for (let s = 0; s < seconds; s++) world.run(1000, 60);
  return [world, JSON.parse(JSON.stringify(world.fleet.memory())) as FleetMemory];
}

/** One that has just begun, at the same moment; its endpoints stand in other slots. */
function young(at: World, origins: readonly Origin[] = ORIGINS, options: WorldOptions = {}): World {
  const world = new World([...origins].reverse(), { ...options, seed: 99 });
  world.nowMs = at.nowMs;
  return world;
}

const scoresOf = (world: World): Record<string, number> =>
  Object.fromEntries(world.fleet.candidates(0).candidates.map(({ id, scoreMs }) => [id, scoreMs ?? Number.NaN]));

describe('a fleet that takes over', () => {
  it('knows scores, health, the drained one, and who is home', () => {
    const [old, memory] = grown();
    const next = young(old);
    expect(next.fleet.allKnown()).toBe(false);
    expect(next.fleet.recall(memory)).toBe(4);
    expect(next.fleet.allKnown()).toBe(true);
    const [before, after] = [scoresOf(old), scoresOf(next)];
    for (const id of ['near', 'far']) expect(after[id]! / before[id]!).toBeCloseTo(1, 1);
    const told = (world: World) =>
      world.fleet
        .endpoints()
        .map(({ id, state, why, requests, failures }) => [id, state, why, requests, failures])
        .sort();
    expect(told(next)).toEqual(told(old));
    expect(next.fleet.candidates(0).chosen).toBe('near');
    // Nobody is new, nothing has switched, and there is no news to tell.
    expect(next.counted).toEqual([]);
  });

  it('sends the first request where the last one went', () => {
    const [old, memory] = grown();
    const warm = young(old);
    warm.fleet.recall(memory);
    expect(sharesOf(warm.run(1000, 100)).near).toBeGreaterThan(0.98);
  });

  it('keeps an ejected one out for as long as it was sentenced to', () => {
    const failing = [
      origin('good', 10, { connectMs: 8 }),
      origin('bad', 10, { connectMs: 8, failing: 1 }),
      origin('third', 12, { connectMs: 8 }),
    ];
    const world = new World(failing);
    for (let s = 0; s < 30 && !world.fleet.endpoints().some(({ state }) => state === 'ejected'); s++)
      world.run(1000, 60);
    const memory = JSON.parse(JSON.stringify(world.fleet.memory()));
    const next = young(world, failing);
    next.fleet.recall(memory);
    const stateOf = (w: World) => w.fleet.endpoints().find(({ id }) => id === 'bad')!.state;
    expect([stateOf(world), stateOf(next)]).toEqual(['ejected', 'ejected']);
    expect(sharesOf(next.run(5000, 60)).bad ?? 0).toBe(0);
  });

  it('knows of cohorts whose data is elsewhere', () => {
    const brazil = countryKeyOf('BR');
    const near = origin('near', 12, { probeMs: 12, connectMs: 10, region: 'aws:eu-central-1' });
    const home = origin('home', 40, { probeMs: 40, connectMs: 38, region: 'aws:sa-east-1' });
    const paths = ['DE', 'FR', 'GB', 'ES', 'BR'].map((country, c) => pathOf(`10.${c}.0.1`, country, null));
    const options: WorldOptions = {
      clientOf: (random) => paths[Math.floor(random() * paths.length)]!,
      awayMs: (client, id) => (client?.countryKey === brazil && id === 'near' ? 60 : 0),
    };
    const [old, memory] = grown([near, home], options, 60);
    const next = young(old, [near, home], options);
    expect(next.fleet.recall(memory)).toBe(2);
    next.run(1000, 40);
    const done = next.run(4000, 40);
    expect(sharesOf(done.filter(({ client }) => client?.countryKey === brazil)).home).toBeGreaterThan(0.9);
    expect(sharesOf(done.filter(({ client }) => client?.countryKey !== brazil)).near).toBeGreaterThan(0.9);
  });
});

describe('a memory that does not fit', () => {
  const [old, memory] = grown(ORIGINS, {}, 5);
  const recalled = (change: (memory: FleetMemory) => unknown): number => {
    const next = young(old);
    const count = next.fleet.recall(change(structuredClone(memory)));
    expect(next.fleet.endpoints()).toHaveLength(4);
    expect(next.run(3000, 60).some(({ ok }) => ok)).toBe(true);
    return count;
  };
  it.each<[string, (memory: FleetMemory) => unknown]>([
    ['nothing', () => null],
    ['something else', () => 'memory'],
    ['another form', (m) => ({ ...m, form: 2 })],
    ['of another day', (m) => ({ ...m, atMs: m.atMs - 1e6 })],
    ['without pools', (m) => ({ ...m, pools: undefined })],
    ['pools that are none', (m) => ({ ...m, pools: [null, 1, {}, { name: 'shop' }] })],
    ['of other pools', (m) => ({ ...m, pools: [{ ...m.pools[0], name: 'other' }] })],
  ])('is left alone: %s', (_, change) => {
    expect(recalled(change)).toBe(0);
  });

  const knownOf = (m: FleetMemory, at: number) =>
    m.pools[0]!.endpoints[at]!.known as unknown as Record<string, unknown>;

  it.each<[string, (known: Record<string, unknown>) => void]>([
    ['a field is missing', (known) => delete known.probeMs],
    ['there is one more', (known) => Object.assign(known, { more: 1 })],
    ['a number is none', (known) => Object.assign(known, { probeMs: 'fast' })],
    ['a state is unheard of', (known) => Object.assign(known.health as object, { state: 'tired' })],
    ['a reason is unheard of', (known) => Object.assign(known.outlier as object, { reason: 'mood' })],
    ['an array is of another length', (known) => Object.assign(known.outlier as object, { bad: 'AAAA' })],
  ])('in one endpoint leaves that one out, and takes the others: %s', (_, change) => {
    expect(
      recalled((m) => {
        change(knownOf(m, 0));
        return m;
      }),
    ).toBe(3);
  });

  it('in its cohorts leaves those out', () => {
    for (const cohorts of [undefined, { heads: 'AAAA', cells: '', shared: '' }, { heads: '', cells: 1, shared: [] }]) {
      expect(recalled((m) => ({ ...m, pools: [{ ...m.pools[0], cohorts }] }))).toBe(4);
    }
  });

  it('of endpoints with another URL is not theirs', () => {
    expect(
      recalled((m) => ({
        ...m,
        pools: [{ ...m.pools[0], endpoints: m.pools[0]!.endpoints.map((e) => ({ ...e, url: `${e.url}/x` })) }],
      })),
    ).toBe(0);
  });
});

describe('packed data', () => {
  const shape = () => ({
    a: 1,
    b: Number.NaN,
    list: [1, 2],
    text: 'x',
    none: null as string | null,
    in: { on: true, f: new Float64Array(2) },
  });

  it('comes back as it was, NaN and all, into the same arrays and objects', () => {
    const given = {
      ...shape(),
      a: Number.NEGATIVE_INFINITY,
      list: [3],
      none: 'some',
      in: { on: false, f: Float64Array.of(Number.NaN, -0) },
    };
    const text = JSON.parse(JSON.stringify(packed(given)));
    const own = shape();
    const { f } = own.in;
    expect(hasShape(own, text)).toBe(true);
    unpackInto(own, text);
    expect(own).toEqual(given);
    expect(own.in.f).toBe(f);
  });

  it('of another shape is told', () => {
    const text = JSON.parse(JSON.stringify(packed(shape())));
    for (const wrong of [
      null,
      [],
      1,
      { ...text, a: '1' },
      { ...text, b: null },
      { ...text, in: 1 },
      { ...text, list: ['a'] },
    ])
      expect(hasShape(shape(), wrong)).toBe(false);
    expect(hasShape({}, JSON.parse('{"__proto__": 1}'))).toBe(false);
  });
});
