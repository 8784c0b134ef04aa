import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ROTATE_MS, TicketKeys } from '../../src/control/tickets.ts';
import type { TicketKeyring } from '../../src/core/messages.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('gives each listener a key of its own, and keeps it as long as the listener stays', () => {
  const keys = new TicketKeys(() => {});
  const first = keys.of(['a', 'b']);
  expect(Object.values(first).map((key) => key.length)).toEqual([48, 48]);
  expect(first.a).not.toEqual(first.b);
  const second = keys.of(['b', 'c']);
  expect(Object.keys(second)).toEqual(['b', 'c']);
  expect(second.b).toEqual(first.b);
  expect(keys.of(['a']).a).not.toEqual(first.a);
});

it('tells new keys for all listeners every twelve hours, until it is stopped', () => {
  const told: TicketKeyring[] = [];
  const keys = new TicketKeys((ring) => told.push(ring));
  const first = keys.of(['a', 'b']);
  keys.start();
  vi.advanceTimersByTime(ROTATE_MS - 1);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1 + ROTATE_MS);
  expect(told).toHaveLength(2);
  expect(new Set([first, ...told].flatMap(({ a, b }) => [String(a), String(b)])).size).toBe(6);
  expect(keys.of(['a']).a).toEqual(told[1]!.a);
  keys.stop();
  vi.advanceTimersByTime(3 * ROTATE_MS);
  expect(told).toHaveLength(2);
});
