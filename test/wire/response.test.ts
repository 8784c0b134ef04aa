import { describe, expect, it } from 'vitest';
import { copyKept } from '../../src/wire/fields.ts';
import { METHOD } from '../../src/wire/method.ts';
import { FRAMING } from '../../src/wire/response.ts';
import { parseResponse } from './support.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

const REFUSED: [what: string, bytes: string][] = [
  ['E10 a bad length', `${OK}Content-Length: 5x\r\n\r\n`],
  ['E10 two lengths', `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`],
  ['E10 length and coding', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['an unknown coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ['a coding in 1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['E3 a coding on 204', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['E3 a coding on 1xx', 'HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['E3 content announced on 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n'],
  ['an interim response that closes', 'HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n'],
  ['B6 obs-fold', `${OK}A: b\r\n c\r\n\r\n`],
  ['B1 a bare CR in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n'],
  ['B2 an LF alone', 'HTTP/1.1 200 OK\n\n'],
  ['B3 NUL in a value', `${OK}A: \0\r\n\r\n`],
  ['B4 space before the colon', `${OK}A : b\r\n\r\n`],
  ['a bad protocol', 'ICY 200 OK\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['two blanks', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['no blank after the status', 'HTTP/1.1 200OK\r\n\r\n'],
  ['an empty line first', `\r\n${OK}\r\n`],
  ['a head without end', `${OK}A: ${'x'.repeat(33_000)}`],
  ['too many fields', `${OK}${'A: b\r\n'.repeat(101)}\r\n`],
];

describe('a response', () => {
  it.each(REFUSED)('is refused with 502: %s', (_what, bytes) => {
    for (const size of [1, 7, 1 << 20])
      expect(parseResponse(bytes, METHOD.GET, size)).toMatchObject({ next: -2, status: 502 });
  });

  it('gives status, reason and fields as sent', () => {
    const { head, next } = parseResponse(
      'HTTP/1.0 404 N\xf6 pe\r\ndate: x\r\nKeep-Alive: max=9, timeout=15\r\nContent-Length: 3\r\n\r\nabc',
    );
    expect(next).toBe(81);
    expect(head).toMatchObject({
      status: 404,
      reason: 'N\xf6 pe',
      minor: 0,
      hasDate: true,
      keepAliveTimeoutMs: 15_000,
    });
    expect(head).toMatchObject({ framing: FRAMING.LENGTH, length: 3, keepAlive: false, upgrade: '' });
    expect(copyKept(head)).toBe('date: x\r\n');
  });

  it.each(['HTTP/1.1 200 \r\n\r\n', 'HTTP/1.1 200\r\n\r\n'])('may have no reason: %j', (text) => {
    expect(parseResponse(text)).toMatchObject({
      next: text.length,
      head: { status: 200, reason: '', keepAliveTimeoutMs: -1, hasDate: false },
    });
  });

  it.each([
    ['E12 nothing said: until close', OK, METHOD.GET, FRAMING.UNTIL_CLOSE, false],
    ['a length', `${OK}Content-Length: 9\r\n`, METHOD.GET, FRAMING.LENGTH, true],
    ['chunks', `${OK}Transfer-Encoding: chunked\r\n`, METHOD.GET, FRAMING.CHUNKED, true],
    ['to HEAD, a length', `${OK}Content-Length: 9\r\n`, METHOD.HEAD, FRAMING.NONE, true],
    ['to HEAD, chunks', `${OK}Transfer-Encoding: chunked\r\n`, METHOD.HEAD, FRAMING.NONE, true],
    ['to HEAD, nothing said', OK, METHOD.HEAD, FRAMING.NONE, true],
    ['204', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n', METHOD.GET, FRAMING.NONE, true],
    ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n', METHOD.GET, FRAMING.NONE, true],
    ['100', 'HTTP/1.1 100 Continue\r\n', METHOD.GET, FRAMING.NONE, true],
    ['1.0 that closes', 'HTTP/1.0 200 OK\r\nContent-Length: 9\r\n', METHOD.GET, FRAMING.LENGTH, false],
    [
      '1.0 that stays',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 9\r\n',
      METHOD.GET,
      FRAMING.LENGTH,
      true,
    ],
    ['1.1 that closes', `${OK}Connection: close\r\nContent-Length: 9\r\n`, METHOD.GET, FRAMING.LENGTH, false],
  ])('E3: is framed by request and status: %s', (_what, text, methodId, framing, keepAlive) => {
    expect(parseResponse(`${text}\r\n`, methodId).head).toMatchObject({ framing, keepAlive });
  });

  it('E3: keeps the Content-Length of HEAD and 304, which describes what is not sent', () => {
    const text = `${OK}Content-Length: 9\r\n\r\n`;
    expect(copyKept(parseResponse(text, METHOD.HEAD).head)).toBe('Content-Length: 9\r\n');
    expect(copyKept(parseResponse('HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n').head)).toBe('Content-Length: 9\r\n');
    expect(copyKept(parseResponse(text).head)).toBe('');
    expect(copyKept(parseResponse('HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n').head)).toBe('');
  });

  it('E1: gives 101 with its protocol', () => {
    const { head } = parseResponse(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    );
    expect(head).toMatchObject({ status: 101, upgrade: 'websocket', framing: FRAMING.NONE });
  });

  it.each([
    ['timeout=5', 5000],
    ['Timeout=5', 5000],
    ['timeout=99999999999', 3_600_000],
    ['timeout=', -1],
    ['timeout', -1],
    ['max=5', -1],
    ['xtimeout=5', -1],
    ['', -1],
  ])('reads the idle hint: %j', (value, ms) => {
    expect(parseResponse(`${OK}Keep-Alive: ${value}\r\n\r\n`).head.keepAliveTimeoutMs).toBe(ms);
  });
});
