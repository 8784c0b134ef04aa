import { describe, expect, it } from 'vitest';
import { BODY, BodyReader, FRAMING } from '../../src/wire/body.ts';
import { FAULT, faultOf, OF_RESPONSE } from '../../src/wire/fault.ts';
import { copyKept } from '../../src/wire/fields.ts';
import { dropNominated } from '../../src/wire/framing.ts';
import { parseRequest } from './support.ts';

interface Read {
  readonly content: string;
  readonly rest: string;
  readonly code: number;
  readonly reader: BodyReader;
}

function readAll(framing: number, length: number, text: string, pieceBytes = 1 << 20): Read {
  const reader = new BodyReader();
  reader.begin(framing, length);
  const bytes = Buffer.from(text, 'latin1');
  let content = '';
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    const piece = bytes.subarray(start, start + pieceBytes);
    let code: number = BODY.DATA;
    for (let at = 0; code === BODY.DATA; at = reader.at) {
      code = reader.read(piece, at);
      if (code === BODY.DATA) content += piece.toString('latin1', reader.from, reader.to);
    }
    if (code !== BODY.MORE) return { content, rest: text.slice(start + reader.at), code, reader };
  }
  return { content, rest: '', code: BODY.MORE, reader };
}

const CHUNKED_BAD: [what: string, text: string][] = [
  ['A6 a size beyond 2^53', '20000000000000\r\n'],
  ['A6 a size of many digits', '00000000000000005\r\n'],
  ['A6 a sign', '+5\r\nhello\r\n'],
  ['A6 a minus', '-1\r\n'],
  ['A6 0x', '0x5\r\nhello\r\n'],
  ['A6 a blank before', ' 5\r\nhello\r\n'],
  ['A6 a blank after', '5 \r\nhello\r\n'],
  ['A6 no size', '\r\nhello\r\n'],
  ['A6 LF alone', '5\nhello\r\n'],
  ['A6 CR alone', '5\rhello\r\n'],
  ['A6 data not followed by CRLF', '5\r\nhelloX\r\n'],
  ['A6 data followed by LF', '5\r\nhello\n0\r\n\r\n'],
  ['A6 data followed by CR and something', '5\r\nhello\rX'],
  ['A7 LF in an extension', '5;a\nhello'],
  ['A7 LF in a quoted extension', '5;a="\n"\r\n'],
  ['A7 no name', '5;\r\n'],
  ['A7 no value', '5;a=\r\n'],
  ['A7 blanks', '5; a\r\n'],
  ['A7 no end of the quotes', '5;a="x\r\nhello'],
  ['A7 something after the quotes', '5;a="x"y\r\n'],
  ['A7 without end', `5;${'a'.repeat(5000)}`],
  ['B2 LF alone as the last line', '0\r\n\n'],
  ['B4 a trailer with a blank before the colon', '0\r\nA : b\r\n\r\n'],
  ['B6 a folded trailer', '0\r\nA: b\r\n c\r\n\r\n'],
  ['A8 a length in the trailers', '0\r\nContent-Length: 5\r\n\r\n'],
  ['A8 a coding in the trailers', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['trailers without end', `0\r\nA: ${'x'.repeat(17_000)}`],
  ['too many trailers', `0\r\n${'A: b\r\n'.repeat(101)}\r\n`],
];

describe('a body', () => {
  it('of no or zero length is over before it begins', () => {
    for (const [framing, length] of [
      [FRAMING.NONE, -1],
      [FRAMING.LENGTH, 0],
    ] as const) {
      const { code, rest, reader } = readAll(framing, length, 'GET');
      expect([code, rest, reader.isDone, reader.received, reader.finish()]).toEqual([BODY.END, 'GET', true, 0, true]);
    }
  });

  it.each([1, 2, 3, 100])('of a length ends there, in pieces of %i', (size) => {
    const { content, rest, code, reader } = readAll(FRAMING.LENGTH, 5, 'helloGET', size);
    expect([content, rest, code, reader.received]).toEqual(['hello', 'GET', BODY.END, 5]);
  });

  it('of a length is known to be done with its last byte', () => {
    const reader = new BodyReader();
    reader.begin(FRAMING.LENGTH, 3);
    expect(reader.read(Buffer.from('abc'), 0)).toBe(BODY.DATA);
    expect(reader.isDone).toBe(true);
  });

  it('A9: that the peer cuts short is no legal end', () => {
    for (const [framing, text] of [
      [FRAMING.LENGTH, 'hel'],
      [FRAMING.CHUNKED, '5\r\nhello\r\n'],
      [FRAMING.CHUNKED, '0\r\n'],
      [FRAMING.CHUNKED, '0\r\nA: b\r\n'],
    ] as const) {
      const { reader } = readAll(framing, 5, text);
      expect([reader.finish(), reader.isDone, reader.fault]).toEqual([false, false, FAULT.INCOMPLETE_BODY]);
    }
  });

  it('E12: until close ends when the peer does', () => {
    const { content, code, reader } = readAll(FRAMING.UNTIL_CLOSE, -1, 'anything', 3);
    expect([content, code, reader.isDone, reader.finish(), reader.isDone]).toEqual([
      'anything',
      BODY.MORE,
      false,
      true,
      true,
    ]);
  });

  it.each([1, 2, 3, 5, 100])('in chunks is put together, extensions and all, in pieces of %i', (size) => {
    const text = '5;a;b=c;d="x;\\""\r\nhello\r\n00A\r\n 0\r\n\r\nworl\r\n1;q=1\r\nd\r\n000;z\r\n\r\nGET';
    const { content, rest, code, reader } = readAll(FRAMING.CHUNKED, -1, text, size);
    expect([content, rest, code, reader.received, reader.trailers.count]).toEqual([
      'hello 0\r\n\r\nworld',
      'GET',
      BODY.END,
      16,
      0,
    ]);
  });

  it.each([1, 4, 100])('A8: gives trailers by themselves, forbidden ones marked, in pieces of %i', (size) => {
    const text =
      '1\r\nx\r\n0\r\nX-Sum:1\r\nHost: e\r\nAuthorization: a\r\nX-Forwarded-For: f\r\nx_forwarded_for: f\r\nCookie: c\r\nIf-Match: i\r\nConnection: x\r\nGrpc-Status: 0\r\n\r\nGET';
    const { rest, code, reader } = readAll(FRAMING.CHUNKED, -1, text, size);
    expect([rest, code, reader.trailers.count]).toEqual(['GET', BODY.END, 9]);
    expect(copyKept(reader.trailers)).toBe('X-Sum: 1\r\nGrpc-Status: 0\r\n');
  });

  it('D1: loses the trailers that the head nominates', () => {
    const { head } = parseRequest(
      'POST / HTTP/1.1\r\nHost: h\r\nConnection: x-a, authorization\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const { reader } = readAll(FRAMING.CHUNKED, -1, '0\r\nX-A: 1\r\nX-B: 2\r\n\r\n');
    dropNominated(reader.trailers, head);
    expect(copyKept(reader.trailers)).toBe('X-B: 2\r\n');
  });

  it.each(CHUNKED_BAD)('is refused for good: %s', (_what, text) => {
    for (const size of [1, 3, 1 << 20]) {
      const { code, reader } = readAll(FRAMING.CHUNKED, -1, text, size);
      expect(code).toBe(BODY.BAD);
      expect([400, 431]).toContain(faultOf(reader.fault).status);
      expect(reader.read(Buffer.from('0\r\n\r\n'), 0)).toBe(BODY.BAD);
      expect(reader.finish()).toBe(false);
    }
  });

  it('bounds the extensions of all chunks together', () => {
    expect(readAll(FRAMING.CHUNKED, -1, `1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(5)).code).toBe(BODY.BAD);
    expect(readAll(FRAMING.CHUNKED, -1, `1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(4)).code).toBe(BODY.MORE);
  });

  it('carries the fault of an endpoint as a 502', () => {
    const reader = new BodyReader(undefined, OF_RESPONSE);
    reader.begin(FRAMING.CHUNKED, -1);
    expect(reader.read(Buffer.from('x'), 0)).toBe(BODY.BAD);
    expect(faultOf(reader.fault)).toMatchObject({ status: 502, proxyStatus: 'http_response_transfer_coding' });
  });

  it('begins afresh after any other', () => {
    const reader = new BodyReader();
    reader.begin(FRAMING.CHUNKED, -1);
    expect(reader.read(Buffer.from('0\r\nA: b\r'), 0)).toBe(BODY.MORE);
    reader.begin(FRAMING.CHUNKED, -1);
    expect(reader.read(Buffer.from('0\r\nC: d\r\n\r\n'), 0)).toBe(BODY.END);
    expect([reader.trailers.count, reader.trailers.name(0)]).toEqual([1, 'C']);
    reader.begin(FRAMING.LENGTH, 1);
    expect([reader.read(Buffer.from('xy'), 0), reader.trailers.count]).toEqual([BODY.DATA, 0]);
  });
});
