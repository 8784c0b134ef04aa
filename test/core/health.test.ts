import { describe, expect, it } from 'vitest';
import { newHealth, probed } from '../../src/core/health.ts';

function stateAfter(verdicts: string, start = newHealth(2, 3, 0)) {
  for (const v of verdicts) probed(start, v === '+', v === '+' ? null : v === 'c' ? 'connect' : 'timeout', 0);
  return start.state;
}

describe('active health', () => {
  it('needs one success at start, and two in a row after a failure', () => {
    expect(stateAfter('+')).toBe('healthy');
    expect(stateAfter('+---+')).toBe('unhealthy');
    expect(stateAfter('+---+-+')).toBe('unhealthy');
    expect(stateAfter('+---++')).toBe('healthy');
  });

  it('falls after three failures in a row, not after two and a success', () => {
    expect(stateAfter('+--')).toBe('healthy');
    expect(stateAfter('+--+--')).toBe('healthy');
    expect(stateAfter('+---')).toBe('unhealthy');
  });

  it('gives up at once on a new endpoint where nobody listens, but is patient with a slow one', () => {
    expect(stateAfter('c')).toBe('unhealthy');
    expect(stateAfter('--')).toBe('unknown');
    expect(stateAfter('c+')).toBe('healthy');
  });

  it('says when the state has changed', () => {
    const h = newHealth(2, 3, 0);
    expect(probed(h, true, null, 5)).toBe(true);
    expect(probed(h, true, null, 6)).toBe(false);
    expect(h.sinceMs).toBe(5);
  });
});
