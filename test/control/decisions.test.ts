// The ring of sampled decisions, fed as the fleet feeds it.

import { beforeEach, describe, expect, it } from 'vitest';
import { nowMs } from '../../src/clock.ts';
import { Decisions } from '../../src/control/decisions.ts';
import { countryKeyOf } from '../../src/core/cohort.ts';
import { OUTCOME, SAMPLE, SAMPLE_FIELDS } from '../../src/core/lane.ts';
import { ROLE } from '../../src/core/selector.ts';
import type { Snapshot } from '../../src/core/snapshot.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/world.ts';

type Field = keyof typeof SAMPLE;

const ENDPOINTS = [
  endpointSpec(0, { id: 'fra', region: 'aws:eu-central-1' }),
  { ...endpointSpec(7, { id: 'iad' }), generation: 3 },
];
const BOTH = snapshotOf(ENDPOINTS, [poolSpec('shop', [0], 0), poolSpec('images', [1], 1)]);

let snapshot: Snapshot;
let decisions: Decisions;
beforeEach(() => {
  snapshot = BOTH;
  decisions = new Decisions(() => snapshot);
});

/** One sample somewhere in a ring that is used again at once. */
function take(fields: Partial<Record<Field, number>>): void {
  const ring = new Float64Array(3 * SAMPLE_FIELDS);
  const base = SAMPLE_FIELDS;
  const all: Partial<Record<Field, number>> = { GENERATION: 1, CONNECT_MS: -1, STATUS: 200, ...fields };
  for (const [name, value] of Object.entries(all)) ring[base + SAMPLE[name as Field]] = value;
  decisions.take(ring, base);
  ring.fill(-1);
}

describe('a decision', () => {
  it('tells in words what the sample says in numbers', () => {
    const atMs = nowMs();
    take({
      SLOT: 7,
      GENERATION: 3,
      COHORT: countryKeyOf('DE'),
      OUTCOME: OUTCOME.TIMEOUT,
      CONNECT_MS: 1.5,
      FIRST_BYTE_MS: -1,
      TOTAL_MS: 1000,
      INFLIGHT: 4,
      AT_MS: atMs,
      STATUS: 0,
      ROLE: ROLE.EXPLORE,
    });
    const [decision] = decisions.recent();
    expect(decision).toEqual({
      at: expect.any(String),
      pool: 'images',
      endpoint: 'iad',
      region: null,
      role: 'explore',
      cohort: 'country:DE',
      outcome: 'timeout',
      status: null,
      connectMs: 1.5,
      firstByteMs: null,
      totalMs: 1000,
      inflight: 4,
    });
    expect(Math.abs(Date.parse(decision!.at) - Date.now())).toBeLessThan(1000);
  });

  it('of the edge itself over a pooled connection says so', () => {
    take({ SLOT: 0, FIRST_BYTE_MS: 3, OUTCOME: OUTCOME.OK, ROLE: ROLE.BAND });
    expect(decisions.recent()[0]).toMatchObject({
      pool: 'shop',
      endpoint: 'fra',
      region: 'aws:eu-central-1',
      role: 'band',
      cohort: 'edge',
      outcome: 'ok',
      status: 200,
      connectMs: null,
      firstByteMs: 3,
    });
  });

  it.each(Object.keys(OUTCOME) as (keyof typeof OUTCOME)[])('has a word for the outcome %s', (name) => {
    take({ OUTCOME: OUTCOME[name] });
    expect(decisions.recent()[0]!.outcome).toBe(name.toLowerCase());
  });
});

describe('the ring', () => {
  it('keeps one success of sixteen, and every failure', () => {
    for (let i = 0; i < 160; i++) take({ TOTAL_MS: i });
    expect(decisions.recent().map(({ totalMs }) => totalMs)).toEqual([144, 128, 112, 96, 80, 64, 48, 32, 16, 0]);
    for (let i = 0; i < 20; i++) take({ OUTCOME: OUTCOME.RESET });
    expect(decisions.recent().filter(({ outcome }) => outcome === 'reset')).toHaveLength(20);
  });

  it('holds the newest 256, newest first', () => {
    for (let i = 0; i < 300; i++) take({ OUTCOME: OUTCOME.RESET, TOTAL_MS: i });
    const kept = decisions.recent().map(({ totalMs }) => totalMs);
    expect(kept).toEqual(Array.from({ length: 256 }, (_, i) => 299 - i));
  });

  it('is silent of endpoints that have gone, also when their slot has been used again', () => {
    take({ SLOT: 0, OUTCOME: OUTCOME.RESET });
    take({ SLOT: 7, GENERATION: 2, OUTCOME: OUTCOME.RESET });
    take({ SLOT: 9, OUTCOME: OUTCOME.RESET });
    expect(decisions.recent().map(({ endpoint }) => endpoint)).toEqual(['fra']);
    snapshot = snapshotOf([{ ...ENDPOINTS[0]!, generation: 2 }], [poolSpec('shop', [0], 0)]);
    expect(decisions.recent()).toEqual([]);
  });
});
