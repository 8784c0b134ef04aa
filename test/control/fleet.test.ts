import { describe, expect, it } from 'vitest';
import { ROLE } from '../../src/core/selector.ts';
import { origin, sharesOf, World } from '../support/world.ts';

const FRANKFURT = { latDeg: 50.11, lonDeg: 8.68 };
const PARIS = { latDeg: 48.86, lonDeg: 2.35 };
const TOKYO = { latDeg: 35.68, lonDeg: 139.69 };
const NEW_YORK = { latDeg: 40.71, lonDeg: -74.01 };

/** Three origins on loopback: the connect says nothing, only the first byte tells them apart. */
const three = () => [origin('near', 5), origin('middle', 40), origin('far', 120)];
const byId = (world: World, id: string) => world.fleet.candidates(0).candidates.find((c) => c.id === id)!;
const lognormal = (medianMs: number) => (random: () => number) => {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return medianMs * Math.exp(0.4 * normal);
};

describe('where requests go', () => {
  it('routes at once, before any probe has answered: by distance', () => {
    const place = (id: string, location: typeof PARIS) => origin(id, 10, { location });
    const world = new World([place('tokyo', TOKYO), place('ny', NEW_YORK), place('paris', PARIS)], { edge: FRANKFURT });
    world.request();
    expect(world.fleet.anyKnown()).toBe(false);
    const views = world.fleet.candidates(0).candidates;
    expect(views.map((c) => c.id)).toEqual(['paris', 'ny', 'tokyo']);
    expect(views[0]!.priorMs).toBeGreaterThan(2);
    world.run(40);
    expect(world.done[0]?.id).toBe('paris');
  });

  it('tells endpoints without a place or traffic apart by the first byte of their probes', () => {
    const world = new World(three());
    world.run(1000);
    expect(world.fleet.candidates(0).candidates.map((c) => c.id)).toEqual(['near', 'middle', 'far']);
    expect(world.fleet.candidates(0).chosen).toBe('near');
  });

  it('sends at least 95 % of requests to the nearest of 5, 40 and 120 ms, also in a burst, also with two workers', () => {
    for (const lanes of [1, 2]) {
      const world = new World(three(), { lanes });
      world.run(1000);
      expect(sharesOf(world.run(1000, 2000)).near).toBeGreaterThan(0.95);
      expect(sharesOf(world.run(10_000, 200)).near).toBeGreaterThan(0.95);
    }
  });

  it('follows the path that changed, though its connects look as before', () => {
    const origins = [origin('a', 12), origin('b', 30)];
    const world = new World(origins);
    world.run(12_000, 200);
    origins[0]!.answerMs = 90;
    world.run(3000, 200);
    expect(sharesOf(world.run(3000, 200)).b).toBeGreaterThan(0.9);
  });

  it('keeps a path without traffic honest by its probes', () => {
    const origins = three();
    const world = new World(origins);
    world.run(15_000, 100);
    origins[1]!.answerMs = 1;
    origins[0]!.answerMs = 20;
    world.run(20_000, 100);
    expect(sharesOf(world.run(5000, 100)).middle).toBeGreaterThan(0.9);
  });

  it('does not let a cheap probe flatter who has no traffic', () => {
    const world = new World([
      origin('a', 30, { connectMs: 5, probeMs: 6 }),
      origin('b', 38, { connectMs: 13, probeMs: 14 }),
    ]);
    world.run(5000, 100);
    world.run(20_000, 100);
    expect(world.counted.filter((c) => c.startsWith('switched'))).toEqual([]);
  });

  it('does not count the way twice when traffic came before the first probe', () => {
    const world = new World([origin('a', 60)], { seed: 3 });
    world.request();
    world.run(100);
    world.run(20_000);
    expect(byId(world, 'a').scoreMs).toBeGreaterThan(59);
    expect(byId(world, 'a').scoreMs).toBeLessThan(61);
  });

  it('finds a location that cannot be true, counts it once, and routes by what it measured', () => {
    const world = new World(
      [origin('paris', 14, { location: PARIS }), origin('said-tokyo', 3, { location: TOKYO, connectMs: 2 })],
      { edge: FRANKFURT },
    );
    expect(world.fleet.candidates(0).candidates[0]!.id).toBe('paris');
    world.run(20_000, 50);
    expect(world.counted.filter((c) => c.startsWith('lie'))).toEqual(['lie:said-tokyo']);
    expect(byId(world, 'said-tokyo').priorMs).toBe(null);
    expect(sharesOf(world.run(3000, 100))['said-tokyo']).toBeGreaterThan(0.9);
  });

  it('predicts shares within three points of what 5,000 requests do', () => {
    const world = new World([origin('a', 5), origin('b', 5), origin('c', 60)]);
    world.run(5000, 100);
    const predicted = world.fleet.candidates(0).candidates.map((c) => [c.id, c.share] as const);
    const real = sharesOf(world.run(25_000, 200));
    for (const [id, share] of predicted) expect(Math.abs(share - (real[id] ?? 0))).toBeLessThan(0.03);
  });
});

describe('what explain predicts soon after the start', () => {
  const spread = (ms: number) => (random: () => number) => ms + 1.2 * random();
  it.each([
    ['three equal ones', [10, 10, 10]],
    ['ones that differ a little', [10, 12, 40]],
    ['twenty equal ones', Array.from({ length: 20 }, () => 10)],
  ])('is within three points of what 5,000 requests do, 1,000 requests in: %s', (_, delays) => {
    for (const rps of [300, 800]) {
      const origins = delays.map((ms, i) => origin(`e${i}`, spread(ms)));
      const world = new World(origins, { lanes: 2 });
      world.run(1500);
      world.run(1_000_000 / rps, rps);
      const predicted = world.fleet.candidates(0).candidates;
      const real = sharesOf(world.run(5_000_000 / rps, rps));
      for (const { id, share } of predicted) expect(Math.abs(share - (real[id] ?? 0))).toBeLessThan(0.03);
    }
  });
});

describe('when endpoints fail', () => {
  it('loses no request when the best is killed, moves within a tick of three failed connects, and is home in 15 s', () => {
    const origins = three();
    const world = new World(origins);
    world.run(12_000, 200);
    origins[0]!.isUp = false;
    const dead = world.run(10_000, 200);
    // What was in flight is reset and retried; nothing reaches the client.
    expect(dead.filter((d) => !d.ok)).toEqual([]);
    expect(world.counted).toContain('stateChanged:near:ejected:connect');
    expect(world.counted).toContain('switched:shop:health');
    const ejected = world.events.find((e) => e.to === 'ejected')!;
    expect(Number(ejected.at) - dead[0]!.atMs).toBeLessThan(300);
    origins[0]!.isUp = true;
    world.run(13_000, 200);
    expect(sharesOf(world.run(2000, 200)).near).toBeGreaterThan(0.9);
  });

  it('is home again within seconds of an outage too short to be called one', () => {
    const world = new World([origin('near', 5), origin('far', 40)]);
    world.run(5000, 50);
    const near = world.origins[0]!;
    near.isUp = false;
    world.run(40, 50);
    near.isUp = true;
    world.run(8000, 50);
    expect(world.counted.filter((c) => c.startsWith('stateChanged:near'))).toHaveLength(1);
    expect(sharesOf(world.run(1000, 50)).near).toBeGreaterThan(0.95);
  });

  it('a slow probe does not take out the only endpoint', () => {
    const origins = [origin('only', 20)];
    const world = new World(origins);
    world.run(3000, 50);
    origins[0]!.probeMs = 5000;
    const done = world.run(30_000, 50);
    expect(done.filter((d) => !d.ok)).toEqual([]);
    expect(done.at(-1)!.role).toBe(ROLE.PANIC);
  });

  it('lets lost probes pass while requests are answered, unless they go on being lost', () => {
    const world = new World([origin('near', 20), origin('far', 90)]);
    world.run(3000, 100);
    const near = world.origins[0]!;
    for (let i = 0; i < 5; i++) {
      near.probeMs = 5000;
      world.run(5000, 100); // two or three lost
      near.probeMs = 20;
      world.run(4000, 100);
    }
    expect(world.counted.filter((c) => c.startsWith('stateChanged:near') && c.includes('unhealthy'))).toEqual([]);
    near.probeMs = 5000;
    world.run(16_000, 100);
    expect(world.fleet.endpoints()[0]!.state).toBe('unhealthy');
  });

  it('all slow, so none is ejected: they share the load (haproxy#899)', () => {
    const origins = ['a', 'b', 'c'].map((id) => origin(id, 50));
    const world = new World(origins);
    world.run(3000, 50);
    for (const o of origins) o.answerMs = 3000;
    const done = world.run(60_000, 50);
    expect(done.filter((d) => !d.ok)).toEqual([]);
    expect(world.counted.filter((c) => c.includes('ejected'))).toEqual([]);
  });

  it('fast 503s do not attract traffic (linkerd2-proxy#4537)', () => {
    const origins = [origin('good', 20), origin('bad', 20)];
    const world = new World(origins);
    world.run(5000, 100);
    origins[1]!.failing = 0.4;
    world.run(3000, 100);
    expect(byId(world, 'bad').scoreMs!).toBeGreaterThan(byId(world, 'good').scoreMs!);
    expect(sharesOf(world.run(10_000, 100)).good).toBeGreaterThan(0.75);
  });

  it('a server is not starved by its own average (traefik#12306)', () => {
    const origins = [origin('a', lognormal(10)), origin('b', lognormal(10))];
    const world = new World(origins);
    world.run(5000, 100);
    origins[1]!.answerMs = 400;
    world.run(3000, 100);
    origins[1]!.answerMs = lognormal(10);
    world.run(20_000, 100);
    expect(sharesOf(world.run(20_000, 100)).b).toBeGreaterThan(0.3);
  });

  it('a silent endpoint loses its traffic long before the time-out of its first request', () => {
    const origins = [origin('a', 10), origin('b', 12)];
    const world = new World(origins);
    world.run(5000, 100);
    origins[0]!.isSilent = true;
    world.run(1000, 100);
    const before = world.done.length;
    const stuck = world.origins.map((o) => byId(world, o.id).inflight);
    expect(stuck[0]).toBeLessThan(30);
    expect(sharesOf(world.run(3000, 100)).b).toBeGreaterThan(0.95);
    expect(world.done.length - before).toBeGreaterThan(280);
  });

  it('takes those that answer back in when the healthy ones are known to be too few', () => {
    const world = new World([origin('big', 5, { capacity: 50 }), origin('small', 5, { capacity: 20 })]);
    world.run(3000, 100);
    world.origins[0]!.failing = 1;
    world.run(1000, 100);
    world.origins[0]!.failing = 0.4;
    const shares = sharesOf(world.run(4000, 100));
    expect(world.fleet.endpoints().find((e) => e.id === 'big')?.state).toBe('ejected');
    expect(shares.big).toBeGreaterThan(0.2);
  });

  it('never ejects the last that answers', () => {
    const world = new World([origin('a', 10, { failing: 1 }), origin('b', 10, { failing: 1 })]);
    world.run(20_000, 50);
    expect(world.counted.filter((c) => c.includes('ejected'))).toHaveLength(1);
  });

  it('when all connects fail: 503 at once but for one trial a second and endpoint, and back by itself', () => {
    const origins = [origin('a', 5), origin('b', 5)];
    const world = new World(origins);
    world.run(3000, 100);
    for (const o of origins) o.isUp = false;
    world.run(8000, 100);
    const down = world.run(10_000, 100);
    expect(down.every((d) => !d.ok && d.tookMs === 0)).toBe(true);
    for (const o of origins) o.isUp = true;
    world.run(5000, 100);
    expect(world.run(3000, 100).every((d) => d.ok)).toBe(true);
  });
});

describe('whenAllDown: fail', () => {
  it('sends nothing when no endpoint is healthy, though one still answers (no trial, no panic), and returns by its probes', () => {
    const origins = [origin('only', 20)];
    const world = new World(origins, { pool: { whenAllDown: 'fail' } });
    world.run(3000, 50);
    origins[0]!.probeMs = 5000;
    world.run(16_000, 50);
    expect(byId(world, 'only').healthy).toBe(false);
    expect(world.run(5000, 50).every((d) => !d.ok && d.tookMs === 0)).toBe(true);
    expect(world.fleet.candidates(0)).toMatchObject({ chosen: null, candidates: [{ share: 0 }] });
    origins[0]!.probeMs = 20;
    world.run(8000, 50);
    expect(world.run(1000, 50).every((d) => d.ok)).toBe(true);
  });
});

describe('operators', () => {
  it('drain takes an endpoint out until enable, also over a reload; an unknown one is refused', () => {
    const world = new World(three());
    world.run(2000, 100);
    expect(world.fleet.drain('near')).toBe(null);
    expect(sharesOf(world.run(2000, 100)).near ?? 0).toBeLessThan(0.01);
    world.fleet.install(world.snapshot, new Map());
    expect(byId(world, 'near').state).toBe('draining');
    expect(sharesOf(world.run(2000, 100)).near ?? 0).toBe(0);
    expect(world.fleet.enable('near')).toBe(null);
    world.run(12_000, 100);
    expect(sharesOf(world.run(2000, 100)).near).toBeGreaterThan(0.95);
    expect(world.fleet.drain('nobody')).toMatchObject({ code: 'no_such_endpoint', status: 404 });
  });

  it('never sends anything to draining ones, though nothing else is left', () => {
    const world = new World([origin('a', 5)]);
    world.run(2000, 100);
    world.fleet.drain('a');
    expect(world.run(2000, 50).some((d) => d.ok)).toBe(false);
  });

  it('keeps what it knows over a reload that keeps the slot and generation', () => {
    const world = new World(three());
    world.run(5000, 100);
    const before = byId(world, 'near');
    world.fleet.install(world.snapshot, new Map());
    const after = byId(world, 'near');
    expect(after.networkMs).toBe(before.networkMs);
    expect(after.state).toBe('healthy');
    expect(world.fleet.endpoints().map((e) => e.id)).toEqual(['near', 'middle', 'far']);
  });
});

describe('stability', () => {
  it('does not move home between endpoints that differ by less than the margin', () => {
    const world = new World([origin('a', 20, { region: 'x' }), origin('b', 22, { region: 'y' })]);
    world.run(60_000, 100);
    expect(world.counted.filter((c) => c.startsWith('switched'))).toEqual([]);
  });

  it('shares evenly among equal ones under noise, and never moves home', () => {
    const world = new World(
      ['a', 'b', 'c'].map((id) => origin(id, lognormal(10))),
      { lanes: 2 },
    );
    world.run(10_000, 300);
    const shares = sharesOf(world.run(30_000, 300));
    for (const id of ['a', 'b', 'c']) expect(Math.abs(shares[id]! - 1 / 3)).toBeLessThan(0.05);
    expect(world.counted.filter((c) => c.startsWith('switched'))).toEqual([]);
  });

  it('lets a challenger that improved wait for the dwell, then moves once', () => {
    const origins = [origin('a', 30), origin('b', 60)];
    const world = new World(origins);
    world.run(20_000, 100);
    origins[1]!.answerMs = 10;
    world.run(30_000, 100);
    expect(world.counted.filter((c) => c.startsWith('switched'))).toEqual(['switched:shop:faster']);
    expect(sharesOf(world.run(2000, 100)).b).toBeGreaterThan(0.95);
  });
});
