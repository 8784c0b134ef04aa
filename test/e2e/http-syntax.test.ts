// RELIABILITY.md B: what may stand in a head. Nothing is repaired; what cannot be read in one way only is refused.

import { describe, expect, it } from 'vitest';
import { get, rawClient } from '../support/raw.ts';
import { clientFields, useRig } from '../support/rig.ts';

const rig = useRig();
const HOST = 'Host: example.com\r\n';

describe('B1 bare CR', () => {
  it.each([
    ['in a value', `GET / HTTP/1.1\r\n${HOST}X-A: a\rb\r\n\r\n`],
    ['before a smuggled field', `GET / HTTP/1.1\r\n${HOST}X-A: a\rX-B: b\r\n\r\n`],
    ['in a name', `GET / HTTP/1.1\r\n${HOST}X\r-A: a\r\n\r\n`],
    ['in the request line', `GET /\r HTTP/1.1\r\n${HOST}\r\n`],
    ['as the end of the request line', `GET / HTTP/1.1\r${HOST}\r\n`],
    ['as the end of a line', `GET / HTTP/1.1\r\n${HOST.slice(0, -1)}X-A: b\r\n\r\n`],
    ['as the end of the head', `GET / HTTP/1.1\r\n${HOST}\r\r\n\r\n`],
    ['before the method', `\rGET / HTTP/1.1\r\n${HOST}\r\n`],
  ])('B1 refuses a bare CR %s', async (_, bytes) => {
    await rig.refused(bytes, 400);
  });
});

describe('B2 bare LF', () => {
  it.each([
    ['all over', 'GET / HTTP/1.1\nHost: example.com\n\n'],
    ['after the request line', `GET / HTTP/1.1\n${HOST}\r\n`],
    ['after a field', `GET / HTTP/1.1\r\nX-A: b\n${HOST}\r\n`],
    ['at the end of the head', `GET / HTTP/1.1\r\n${HOST}\n`],
    ['in a value', `GET / HTTP/1.1\r\n${HOST}X-A: a\nX-B: b\r\n\r\n`],
  ])('B2 refuses a bare LF %s', async (_, bytes) => {
    await rig.refused(bytes, 400);
  });
});

describe('B3 control characters', () => {
  it.each([
    '\0',
    '\x01',
    '\x08',
    '\x0b',
    '\x0c',
    '\x1b',
    '\x7f',
  ])('B3 refuses %j in a value, a name and a target', async (bad) => {
    await rig.refused(`GET / HTTP/1.1\r\n${HOST}X-A: a${bad}b\r\n\r\n`, 400);
    await rig.refused(`GET / HTTP/1.1\r\n${HOST}X${bad}A: b\r\n\r\n`, 400);
    await rig.refused(`GET /a${bad}b HTTP/1.1\r\n${HOST}\r\n`, 400);
  });
});

describe('B4 to B7 field lines', () => {
  it.each([
    ['B4', 'a space before the colon', `GET / HTTP/1.1\r\n${HOST}X-A : b\r\n\r\n`],
    ['B4', 'a tab before the colon', `GET / HTTP/1.1\r\n${HOST}X-A\t: b\r\n\r\n`],
    ['B4', 'a space before the colon of Host', 'GET / HTTP/1.1\r\nHost : example.com\r\n\r\n'],
    ['B5', 'a space before the first field', `GET / HTTP/1.1\r\n ${HOST}\r\n`],
    ['B5', 'a blank line of a space', `GET / HTTP/1.1\r\n \r\n${HOST}\r\n`],
    ['B6', 'a folded value', `GET / HTTP/1.1\r\n${HOST}X-A: a\r\n b\r\n\r\n`],
    ['B6', 'a value folded by a tab', `GET / HTTP/1.1\r\n${HOST}X-A: a\r\n\tb\r\n\r\n`],
    ['B6', 'a folded Transfer-Encoding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
    ['B7', 'no colon', `GET / HTTP/1.1\r\n${HOST}XA\r\n\r\n`],
    ['B7', 'an empty name', `GET / HTTP/1.1\r\n${HOST}: b\r\n\r\n`],
    ['B7', 'a name with a space', `GET / HTTP/1.1\r\n${HOST}X A: b\r\n\r\n`],
    ['B7', 'a name with a slash', `GET / HTTP/1.1\r\n${HOST}X/A: b\r\n\r\n`],
    ['B7', 'a name with brackets', `GET / HTTP/1.1\r\n${HOST}X[A]: b\r\n\r\n`],
    ['B7', 'a name beyond ASCII', `GET / HTTP/1.1\r\n${HOST}X\xe9: b\r\n\r\n`],
    ['B7', 'a method that is no token', `G@T / HTTP/1.1\r\n${HOST}\r\n`],
    ['B7', 'no method', ` / HTTP/1.1\r\n${HOST}\r\n`],
    ['B7', 'two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`],
    ['B7', 'a tab in the request line', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`],
    ['B7', 'a space at the end of the request line', `GET / HTTP/1.1 \r\n${HOST}\r\n`],
    ['B7', 'a space in the target', `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
  ])('%s refuses %s', async (_, __, bytes) => {
    await rig.refused(bytes, 400);
  });

  it('takes every character that a token may hold, and passes it on', async () => {
    const name = "!#$%&'*+-.^_`|~0aZ";
    const { request } = await rig.passed(`GET / HTTP/1.1\r\n${HOST}${name}: v\r\n\r\n`);
    expect(clientFields(request)).toEqual(['Host: example.com', `${name}: v`]);
  });

  it('forwards methods it has never heard of', async () => {
    const { request } = await rig.passed(`M-SEARCH / HTTP/1.1\r\n${HOST}\r\n`);
    expect(request.start).toBe('M-SEARCH / HTTP/1.1');
    rig.origin.reset();
    const other = await rig.passed(`get / HTTP/1.1\r\n${HOST}\r\n`);
    expect(other.request.method).toBe('get');
  });

  it('drops the blanks around a value and keeps those inside', async () => {
    const { request } = await rig.passed(`GET / HTTP/1.1\r\n${HOST}X-A: \t a \t b\t \r\nX-B:c\r\nX-C:\r\n\r\n`);
    expect(clientFields(request).slice(1)).toEqual(['X-A: a \t b', 'X-B: c', 'X-C: ']);
  });
});

describe('B6 folded responses', () => {
  it('B6 answers 502 to a folded response, or joins it with a space', async () => {
    rig.origin.script = (request) => request.answer(200, 'x', 'X-A: a\r\n b\r\n');
    using client = await rawClient(rig.port);
    await client.send(get('/'));
    const answer = await client.answer();
    if (answer.status !== 502) expect(answer.field('x-a')).toBe('a b');
  });
});

describe('B8 octets', () => {
  it('B8 passes bytes above 0x7f of a value on as they are, in both directions', async () => {
    rig.origin.script = (request) => request.answer(200, 'x', 'X-B: \xff\xc3\xa9\x80\r\n');
    const { answer, request } = await rig.passed(`GET / HTTP/1.1\r\n${HOST}X-A: \xe4\xbd\xa0\xff\r\n\r\n`);
    expect(request.field('x-a')).toBe('\xe4\xbd\xa0\xff');
    expect(answer.field('x-b')).toBe('\xff\xc3\xa9\x80');
  });

  it('B8 does not take a character for the ASCII its low byte looks like', async () => {
    // U+010D U+010A in UTF-8: truncated to Latin-1 they would be CR LF.
    const bytes = Buffer.from(`GET / HTTP/1.1\r\n${HOST}X-A: a\u010d\u010aX-B: b\r\n\r\n`, 'utf8');
    const { request } = await rig.passed(bytes);
    expect(request.field('x-b')).toBeNull();
    expect(Buffer.from(request.field('x-a')!, 'latin1').toString('utf8')).toBe('a\u010d\u010aX-B: b');
  });

  it('B8 refuses raw bytes above 0x7f in a target, or passes them on as they are', async () => {
    using client = await rawClient(rig.port);
    await client.send(`GET /\xe4\xbd\xa0 HTTP/1.1\r\n${HOST}\r\n`);
    const { status } = await client.answer();
    if (status === 200) expect(rig.origin.request.target).toBe('/\xe4\xbd\xa0');
    else expect(status).toBe(400);
  });
});

describe('B9 sizes', () => {
  it('B9 answers 414 to a request line over the limit, before its end has come', async () => {
    await rig.refused(`GET /${'a'.repeat(9000)} HTTP/1.1\r\n${HOST}\r\n`, 414);
    await rig.refused(`GET /${'a'.repeat(9000)}`, 414);
    await rig.refused('A'.repeat(9000), [400, 414]);
  });

  it('B9 answers 431 to a head over the limit, before its end has come', async () => {
    const field = `X-A: ${'a'.repeat(4000)}\r\n`;
    await rig.refused(`GET / HTTP/1.1\r\n${HOST}${field.repeat(9)}\r\n`, 431);
    await rig.refused(`GET / HTTP/1.1\r\n${HOST}${field.repeat(9)}`, 431);
    await rig.refused(`GET / HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(40_000)}`, 431);
  });

  it('B9 answers 431 to more fields than allowed, and passes on as many as allowed', async () => {
    const fields = (n: number) => Array.from({ length: n }, (_, i) => `X-${i}: ${i}\r\n`).join('');
    await rig.refused(`GET / HTTP/1.1\r\n${HOST}${fields(100)}\r\n`, 431);
    const { request } = await rig.passed(`GET / HTTP/1.1\r\n${HOST}${fields(99)}\r\n`);
    expect(clientFields(request).length).toBe(100);
  });

  it('B9 passes a head just under the limits', async () => {
    const { request } = await rig.passed(
      `GET /${'a'.repeat(8000)} HTTP/1.1\r\n${HOST}X-A: ${'b'.repeat(20_000)}\r\n\r\n`,
    );
    expect([request.target.length, request.field('x-a')?.length]).toEqual([8001, 20_000]);
  });
});

describe('start of a request', () => {
  it('takes a few empty lines before a request line', async () => {
    using client = await rawClient(rig.port);
    await client.send(`\r\n${get('/')}\r\n${get('/')}`);
    expect([(await client.answer()).status, (await client.answer()).status]).toEqual([200, 200]);
  });

  it.each([
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a PROXY line nobody asked for', 'PROXY TCP4 6.6.6.6 1.1.1.1 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a preface that is not HTTP/2’s', 'PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n'],
    ['an answer', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['HTTP/0.9', 'GET /\r\n'],
  ])('refuses %s', async (_, bytes) => {
    await rig.refused(bytes, [400, 501, 505]);
  });
});
