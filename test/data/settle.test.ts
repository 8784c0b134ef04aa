// What a worker tells of an attempt's times, on a clock of the test's own: what it has measured, and nothing that it has not.

import { beforeEach, expect, it } from 'vitest';
import { newBudget } from '../../src/core/budget.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { OUTCOME, SAMPLE } from '../../src/core/sample.ts';
import { NONE } from '../../src/core/snapshot.ts';
import { Doubt } from '../../src/data/doubt.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { Books, settleAttempt } from '../../src/data/settle.ts';
import { TICK_MS, Wheel } from '../../src/data/wheel.ts';
import { endpointSpec, poolSpec } from '../support/specs.ts';

const SPEC = endpointSpec(0, { id: 'a' });

let nowMs: number;
let wheel: Wheel;
let ex: Exchange;
let books: Books;
let reader: LaneReader;
beforeEach(() => {
  nowMs = 1000;
  wheel = new Wheel(() => nowMs);
  const buffer = newLane();
  reader = new LaneReader(buffer);
  books = new Books();
  ex = {
    plane: { lane: new LaneWriter(buffer), wheel, capture: { id: 0 } },
    generation: { groups: [{ doubt: new Doubt(wheel) }] },
    pool: { spec: poolSpec('p', [0], 0), budget: newBudget(0.2, 0, 0), hedging: null },
    head: { method: 'GET' },
    trace: null,
  } as unknown as Exchange;
});

/** The loop goes on after `ms`. */
function pass(ms: number): void {
  nowMs += ms;
  wheel.stamp();
}

/** [connect, first byte, whole, stalled], ms. */
function told(): number[] {
  settleAttempt(ex, OUTCOME.OK, 200, books);
  const times: number[] = [];
  reader.drain((ring, base) => {
    for (const field of [SAMPLE.CONNECT_MS, SAMPLE.FIRST_BYTE_MS, SAMPLE.TOTAL_MS, SAMPLE.STALLED_MS])
      times.push(ring[base + field]!);
  });
  return times;
}

function sent(): void {
  books.beginAttempt(ex, SPEC, NONE, wheel.nowMs);
  pass(3);
  books.connectMs = 3;
  books.sentMs = nowMs;
}

it('each part of an attempt takes what it took', () => {
  sent();
  pass(20);
  books.firstByteMs = wheel.nowMs;
  pass(5);
  expect(told()).toEqual([3, 20, 28, 0]);
});

it('no time is told of an attempt while which the worker stood still, but for how long it did', () => {
  sent();
  pass(400);
  books.firstByteMs = wheel.nowMs;
  pass(5);
  expect(told()).toEqual([-1, -1, 8 + TICK_MS, 400 - TICK_MS]);
});

it('what stood still before an attempt is no part of it', () => {
  pass(400);
  sent();
  pass(20);
  books.firstByteMs = wheel.nowMs;
  expect(told()).toEqual([3, 20, 23, 0]);
});

it('who answers before the request is whole has not been waited for', () => {
  sent();
  pass(20);
  books.firstByteMs = wheel.nowMs;
  pass(30);
  books.sentMs = nowMs; // its last byte
  pass(5);
  expect(told()).toEqual([3, -1, 58, 0]);
});
