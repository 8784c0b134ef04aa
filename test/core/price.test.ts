import { describe, expect, it } from 'vitest';
import { newHome } from '../../src/core/home.ts';
import { type Ranked, type RankSpec, rank } from '../../src/core/rank.ts';

const SPEC: RankSpec = { policy: 'fastest', bandRatio: 0.1, bandMs: 5 };

function ranked(index: number, home: string, scoreMs: number, more: Partial<Ranked> = {}): Ranked {
  return {
    index,
    home,
    isEligible: true,
    isAnswering: true,
    isUnknown: false,
    isReturning: false,
    scoreMs,
    waitMs: 0,
    perMs: 0,
    capacityPerS: 0,
    isInBand: false,
    standbyMs: 0,
    priorMs: 0,
    ...more,
  };
}

/** A home of two that has all requests, the next region, and one far away. */
function world(homeWaitMs: number): Ranked[] {
  const full = { waitMs: homeWaitMs, perMs: 0.3 };
  return [
    ranked(0, 'home', 30 + homeWaitMs, full),
    ranked(1, 'home', 30 + homeWaitMs, full),
    ranked(2, 'next', 60),
    ranked(3, 'far', 150),
  ];
}

/** Home as after ten calm seconds. */
function settled(nowMs: number) {
  const home = newHome(nowMs - 20_000, 0);
  for (let ms = nowMs - 20_000; ms <= nowMs; ms += 250) rank(world(1), SPEC, home, ms);
  return home;
}

const NOW_MS = 1_000_000;

describe('the price of a row', () => {
  it('is none while requests hardly wait: the band is that of home', () => {
    const home = settled(NOW_MS);
    expect(home.priceMs).toBeNaN();
    const ranking = rank(world(2), SPEC, home, NOW_MS + 250);
    expect(ranking.order.slice(0, ranking.band)).toEqual([0, 1]);
  });

  it('lets all share that cost no more than requests pay, and home stays where it is', () => {
    const home = settled(NOW_MS);
    const ranking = rank(world(100), SPEC, home, NOW_MS + 250);
    expect([...ranking.order.slice(0, ranking.band)].sort()).toEqual([0, 1, 2]);
    expect(ranking.switched).toBeNull();
    expect(home.key).toBe('home');
    expect([...ranking.holdMs]).toEqual([0, 0, 0, 0]);
  });

  it('sinks to the cheapest who has room, and rises when that one has none any more', () => {
    const home = settled(NOW_MS);
    const shared = (nextWaitMs: number) =>
      world(100).map((c) => (c.index === 2 ? { ...c, scoreMs: 60 + nextWaitMs, waitMs: nextWaitMs, perMs: 0.2 } : c));
    rank(shared(0), SPEC, home, NOW_MS + 250);
    const firstMs = home.priceMs;
    rank(shared(0), SPEC, home, NOW_MS + 500);
    expect(home.priceMs).toBeLessThan(firstMs);
    expect(home.priceMs).toBeGreaterThan(60);
    rank(shared(60), SPEC, home, NOW_MS + 750);
    expect(home.priceMs).toBe(150);
    rank(shared(0), SPEC, home, NOW_MS + 1000);
    expect(home.priceMs).toBeLessThan(150);
  });

  it('ends when the best has room for all, and home may move again', () => {
    const home = settled(NOW_MS);
    rank(world(100), SPEC, home, NOW_MS + 250);
    expect(home.priceMs).not.toBeNaN();
    const left = world(100).map((c) => ({ ...c, perMs: c.index === 2 ? 0.6 : 0 }));
    for (let ms = NOW_MS + 500; ms < NOW_MS + 12_000; ms += 250) rank(left, SPEC, home, ms);
    expect(home.priceMs).toBeNaN();
    expect(home.key).toBe('next');
  });

  it('lets home move at once when it is gone', () => {
    const home = settled(NOW_MS);
    rank(world(100), SPEC, home, NOW_MS + 250);
    const gone = world(100).map((c) => (c.home === 'home' ? { ...c, isEligible: false, isAnswering: false } : c));
    expect(rank(gone, SPEC, home, NOW_MS + 500).switched).toBe('health');
    expect(home.key).toBe('next');
  });

  it('is none while less than half of what requests to two endpoints pay is waiting: so much comes and goes by chance', () => {
    const home = settled(NOW_MS);
    const lonely = (waitMs: number) => world(waitMs).map((c) => (c.index === 2 ? { ...c, scoreMs: 90 } : c));
    rank(lonely(28), SPEC, home, NOW_MS + 250);
    expect(home.priceMs).toBeNaN();
    rank(lonely(31), SPEC, home, NOW_MS + 500);
    expect(home.priceMs).not.toBeNaN();
  });

  it('is none where each endpoint is a region of its own: home may move as ever', () => {
    const apart = (waitMs: number) => world(waitMs).map((c) => ({ ...c, home: `#${c.index}` }));
    const home = newHome(NOW_MS - 20_000, 0);
    for (let ms = NOW_MS - 20_000; ms <= NOW_MS; ms += 250) rank(apart(1), SPEC, home, ms);
    expect(rank(apart(100), SPEC, home, NOW_MS + 250).switched).toBe('degraded');
    expect(home.priceMs).toBeNaN();
    expect(home.key).toBe('#2');
  });

  it('says nothing where nobody is asked', () => {
    const home = settled(NOW_MS);
    const silent = world(100).map((c) => ({ ...c, perMs: 0 }));
    rank(silent, SPEC, home, NOW_MS + 250);
    expect(home.priceMs).toBeNaN();
  });
});
