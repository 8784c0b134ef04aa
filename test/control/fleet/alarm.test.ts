import { expect, it } from 'vitest';
import { Alarm } from '../../../src/control/fleet/alarm.ts';
import { newKnown } from '../../../src/control/fleet/known.ts';
import { OUTCOME, SAMPLE, SAMPLE_FIELDS } from '../../../src/core/sample.ts';
import { endpointSpec } from '../../support/specs.ts';

function known() {
  const k = newKnown(endpointSpec(0, { id: 'a' }), 0, undefined, 0);
  k.expectedMs = 20;
  return k;
}

function sample(firstByteMs: number, outcome: number = OUTCOME.OK, generation = 1): Float64Array {
  const ring = new Float64Array(SAMPLE_FIELDS);
  ring[SAMPLE.GENERATION] = generation;
  ring[SAMPLE.OUTCOME] = outcome;
  ring[SAMPLE.FIRST_BYTE_MS] = firstByteMs;
  return ring;
}

it('is raised by two failures, or by three late answers of one endpoint in a row; a tick takes it back', () => {
  const alarm = new Alarm();
  const k = known();
  for (const ms of [90, 95, 20, 90, 95]) alarm.look(sample(ms), 0, k);
  expect(alarm.isRaised).toBe(false);
  alarm.look(sample(99), 0, k);
  expect(alarm.isRaised).toBe(true);
  alarm.reset();
  alarm.look(sample(-1, OUTCOME.RESET), 0, k);
  expect(alarm.isRaised).toBe(false);
  alarm.look(sample(5, OUTCOME.STATUS_5XX), 0, k);
  expect(alarm.isRaised).toBe(true);
});

it('does not hear endpoints that have gone, nor those of which nothing is expected yet', () => {
  const alarm = new Alarm();
  const unknown = newKnown(endpointSpec(0, { id: 'a' }), 0, undefined, 0);
  for (let i = 0; i < 5; i++) {
    alarm.look(sample(90), 0, undefined);
    alarm.look(sample(90), 0, unknown);
    alarm.look(sample(90, OUTCOME.RESET, 2), 0, known());
  }
  expect(alarm.isRaised).toBe(false);
});
