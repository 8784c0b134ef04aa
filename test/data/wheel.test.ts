// The wheel on a clock of its own: when things fire, how late, and that handlers may do what they like to the others.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NEVER, STALL_MS, TICK_MS, Timed, Wheel } from '../../src/data/wheel.ts';

const TURN_MS = 512 * TICK_MS;

class Alarm extends Timed {
  readonly firedAtMs: number[] = [];
  onFire: (nowMs: number) => void = () => {};

  override onDeadline(nowMs: number): void {
    this.firedAtMs.push(nowMs);
    this.onFire(nowMs);
  }
}

/** A wheel at moment 0 that goes on in steps of a tick, or at once. */
function newWheel(): { wheel: Wheel; to(ms: number): void; jump(ms: number): void } {
  let nowMs = 0;
  const wheel = new Wheel(() => nowMs);
  const jump = (ms: number): void => {
    nowMs = ms;
    wheel.advance(ms);
  };
  return {
    wheel,
    jump,
    to(ms) {
      while (nowMs + TICK_MS < ms) jump(nowMs + TICK_MS);
      jump(ms);
    },
  };
}

describe('a timer', () => {
  it.each([
    1,
    24,
    25,
    26,
    50,
    999,
    12_775,
    TURN_MS,
    TURN_MS + 1,
    30_000,
    3_600_000,
  ])('armed for %i ms fires once, not before its time and at most a tick late', (deadlineMs) => {
    const { wheel, to } = newWheel();
    const alarm = new Alarm();
    wheel.arm(alarm, deadlineMs);
    to(deadlineMs + 3 * TURN_MS);
    expect(alarm.firedAtMs).toHaveLength(1);
    expect(alarm.firedAtMs[0]).toBeGreaterThanOrEqual(deadlineMs);
    expect(alarm.firedAtMs[0]).toBeLessThanOrEqual(deadlineMs + TICK_MS);
    expect([alarm.deadlineMs, alarm.wheelSlot]).toEqual([NEVER, -1]);
  });

  it('that is armed again for later fires at the later moment only, and stays linked where it was', () => {
    const { wheel, to } = newWheel();
    const alarm = new Alarm();
    wheel.arm(alarm, 100);
    const slot = alarm.wheelSlot;
    wheel.arm(alarm, 1000);
    expect(alarm.wheelSlot).toBe(slot);
    to(975);
    expect(alarm.firedAtMs).toEqual([]);
    to(2000);
    expect(alarm.firedAtMs).toEqual([1000]);
  });

  it('that is armed again for earlier fires at the earlier moment only', () => {
    const { wheel, to } = newWheel();
    const alarm = new Alarm();
    wheel.arm(alarm, 5000);
    wheel.arm(alarm, 100);
    to(6000);
    expect(alarm.firedAtMs).toEqual([100]);
  });

  it('that is disarmed does not fire, and fires again when it is armed again', () => {
    const { wheel, to } = newWheel();
    const alarm = new Alarm();
    wheel.arm(alarm, 100);
    wheel.disarm(alarm);
    to(50);
    wheel.arm(alarm, 150);
    wheel.disarm(alarm);
    to(1000);
    expect(alarm.firedAtMs).toEqual([]);
    expect(alarm.wheelSlot).toBe(-1);
    wheel.armIn(alarm, 100);
    to(2000);
    expect(alarm.firedAtMs).toEqual([1100]);
  });

  it('that is armed for never is not linked, so that nothing holds its owner', () => {
    const { wheel } = newWheel();
    const alarm = new Alarm();
    wheel.arm(alarm, NEVER);
    expect(alarm.wheelSlot).toBe(-1);
  });

  it('that is dropped is unlinked at once, from the head, the middle and the end of its slot', () => {
    const { wheel, to } = newWheel();
    const alarms = Array.from({ length: 5 }, () => new Alarm());
    for (const alarm of alarms) wheel.arm(alarm, 100);
    for (const i of [4, 2, 0]) {
      wheel.drop(alarms[i]!);
      expect([alarms[i]!.wheelSlot, alarms[i]!.wheelNext, alarms[i]!.wheelPrev]).toEqual([-1, null, null]);
    }
    wheel.drop(alarms[0]!);
    to(200);
    expect(alarms.map((alarm) => alarm.firedAtMs)).toEqual([[], [100], [], [100], []]);
  });

  it('armed for a moment that has passed fires with the next tick', () => {
    const { wheel, to } = newWheel();
    to(1000);
    const alarm = new Alarm();
    wheel.arm(alarm, 10);
    to(1000 + TICK_MS);
    expect(alarm.firedAtMs).toEqual([1000 + TICK_MS]);
  });
});

describe('a handler', () => {
  it('may arm its own timer again: once a tick at most, never twice in one', () => {
    const { wheel, to } = newWheel();
    const alarm = new Alarm();
    alarm.onFire = (nowMs) => wheel.arm(alarm, nowMs);
    wheel.arm(alarm, 100);
    to(200);
    expect(alarm.firedAtMs).toEqual([100, 125, 150, 175, 200]);
  });

  it('may drop, disarm, put off and arm others of the slot that is being visited', () => {
    const { wheel, to } = newWheel();
    const [dropped, disarmed, putOff, other, late] = Array.from({ length: 5 }, () => new Alarm());
    const first = new Alarm();
    for (const alarm of [dropped, disarmed, putOff, other]) wheel.arm(alarm!, 100);
    wheel.arm(first, 100); // the last one armed is the first one visited
    first.onFire = () => {
      wheel.drop(dropped!);
      wheel.disarm(disarmed!);
      wheel.arm(putOff!, 300);
      wheel.arm(late!, 110);
      wheel.drop(first);
    };
    to(1000);
    const fired = [first, dropped, disarmed, putOff, other, late].map((alarm) => alarm!.firedAtMs);
    expect(fired).toEqual([[100], [], [], [300], [100], [125]]);
  });

  it('may drop all of the slot, whatever its place in it', () => {
    for (const killer of [0, 1, 2]) {
      const { wheel, to } = newWheel();
      const alarms = Array.from({ length: 3 }, () => new Alarm());
      for (const alarm of alarms) wheel.arm(alarm, 50);
      alarms[killer]!.onFire = () => {
        for (const alarm of alarms) wheel.drop(alarm);
      };
      to(500);
      expect(alarms.reduce((sum, alarm) => sum + alarm.firedAtMs.length, 0)).toBe(3 - killer);
    }
  });
});

describe('a stall', () => {
  it('of less than a turn fires all that came due in it, once each', () => {
    const { wheel, jump } = newWheel();
    const alarms = Array.from({ length: 100 }, (_, i) => {
      const alarm = new Alarm();
      wheel.arm(alarm, i * 50);
      return alarm;
    });
    jump(2500);
    expect(alarms.filter((alarm) => alarm.firedAtMs.length === 1)).toHaveLength(51);
    jump(10_000);
    expect(alarms.every((alarm) => alarm.firedAtMs.length === 1)).toBe(true);
  });

  it('of many turns does the same, and what is not due yet keeps its time', () => {
    const { wheel, jump, to } = newWheel();
    const alarms = [10, TURN_MS - 1, 2 * TURN_MS, 40 * TURN_MS].map((deadlineMs) => {
      const alarm = new Alarm();
      wheel.arm(alarm, deadlineMs);
      return alarm;
    });
    jump(30 * TURN_MS + 7);
    expect(alarms.map((alarm) => alarm.firedAtMs.length)).toEqual([1, 1, 1, 0]);
    to(40 * TURN_MS);
    expect(alarms[3]!.firedAtMs).toEqual([40 * TURN_MS]);
  });
});

describe('the clock', () => {
  it('is read when a read begins and with a tick, and what is armed counts from there', () => {
    let nowMs = 1000;
    const wheel = new Wheel(() => nowMs);
    const alarm = new Alarm();
    nowMs = 1500;
    wheel.armIn(alarm, 100);
    expect(alarm.deadlineMs).toBe(1100);
    expect(wheel.stamp()).toBe(1500);
    wheel.armIn(alarm, 100);
    expect(alarm.deadlineMs).toBe(1600);
  });

  it('ticks by itself once started, until it is stopped', async () => {
    const wheel = new Wheel(() => performance.now());
    wheel.start();
    const fired = await new Promise<number>((resolve) => {
      const alarm = new Alarm();
      alarm.onFire = resolve;
      wheel.arm(alarm, wheel.stamp() + 40);
    });
    expect(fired).toBeGreaterThan(0);
    wheel.stop();
    const stoppedAtMs = wheel.nowMs;
    await new Promise((resolve) => setTimeout(resolve, 3 * TICK_MS));
    expect(wheel.nowMs).toBe(stoppedAtMs);
  });
});

const timer = fc.nat({ max: 5 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('arm' as const), timer, ms: fc.integer({ min: -100, max: 3 * TURN_MS }) }),
  fc.record({ kind: fc.constant('disarm' as const), timer, ms: fc.constant(0) }),
  fc.record({ kind: fc.constant('drop' as const), timer, ms: fc.constant(0) }),
  fc.record({
    kind: fc.constant('wait' as const),
    timer,
    ms: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 4 * TURN_MS })),
  }),
);

describe('whatever is done to it', () => {
  it('agrees with a list of deadlines that is looked through: nothing early, nothing more than a tick late, nothing twice', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let nowMs = 0;
        const wheel = new Wheel(() => nowMs);
        const alarms = Array.from({ length: 6 }, () => new Alarm());
        const due: number[] = alarms.map(() => NEVER);
        alarms.forEach((alarm, i) => {
          alarm.onFire = (atMs) => {
            expect(due[i]!, 'fired without being armed, or before its time').toBeLessThanOrEqual(atMs);
            due[i] = NEVER;
          };
        });
        for (const { kind, timer: i, ms } of steps) {
          const alarm = alarms[i]!;
          if (kind === 'wait') {
            nowMs += ms;
            wheel.advance(nowMs);
            // Whole ticks only: what came due since the last one is the next one's.
            const tickMs = Math.floor(nowMs / TICK_MS) * TICK_MS;
            due.forEach((deadlineMs, k) => {
              if (deadlineMs !== NEVER) expect(deadlineMs, `timer ${k} at ${nowMs}`).toBeGreaterThan(tickMs - TICK_MS);
            });
          } else if (kind === 'arm') {
            wheel.arm(alarm, nowMs + ms);
            due[i] = Math.max(nowMs, nowMs + ms); // the past is due at once
          } else {
            wheel[kind](alarm);
            due[i] = NEVER;
          }
        }
        for (const ms of [8 * TURN_MS, TICK_MS, TICK_MS]) {
          nowMs += ms;
          wheel.advance(nowMs);
        }
        expect(due.every((deadlineMs) => deadlineMs === NEVER)).toBe(true);
        expect(alarms.every((alarm) => alarm.wheelSlot === -1)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });
});

describe('a loop that stood still', () => {
  /** A wheel that is turned by hand, as its interval would. */
  function turned(): { wheel: Wheel; at(ms: number): void; turnAt(ms: number): void } {
    let nowMs = 0;
    const wheel = new Wheel(() => nowMs);
    return {
      wheel,
      at: (ms) => {
        nowMs = ms;
      },
      turnAt(ms) {
        nowMs = ms;
        wheel.turn();
      },
    };
  }

  it('is told apart from one that is a little late', () => {
    const { wheel, turnAt } = turned();
    turnAt(TICK_MS + STALL_MS);
    expect(wheel.stalledMs).toBe(0);
    turnAt(1000);
    expect(wheel.stalledMs).toBe(1000 - TICK_MS - STALL_MS - TICK_MS);
  });

  it('again and again (a share of a processor that is used up) still has its time-outs, if late', () => {
    const { wheel, at, turnAt } = turned();
    const alarm = new Alarm();
    wheel.arm(alarm, 200);
    // Runs for the first 20 of every 100 ms.
    for (let ms = 0; ms < 3000; ms += 100) {
      turnAt(ms);
      at(ms + 20);
      wheel.stamp();
    }
    expect(alarm.firedAtMs).toHaveLength(1);
    expect(alarm.firedAtMs[0]).toBeLessThan(1500);
  });

  it('is noticed by whoever reads first, before the next tick', () => {
    const { wheel, at } = turned();
    at(500);
    wheel.stamp();
    expect(wheel.stalledMs).toBe(500 - TICK_MS);
    wheel.stamp();
    expect(wheel.stalledMs).toBe(500 - TICK_MS);
  });

  it.each([
    [300, 275],
    [60_000, 1000],
  ])('for %i ms calls nothing late for %i ms more, so that what has arrived can be read', (stallMs, graceMs) => {
    const { wheel, turnAt } = turned();
    const [late, answered] = [new Alarm(), new Alarm()];
    wheel.arm(late, 100);
    wheel.arm(answered, 100);
    turnAt(stallMs);
    wheel.disarm(answered);
    turnAt(stallMs + TICK_MS);
    for (let ms = stallMs + 2 * TICK_MS; ms < stallMs + graceMs; ms += TICK_MS) turnAt(ms);
    expect(late.firedAtMs).toEqual([]);
    turnAt(stallMs + graceMs + TICK_MS);
    expect(late.firedAtMs).toHaveLength(1);
    expect(answered.firedAtMs).toEqual([]);
  });
});
