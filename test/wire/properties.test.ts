// What must hold for all messages and all ways in which their bytes may arrive.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requests, responses, seeded } from '../../bench/fuzz/generate.ts';
import { readRequests, readResponses } from '../../bench/fuzz/ours.ts';
import { METHODS } from '../../src/wire/method.ts';
import { FRAMING, RequestReader } from '../../src/wire/request.ts';
import { chunkSize, LAST_CHUNK, requestHead } from '../../src/wire/write.ts';
import { LIMITS, parseRequest } from './support.ts';

const TOKEN = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
const VALUE = fc.stringMatching(/^([!-~\x80-\xff]([\t -~\x80-\xff]{0,30}[!-~\x80-\xff])?)?$/);
const SPACE = fc.constantFrom('', ' ', '\t', '  ', ' \t ');
const LINE = fc
  .tuple(TOKEN, SPACE, VALUE, SPACE)
  .map(([name, before, value, after]) => `X-${name}:${before}${value}${after}\r\n`);

const METHOD_NAME = fc.oneof(fc.constantFrom(...METHODS.slice(1, 9)), TOKEN).filter((name) => name !== 'CONNECT');
const PATH = fc.stringMatching(/^\/[!"$-~]{0,40}$/);

interface Made {
  readonly text: string;
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** A well-formed request with any body, in a length or in chunks. */
const REQUEST: fc.Arbitrary<Made> = fc
  .record({
    method: METHOD_NAME,
    path: PATH,
    lines: fc.array(LINE, { maxLength: 8 }),
    chunks: fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 20 }), { maxLength: 4 }),
    isChunked: fc.boolean(),
  })
  .map(({ method, path, lines, chunks, isChunked }) => {
    const body = chunks.join('');
    const framing = isChunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${body.length}\r\n`;
    const content = isChunked
      ? chunks.map((chunk) => `${chunkSize(chunk.length)}${chunk}\r\n`).join('') + LAST_CHUNK
      : body;
    return {
      method,
      path,
      body,
      text: `${method} ${path} HTTP/1.1\r\nHost: h\r\n${lines.join('')}${framing}\r\n${content}`,
    };
  });

/** Cuts at the given places, whatever they are. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const PLACES = fc.array(fc.nat(), { maxLength: 12 });

describe('for any message', () => {
  it('every split of the bytes parses the same, good bytes or bad', () => {
    fc.assert(
      fc.property(fc.nat(), PLACES, (seed, places) => {
        const request = requests(seeded(seed));
        // Which of two defects of a line is named first may differ; that it is refused, and where, may not.
        const whole = { ...readRequests(cut(request, [])), why: '' };
        expect({ ...readRequests(cut(request, places)), why: '' }).toEqual(whole);
        const bytes = [...request].map((byte) => Buffer.from(byte, 'latin1'));
        expect({ ...readRequests(bytes), why: '' }).toEqual(whole);
        const response = responses(seeded(seed));
        const answer = { ...readResponses(cut(response, []), 1), why: '' };
        expect({ ...readResponses(cut(response, places), 1), why: '' }).toEqual(answer);
      }),
      { seed: 7, numRuns: 400 },
    );
  });

  it('pipelined requests keep their boundaries and their bodies', () => {
    fc.assert(
      fc.property(fc.array(REQUEST, { minLength: 1, maxLength: 4 }), PLACES, (made, places) => {
        const { messages, stop } = readRequests(cut(made.map(({ text }) => text).join(''), places));
        expect(stop).toBe('need');
        expect(messages.map(({ start, detail, body, isComplete }) => [start, detail, body, isComplete])).toEqual(
          made.map(({ method, path, body }) => [method, path, body, true]),
        );
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it('to serialise what was parsed, and to do it again, changes nothing more', () => {
    fc.assert(
      fc.property(REQUEST, ({ text }) => {
        const once = rewrite(text);
        expect(rewrite(once)).toBe(once);
        const fieldsOf = (head: string): string[] =>
          head
            .split('\r\n')
            .slice(1)
            .filter((line) => !/^(content-length|transfer-encoding):/i.test(line));
        const given = fieldsOf(text.slice(0, text.indexOf('\r\n\r\n')));
        expect(fieldsOf(once.slice(0, once.indexOf('\r\n\r\n')))).toEqual(
          given.map((line) => line.replace(/^([^:]+):[ \t]*(.*?)[ \t]*$/s, '$1: $2')),
        );
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it('no bytes at all make a reader throw or lose its place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), PLACES, (bytes, places) => {
        const reader = new RequestReader(LIMITS);
        for (const piece of cut(Buffer.from(bytes).toString('latin1'), places)) {
          const next = reader.feed(piece, 0);
          expect(next).toBeLessThanOrEqual(piece.length);
          expect(next === -2).toBe(reader.fault !== 0);
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

function rewrite(text: string): string {
  const { head, next } = parseRequest(text);
  expect(next).toBeGreaterThan(0);
  const framing =
    head.framing === FRAMING.CHUNKED ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${head.length}\r\n`;
  return requestHead(head.method, head.path, head, framing);
}
