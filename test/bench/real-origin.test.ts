// The origin of the real test-bed (bench/route/real): were its delays or its capacity not what it says, every figure of that
// bench would be about something else. The real process; times are looked at from below, and from above by ratios only.

import { afterEach, describe, expect, it } from 'vitest';
import { Bounded, serviceMsOf } from '../../bench/route/real/bounded.ts';
import { Origin } from '../../bench/route/real/fleet.ts';
import { figuresOf } from '../../bench/route/real/judge.ts';
import { openLoop, plannedMs } from '../../bench/route/real/load.ts';
import type { Behaviour } from '../../bench/route/real/origin.ts';
import { seeded } from '../../src/core/selector.ts';

const CALM: Behaviour = { networkMs: 20, slowdown: 1, failing: 0 };
const origins: Origin[] = [];

async function originOf(behaviour: Behaviour, workers = 2, port = 0): Promise<Origin> {
  const spec = { id: 'milan', port, workers, serviceMs: 10, sigma: 0, seed: 1, behaviour };
  const origin = await Origin.start(spec);
  origins.push(origin);
  return origin;
}

afterEach(async () => {
  await Promise.all(origins.splice(0).map((origin) => origin.kill()));
});

async function askedOf(origin: Origin, requests: number) {
  const startMs = performance.now();
  const answers = await openLoop(origin.port, new Array(requests).fill(0), new AbortController().signal);
  return { answers, tookMs: performance.now() - startMs };
}

describe('the workers of an origin', () => {
  it('serve as many at a time as there are, and the rest in the order of their coming', () => {
    const workers = new Bounded(2);
    expect([0, 0, 0, 0, 5].map((atMs) => workers.doneAtMs(atMs, 10))).toEqual([10, 10, 20, 20, 30]);
  });

  it('stand idle until somebody comes', () => {
    const workers = new Bounded(1);
    workers.doneAtMs(0, 10);
    expect(workers.doneAtMs(100, 10)).toBe(110);
  });

  it('take times whose mean is the one asked for', () => {
    const random = seeded(1);
    const times = Array.from({ length: 20_000 }, () => serviceMsOf(10, 0.5, random));
    const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
    expect(mean).toBeGreaterThan(9.8);
    expect(mean).toBeLessThan(10.2);
    expect(Math.min(...times)).toBeGreaterThan(0);
  });
});

describe('an origin', () => {
  it('answers after its network and its service, with its name', async () => {
    const { answers } = await askedOf(await originOf(CALM), 1);
    expect(answers).toMatchObject([{ status: 200, origin: 'milan' }]);
    // A timer may fire up to a millisecond early by another clock.
    expect(answers[0]!.tookMs).toBeGreaterThanOrEqual(29);
  });

  it('lets requests wait for a worker, but not for the network of others', async () => {
    const { answers } = await askedOf(await originOf(CALM), 10);
    const took = answers.map((answer) => answer.tookMs).sort((a, b) => a - b);
    // Five rounds of 10 ms, and once 20 ms on the way.
    expect(took[9]).toBeGreaterThanOrEqual(69);
    expect(took[9]! - took[0]!).toBeGreaterThanOrEqual(36);
    expect(took[9]).toBeLessThan(10 * 30);
  });

  it('takes on a new behaviour before it says so', async () => {
    const origin = await originOf(CALM);
    await origin.set({ networkMs: 20, slowdown: 8, failing: 0 });
    expect((await askedOf(origin, 1)).answers[0]!.tookMs).toBeGreaterThanOrEqual(99);
    await origin.set({ networkMs: 90, slowdown: 1, failing: 0 });
    expect((await askedOf(origin, 1)).answers[0]!.tookMs).toBeGreaterThanOrEqual(99);
  });

  it('fails the ratio it is told to, without a worker', async () => {
    const origin = await originOf({ networkMs: 0, slowdown: 100, failing: 1 });
    const { answers, tookMs } = await askedOf(origin, 20);
    expect(answers.every(({ status, origin: by }) => status === 503 && by === 'milan')).toBe(true);
    // Ten rounds of a second, had they been served.
    expect(tookMs).toBeLessThan(5000);

    await origin.set({ networkMs: 0, slowdown: 0.01, failing: 0.3 });
    const failed = (await askedOf(origin, 500)).answers.filter(({ status }) => status === 503).length;
    expect(failed).toBeGreaterThan(100);
    expect(failed).toBeLessThan(200);
  });

  it('reports what it served and how late it was', async () => {
    const origin = await originOf(CALM);
    await askedOf(origin, 3);
    const report = await origin.report();
    expect(report.served).toBe(3);
    expect(report.lateP50Ms).toBeGreaterThan(-2);
    expect(report.lateP99Ms).toBeGreaterThanOrEqual(report.lateP50Ms);
  });

  it('is gone after kill -9, and another takes its port', async () => {
    const origin = await originOf(CALM);
    await origin.kill();
    expect((await askedOf(origin, 1)).answers).toMatchObject([{ status: 0, origin: null }]);
    const next = await originOf(CALM, 2, origin.port);
    expect((await askedOf(next, 1)).answers).toMatchObject([{ status: 200 }]);
  });
});

describe('the load', () => {
  it('is planned at the rate of each step', () => {
    const steps = [
      { fromMs: 0, perSecond: 100 },
      { fromMs: 10_000, perSecond: 400 },
    ];
    const planned = plannedMs(steps, 20_000, seeded(1));
    const first = planned.filter((atMs) => atMs < 10_000).length;
    expect(first).toBeGreaterThan(900);
    expect(first).toBeLessThan(1100);
    expect(planned.length - first).toBeGreaterThan(3800);
    expect(planned.length - first).toBeLessThan(4200);
    expect(planned).toEqual([...planned].sort((a, b) => a - b));
  });

  it('counts a time from the planned moment, not from the one it was sent', async () => {
    const origin = await originOf({ networkMs: 0, slowdown: 1, failing: 0 });
    const loading = openLoop(origin.port, [20], new AbortController().signal);
    const untilMs = performance.now() + 200;
    while (performance.now() < untilMs); // this process stalls, as a proxy might
    const [answer] = await loading;
    expect(answer!.lateMs).toBeGreaterThanOrEqual(150);
    expect(answer!.tookMs).toBeGreaterThanOrEqual(answer!.lateMs);
  });
});

describe('the judge', () => {
  const answer = { atMs: 10, tookMs: 20, lateMs: 0, status: 200, origin: 'milan' };

  it('counts an error in the mean as a second, and not among the latencies', () => {
    const answers = [answer, { ...answer, tookMs: 1, status: 503 }];
    const figures = figuresOf(answers, 0, [{ fromMs: 0, ms: [20, 24, 50, 100, 170] }]);
    expect(figures).toMatchObject({ requests: 2, errors: 1, errorRatio: 0.5, p50Ms: 20, meanMs: 510 });
  });

  it('holds a choice against what was best at the time: wrong beyond 5 ms and 10 %', () => {
    const truths = [
      { fromMs: 0, ms: [20, 24, 50, 100, 170] },
      { fromMs: 100, ms: [90, 24, 50, 100, 170] },
    ];
    const wrongOf = (atMs: number, origin: string) => figuresOf([{ ...answer, atMs, origin }], 0, truths).wrongRatio;
    expect([wrongOf(10, 'milan'), wrongOf(10, 'london'), wrongOf(10, 'stockholm')]).toEqual([0, 0, 1]);
    expect([wrongOf(110, 'milan'), wrongOf(110, 'london')]).toEqual([1, 0]);
  });
});
