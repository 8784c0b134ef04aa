// A writer and a reader over one buffer, as a worker and the control plane have it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bucketsOf,
  CELL,
  CELL_CAPS,
  codeOf,
  DURATION_BUCKETS_S,
  EVENT,
  fineCapOf,
  isOverflow,
  MANY,
  METHODS,
  OTHER,
  OVERHEAD_BUCKETS_S,
} from '../../src/core/cells.ts';
import { LANE_BYTES, newLane } from '../../src/core/lane.ts';
import { LaneReader } from '../../src/core/lane-reader.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { SAMPLE, SAMPLE_FIELDS } from '../../src/core/sample.ts';
import { METHODS as WIRE_METHODS } from '../../src/wire/method.ts';

function newPair(): { writer: LaneWriter; reader: LaneReader } {
  const buffer = newLane();
  return { writer: new LaneWriter(buffer), reader: new LaneReader(buffer) };
}

/** Every cell by `kind/a/b/c`, with `width` values. */
function cellsOf(reader: LaneReader): Map<string, number[]> {
  const cells = new Map<string, number[]>();
  reader.eachCell((kind, a, b, c, values, at) => {
    const buckets = bucketsOf(kind);
    const key = `${kind}/${a}/${b}/${c}`;
    expect(cells.has(key), `${key} twice`).toBe(false);
    cells.set(key, Array.from(values.subarray(at, at + (buckets === null ? 1 : buckets.length + 2))));
  });
  return cells;
}

describe('names', () => {
  it('of methods are the ones the codec numbers, in its order', () => {
    expect([...METHODS]).toEqual([...WIRE_METHODS]);
  });

  it('of samples number every field of a sample once', () => {
    expect(Object.values(SAMPLE).sort((a, b) => a - b)).toEqual([...Array(SAMPLE_FIELDS).keys()]);
  });
});

describe('cells', () => {
  it('of a fresh lane are none, and all of it is zero', () => {
    const buffer = newLane();
    expect(buffer.byteLength).toBe(LANE_BYTES);
    expect(cellsOf(new LaneReader(buffer)).size).toBe(0);
    expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true);
  });

  it('count what they are told, each tuple by itself, for every kind of counter', () => {
    const { writer, reader } = newPair();
    writer.count(CELL.REQUESTS, 1, 2, (1 << 10) | 200);
    writer.count(CELL.REQUESTS, 1, 2, (1 << 10) | 200);
    writer.count(CELL.REQUESTS, 2, 1, (1 << 10) | 200);
    writer.count(CELL.REQUESTS, 1, 2, (9 << 10) | 599, 5);
    writer.count(CELL.FAILURES, OTHER - 1, OTHER - 1, 7); // the kind whose bits reach into the sign
    writer.count(CELL.CONNECTIONS, 0, 0, 0, 1);
    writer.count(CELL.CONNECTIONS, 0, 0, 0, -1);
    expect(Object.fromEntries(cellsOf(reader))).toEqual({
      [`${CELL.REQUESTS}/1/2/${(1 << 10) | 200}`]: [2],
      [`${CELL.REQUESTS}/2/1/${(1 << 10) | 200}`]: [1],
      [`${CELL.REQUESTS}/1/2/${(9 << 10) | 599}`]: [5],
      [`${CELL.FAILURES}/${OTHER - 1}/${OTHER - 1}/7`]: [1],
      [`${CELL.CONNECTIONS}/0/0/0`]: [0],
    });
  });

  it('of histograms take an observation into the first bucket that holds it, and sum it up', () => {
    const { writer, reader } = newPair();
    for (const seconds of [0, 0.0005, 0.00051, 30, 30.1, 1e6])
      writer.observe(CELL.DURATION, 7, 0, DURATION_BUCKETS_S, seconds);
    writer.observe(CELL.OVERHEAD, 0, 0, OVERHEAD_BUCKETS_S, 0.00003);
    const cells = cellsOf(reader);
    const counts = new Array<number>(DURATION_BUCKETS_S.length + 1).fill(0);
    counts[0] = 2;
    counts[1] = 1;
    counts[DURATION_BUCKETS_S.length - 1] = 1;
    counts[DURATION_BUCKETS_S.length] = 2;
    const duration = cells.get(`${CELL.DURATION}/7/0/0`)!;
    expect(duration.slice(0, -1)).toEqual(counts);
    expect(duration.at(-1)).toBeCloseTo(1_000_060.10101, 5);
    expect(cells.get(`${CELL.OVERHEAD}/0/0/0`)).toEqual([0, 0, 1, ...new Array(10).fill(0), 0.00003]);
  });

  it('have buckets where they are histograms, and rising ones', () => {
    const histograms: number[] = [CELL.DURATION, CELL.OVERHEAD, CELL.FIRST_BYTE, CELL.CONNECT];
    for (const kind of Object.values(CELL)) expect(bucketsOf(kind) !== null).toBe(histograms.includes(kind));
    for (const bounds of [DURATION_BUCKETS_S, OVERHEAD_BUCKETS_S])
      expect([...bounds].sort((a, b) => a - b)).toEqual([...new Set(bounds)]);
  });

  it('are found again whatever the order: the sums are those of a map', () => {
    const key = fc.tuple(
      fc.constantFrom(CELL.REQUESTS, CELL.SELECTIONS, CELL.FAILURES),
      fc.nat(5),
      fc.nat(3),
      fc.nat(9),
    );
    fc.assert(
      fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
        const { writer, reader } = newPair();
        const sums = new Map<string, number[]>();
        for (const [kind, a, b, c] of keys) {
          writer.count(kind, a, b, c);
          const name = `${kind}/${a}/${b}/${c}`;
          sums.set(name, [(sums.get(name)?.[0] ?? 0) + 1]);
        }
        expect(cellsOf(reader)).toEqual(sums);
      }),
      { numRuns: 30 },
    );
  });
});

describe('codes of statuses', () => {
  it('are their own where people know them, else their class, and nothing beyond: at most a hundred', () => {
    expect([200, 404, 499, 503, 524].map(codeOf)).toEqual([200, 404, 499, 503, 524]);
    expect([199, 299, 399, 488, 555].map(codeOf)).toEqual([1, 2, 3, 4, 5]);
    expect([0, 99, 600, 999, 1000, 4096, -1, Number.NaN].map(codeOf)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(new Set(Array.from({ length: 1024 }, (_, status) => codeOf(status))).size).toBeLessThanOrEqual(128);
  });
});

describe('a full directory', () => {
  const { REQUESTS, DURATION, CONNECT, FIRST_BYTE, EVENTS, GEOIP, SELECTIONS } = CELL;
  const status = (method: number, code: number) => (method << 10) | code;

  it('counts what is new under coarser names, at last under one, and what it knows as before: nothing is lost', () => {
    const { writer, reader } = newPair();
    const total = 20_000;
    const rounds = 2;
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < total; i++) writer.count(REQUESTS, i & 0xf, i >> 4, status(i % 10, 200));
    }
    const cells = cellsOf(reader);
    let sum = 0;
    for (const [n] of cells.values()) sum += n!;
    expect(sum).toBe(rounds * total);
    expect(cells.size).toBe(fineCapOf(REQUESTS) + 16);
    expect(cells.get(`${REQUESTS}/0/0/${status(0, 200)}`)).toEqual([2]);
    // Which route it was, and how it ended, is still told: of any method, at one of many endpoints.
    expect(cells.get(`${REQUESTS}/3/${MANY}/${status(0, 200)}`)![0]).toBeGreaterThan(1000);
    expect(cells.has(`${REQUESTS}/${OTHER}/${OTHER}/0`)).toBe(false);
    for (let route = 0; route < 1000; route++) writer.count(REQUESTS, route, 0, status(1, 503));
    const full = cellsOf(reader);
    expect(full.size).toBe(CELL_CAPS[REQUESTS]);
    expect(full.get(`${REQUESTS}/${OTHER}/${OTHER}/0`)![0]).toBeGreaterThan(100);
  });

  it('keeps answers of Fermat itself apart from those of endpoints that have no room', () => {
    const { writer, reader } = newPair();
    for (let i = 0; i < 6000; i++) writer.count(REQUESTS, 0, i, status(1, 200));
    writer.count(REQUESTS, 0, OTHER, status(1, 503));
    const cells = cellsOf(reader);
    expect(cells.get(`${REQUESTS}/0/${OTHER}/${status(0, 503)}`)).toEqual([1]);
    expect(cells.get(`${REQUESTS}/0/${MANY}/${status(0, 200)}`)).toEqual([6000 - fineCapOf(REQUESTS)]);
  });

  it('of one kind leaves the room of the others: all kinds may be full at once', () => {
    const { writer, reader } = newPair();
    const counters = Object.values(CELL).filter((kind) => bucketsOf(kind) === null);
    const rounds = 10_000;
    for (const kind of counters) for (let i = 0; i < rounds; i++) writer.count(kind, i % 5000, i % 16, i % 14);
    for (const kind of [DURATION, CELL.OVERHEAD, FIRST_BYTE, CONNECT]) {
      for (let i = 0; i < rounds; i++) writer.observe(kind, i % 5000, i % 16, bucketsOf(kind)!, 1);
    }
    const sums = new Map<number, number>();
    const cells = new Map<number, number>();
    for (const [key, values] of cellsOf(reader)) {
      const kind = Number(key.split('/')[0]);
      sums.set(kind, (sums.get(kind) ?? 0) + values.at(-1)!);
      cells.set(kind, (cells.get(kind) ?? 0) + 1);
    }
    for (const kind of Object.values(CELL)) {
      expect(sums.get(kind), `sum of kind ${kind}`).toBe(rounds);
      // Events have a last cell each, and there are a few of them.
      if (kind !== EVENTS) expect(cells.get(kind), `cells of kind ${kind}`).toBeLessThanOrEqual(CELL_CAPS[kind]);
    }
    writer.count(GEOIP, 1, 0, 0, 5);
    expect(cellsOf(reader).get(`${GEOIP}/1/1/1`)).toBeDefined();
  });

  it('keeps every event to itself', () => {
    const { writer, reader } = newPair();
    for (let uid = 0; uid < 3000; uid++) writer.count(EVENTS, EVENT.SHED, uid, 1);
    writer.count(EVENTS, EVENT.LIMITED, 7, 0, 3);
    const cells = cellsOf(reader);
    expect(cells.get(`${EVENTS}/${EVENT.LIMITED}/${OTHER}/${OTHER}`)).toEqual([3]);
    expect(cells.get(`${EVENTS}/${EVENT.SHED}/${OTHER}/${OTHER}`)).toEqual([3000 - fineCapOf(EVENTS)]);
  });

  it('knows which keys stand for more than they say', () => {
    expect(isOverflow(REQUESTS, 0, OTHER, status(1, 404))).toBe(false);
    expect(isOverflow(REQUESTS, OTHER, OTHER, status(1, 404))).toBe(false);
    expect(isOverflow(REQUESTS, 0, MANY, status(0, 200))).toBe(true);
    expect(isOverflow(REQUESTS, OTHER, OTHER, 0)).toBe(true);
    expect(isOverflow(SELECTIONS, 0, MANY, 1)).toBe(true);
    expect(isOverflow(CONNECT, 5, 0, 0)).toBe(false);
    expect(isOverflow(CONNECT, OTHER, OTHER, 0)).toBe(true);
    expect(isOverflow(EVENTS, EVENT.SHED, OTHER, OTHER)).toBe(true);
    expect(isOverflow(EVENTS, EVENT.SHED, OTHER, 1)).toBe(false);
  });
});

describe('the ring of samples', () => {
  const RING = 8192;
  function put(writer: LaneWriter, n: number): boolean {
    const base = writer.sampleBase();
    if (base < 0) return false;
    for (let field = 0; field < SAMPLE_FIELDS; field++) writer.ring[base + field] = n * 100 + field;
    writer.publishSample();
    return true;
  }
  function drained(reader: LaneReader): number[] {
    const seen: number[] = [];
    const n = reader.drain((ring, base) => {
      for (let field = 0; field < SAMPLE_FIELDS; field++) expect(ring[base + field]! % 100).toBe(field);
      seen.push(Math.floor(ring[base]! / 100));
    });
    expect(n).toBe(seen.length);
    return seen;
  }

  it('hands over every sample once and in order, over many turns', () => {
    const { writer, reader } = newPair();
    const all: number[] = [];
    let n = 0;
    for (const many of [1, 0, 5000, 8191, 3, 8192, 4000, 4192]) {
      for (let i = 0; i < many; i++) expect(put(writer, n++)).toBe(true);
      all.push(...drained(reader));
    }
    expect(all).toEqual([...Array(n).keys()]);
    expect(reader.lostSamples).toBe(0);
  });

  it('shows nothing that was begun and not published', () => {
    const { writer, reader } = newPair();
    const base = writer.sampleBase();
    writer.ring[base] = 1;
    expect(reader.drain(() => {})).toBe(0);
    writer.publishSample();
    expect(reader.drain(() => {})).toBe(1);
  });

  it('counts what finds it full, keeps what it has, and goes on when it has been drained', () => {
    const { writer, reader } = newPair();
    for (let n = 0; n < RING + 10; n++) expect(put(writer, n)).toBe(n < RING);
    expect(reader.lostSamples).toBe(10);
    expect(drained(reader)).toEqual([...Array(RING).keys()]);
    expect(put(writer, 90_000)).toBe(true);
    expect(drained(reader)).toEqual([90_000]);
    expect(reader.lostSamples).toBe(10);
  });
});

describe('the rest of a lane', () => {
  it('shows live in-flight counts and the vitals of the worker to the reader', () => {
    const { writer, reader } = newPair();
    writer.inflight[0] = 3;
    writer.inflight[4095] = 7;
    writer.beat(1.5, 12_345_678);
    writer.beat(0.25, 12_345_679);
    expect([reader.inflight[0], reader.inflight[1], reader.inflight[4095]]).toEqual([3, 0, 7]);
    expect([reader.heartbeat, reader.loopLagMs, reader.heapBytes]).toEqual([2, 0.25, 12_345_679]);
  });

  it('does not overlap: what one part is written full with shows in no other', () => {
    const { writer, reader } = newPair();
    writer.inflight.fill(-1);
    for (let n = 0; n < 8192; n++) {
      const base = writer.sampleBase();
      writer.ring.fill(-1, base, base + SAMPLE_FIELDS);
      writer.publishSample();
    }
    expect(cellsOf(reader).size).toBe(0);
    expect([reader.heartbeat, reader.lostSamples, reader.heapBytes]).toEqual([0, 0, 0]);
    writer.count(CELL.GEOIP, 1, 0, 0);
    expect(cellsOf(reader)).toEqual(new Map([[`${CELL.GEOIP}/1/0/0`, [1]]]));
    expect(reader.inflight.every((n) => n === -1)).toBe(true);
  });
});

it('shows each sample at a glance once, and leaves it for the drain', () => {
  const buffer = newLane();
  const writer = new LaneWriter(buffer);
  const reader = new LaneReader(buffer);
  const write = (slot: number) => {
    writer.ring[writer.sampleBase() + SAMPLE.SLOT] = slot;
    writer.publishSample();
  };
  const glanced: number[] = [];
  const drained: number[] = [];
  const glance = () => reader.glance((ring, base) => glanced.push(ring[base + SAMPLE.SLOT]!));
  write(1);
  write(2);
  glance();
  write(3);
  glance();
  glance();
  reader.drain((ring, base) => drained.push(ring[base + SAMPLE.SLOT]!));
  write(4);
  reader.drain((ring, base) => drained.push(ring[base + SAMPLE.SLOT]!));
  write(5);
  glance();
  expect(glanced).toEqual([1, 2, 3, 5]);
  expect(drained).toEqual([1, 2, 3, 4]);
});
