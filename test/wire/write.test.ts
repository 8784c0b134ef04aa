import { describe, expect, it } from 'vitest';
import { FAULT, faultOf, OF_RESPONSE } from '../../src/wire/fault.ts';
import { FIELD, FIELD_NAMES, Fields, fieldIdOf } from '../../src/wire/fields.ts';
import {
  chunkSize,
  httpDate,
  LAST_CHUNK,
  reasonOf,
  requestHead,
  responseHead,
  statusLine,
  trailersBlock,
} from '../../src/wire/write.ts';
import { parseRequest, parseResponse } from './support.ts';

describe('what we write', () => {
  it('opens a response with our version, and the registered reason if none is given', () => {
    expect([statusLine(404, ''), statusLine(404, 'Gone fishing'), statusLine(799, '')]).toEqual([
      'HTTP/1.1 404 Not Found\r\n',
      'HTTP/1.1 404 Gone fishing\r\n',
      'HTTP/1.1 799 \r\n',
    ]);
    expect([reasonOf(200), reasonOf(299)]).toEqual(['OK', '']);
  });

  it('frames chunks', () => {
    expect([chunkSize(10), chunkSize(10), chunkSize(65_536), LAST_CHUNK]).toEqual([
      'a\r\n',
      'a\r\n',
      '10000\r\n',
      '0\r\n\r\n',
    ]);
    expect(trailersBlock(new Fields(0))).toBe(LAST_CHUNK);
  });

  it('dates by the second', () => {
    expect(httpDate(784_111_777_999)).toBe('Sun, 06 Nov 1994 08:49:37 GMT');
    expect(httpDate(784_111_778_000)).toBe('Sun, 06 Nov 1994 08:49:38 GMT');
    // Every 17 h 46 min over 140 years: all months, leap days and 2100, which has none.
    for (let ms = 0; ms < 4.4e12; ms += 64_007_000) expect(httpDate(ms)).toBe(new Date(ms).toUTCString());
  });

  it('C7: re-serialises a head in our version, kept fields in order', () => {
    const request = parseRequest(
      'GET /x HTTP/1.0\r\nA:1\r\nConnection: b\r\nB: 2\r\nC: 3 \r\nD: 4\r\nE: 5\r\nA: 6\r\n\r\n',
    ).head;
    expect(requestHead(request.method, request.path, request, 'Via: 1.0 fermat\r\n')).toBe(
      'GET /x HTTP/1.1\r\nA: 1\r\nC: 3\r\nD: 4\r\nE: 5\r\nA: 6\r\nVia: 1.0 fermat\r\n\r\n',
    );
    const response = parseResponse('HTTP/1.0 200 Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n').head;
    expect(responseHead(200, response.reason, response, '')).toBe(
      'HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n',
    );
  });
});

describe('the tables', () => {
  it('know every field name in any case, and no neighbour of one', () => {
    for (const [id, name] of FIELD_NAMES.entries()) {
      if (id === FIELD.OTHER) continue;
      const idOf = (text: string): number => fieldIdOf(Buffer.from(text), 0, text.length);
      expect([idOf(name), idOf(name.toUpperCase()), idOf(`${name}x`), idOf(`y${name.slice(1)}`)]).toEqual([
        id,
        id,
        0,
        0,
      ]);
      expect(idOf(`${name.slice(0, 1)}~${name.slice(2)}`)).toBe(0);
    }
  });

  it('say for every fault what the client gets, and 502 when it is the endpoint', () => {
    for (const code of Object.values(FAULT)) {
      const { status, detail, proxyStatus } = faultOf(code);
      expect([400, 414, 431, 501, 505]).toContain(status);
      expect([detail.length > 5, proxyStatus]).toEqual([true, 'http_request_error']);
      expect(faultOf(code + OF_RESPONSE).status).toBe(502);
      expect(faultOf(code + OF_RESPONSE).proxyStatus).toMatch(/^http_(response|protocol)_/);
    }
  });
});
