import { describe, expect, it } from 'vitest';
import { SKEW_MS } from '../../../src/core/overlay/hop.ts';
import { newReplays, Replays, SEEN } from '../../../src/core/overlay/replays.ts';

const NOW_MS = 1_763_735_000_000;

describe('signatures that were seen', () => {
  it('are known to every worker from then on', () => {
    const buffer = newReplays();
    const [one, other] = [new Replays(buffer), new Replays(buffer)];
    expect(one.see(42n, NOW_MS)).toBe(SEEN.NEW);
    expect(one.see(42n, NOW_MS)).toBe(SEEN.AGAIN);
    expect(other.see(42n, NOW_MS)).toBe(SEEN.AGAIN);
    expect(other.see(43n, NOW_MS)).toBe(SEEN.NEW);
  });

  it('are told apart when they begin alike, and 0 is one of them', () => {
    const replays = new Replays(newReplays());
    const prints = [0n, 1n << 20n, 1n << 30n, -1n, -(1n << 40n)];
    for (const print of prints) expect(replays.see(print, NOW_MS)).toBe(SEEN.NEW);
    for (const print of prints) expect(replays.see(print, NOW_MS)).toBe(SEEN.AGAIN);
  });

  it('are remembered for as long as they are good, while time goes on', () => {
    const replays = new Replays(newReplays());
    for (let step = 0; step < 40; step++) {
      const nowMs = NOW_MS + step * 5000;
      const print = BigInt(step * 7 + 1);
      expect(replays.see(print, nowMs)).toBe(SEEN.NEW);
      // Everything that would still be believed now was seen, and is known.
      for (let old = step; old >= 0 && nowMs - (NOW_MS + old * 5000) <= SKEW_MS; old--) {
        expect(replays.see(BigInt(old * 7 + 1), NOW_MS + old * 5000)).toBe(SEEN.AGAIN);
      }
    }
  });

  it('are not locked out for ever by a worker that died while it wiped a table', () => {
    const buffer = newReplays();
    const table = (Math.floor(NOW_MS / SKEW_MS) + 1) % 4;
    new BigInt64Array(buffer)[table] = -BigInt(Math.floor(NOW_MS / SKEW_MS) - 3);
    expect(new Replays(buffer).see(42n, NOW_MS)).toBe(SEEN.NEW);
  });

  it('are bounded: who comes when there is no room is refused, and a moment later there is some', () => {
    const replays = new Replays(newReplays());
    let last: number = SEEN.NEW;
    let count = 0n;
    while (last === SEEN.NEW && count < 200_000n) last = replays.see(++count * 2_654_435_761n, NOW_MS);
    expect(last).toBe(SEEN.FULL);
    expect(Number(count)).toBeGreaterThan(90_000);
    expect(replays.see(2_654_435_761n, NOW_MS + SKEW_MS)).toBe(SEEN.NEW);
  });
});
