// The limit that is found out, against endpoints that are made up: servers with so many places, and a queue before them.

import { describe, expect, it } from 'vitest';
import { type Gradient, MIN_LIMIT, newGradient, observe } from '../../src/core/gradient.ts';

const MAX = 1024;

interface Server {
  /** Requests that it works on at once; more wait, and take longer in proportion. */
  places: number;
  baseMs: number;
}

function newRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

/** `wanted` requests are there all the time, as many of them out as the limit allows. Gives the clock and the last latency. */
function load(g: Gradient, server: Server, wanted: number, ms: number, fromMs: number, random: () => number) {
  let nowMs = fromMs;
  let latencyMs = 0;
  const limits: number[] = [];
  while (nowMs < fromMs + ms) {
    const out = Math.min(wanted, g.limit);
    latencyMs = server.baseMs * Math.max(1, out / server.places);
    const noisyMs = latencyMs * (0.8 + 0.4 * random());
    nowMs += latencyMs / out; // Little: so often one of them ends
    observe(g, noisyMs, out, nowMs);
    limits.push(g.limit);
  }
  return { nowMs, latencyMs, limits };
}

describe('a limit that is found out', () => {
  it('is none to an endpoint that is quick enough', () => {
    const g = newGradient(MAX, 0);
    const { limits } = load(g, { places: 2000, baseMs: 20 }, 300, 5000, 0, newRandom(1));
    expect(Math.min(...limits)).toBeGreaterThan(300);
  });

  it.each([2, 2.5, 3, 10])('is none again to one that has become %f times as slow for good', (times) => {
    const g = newGradient(MAX, 0);
    const random = newRandom(4);
    const quick = load(g, { places: 5000, baseMs: 20 }, 300, 5000, 0, random);
    const slow = load(g, { places: 5000, baseMs: 20 * times }, 300, 10_000, quick.nowMs, random);
    expect(Math.min(...slow.limits.slice(slow.limits.length / 2))).toBeGreaterThanOrEqual(300);
  });

  it.each([0.1, 0.5, 0.9])('is none to one that is asked for quick things (a part of %f) and slow ones', (part) => {
    const g = newGradient(MAX, 0);
    const random = newRandom(5);
    const ends: { readonly atMs: number; readonly ms: number }[] = [];
    const neededAtOnce = 0.5 * (2 * part + 200 * (1 - part)); // 500 a second
    let least = MAX;
    let nextMs = 0;
    for (let nowMs = 0; nowMs < 30_000; nowMs++) {
      for (; nextMs <= nowMs; nextMs += 2) {
        const ms = random() < part ? 2 : 200;
        if (ends.length < g.limit) ends.push({ atMs: nowMs + ms, ms });
      }
      for (let i = ends.length - 1; i >= 0; i--) {
        if (ends[i]!.atMs > nowMs) continue;
        observe(g, ends[i]!.ms, ends.length, nowMs);
        ends.splice(i, 1);
      }
      if (nowMs > 10_000) least = Math.min(least, g.limit);
    }
    expect(least).toBeGreaterThan(neededAtOnce);
  });

  it('keeps the latency of one that is asked for too much near what it is when it is not', () => {
    const g = newGradient(MAX, 0);
    const random = newRandom(2);
    const server = { places: 20, baseMs: 20 };
    const calm = load(g, server, 10, 2000, 0, random);
    const { latencyMs, limits } = load(g, server, 500, 120_000, calm.nowMs, random);
    expect(latencyMs).toBeLessThan(3 * server.baseMs);
    const settled = limits.slice(limits.length / 4);
    // Never less than it can take, or it would idle while others wait.
    expect(Math.min(...settled)).toBeGreaterThanOrEqual(server.places);
    expect(Math.max(...settled)).toBeLessThan(3 * server.places);
  });

  it('gives way within a second when an endpoint becomes slow, and comes back when it is quick again', () => {
    const g = newGradient(MAX, 0);
    const random = newRandom(3);
    const server = { places: 100, baseMs: 10 };
    let { nowMs } = load(g, server, 90, 5000, 0, random);
    expect(g.limit).toBeGreaterThan(90);
    server.places = 5;
    nowMs = load(g, server, 90, 1000, nowMs, random).nowMs;
    expect(g.limit).toBeLessThan(30);
    server.places = 100;
    load(g, server, 90, 5000, nowMs, random);
    expect(g.limit).toBeGreaterThanOrEqual(90);
  });

  it('learns that an endpoint is slower for good where it lies at its minimum', () => {
    const g = newGradient(MAX, 0);
    const random = newRandom(4);
    const server = { places: 100, baseMs: 10 };
    const { nowMs } = load(g, server, 50, 5000, 0, random);
    server.baseMs = 200; // whatever is asked of it: no queue
    load(g, server, 50, 60_000, nowMs, random);
    expect(g.limit).toBeGreaterThanOrEqual(50);
  });

  it('takes tenths of a millisecond for what they are', () => {
    const g = newGradient(MAX, 0);
    const random = newRandom(5);
    let nowMs = 0;
    for (let i = 0; i < 20_000; i++) {
      nowMs += 1;
      observe(g, 0.2 + random(), 40, nowMs);
    }
    expect(g.limit).toBeGreaterThan(40);
  });

  it('never leaves its bounds', () => {
    const g = newGradient(8, 0);
    const random = newRandom(6);
    let nowMs = 0;
    for (let i = 0; i < 50_000; i++) {
      nowMs += random() * 20;
      observe(g, random() ** 8 * 5000, Math.ceil(random() * 8), nowMs);
      expect(g.limit).toBeGreaterThanOrEqual(MIN_LIMIT);
      expect(g.limit).toBeLessThanOrEqual(8);
    }
  });
});
