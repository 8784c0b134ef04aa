// Doubt on a wheel that is told the time.

import { beforeEach, describe, expect, it } from 'vitest';
import { Doubt } from '../../src/data/doubt.ts';

const TICK_MS = 25;

let wheel: { nowMs: number; turns: number };
let doubt: Doubt;

/** The loop goes round as it should. */
function pass(ms: number): void {
  for (let left = ms; left > 0; left -= TICK_MS) {
    wheel.nowMs += Math.min(left, TICK_MS);
    if (left >= TICK_MS) wheel.turns++;
  }
}

function fail(times = 1): void {
  for (let i = 0; i < times; i++) {
    doubt.dialled();
    doubt.failed();
  }
}

beforeEach(() => {
  wheel = { nowMs: 1000, turns: 40 };
  doubt = new Doubt(wheel);
});

describe('doubt of an endpoint', () => {
  it('is none at first, and none while connects come about', () => {
    expect(doubt.admits()).toBe(true);
    for (let i = 0; i < 10; i++) doubt.dialled();
    expect(doubt.admits()).toBe(true);
    for (let i = 0; i < 10; i++) doubt.established(1);
    expect(doubt.admits()).toBe(true);
  });

  it('keeps everybody away from the moment a connect failed, and lets one at a time try again', () => {
    fail();
    expect(doubt.admits()).toBe(false);
    pass(100);
    expect(doubt.admits()).toBe(true);
    expect(doubt.admits()).toBe(false);
    fail();
    expect(doubt.admits()).toBe(false);
    pass(100);
    expect(doubt.admits()).toBe(true);
  });

  it('lets one a second try after the third failure', () => {
    fail(3);
    pass(975);
    expect(doubt.admits()).toBe(false);
    pass(25);
    expect(doubt.admits()).toBe(true);
  });

  it('lets another try a second after one of whom nothing was heard', () => {
    fail();
    pass(100);
    expect(doubt.admits()).toBe(true);
    pass(1000);
    expect(doubt.admits()).toBe(true);
  });

  it('ends with the first connect that comes about, and with the first answer', () => {
    fail(5);
    doubt.dialled();
    doubt.established(1);
    expect(doubt.admits()).toBe(true);
    fail();
    doubt.answered();
    expect(doubt.admits()).toBe(true);
  });

  it('begins while a connect takes three times as long as usual, and ends when that is given up', () => {
    doubt.dialled();
    doubt.established(20);
    doubt.dialled();
    pass(50);
    expect(doubt.admits()).toBe(true);
    pass(25);
    expect(doubt.admits()).toBe(false);
    doubt.dropped();
    expect(doubt.admits()).toBe(true);
  });

  it('lets no more than three wait once the loop has gone round', () => {
    doubt.dialled();
    doubt.established(0.2);
    for (let i = 0; i < 3; i++) doubt.dialled();
    expect(doubt.admits()).toBe(true);
    pass(25);
    expect(doubt.admits()).toBe(false);
  });

  it('calls nothing late while our own loop stands still, nor where it is not known how long a connect takes', () => {
    doubt.dialled();
    pass(10_000);
    expect(doubt.admits()).toBe(true);
    doubt.established(1);
    for (let i = 0; i < 3; i++) doubt.dialled();
    wheel.nowMs += 500;
    expect(doubt.admits()).toBe(true);
  });

  it('is put off while others come about: a rush is no blackhole', () => {
    doubt.dialled();
    doubt.established(1);
    for (let i = 0; i < 50; i++) doubt.dialled();
    for (let i = 0; i < 20; i++) {
      pass(25);
      doubt.established(1);
      expect(doubt.admits()).toBe(true);
    }
  });
});
