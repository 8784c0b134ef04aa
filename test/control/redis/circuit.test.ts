// When Redis is asked and when not, without a Redis: the circuit's few states, and how long it stays open.

import { expect, test } from 'vitest';
import { backOffMs, Circuit } from '../../../src/control/redis/circuit.ts';

const most = () => 0.999999;

test('opens after three calls in a row without an answer, and one answer closes it', () => {
  const circuit = new Circuit();
  expect(circuit.failed(false, most)).toBeNull();
  expect(circuit.failed(false, most)).toBeNull();
  circuit.answered();
  for (let i = 0; i < 2; i++) expect(circuit.failed(false, most)).toBeNull();
  expect(circuit.failed(false, most)).toBeGreaterThan(0);
  expect(circuit.isOpen).toBe(true);
  circuit.answered();
  expect(circuit.isOpen).toBe(false);
});

test('while it is open only the trial counts, and each that fails doubles the wait, up to five seconds', () => {
  const circuit = new Circuit();
  for (let i = 0; i < 3; i++) circuit.failed(false, most);
  expect(circuit.failed(false, most)).toBeNull();
  const waits = Array.from({ length: 8 }, () => Math.round(circuit.failed(true, most)!));
  expect(waits).toEqual([200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
});

test('waits anything up to the bound, so that a fleet does not come back in one moment; never nothing', () => {
  expect(backOffMs(4, () => 0.5)).toBe(800);
  expect(backOffMs(4, () => 0)).toBe(50);
  expect(backOffMs(1e9, most)).toBeLessThanOrEqual(5000);
});
