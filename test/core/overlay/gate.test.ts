import { describe, expect, it } from 'vitest';
import { isBetterRelay, newGate, settleGate } from '../../../src/core/overlay/gate.ts';

/** What became of the gate under scores that hold for `forMs`, looked at every tick. */
function held(
  gate: ReturnType<typeof newGate>,
  directMs: number,
  relayMs: number,
  fromMs: number,
  forMs: number,
): boolean {
  for (let at = fromMs; at < fromMs + forMs; at += 250) settleGate(gate, directMs, relayMs, at);
  return gate.isOpen;
}

describe('the gate before a relay', () => {
  it('opens when the relay has been better by a tenth and 5 ms on two ticks', () => {
    expect(held(newGate(), 100, 84, 0, 250)).toBe(false);
    expect(held(newGate(), 100, 84, 0, 500)).toBe(true);
  });

  it('stays shut for a relay that is hardly better, however long that lasts', () => {
    expect(held(newGate(), 100, 86, 0, 60_000)).toBe(false);
    expect(held(newGate(), 12, 6.5, 0, 60_000)).toBe(false);
  });

  it('is not opened by moments', () => {
    const gate = newGate();
    for (let at = 0; at < 60_000; at += 250) settleGate(gate, at % 500 === 0 ? 200 : 90, 80, at);
    expect(gate.isOpen).toBe(false);
  });

  it('stays open until the direct path is as good again', () => {
    const gate = newGate();
    expect(held(gate, 200, 80, 0, 3000)).toBe(true);
    expect(held(gate, 90, 80, 3000, 3000)).toBe(true);
    expect(held(gate, 81, 80, 6000, 500)).toBe(false);
  });

  it('keeps what it has decided for two seconds', () => {
    const gate = newGate();
    held(gate, 200, 80, 0, 500);
    expect(held(gate, 60, 80, 500, 1500)).toBe(true);
    expect(held(gate, 60, 80, 2000, 1000)).toBe(false);
  });

  it('does not wait with that when the direct path is half as slow again', () => {
    const gate = newGate();
    held(gate, 200, 80, 0, 3000);
    expect(held(gate, 60, 80, 3000, 500)).toBe(false);
    expect(held(gate, 100, 80, 3500, 1000)).toBe(false);
    expect(held(gate, 130, 80, 4500, 500)).toBe(true);
  });

  it('shuts when the relay is gone, and opens for any relay when the direct path is', () => {
    const gate = newGate();
    held(gate, 200, 80, 0, 3000);
    expect(held(gate, 200, Number.POSITIVE_INFINITY, 3000, 1000)).toBe(false);
    expect(held(newGate(), Number.POSITIVE_INFINITY, 80, 0, 500)).toBe(true);
  });
});

describe('of two relays', () => {
  it('another one has to be clearly better than the one that is held', () => {
    expect(isBetterRelay(90, 100)).toBe(false);
    expect(isBetterRelay(87, 100)).toBe(true);
    expect(isBetterRelay(500, Number.POSITIVE_INFINITY)).toBe(true);
    expect(isBetterRelay(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)).toBe(false);
  });
});
