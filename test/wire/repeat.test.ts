// A reader that knows a block of lines again must say what a reader that has seen nothing says, whatever came between and
// whatever was done to the head meanwhile.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requests, responses, seeded } from '../../bench/fuzz/generate.ts';
import { addLine } from '../../src/wire/fields.ts';
import type { Message } from '../../src/wire/framing.ts';
import { RequestReader } from '../../src/wire/request.ts';
import { ResponseReader } from '../../src/wire/response.ts';
import { feedAll, LIMITS } from './support.ts';

interface Reader {
  readonly head: Message;
  readonly fault: number;
  feed(chunk: Buffer, from: number): number;
  reset(): void;
}

/** All that a head says, less the tables' spare room. */
function said(reader: Reader, next: number): unknown {
  if (next < 0) return { next, fault: reader.fault };
  const { id, nameAt, nameEnd, valueAt, valueEnd, plain, drop, resumeAt, parseFault, ...rest } = reader.head;
  const tables = [id, nameAt, nameEnd, valueAt, valueEnd, plain, drop];
  return { next, ...rest, tables: tables.map((table) => [...table.subarray(0, reader.head.count)]) };
}

/** What the data plane may do to a head. */
function spoil(head: Message, seed: number): void {
  for (let i = 0; i < head.count; i++) head.drop[i] = (seed >> (i % 20)) & 1;
  if (seed % 3 === 0) addLine(head, 'X-Added', 'ours');
  if (seed % 5 === 0) head.upgrade = '';
  if (seed % 7 === 0) head.framing = 2;
  if (seed % 11 === 0) head.length = -1;
}

function check(reader: Reader, fresh: () => Reader, heads: readonly string[], order: readonly number[]): void {
  for (const number of order) {
    const text = heads[number % heads.length]!;
    const pieceBytes = number % 13 === 0 ? 7 : 1 << 20;
    const other = fresh();
    expect(said(reader, feedAll(reader, text, pieceBytes))).toEqual(said(other, feedAll(other, text, pieceBytes)));
    spoil(reader.head, number);
    reader.reset();
  }
}

const ORDER = fc.array(fc.nat({ max: 1 << 20 }), { minLength: 2, maxLength: 60 });

describe('a block of lines that came before', () => {
  it('is read as if for the first time, good requests and bad ones in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), ORDER, (seeds, order) => {
        const heads = seeds.map((seed) => requests(seeded(seed)));
        check(new RequestReader(LIMITS), () => new RequestReader(LIMITS), heads, order);
      }),
      { seed: 7, numRuns: 400 },
    );
  });

  it('is read as if for the first time, good responses and bad ones in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), ORDER, (seeds, order) => {
        const heads = seeds.map((seed) => responses(seeded(seed)));
        check(new ResponseReader(LIMITS), () => new ResponseReader(LIMITS), heads, order);
      }),
      { seed: 7, numRuns: 400 },
    );
  });

  it('means what it means under another start line', () => {
    const lines = 'Host: a.example\r\nContent-Length: 3\r\nX-Long: 0123456789012345678901234567890123456789\r\n\r\n';
    const starts = [
      'GET / HTTP/1.1',
      'PUT /b?c HTTP/1.1',
      'GET / HTTP/1.0',
      'GET http://b.example/x HTTP/1.1',
      'FOO / HTTP/1.1',
    ];
    const heads = starts.map((start) => `${start}\r\n${lines}`);
    const order = Array.from({ length: 60 }, (_, i) => (i * 7 + (i >> 3)) % 5);
    check(new RequestReader(LIMITS), () => new RequestReader(LIMITS), heads, order);
    const answers = [
      'HTTP/1.1 200 OK',
      'HTTP/1.1 304 Not Modified',
      'HTTP/1.0 200 Fine',
      'HTTP/1.1 204',
      'HTTP/1.1 101 Go',
    ];
    const blocks = answers.map(
      (start) => `${start}\r\nConnection: Upgrade, x-a\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n`,
    );
    check(new ResponseReader(LIMITS), () => new ResponseReader(LIMITS), blocks, order);
  });

  it('frames the answer to HEAD unlike the one to GET', () => {
    const reader = new ResponseReader(LIMITS);
    const framings = [1, 2, 2, 1, 1, 2].map((methodId) => {
      reader.expect(methodId);
      feedAll(reader, 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n', 1 << 20);
      reader.reset();
      return reader.head.framing;
    });
    expect(framings).toEqual([1, 0, 0, 1, 1, 0]);
  });
});
