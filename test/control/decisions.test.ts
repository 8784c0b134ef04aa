// Decisions as the admin API tells them, from what real picks leave on a lane.

import { describe, expect, it } from 'vitest';
import { Journal } from '../../src/control/decisions/journal.ts';
import { OUTCOME, SAMPLE } from '../../src/core/sample.ts';
import { ROLE } from '../../src/core/selector.ts';
import { CD } from '../../src/core/table.ts';
import { Decided } from '../support/decided.ts';

describe('a decision', () => {
  it('holds every candidate with every term, why this one, and how it went', async () => {
    const decided = new Decided({ endpoints: 5 });
    decided.lane.inflight[0] = 2;
    decided.ctx.nowMs = 5000;
    const slot = decided.request(12.5);
    decided.tick();
    const [decision] = await decided.decisions.recent();
    expect(decision).toMatchObject({
      node: 'test',
      snapshot: 1,
      route: 'web',
      pool: 'shop',
      policy: 'fastest',
      row: 0,
      residency: [],
      cohort: 'edge',
      country: null,
      role: 'band',
      reason: 'least live score of the drawn',
      endpoint: `e${slot / 3}`,
      outcome: 'ok',
      status: 200,
      connectMs: null,
      firstByteMs: 12.5,
      totalMs: 13.5,
      bytes: 1000,
      stalledMs: 0,
    });
    expect(decision!.candidates.map(({ id, role }) => [id, role])).toEqual([
      ['e0', 'band'],
      ['e1', 'band'],
      ['e2', 'overflow'],
      ['e3', 'overflow'],
      ['e4', 'overflow'],
    ]);
    const { ints, doubles } = decided.selector.table;
    const { shape } = decided.writer;
    decision!.candidates.forEach(({ terms, inflight, slot: at }, i) => {
      expect(Object.keys(terms)).toHaveLength(Object.keys(CD).length);
      expect(terms.network).toBe(doubles[shape.rows[0]!.doubles + i * Object.keys(CD).length + CD.NETWORK]);
      expect(terms.knee).toBe('Infinity');
      expect(inflight).toBe(decided.lane.inflight[at]! + ints[shape.others + 1 * shape.slots + at]!);
    });
    const chosen = decision!.candidates.find(({ id }) => id === decision!.endpoint)!;
    const best = Math.min(...decision!.candidates.map(({ predictedMs }) => predictedMs));
    expect(decision!.predictedMs).toBe(chosen.predictedMs);
    expect(decision!.bestMs).toBe(best);
    expect(decision!.regretMs).toBe(chosen.predictedMs - best);
    expect(decision!.propensity).toBe(chosen.propensity);
    expect(decided.regrets).toEqual([{ pool: 'shop', kind: 'predicted', ms: decision!.regretMs }]);
  });

  it('is pending until its sample comes, also when that is ticks later', async () => {
    const decided = new Decided();
    const slot = decided.request();
    const { id } = decided.capture;
    decided.tick();
    expect((await decided.decisions.recent())[0]).toMatchObject({ outcome: 'pending', status: null, totalMs: null });
    decided.publish();
    decided.tick();
    decided.settle(slot, ROLE.BAND, id, 7);
    decided.tick();
    expect((await decided.decisions.recent())[0]).toMatchObject({ outcome: 'ok', firstByteMs: 7 });
  });

  it('is found by pool and by endpoint, the newest first and no more than asked for', async () => {
    const decided = new Decided();
    decided.run(60);
    const all = await decided.decisions.recent({ limit: 1024 });
    expect(all).toHaveLength(60);
    const times = all.map(({ replay }) => replay.nowMs);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect(await decided.decisions.recent({ limit: 7 })).toEqual(all.slice(0, 7));
    const ofOne = await decided.decisions.recent({ endpoint: 'e1', limit: 1024 });
    expect(ofOne).toEqual(all.filter(({ endpoint }) => endpoint === 'e1'));
    expect(ofOne.length).toBeGreaterThan(0);
    expect(await decided.decisions.recent({ pool: 'other' })).toEqual([]);
  });
});

describe('realised regret', () => {
  it('is by how much an explored request beat the mean of the band in the same seconds, and 0 when it did not', () => {
    const decided = new Decided();
    for (let i = 0; i < 10; i++) decided.settle(0, ROLE.BAND, 0, 20);
    decided.settle(6, ROLE.EXPLORE, 0, 12);
    decided.settle(6, ROLE.EXPLORE, 0, 31);
    decided.tick();
    expect(decided.regrets).toEqual([
      { pool: 'shop', kind: 'realised', ms: 8 },
      { pool: 'shop', kind: 'realised', ms: 0 },
    ]);
  });

  it('is not told where nothing of the same seconds is there to compare', () => {
    const decided = new Decided();
    for (let i = 0; i < 4; i++) decided.settle(0, ROLE.BAND, 0, 20);
    decided.settle(6, ROLE.EXPLORE, 0, 1);
    for (let i = 0; i < 10; i++) decided.settle(0, ROLE.BAND, 0, 20);
    decided.ctx.nowMs += 60_000;
    decided.settle(6, ROLE.EXPLORE, 0, 1);
    decided.tick();
    expect(decided.regrets).toEqual([]);
  });
});

describe('the journal', () => {
  function filled(options: ConstructorParameters<typeof Journal>[0], count: number): Journal {
    const decided = new Decided({ endpoints: 50 });
    const journal = new Journal(options);
    journal.install(decided.snapshot);
    for (let i = 0; i < count; i++) {
      decided.ctx.nowMs += 30;
      decided.request();
      decided.capture.beat();
      journal.drain([decided.reader]);
      decided.publish();
    }
    return journal;
  }

  it('keeps the newest, as many as it may', () => {
    const journal = filled({ kept: 10 }, 25);
    expect(journal.size).toBe(10);
    const times = [...journal.newest()].map(({ atMs }) => atMs);
    expect(times).toEqual(Array.from({ length: 10 }, (_, i) => 1000 + 30 * (25 - i)));
    expect(journal.lost).toBe(0);
  });

  it('keeps no more bytes than it may, and counts those it has', () => {
    const journal = filled({ maxBytes: 60_000 }, 50);
    expect(journal.bytes).toBeLessThanOrEqual(60_000);
    expect(journal.size).toBeGreaterThan(3);
    expect([...journal.newest()].reduce((sum, { bytes }) => sum + bytes, 0)).toBe(journal.bytes);
  });

  it('drops and counts what was decided in a version that has been overwritten, or in a structure that is gone', () => {
    const decided = new Decided();
    const journal = new Journal();
    journal.install(decided.snapshot);
    decided.request();
    for (let i = 0; i < 3; i++) decided.publish();
    journal.drain([decided.reader]);
    expect([journal.size, journal.lost]).toEqual([0, 1]);
    decided.capture.beat();
    decided.request();
    for (const version of [2, 3]) journal.install({ ...new Decided().snapshot, version });
    journal.drain([decided.reader]);
    expect([journal.size, journal.lost]).toEqual([0, 2]);
  });

  it('joins a decision of the structure before', () => {
    const decided = new Decided();
    const journal = new Journal();
    journal.install(decided.snapshot);
    decided.request();
    journal.install({ ...new Decided().snapshot, version: 2 });
    journal.drain([decided.reader]);
    expect([...journal.newest()].map(({ version }) => version)).toEqual([1]);
  });

  it('takes an outcome that comes before its decision', () => {
    const decided = new Decided();
    const journal = new Journal();
    journal.install(decided.snapshot);
    decided.request(9);
    const sample = new Float64Array(Object.keys(SAMPLE).length);
    decided.reader.drain((ring, base) => journal.settled(ring, base));
    sample[SAMPLE.OUTCOME] = OUTCOME.OK;
    journal.settled(sample, 0);
    journal.drain([decided.reader]);
    expect([...journal.newest()].map(({ settled }) => settled?.firstByteMs)).toEqual([9]);
  });
});
