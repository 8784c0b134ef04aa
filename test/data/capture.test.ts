// Which picks are written down, how many, and that a full lane loses them without harm.

import { describe, expect, it } from 'vitest';
import { DECISION } from '../../src/core/decision.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { Decided, type DecidedOptions } from '../support/decided.ts';

interface Taken {
  readonly id: number;
  readonly every: number;
  readonly isDrawn: boolean;
}

function drained({ reader }: Decided): Taken[] {
  const taken: Taken[] = [];
  reader.drainDecisions((ring, base) =>
    taken.push({
      id: ring[base + DECISION.ID]!,
      every: ring[base + DECISION.EVERY]!,
      isDrawn: ring[base + DECISION.IS_DRAWN] === 1,
    }),
  );
  return taken;
}

/** Beats of 250 ms with so many picks each; what was taken in each. */
function beats(decided: Decided, count: number, picks: number): Taken[][] {
  return Array.from({ length: count }, () => {
    for (let i = 0; i < picks; i++) {
      decided.ctx.nowMs += 250 / picks;
      decided.request();
    }
    decided.capture.beat();
    return drained(decided);
  });
}

const QUIET: DecidedOptions = { pool: { exploreRatio: 0 } };

describe('picks that are written down', () => {
  it('are all of them when there are few', () => {
    const taken = beats(new Decided(QUIET), 20, 4).flat();
    expect(taken).toHaveLength(80);
    expect(taken.every(({ every, isDrawn }) => every === 1 && isDrawn)).toBe(true);
  });

  it('are some tens a second when there are many, and stand for the others', () => {
    const taken = beats(new Decided(QUIET), 80, 2500).slice(10);
    const all = taken.flat();
    for (const { length } of taken) expect(length).toBeLessThanOrEqual(12);
    expect(all.length / taken.length).toBeGreaterThan(6);
    expect(all.length / taken.length).toBeLessThan(9.5);
    const stoodFor = all.reduce((sum, { every }) => sum + every, 0);
    expect(stoodFor / (70 * 2500)).toBeGreaterThan(0.85);
    expect(stoodFor / (70 * 2500)).toBeLessThan(1.15);
  });

  it('are found soon again when a rush is over', () => {
    const decided = new Decided(QUIET);
    beats(decided, 10, 20_000);
    expect(beats(decided, 12, 4).flat().length).toBeGreaterThan(20);
  });

  it('hold every exploration and every retry, within the bound', () => {
    const explores = new Decided({ pool: { exploreRatio: 0.002 }, row: { band: 2, overflow: 3, explorable: 3 } });
    explores.ctx.mayExplore = true;
    const roles = { explored: 0, taken: 0 };
    for (let beat = 0; beat < 40; beat++) {
      for (let i = 0; i < 500; i++) {
        explores.request();
        if (explores.selector.role === 2) {
          roles.explored++;
          if (explores.capture.id > 0) roles.taken++;
        }
      }
      explores.capture.beat();
      drained(explores);
    }
    expect(roles.explored).toBeGreaterThan(20);
    expect(roles.taken / roles.explored).toBeGreaterThan(0.9);
    const retries = new Decided(QUIET);
    retries.ctx.triedCount = 1;
    for (const taken of beats(retries, 5, 300)) expect(taken).toHaveLength(12);
  });

  it('have numbers of their own, that rise', () => {
    const ids = beats(new Decided(QUIET), 30, 40)
      .flat()
      .map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
    expect(ids.every((id) => id % 64 === 1)).toBe(true);
  });
});

describe('the ring of decisions', () => {
  it('hands over each once and in order, over many turns, whatever their length', () => {
    const buffer = newLane();
    const writer = new LaneWriter(buffer);
    const reader = new LaneReader(buffer);
    const seen: number[][] = [];
    const sent: number[][] = [];
    for (let i = 0; i < 600; i++) {
      const fields = 20 + ((i * 7919) % 1500);
      const base = writer.decisionBase(fields);
      expect(base).toBeGreaterThanOrEqual(0);
      writer.decisions[base] = fields;
      writer.decisions[base + fields - 1] = i;
      writer.publishDecision();
      sent.push([fields, i]);
      if (i % 9 === 8) {
        reader.drainDecisions((ring, at) => seen.push([ring[at]!, ring[at + ring[at]! - 1]!]));
      }
    }
    reader.drainDecisions((ring, at) => seen.push([ring[at]!, ring[at + ring[at]! - 1]!]));
    expect(seen).toEqual(sent);
    expect(reader.lostDecisions).toBe(0);
  });

  it('counts what finds it full, and goes on when it has been drained', () => {
    const decided = new Decided({ ...QUIET, endpoints: 1000 });

    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 12; n++) decided.request();
      decided.capture.beat();
    }
    expect(decided.reader.lostDecisions).toBeGreaterThan(50);
    const taken = drained(decided).length;
    expect(taken).toBeGreaterThan(25);
    expect(taken).toBeLessThan(33);
    expect(beats(decided, 4, 4).flat().length).toBeGreaterThan(8);
    const { lostDecisions } = decided.reader;
    beats(decided, 4, 4);
    expect(decided.reader.lostDecisions).toBe(lostDecisions);
  });
});
