import { describe, expect, it } from 'vitest';
import { Pulse } from '../../src/control/pulse.ts';

const look = (pulse: Pulse, beats: number, times: number): number[] =>
  Array.from({ length: times }, () => pulse.look(beats));

describe('the pulse of a worker', () => {
  it('is missed after ten looks without a beat, and not before', () => {
    const pulse = new Pulse();
    pulse.look(7);
    expect(look(pulse, 7, 9)).toEqual(new Array(9).fill(0));
    expect(pulse.look(7)).toBe(10);
  });

  it('begins anew with every beat', () => {
    const pulse = new Pulse();
    pulse.look(1);
    look(pulse, 1, 9);
    expect(pulse.look(2)).toBe(0);
    expect(look(pulse, 2, 9)).toEqual(new Array(9).fill(0));
  });

  it('is waited for longer where it has not begun', () => {
    const pulse = new Pulse();
    expect(look(pulse, 0, 29)).toEqual(new Array(29).fill(0));
    expect(pulse.look(0)).toBe(30);
  });
});
