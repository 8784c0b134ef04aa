// The writer of the access log by itself: whole lines, in order, whatever lies around the end of a ring, and what becomes of
// them when the file is not there.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LineWriter, ROUND } from '../../../src/control/access-log/writer.ts';
import { BELL, LinePutter, newBell, newRing, RING_BYTES } from '../../../src/core/access-log.ts';

const scratch = mkdtempSync(join(tmpdir(), 'fermat-writer-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function desk(file: string, lanes: number) {
  const rings = Array.from({ length: lanes }, newRing);
  const bell = newBell();
  const told: string[] = [];
  const writer = new LineWriter({ rings, bell, file }, (message) => told.push(message));
  const putters = rings.map((ring) => new LinePutter(ring, bell));
  return { writer, putters, told, lost: () => new Int32Array(bell)[BELL.LOST]! };
}

describe('the writer', () => {
  it('writes every line of every ring once, whole and in order, over many turns of the rings', () => {
    const file = join(scratch, 'a.log');
    const { writer, putters } = desk(file, 2);
    const next = [0, 0];
    for (let bytes = 0; bytes < RING_BYTES * 2.5; ) {
      putters.forEach((putter, lane) => {
        let batch = '';
        for (let i = 0; i < 50; i++) {
          // Lengths of their own, some longer than a page, so that lines lie across the end of the ring.
          const n = next[lane]!++;
          batch += `${lane} ${n} ${'x'.repeat((n * 7919) % (n % 100 === 0 ? 20_011 : 997))}\n`;
        }
        putter.put(Buffer.from(batch), 50);
        bytes += batch.length / 2;
      });
      expect(writer.round(0)).toBe(ROUND.WRITTEN);
    }
    expect(writer.round(0)).toBe(ROUND.NOTHING);
    writer.close();
    const seen = [0, 0];
    for (const line of readFileSync(file, 'latin1').split('\n').slice(0, -1)) {
      const [lane, n, rest] = line.split(' ') as [string, string, string];
      expect(Number(n)).toBe(seen[Number(lane)]!++);
      expect(rest.length).toBe((Number(n) * 7919) % (Number(n) % 100 === 0 ? 20_011 : 997));
    }
    expect(seen).toEqual(next);
  });

  it('keeps lines while its file cannot be had, says so once, and writes them when it can', () => {
    const { writer, putters, told, lost } = desk(join(scratch, 'no', 'a.log'), 1);
    putters[0]!.put(Buffer.from('one\n'), 1);
    for (let ms = 0; ms < 3000; ms += 100) expect(writer.round(ms)).toBe(ROUND.STUCK);
    expect(told).toEqual([expect.stringMatching(/^the access log cannot be written to .*ENOENT/)]);
    const file = join(scratch, 'b.log');
    writer.use(file);
    expect(writer.round(3000)).toBe(ROUND.WRITTEN);
    writer.close();
    expect(readFileSync(file, 'latin1')).toBe('one\n');
    expect(lost()).toBe(0);
  });

  it('begins another file with a whole line, also when the one before got a part of one', () => {
    const fifo = join(scratch, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const { writer, putters, lost } = desk(fifo, 1);
    putters[0]!.put(Buffer.from(`${'x'.repeat(200_000)}\nnext\n`), 2); // more than a pipe holds
    expect(writer.round(0)).toBe(ROUND.FULL);
    expect(writer.round(0)).toBe(ROUND.STUCK);
    const file = join(scratch, 'c.log');
    writer.use(file);
    expect(writer.round(0)).toBe(ROUND.WRITTEN);
    expect(lost()).toBe(1);
    putters[0]!.put(Buffer.from('last\n'), 1);
    writer.use(file); // opened anew
    expect(writer.round(0)).toBe(ROUND.WRITTEN);
    writer.close();
    closeSync(reader);
    expect(readFileSync(file, 'utf8')).toBe('next\nlast\n');
  });

  it('counts what it gives up, line by line', () => {
    const { writer, putters, lost } = desk(join(scratch, 'no', 'a.log'), 2);
    putters[0]!.put(Buffer.from('one\ntwo\n'), 2);
    putters[1]!.put(Buffer.from('three\n'), 1);
    writer.giveUp();
    expect(writer.isEmpty).toBe(true);
    expect(lost()).toBe(3);
  });
});
