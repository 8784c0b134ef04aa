// Who may ask an endpoint now, and who waits: a gate by itself, on the in-flight counts of a real plane.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newBudget } from '../../src/core/budget.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { OUTCOME, type Outcome } from '../../src/core/sample.ts';
import { NONE, type PoolSpec } from '../../src/core/snapshot.ts';
import { newTable, shapeOf } from '../../src/core/table.ts';
import { Doubt } from '../../src/data/doubt.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { Gate } from '../../src/data/gate.ts';
import { Plane } from '../../src/data/plane.ts';
import { Books, settleAttempt } from '../../src/data/settle.ts';
import type { UpstreamEvents } from '../../src/data/sides.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';

const POOL = poolSpec('p', [0], 0);
const SPEC = endpointSpec(0, { id: 'a' });
const [LOW, NORMAL, HIGH] = [0, 1, 2] as const;

let plane: Plane;
beforeEach(() => {
  const structure = { ...snapshotOf([SPEC], [POOL]), lanes: 2 };
  const snapshot = { ...structure, table: newTable(shapeOf(structure)) };
  plane = new Plane({
    lane: 0,
    writer: new LaneWriter(newLane()),
    clock: () => performance.now(),
    random: Math.random,
    loopId: 'x',
    snapshot,
    wrapRouter: (router) => router,
    onQuiet: () => {},
  });
});
afterEach(() => {
  plane.destroy();
});

const gateOf = (more: Partial<PoolSpec>, capacity = 0): Gate =>
  new Gate(plane, { ...SPEC, capacity }, { ...POOL, ...more });
const userOf = (name: string): UpstreamEvents => ({ name }) as unknown as UpstreamEvents;

/** One more request is counted in flight, as an attempt does before it asks. */
function asks(gate: Gate): boolean {
  plane.lane.inflight[SPEC.slot]! += 1;
  return gate.hasRoom(false);
}

describe('a gate', () => {
  it('without a limit is always open', () => {
    const gate = gateOf({ requestsPerEndpoint: 0 });
    for (let i = 0; i < 10_000; i++) expect(asks(gate)).toBe(true);
    expect(gate.limit).toBe(Number.POSITIVE_INFINITY);
  });

  it('lets through its worker’s share of the limit, and one more for each that ends', () => {
    const gate = gateOf({ requestsPerEndpoint: 7 }); // two workers: four each
    expect([1, 2, 3, 4, 5].map(() => asks(gate))).toEqual([true, true, true, true, false]);
    gate.await(userOf('fifth'), NORMAL);
    expect(gate.hasRoom(true)).toBe(false);
    plane.lane.inflight[SPEC.slot]! -= 1;
    expect(gate.hasRoom(true)).toBe(true);
    gate.next();
    expect(gate.hasRoom(true)).toBe(false);
  });

  it('serves who waits by the priority of his route, then in the order of coming', () => {
    const gate = gateOf({});
    const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(userOf);
    gate.await(a!, LOW);
    gate.await(b!, NORMAL);
    gate.await(c!, HIGH);
    gate.await(d!, NORMAL);
    gate.await(e!, HIGH);
    gate.cancel(d!);
    expect(gate.length).toBe(4);
    expect([gate.next(), gate.next(), gate.next(), gate.next(), gate.next()]).toEqual([c, e, b, a, undefined]);
    expect(gate.length).toBe(0);
  });

  it('keeps the second half of its queue from low routes', () => {
    const gate = gateOf({ queue: 4 });
    const places = (): boolean[] => [LOW, NORMAL, HIGH].map((rank) => gate.hasPlace(rank));
    expect(places()).toEqual([true, true, true]);
    gate.await(userOf('a'), NORMAL);
    gate.await(userOf('b'), NORMAL);
    expect(places()).toEqual([false, true, true]);
    gate.await(userOf('c'), NORMAL);
    gate.await(userOf('d'), NORMAL);
    expect(places()).toEqual([false, false, false]);
  });

  it('finds its limit out where nobody knows what the endpoint can take, and forgets it only when another is asked for', () => {
    const gate = gateOf({ requestsPerEndpoint: 'auto', connectionsPerEndpoint: 200 });
    expect(gate.limit).toBe(100); // of two workers
    let { nowMs } = plane.wheel;
    plane.lane.inflight[SPEC.slot] = 5;
    for (let i = 0; i < 100; i++, nowMs += 10) gate.learn(10, nowMs, true);
    plane.lane.inflight[SPEC.slot] = 90;
    for (let i = 0; i < 100; i++, nowMs += 10) gate.learn(200, nowMs, true);
    const { limit } = gate;
    expect(limit).toBeLessThan(50);
    gate.install({ ...POOL, requestsPerEndpoint: 'auto', connectionsPerEndpoint: 200, queue: 3 });
    expect(gate.limit).toBe(limit);
    gate.install({ ...POOL, requestsPerEndpoint: 10, connectionsPerEndpoint: 200 });
    expect(gate.limit).toBe(5);
  });

  it('does not take quick failures for the pace of an endpoint that is well', () => {
    const pool = { ...POOL, requestsPerEndpoint: 'auto', connectionsPerEndpoint: 200 } as const;
    const gate = new Gate(plane, SPEC, pool);
    const ex = {
      plane,
      pool: { spec: pool, budget: newBudget(0.2, 0, 0), hedging: null },
      generation: { groups: [{ gate, doubt: new Doubt(plane.wheel) }] },
      head: { method: 'GET' },
      trace: null,
    } as unknown as Exchange;
    const books = new Books();
    /** Thirty at once, each of which takes `ms` and comes to `outcome`. */
    const answers = (outcome: Outcome, status: number, ms: number, forMs: number): void => {
      plane.lane.inflight[SPEC.slot] = 30;
      for (const untilMs = plane.wheel.nowMs + forMs; plane.wheel.nowMs < untilMs; plane.wheel.nowMs += 5) {
        books.beginAttempt(ex, SPEC, NONE, plane.wheel.nowMs - ms);
        books.sentMs = plane.wheel.nowMs - ms;
        books.firstByteMs = plane.wheel.nowMs;
        settleAttempt(ex, outcome, status, books);
      }
    };
    answers(OUTCOME.OK, 200, 60, 1000);
    expect(gate.limit).toBe(100);
    answers(OUTCOME.STATUS_5XX, 503, 1, 2000);
    answers(OUTCOME.TOO_MANY, 429, 1, 2000);
    for (let i = 0; i < 20; i++) {
      answers(OUTCOME.OK, 200, 60, 100);
      expect(gate.limit).toBe(100);
    }
    for (let i = 0; i < 6; i++) answers(OUTCOME.STATUS_5XX, 500, 2000, 100); // slow ones do tell
    expect(gate.limit).toBeLessThan(50);
  });

  it('leaves an endpoint that says what it can take to the selector', () => {
    expect(gateOf({ requestsPerEndpoint: 'auto' }, 100).limit).toBe(Number.POSITIVE_INFINITY);
  });
});
