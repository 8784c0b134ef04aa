// What other nodes know and what it does to a fleet that is cold, or doubts: two worlds, one of which has been running for long.

import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../src/core/share/digest.ts';
import { Peers } from '../../../src/core/share/peers.ts';
import { origin, sharesOf, World, type WorldOptions } from '../../support/world.ts';

const REGION = 'aws:eu-central-1';

/** What `world` would tell now, from `region`. */
function told(world: World, sequence = 1, region = REGION): Digest {
  return {
    instance: '00000000000000aa',
    node: 'warm',
    region,
    place: null,
    sequence,
    intervalMs: 2000,
    isWhole: true,
    isComplete: true,
    endpoints: world.fleet.shared(world.nowMs),
    cohorts: [],
  };
}

/** A world that hears what `warm` knew, every second for as long as it runs. */
function coldBeside(warm: World, origins: ReturnType<typeof origin>[], options: WorldOptions = {}) {
  const peers = new Peers({ instance: '00000000000000bb', region: REGION, place: null });
  const cold = new World(origins, { seed: 9, ...options, peers });
  const digest = told(warm);
  let sequence = 1;
  const hear = () => peers.hear({ ...digest, sequence: sequence++ }, cold.nowMs);
  hear();
  const run = (forMs: number, rps: number) => {
    const from = cold.done.length;
    for (let ms = 0; ms < forMs; ms += 1000) {
      hear();
      cold.run(1000, rps);
    }
    return cold.done.slice(from);
  };
  return { cold, peers, run };
}

/** The quicker by its probes is the slower one for requests, which only requests tell. */
const deceptive = () => [
  origin('cheap', 60, { probeMs: 5, connectMs: 4 }),
  origin('honest', 22, { probeMs: 20, connectMs: 8 }),
];

describe('a cold node', () => {
  test('goes where a warm one learned to go, from its first request', () => {
    const warm = new World(deceptive());
    warm.run(30_000, 50);
    expect(sharesOf(warm.run(5000, 50)).honest).toBeGreaterThan(0.95);
    const alone = new World(deceptive(), { seed: 9 });
    alone.run(600);
    const { cold, run } = coldBeside(warm, deceptive());
    cold.run(600);
    expect(sharesOf(alone.run(1000, 20)).cheap).toBeGreaterThan(0.5);
    expect(sharesOf(run(1000, 20)).honest).toBeGreaterThan(0.95);
  });

  test('believes what it sees when the others are wrong', () => {
    const warm = new World(deceptive());
    warm.run(30_000, 50);
    const mended = deceptive();
    mended[0]!.answerMs = 6;
    const { run } = coldBeside(warm, mended);
    run(60_000, 50);
    expect(sharesOf(run(5000, 50)).cheap).toBeGreaterThan(0.9);
  });

  test('expects the network that near nodes measured before its own first probe', () => {
    const warm = new World([origin('a', 30, { connectMs: 28 }), origin('b', 12, { connectMs: 10 })]);
    warm.run(10_000, 20);
    const { cold } = coldBeside(warm, [origin('a', 30, { connectMs: 28 }), origin('b', 12, { connectMs: 10 })]);
    cold.fleet.tick(cold.nowMs);
    expect(cold.fleet.candidates(0).candidates.map(({ id }) => id)).toEqual(['b', 'a']);
  });

  test('spares an endpoint that fails for others, until it has seen answers itself', () => {
    const origins = () => [origin('a', 10, { failing: 0.4 }), origin('b', 14)];
    const warm = new World(origins(), { pool: { outlier: NEVER } });
    warm.run(20_000, 50);
    const { cold, run } = coldBeside(warm, origins(), { pool: { outlier: NEVER } });
    cold.run(600);
    expect(sharesOf(run(1000, 50)).b).toBeGreaterThan(0.95);
  });
});

const NEVER = { consecutive: 1000, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionMs: 300_000, maxEjectedRatio: 0 };

describe('an ejection', () => {
  /** Requests go on to whoever fails, until it is ejected. */
  const TURNS: WorldOptions = { pool: { policy: 'round-robin' } };
  const failing = () => [origin('a', 10, { failing: 1 }), origin('b', 30)];
  const ejections = (world: World) => world.counted.filter((c) => c.includes(':ejected:'));
  const askedUntilEjected = (world: World, run: (ms: number, rps: number) => unknown): number => {
    let retries = 0;
    while (ejections(world).length === 0 && retries < 100) {
      run(1000, 1);
      retries++;
    }
    return retries;
  };

  test('by others is confirmed by two failures of our own instead of five', () => {
    const warm = new World(failing(), TURNS);
    warm.run(5000, 20);
    expect(ejections(warm)).toHaveLength(1);
    const alone = new World(failing(), { ...TURNS, seed: 9 });
    alone.run(600);
    const { cold, run } = coldBeside(warm, failing(), TURNS);
    cold.run(600);
    const together = askedUntilEjected(cold, run);
    expect(together).toBeLessThan(askedUntilEjected(alone, (ms, rps) => alone.run(ms, rps)));
    expect(cold.events.find(({ message }) => message.includes('ejected'))?.message).toContain('1 of 1 other nodes');
  });

  test('by others alone takes nobody out: from here it answers', () => {
    const warm = new World(failing(), TURNS);
    warm.run(5000, 20);
    const sound = [origin('a', 10), origin('b', 30)];
    const { cold, run } = coldBeside(warm, sound);
    cold.run(600);
    run(30_000, 50);
    expect(ejections(cold)).toEqual([]);
    expect(sharesOf(run(5000, 50)).a).toBeGreaterThan(0.9);
  });
});

test('a capacity is everybody’s: with another node that sends as much, each keeps to its half', () => {
  const origins = () => [origin('a', 10, { capacity: 100 }), origin('b', 40)];
  const alone = new World(origins());
  alone.run(5000, 80);
  expect(sharesOf(alone.run(5000, 80)).a).toBeGreaterThan(0.9);
  const { run } = coldBeside(alone, origins());
  run(5000, 80);
  const share = sharesOf(run(10_000, 80)).a!;
  expect(share * 80).toBeLessThan(60);
  expect(share * 80).toBeGreaterThan(25);
});
