// RELIABILITY.md A to E, as far as bytes decide them: each row is one case of bytes and the status that refuses them.

import { describe, expect, it } from 'vitest';
import { copyKept, FIELD } from '../../src/wire/fields.ts';
import { METHOD } from '../../src/wire/method.ts';
import { FRAMING, RequestReader } from '../../src/wire/request.ts';
import { feedAll, LIMITS, parseRequest } from './support.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: h\r\n';

const REFUSED: [row: string, bytes: string, status: number][] = [
  ['A1 both lengths', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  ['A1 both lengths, the other way round', `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`, 400],
  ['A2 identity at the end', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n`, 400],
  ['A2 identity alone', `${POST}Transfer-Encoding: identity\r\n\r\n`, 400],
  ['A2 unknown', `${POST}Transfer-Encoding: xchunked\r\n\r\n`, 501],
  ['A2 unknown before chunked', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
  ['A2 chunked not final', `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n`, 400],
  ['A2 chunked twice', `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n`, 400],
  ['A2 two lines', `${POST}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  ['A2 empty', `${POST}Transfer-Encoding:\r\n\r\n`, 400],
  ['A2 empty element', `${POST}Transfer-Encoding: , chunked\r\n\r\n`, 400],
  ['A2 quoted', `${POST}Transfer-Encoding: "chunked"\r\n\r\n`, 400],
  ['A2 with a parameter', `${POST}Transfer-Encoding: chunked;q=1\r\n\r\n`, 400],
  ['A2 vertical tab', `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n`, 400],
  ['A2 tab after it', `${POST}Transfer-Encoding: chunked\t\r\n\r\n`, 400],
  ['A3 two different', `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 400],
  ['A3 a list', `${POST}Content-Length: 5, 6\r\n\r\n`, 400],
  ['A3 plus', `${POST}Content-Length: +5\r\n\r\n`, 400],
  ['A3 minus', `${POST}Content-Length: -5\r\n\r\n`, 400],
  ['A3 hexadecimal', `${POST}Content-Length: 0x5\r\n\r\n`, 400],
  ['A3 empty', `${POST}Content-Length:\r\n\r\n`, 400],
  ['A3 blank inside', `${POST}Content-Length: 5 5\r\n\r\n`, 400],
  ['A3 beyond 2^53 - 1', `${POST}Content-Length: 9007199254740992\r\n\r\n`, 400],
  ['A3 far beyond', `${POST}Content-Length: ${'9'.repeat(400)}\r\n\r\n`, 400],
  ['A4 repeated in a list', `${POST}Content-Length: 5, 5\r\n\r\n`, 400],
  ['A4 repeated', `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`, 400],
  ['A5 coding in 1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['B1 bare CR in a value', `${GET}A: b\rc\r\n\r\n`, 400],
  ['B1 bare CR in the request line', 'GET / HTTP/1.1\rHost: h\r\n\r\n', 400],
  ['B1 bare CR before a name', `${GET}\rA: b\r\n\r\n`, 400],
  ['B1 CR CR LF', `${GET}A: b\r\r\n\r\n`, 400],
  ['B2 LF alone after the request line', 'GET / HTTP/1.1\nHost: h\r\n\r\n', 400],
  ['B2 LF alone after a field', `${GET}A: b\n\r\n`, 400],
  ['B2 LF alone as the blank line', `${GET}\n`, 400],
  ['B2 LF alone before the request', '\nGET / HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['B3 NUL in a value', `${GET}A: b\0c\r\n\r\n`, 400],
  ['B3 control byte in a value', `${GET}A: b\x1fc\r\n\r\n`, 400],
  ['B3 DEL in a value', `${GET}A: b\x7fc\r\n\r\n`, 400],
  ['B4 space before the colon', `${GET}A : b\r\n\r\n`, 400],
  ['B4 tab before the colon', `${GET}A\t: b\r\n\r\n`, 400],
  ['B5 whitespace before the first field', 'GET / HTTP/1.1\r\n Host: h\r\n\r\n', 400],
  ['B6 obs-fold', `${GET}A: b\r\n c\r\n\r\n`, 400],
  ['B6 obs-fold by tab', `${GET}A: b\r\n\tc\r\n\r\n`, 400],
  ['B7 empty name', `${GET}: b\r\n\r\n`, 400],
  ['B7 no colon', `${GET}nonsense\r\n\r\n`, 400],
  ['B7 name with a separator', `${GET}a(b: c\r\n\r\n`, 400],
  ['B7 name with obs-text', `${GET}a\xe4: c\r\n\r\n`, 400],
  ['B9 long request line, incomplete', `GET /${'x'.repeat(8200)}`, 414],
  ['B9 long request line, complete', `GET /${'x'.repeat(8180)} HTTP/1.1\r\nHost: h\r\n\r\n`, 414],
  ['B9 large head, incomplete', `${GET}A: ${'x'.repeat(33_000)}`, 431],
  ['B9 many fields', `${GET}${'A: b\r\n'.repeat(100)}\r\n`, 431],
  ['C1 no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['C1 no Host, absolute-form', 'GET http://h/ HTTP/1.1\r\n\r\n', 400],
  ['C1 two Hosts', `${GET}Host: h\r\n\r\n`, 400],
  ['C1 two Hosts in 1.0', 'GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n', 400],
  ['C1 empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['C1 userinfo in Host', 'GET / HTTP/1.1\r\nHost: u@h\r\n\r\n', 400],
  ['C1 path in Host', 'GET / HTTP/1.1\r\nHost: h/x\r\n\r\n', 400],
  ['C1 bad Host beside absolute-form', 'GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['C3 asterisk with GET', 'GET * HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C3 asterisk and more', 'OPTIONS *x HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C4 CONNECT', 'CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n', 501],
  ['C6 userinfo', 'GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 fragment', 'GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 no slash', 'GET a HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 @host', 'GET @h HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 empty target', 'GET  HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 blank in the target', 'GET /a b HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 obs-text in the target', 'GET /\xe4 HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 other scheme', 'GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['C6 no authority', 'GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['version 1.2', 'GET / HTTP/1.2\r\nHost: h\r\n\r\n', 505],
  ['version 2.0', 'PRI * HTTP/2.0\r\n\r\n', 505],
  ['version 0.9 by silence', 'GET /\r\n', 400],
  ['version in lower case', 'GET / http/1.1\r\nHost: h\r\n\r\n', 400],
  ['version with more digits', 'GET / HTTP/1.10\r\nHost: h\r\n\r\n', 400],
  ['blank after the version', 'GET / HTTP/1.1 \r\nHost: h\r\n\r\n', 400],
  ['method that is no token', 'G@T / HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['two blanks', 'GET  / HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01', 400],
  ['too many empty lines', `${'\r\n'.repeat(9)}${GET}\r\n`, 400],
  ['Connection that is no list of tokens', `${GET}Connection: close;x\r\n\r\n`, 400],
  ['E8 Upgrade with content', `${POST}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n`, 400],
  [
    'E8 Upgrade with chunks',
    `${POST}Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n`,
    400,
  ],
  ['E8 Upgrade that is no list', `${GET}Connection: upgrade\r\nUpgrade: web socket\r\n\r\n`, 400],
];

describe('a malformed request', () => {
  it.each(REFUSED)('is refused: %s', (_row, bytes, status) => {
    expect(parseRequest(bytes)).toMatchObject({ next: -2, status });
  });

  it.each(REFUSED)('is refused byte by byte with the same status: %s', (_row, bytes, status) => {
    expect(parseRequest(bytes, 1)).toMatchObject({ next: -2, status });
  });
});

describe('a head that is not complete yet', () => {
  it.each([
    ['the request line is bad', 'GET / HTTP/3.0\r\n', 505],
    ['the target is bad', 'GET nowhere HTTP/1.1\r\n', 400],
    ['CONNECT is asked for', 'CONNECT a:1 HTTP/1.1\r\n', 501],
    ['an LF stands alone', `${GET}A: b\n`, 400],
    ['a CR stands alone', `${GET}A: b\rc`, 400],
    ['a NUL came', `${GET}A: b\0`, 400],
  ])('is refused as soon as %s', (_what, bytes, status) => {
    for (const size of [1, 3, 1000]) expect(parseRequest(bytes, size)).toMatchObject({ next: -2, status });
  });

  it('waits for more after each proper prefix of a good head', () => {
    const text = `${POST}Content-Length: 3\r\nX-A:  b \r\n\r\n`;
    for (let n = 0; n < text.length; n++) expect(parseRequest(text.slice(0, n))).toMatchObject({ next: -1, status: 0 });
    expect(parseRequest(text).next).toBe(text.length);
  });

  it('refuses nothing more and takes nothing more after a fault until reset', () => {
    const reader = new RequestReader(LIMITS);
    expect(reader.feed(Buffer.from('GET\n'), 0)).toBe(-2);
    expect(reader.feed(Buffer.from(`${GET}\r\n`), 0)).toBe(-2);
    reader.reset();
    expect(reader.feed(Buffer.from(`${GET}\r\n`), 0)).toBe(GET.length + 2);
  });

  it('stays linear byte by byte: 256 KiB in far less than quadratic work would take', () => {
    const reader = new RequestReader({ ...LIMITS, headBytes: 1 << 20 });
    const start = performance.now();
    expect(feedAll(reader, `${GET}A: ${'x'.repeat(1 << 18)}\r\n\r\n`, 1)).toBeGreaterThan(1 << 18);
    // About 30 ms; to look at every held byte again each time would be 3 * 10^10 steps.
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('a request', () => {
  it('gives method, target, path, host, port and fields as sent', () => {
    const { head, next } = parseRequest(
      'PATCH /A/%2e?q=1 HTTP/1.1\r\nhOST:  Ex-ample.COM:8080\t\r\nX-A:1\r\nx-b: \xe4 \t\xff\r\n\r\nrest',
    );
    expect(next).toBe(74);
    expect(head).toMatchObject({
      method: 'PATCH',
      methodId: METHOD.PATCH,
      target: '/A/%2e?q=1',
      path: '/A/%2e?q=1',
      minor: 1,
    });
    expect(head).toMatchObject({ authority: 'Ex-ample.COM:8080', host: 'ex-ample.com', port: 8080, isAbsolute: false });
    expect(head).toMatchObject({
      framing: FRAMING.NONE,
      keepAlive: true,
      upgrade: '',
      expectContinue: false,
      count: 3,
    });
    expect([head.name(0), head.value(0), head.name(1), head.value(1), head.value(2)]).toEqual([
      'hOST',
      'Ex-ample.COM:8080',
      'X-A',
      '1',
      '\xe4 \t\xff',
    ]);
    expect([...head.plain.subarray(0, 3)]).toEqual([0, 0, 1]);
  });

  it('takes any token as a method, and its case matters', () => {
    expect(parseRequest("get!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: h\r\n\r\n").head.methodId).toBe(METHOD.OTHER);
    expect(parseRequest('get / HTTP/1.1\r\nHost: h\r\n\r\n').head).toMatchObject({
      method: 'get',
      methodId: METHOD.OTHER,
    });
  });

  it.each([
    ['GET http://A.b:81/x?y HTTP/1.1', '/x?y', 'A.b:81', 'a.b', 81],
    ['GET HTTPS://a.b HTTP/1.1', '/', 'a.b', 'a.b', 0],
    ['GET http://a.b?y=/z HTTP/1.1', '/?y=/z', 'a.b', 'a.b', 0],
    ['OPTIONS http://a.b HTTP/1.1', '*', 'a.b', 'a.b', 0],
    ['OPTIONS http://a.b/ HTTP/1.1', '/', 'a.b', 'a.b', 0],
    ['GET http://[2001:DB8::1]:1/ HTTP/1.1', '/', '[2001:DB8::1]:1', '[2001:db8::1]', 1],
  ])('C2, C3: takes the authority of absolute-form over Host: %s', (line, path, authority, host, port) => {
    const { head } = parseRequest(`${line}\r\nHost: other:9\r\n\r\n`);
    expect(head).toMatchObject({ isAbsolute: true, path, authority, host, port });
  });

  it('C3: takes OPTIONS *', () => {
    expect(parseRequest('OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n').head).toMatchObject({
      path: '*',
      isAbsolute: false,
      host: 'h',
    });
  });

  it('does not remember the host of absolute-form or of the request before', () => {
    const reader = new RequestReader(LIMITS);
    const hosts: string[] = [];
    for (const text of [
      'GET http://abs/ HTTP/1.1\r\nHost: a.b\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a.b\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a.c\r\n\r\n',
      'GET / HTTP/1.0\r\n\r\n',
    ]) {
      reader.reset();
      expect(reader.feed(Buffer.from(text), 0)).toBe(text.length);
      hosts.push(reader.head.host);
    }
    expect(hosts).toEqual(['abs', 'a.b', 'a.c', '']);
  });

  it('skips a few empty lines before it, which do not count as its start', () => {
    const reader = new RequestReader(LIMITS);
    expect(feedAll(reader, '\r\n\r', 1)).toBe(-1);
    expect(reader.isEmpty).toBe(true);
    expect(reader.feed(Buffer.from('\nG'), 0)).toBe(-1);
    expect(reader.isEmpty).toBe(false);
    expect(reader.feed(Buffer.from('ET / HTTP/1.1\r\nHost: h\r\n\r\nX'), 0)).toBe(26);
    expect(reader.head).toMatchObject({ method: 'GET', host: 'h' });
  });

  it.each([
    ['Content-Length: 12', FRAMING.LENGTH, 12],
    ['Content-Length: 0', FRAMING.LENGTH, 0],
    ['Content-Length: 007', FRAMING.LENGTH, 7],
    ['Content-Length: 9007199254740991', FRAMING.LENGTH, Number.MAX_SAFE_INTEGER],
    ['Transfer-Encoding: ChunKed', FRAMING.CHUNKED, -1],
    ['X: y', FRAMING.NONE, -1],
  ])('A11: knows its framing and takes the field out: %s', (line, framing, length) => {
    const { head } = parseRequest(`${POST}${line}\r\n\r\n`);
    expect(head).toMatchObject({ framing, length });
    expect(copyKept(head)).toBe(framing === FRAMING.NONE ? 'Host: h\r\nX: y\r\n' : 'Host: h\r\n');
  });

  it.each([
    [`${GET}\r\n`, true],
    [`${GET}Connection: keep-alive\r\n\r\n`, true],
    [`${GET}Connection: Close\r\n\r\n`, false],
    [`${GET}Connection: , x,\t close ,\r\n\r\n`, false],
    [`${GET}Connection: x\r\nConnection: close\r\n\r\n`, false],
    ['GET / HTTP/1.0\r\n\r\n', false],
    ['GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', false],
  ])('E4, E5: persists as RFC 9112 9.3 says, and never in 1.0: %j', (text, keepAlive) => {
    expect(parseRequest(text).head.keepAlive).toBe(keepAlive);
  });

  it('D1, D2: drops what Connection nominates and what is hop-by-hop, and nothing that is protected', () => {
    const { head } = parseRequest(
      `${GET}Connection: X-A, host, keep-alive, Authorization, cookie, X-Forwarded-For, x-forwarded-anything, content-length\r\n` +
        'connection: x-b, te\r\nx-a: 1\r\nX-B: 2\r\nX-A: 3\r\nAuthorization: s\r\nCookie: c\r\nX-Forwarded-For: f\r\nX-Forwarded-Anything: g\r\n' +
        'Keep-Alive: 5\r\nProxy-Connection: close\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-C: 4\r\n\r\n',
    );
    expect(copyKept(head)).toBe(
      'Host: h\r\nAuthorization: s\r\nCookie: c\r\nX-Forwarded-For: f\r\nX-Forwarded-Anything: g\r\nX-C: 4\r\n',
    );
  });

  it('refuses a Connection field that nominates without end', () => {
    expect(parseRequest(`${GET}Connection: ${'x,'.repeat(500)}y\r\n\r\n`).status).toBe(400);
  });

  it.each([
    [`${GET}Expect: 100-Continue\r\n\r\n`, true, false],
    [`${GET}Expect: 100-continue\r\nExpect: more\r\n\r\n`, true, true],
    [`${GET}Expect: 200-ok\r\n\r\n`, false, true],
    ['GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n', false, false],
  ])('E2: knows expectations: %j', (text, expectContinue, expectOther) => {
    expect(parseRequest(text).head).toMatchObject({ expectContinue, expectOther });
  });

  it.each([
    [`${GET}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, 'websocket'],
    [`${GET}Connection: Upgrade\r\nUpgrade: a/1, b\r\nUpgrade: c\r\n\r\n`, 'a/1, b, c'],
    [`${POST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n`, 'websocket'],
    [`${GET}Upgrade: websocket\r\n\r\n`, ''],
    [`${GET}Connection: Upgrade\r\n\r\n`, ''],
    ['GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', ''],
  ])('E8: upgrades when Connection says so in HTTP/1.1: %j', (text, upgrade) => {
    expect(parseRequest(text).head.upgrade).toBe(upgrade);
  });

  it('takes as many fields and as many bytes as the limits say, and not one more', () => {
    const limits = { requestLineBytes: 14, headBytes: 34, headers: 2 };
    const statusOf = (text: string): number => {
      const reader = new RequestReader(limits);
      return reader.feed(Buffer.from(text), 0) >= 0 ? 0 : reader.fault;
    };
    expect(statusOf('GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n'.padEnd(34))).toBe(0);
    expect(statusOf('GET / HTTP/1.1\r\nHost: h\r\nA: bcd\r\n\r\n')).not.toBe(0);
    expect(statusOf('GET /x HTTP/1.1\r\nHost: h\r\n\r\n')).not.toBe(0);
    expect(statusOf('GET / HTTP/1.1\r\nHost:h\r\nA:\r\nB:\r\n\r\n')).not.toBe(0);
  });

  it('finds fields by integer and by name', () => {
    const { head } = parseRequest(`${GET}Cookie: a\r\nX-Q: 1\r\ncookie: b\r\n\r\n`);
    expect([head.find(FIELD.COOKIE), head.findNext(1), head.findNext(3), head.find(FIELD.DATE)]).toEqual([
      1, 3, -1, -1,
    ]);
    expect([head.findName('x-q'), head.findName('x'), head.nameIs(0, 'host'), head.nameStartsWith(2, 'x-')]).toEqual([
      2,
      -1,
      true,
      true,
    ]);
  });
});
