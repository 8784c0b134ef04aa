import { describe, expect, it } from 'vitest';
import { Countries } from '../../../src/control/live/countries.ts';
import { Decided as DecidedStream } from '../../../src/control/live/decided.ts';
import { Figures } from '../../../src/control/live/figures.ts';
import { History } from '../../../src/control/live/history.ts';
import { Latency } from '../../../src/control/live/latency.ts';
import { CELL, DURATION_BUCKETS_S } from '../../../src/core/cells.ts';
import { countryKeyOf } from '../../../src/core/cohort.ts';
import { newLane } from '../../../src/core/lane.ts';
import { LaneReader } from '../../../src/core/lane-reader.ts';
import { LaneWriter } from '../../../src/core/lane-writer.ts';
import { Decided } from '../../support/decided.ts';
import { origin, World } from '../../support/world.ts';

describe('requests by country', () => {
  /** `perSecond` of each, for so many seconds. */
  function pass(countries: Countries, fromMs: number, seconds: number, perSecond: Record<string, number>): number {
    for (let s = 1; s <= seconds; s++) {
      for (const [country, count] of Object.entries(perSecond)) {
        for (let i = 0; i < count; i++) countries.seen(countryKeyOf(country === '' ? null : country));
      }
      countries.pass(fromMs + s * 1000);
    }
    return fromMs + seconds * 1000;
  }

  it('are the rate from the first second on, most first, with those of nowhere', () => {
    const countries = new Countries(0);
    pass(countries, 0, 1, { DE: 40, ZZ: 4, '': 7 });
    expect(countries.list(60)).toEqual([
      ['DE', 40],
      ['', 7],
      ['ZZ', 4],
    ]);
    expect(countries.list(1)).toEqual([['DE', 40]]);
  });

  it('follow a change within half a minute, and forget who was silent for one', () => {
    const countries = new Countries(0);
    const atMs = pass(countries, 0, 30, { DE: 40, US: 10 });
    pass(countries, atMs, 30, { US: 50 });
    const [first, second] = countries.list(60);
    expect(first![0]).toBe('US');
    expect(Math.abs(first![1] - 50)).toBeLessThan(3);
    expect(second![0]).toBe('DE');
    expect(second![1]).toBeLessThan(3);
    pass(countries, atMs + 30_000, 35, { US: 1 });
    expect(countries.list(60).map(([country]) => country)).toEqual(['US']);
  });

  it('hold whatever a key may be', () => {
    const countries = new Countries(0);
    for (const key of [0, -1, 65_535, 2 ** 32, 0x4161, Number.NaN]) countries.seen(key);
    countries.pass(1000);
    expect(countries.list(60)).toEqual([['', 6]]);
  });
});

describe('how long requests take', () => {
  const laneOf = () => {
    const buffer = newLane();
    return { writer: new LaneWriter(buffer), reader: new LaneReader(buffer) };
  };
  const file = (writer: LaneWriter, ms: number, times: number, route = 1) => {
    for (let i = 0; i < times; i++) writer.observe(CELL.DURATION, route, 0, DURATION_BUCKETS_S, ms / 1000);
  };

  it('is that of the last ten looks, all workers and routes together', () => {
    const lanes = [laneOf(), laneOf()];
    const latency = new Latency();
    file(lanes[0]!.writer, 6000, 1000); // long ago
    latency.look(lanes, 0);
    expect([latency.rates(), latency.quantile(0.5)]).toEqual([null, null]);
    file(lanes[0]!.writer, 30, 50);
    file(lanes[1]!.writer, 30, 49, 2);
    file(lanes[1]!.writer, 1000, 1, 2);
    lanes[1]!.writer.count(CELL.REQUESTS, 1, 1, (1 << 10) | 200, 90);
    lanes[1]!.writer.count(CELL.REQUESTS, 1, 1, (1 << 10) | 503, 10);
    latency.look(lanes, 1000);
    expect(latency.rates()).toEqual({ requestsPerSecond: 100, errorsPerSecond: 10 });
    // Half way through the bucket from 25 to 50 ms, and at its end.
    expect(latency.quantile(0.5)).toBeCloseTo(25 + (25 * 50) / 99, 6);
    expect(latency.quantile(0.99)).toBeCloseTo(50, 6);
    expect(latency.quantile(0.999)).toBeGreaterThan(800);
    for (let s = 2; s <= 12; s++) latency.look(lanes, s * 1000);
    expect([latency.quantile(0.5), latency.rates()?.requestsPerSecond]).toEqual([null, 0]);
  });

  it('begins anew when a worker died with its counts', () => {
    const lanes = [laneOf()];
    const latency = new Latency();
    latency.look(lanes, 0);
    file(lanes[0]!.writer, 30, 10);
    latency.look(lanes, 1000);
    latency.look([laneOf()], 2000);
    expect([latency.rates(), latency.quantile(0.5)]).toEqual([null, null]);
  });
});

describe('the history', () => {
  const at = (slot: number, generation = 1) => ({ slot, generation });

  it('is five minutes at most, oldest first, with gaps where nothing was known', async () => {
    const history = new History();
    const endpoints = [at(3), at(0)];
    for (let step = 0; step < 70; step++) {
      history.step(step * 5000);
      history.record(at(3), step + 0.04, step % 2 === 0 ? Number.NaN : 1.26);
      if (step >= 68) history.record(at(0), 7, 8);
    }
    const { stepMs, endAt, rttMs, scoreMs } = JSON.parse(await history.text(endpoints));
    expect([stepMs, endAt]).toEqual([5000, new Date(69 * 5000).toISOString()]);
    expect(rttMs[0]).toEqual(Array.from({ length: 60 }, (_, i) => i + 10));
    expect(scoreMs[0].slice(-2)).toEqual([null, 1.3]);
    expect(rttMs[1]).toEqual([...new Array(58).fill(null), 7, 7]);
  });

  it('is not that of another endpoint that was in the same place', async () => {
    const history = new History();
    history.step(0);
    history.record(at(5), 10, 10);
    history.step(5000);
    history.record(at(5, 2), 20, 20);
    expect(JSON.parse(await history.text([at(5, 2), at(5), at(9)])).rttMs).toEqual([[null, 20], [], []]);
    history.keep([]);
    expect(JSON.parse(await history.text([at(5, 2)])).rttMs).toEqual([[]]);
  });

  it('is written once for all who ask within a step', () => {
    const history = new History();
    history.step(0);
    const endpoints = [at(1)];
    expect(history.text(endpoints)).toBe(history.text(endpoints));
    const before = history.text(endpoints);
    history.step(5000);
    expect(history.text(endpoints)).not.toBe(before);
  });
});

describe('the figures of endpoints', () => {
  it('are told when they look different, and not for what rounding hides', () => {
    const world = new World([origin('a', 5), origin('b', 40)], { pool: { exploreRatio: 0 } });
    world.run(2000);
    world.run(8000, 100);
    const figures = new Figures(world.fleet.pools, world.nowMs);
    const first = JSON.parse(`[${figures.changed(world.nowMs)}]`);
    expect(first.map(([index]: number[]) => index)).toEqual([0, 1]);
    const [, rps, errors, inflight, networkMs, serverMs, scoreMs, share, requests, failures] = first[0];
    const [view] = world.fleet.endpoints();
    expect(rps).toBeCloseTo(view!.requestsPerSecond, 1);
    expect([errors, inflight, share, requests, failures]).toEqual([0, view!.inflight, 1, view!.requests, 0]);
    expect(networkMs).toBe(Math.round(view!.networkMs! * 10) / 10);
    expect(serverMs).toBe(Math.round(view!.serverMs! * 10) / 10);
    expect(scoreMs).toBe(Math.round(view!.scoreMs! * 10) / 10);
    expect(figures.changed(world.nowMs)).toBe('');
    world.run(1000, 100);
    expect(JSON.parse(`[${figures.changed(world.nowMs)}]`).map(([index]: number[]) => index)).toEqual([0]);
    expect(JSON.parse(`[${figures.all()}]`)).toHaveLength(2);
  });

  it('tell of a state when it changes, and why', () => {
    const world = new World([origin('a', 5), origin('b', 40)]);
    world.run(5000, 100);
    const figures = new Figures(world.fleet.pools, world.nowMs);
    const dateOf = (atMs: number) => new Date(atMs).toISOString();
    expect(figures.changedStates(dateOf)).toBe('');
    const atMs = world.nowMs;
    world.fleet.drain('b');
    expect(JSON.parse(figures.changedStates(dateOf))).toEqual([1, 'draining', 'drained by an operator', dateOf(atMs)]);
    expect(figures.changedStates(dateOf)).toBe('');
    expect(JSON.parse(`[${figures.allStates(dateOf)}]`).map(([, state]: string[]) => state)).toEqual([
      'healthy',
      'draining',
    ]);
  });

  it('count failures as they come', () => {
    const origins = [origin('a', 5)];
    const world = new World(origins);
    world.run(5000, 100);
    const figures = new Figures(world.fleet.pools, world.nowMs);
    origins[0]!.failing = 1;
    for (let s = 0; s < 20; s++) {
      world.run(1000, 10);
      figures.changed(world.nowMs);
    }
    expect(figures.errorsPerSecond).toBeGreaterThan(5);
  });
});

describe('decisions as they settle', () => {
  it('are told once they are answered, in the words of the record, and as they are after two seconds', async () => {
    const decided = new Decided();
    const stream = new DecidedStream(decided.decisions.journal);
    stream.begin();
    const slot = decided.request();
    const { id } = decided.capture;
    decided.tick();
    const atMs = decided.ctx.nowMs;
    expect([stream.news(atMs), stream.recent(50)]).toEqual([[], []]);
    decided.settle(slot, 0, id, 7);
    decided.publish();
    decided.tick();
    const [told] = stream.news(atMs + 1000);
    const [record] = await decided.decisions.recent();
    const { route, pool, endpoint, region, role, cohort, outcome, status } = record!;
    expect(told).toMatchObject({ id: record!.id, at: record!.at, route, pool, endpoint, region, role, cohort });
    expect(told).toMatchObject({ outcome, status, tookMs: record!.totalMs, country: null });
    const chosen = record!.candidates.find((candidate) => candidate.id === endpoint)!;
    expect(told!.scoreMs).toBe(Math.round(chosen.liveMs * 10) / 10);
    expect(decided.decisions.one(told!.id)).toEqual(record);
    expect(stream.news(atMs + 2000)).toEqual([]);

    decided.request();
    decided.publish();
    decided.tick();
    expect(stream.news(atMs + 1900)).toEqual([]);
    expect(stream.news(atMs + 2100)).toMatchObject([{ outcome: null, status: null, tookMs: null }]);
  });

  it('are at most ten at a time, evenly of all, and the older ones are there for who comes', () => {
    const decided = new Decided();
    decided.run(40);
    const stream = new DecidedStream(decided.decisions.journal);
    stream.begin();
    expect(stream.recent(50)).toHaveLength(40);
    expect(stream.recent(5).map(({ at }) => at)).toEqual(
      stream
        .recent(40)
        .slice(-5)
        .map(({ at }) => at),
    );
    decided.run(60);
    const news = stream.news(decided.ctx.nowMs + 2001);
    expect(news).toHaveLength(10);
    expect(stream.recent(200)).toHaveLength(decided.decisions.journal.taken);
    expect(decided.decisions.one('nonsense!')).toBeNull();
    expect(decided.decisions.one('zzz')).toBeNull();
  });
});
