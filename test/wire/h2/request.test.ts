// RFC 9113 8.2 and 8.3 and RELIABILITY F1-F4, F6, F7, a line a rule.

import { describe, expect, it } from 'vitest';
import { copyKept, FIELD } from '../../../src/wire/fields.ts';
import { FRAMING } from '../../../src/wire/framing.ts';
import { METHOD } from '../../../src/wire/method.ts';
import { RequestHead } from '../../../src/wire/request.ts';
import { type Field, GET, request } from './support.ts';

const without = (name: string): Field[] => GET.filter(([one]) => one !== name);
const replace = (name: string, value: string): Field[] => GET.map(([n, v]) => [n, n === name ? value : v]);
const BYTES = Array.from({ length: 256 }, (_, byte) => byte);

describe('a request over HTTP/2', () => {
  it('reads like one over HTTP/1.1', () => {
    const { fault, head } = request([...GET, ['accept', '*/*'], ['x-a', 'b c']]);
    expect(fault).toBe(0);
    expect(head).toMatchObject({
      method: 'GET',
      methodId: METHOD.GET,
      target: '/cart?id=7',
      path: '/cart?id=7',
      authority: 'shop.example.com',
      host: 'shop.example.com',
      port: 0,
      isAbsolute: false,
      minor: 1,
      isH2: true,
      isExtendedConnect: false,
      keepAlive: true,
      upgrade: '',
      expectContinue: false,
      expectOther: false,
      framing: FRAMING.NONE,
      length: -1,
      count: 3,
    });
    expect(copyKept(head)).toBe('host: shop.example.com\r\naccept: */*\r\nx-a: b c\r\n');
    expect(head.id.subarray(0, 3)).toEqual(Uint8Array.of(FIELD.HOST, FIELD.ACCEPT, FIELD.OTHER));
    expect(head.value(head.findName('x-a'))).toBe('b c');
  });

  it('has its Host line first, wherever :authority stood and however short the rest is', () => {
    for (const order of [
      [0, 1, 2, 3],
      [2, 0, 1, 3],
      [3, 2, 1, 0],
      [0, 3, 1, 2],
    ]) {
      const fields = order.map((i) => GET[i]!);
      expect(copyKept(request(fields).head)).toBe('host: shop.example.com\r\n');
      const { head } = request([...fields, ['a', 'b']]);
      expect(copyKept(head)).toBe('host: shop.example.com\r\na: b\r\n');
      expect(head.path).toBe('/cart?id=7');
    }
    const long = 'a'.repeat(300);
    expect(copyKept(request([...replace(':authority', long), ['a', 'b']]).head)).toBe(`host: ${long}\r\na: b\r\n`);
  });

  it('leaves nothing behind in the head for the next one', () => {
    const head = new RequestHead(0);
    request([...GET, ['te', 'trailers'], ['content-length', '5'], ['expect', '100-continue'], ['x', 'y']], true, head);
    expect(head).toMatchObject({ framing: FRAMING.LENGTH, length: 5, expectContinue: true });
    head.drop.fill(1);
    const fields: Field[] = [...GET, ['a', '1'], ['b', '2'], ['c', '3'], ['d', '4'], ['e', '5']];
    expect(request(fields, false, head).fault).toBe(0);
    expect(head).toMatchObject({ framing: FRAMING.NONE, length: -1, expectContinue: false, count: 6 });
    expect(head.repeated >> 1).toBe(0);
    expect(copyKept(head)).toBe('host: shop.example.com\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5\r\n');
  });

  it('may have as many lines as it may have', () => {
    const fields = Array.from({ length: 90 }, (_, i): Field => [`n${i}`, `${i}`]);
    const { head } = request([...GET, ...fields]);
    expect(copyKept(head)).toBe(`host: shop.example.com\r\n${fields.map(([n, v]) => `${n}: ${v}\r\n`).join('')}`);
  });
});

describe('F1: names and values', () => {
  it('refuses in a name whatever is no lower-case token', () => {
    for (const byte of BYTES) {
      const char = String.fromCharCode(byte);
      const isFine = /[!#$%&'*+.^_`|~0-9a-z-]/.test(char);
      for (const name of [`a${char}b`, `${char}b`, `a${char}`]) {
        expect([name, request([...GET, [name, 'v']]).fault === 0]).toEqual([name, isFine]);
      }
    }
    expect(request([...GET, ['', 'v']]).detail).toBe('malformed field line');
  });

  it('refuses in a value every control byte, and whitespace at its edges', () => {
    for (const byte of BYTES) {
      const char = String.fromCharCode(byte);
      const isFine = byte === 9 || (byte >= 32 && byte !== 127);
      expect([byte, request([...GET, ['x', `a${char}b`]]).fault === 0]).toEqual([byte, isFine]);
      const isEdge = isFine && byte !== 9 && byte !== 32;
      expect([byte, request([...GET, ['x', `${char}b`]]).fault === 0]).toEqual([byte, isEdge]);
      expect([byte, request([...GET, ['x', `b${char}`]]).fault === 0]).toEqual([byte, isEdge]);
    }
    expect(request([...GET, ['x', '']]).fault).toBe(0);
    expect(request([...GET, ['x', ' ']]).detail).toBe('whitespace at the edge of a field value');
  });

  it.each([':method', ':scheme', ':authority', ':path'])('refuses the same in %s', (name) => {
    for (const char of ['\0', '\r', '\n', '\r\nx: y', ' ', '\x7f', '\t']) {
      expect(request(replace(name, `a${char}b`)).fault).not.toBe(0);
      expect(request(replace(name, `${GET.find(([n]) => n === name)![1]}${char}`)).fault).not.toBe(0);
    }
  });
});

describe('F2: fields about the connection', () => {
  it.each([
    ['connection', 'close'],
    ['connection', ''],
    ['keep-alive', 'timeout=5'],
    ['proxy-connection', 'keep-alive'],
    ['transfer-encoding', 'chunked'],
    ['upgrade', 'websocket'],
    ['http2-settings', 'AAMAAABkAAQAAP__'],
    ['te', 'gzip'],
    ['te', 'trailers, gzip'],
    ['te', ''],
  ])('refuses %s: %s', (name, value) => {
    expect(request([...GET, [name, value]]).detail).toBe('a field about the connection in HTTP/2');
  });

  it.each(['trailers', 'Trailers'])('takes te: %s, and drops it', (value) => {
    const { fault, head } = request([...GET, ['te', value], ['a', 'b']]);
    expect(fault).toBe(0);
    expect(copyKept(head)).toBe('host: shop.example.com\r\na: b\r\n');
  });
});

describe('F3: pseudo-headers', () => {
  it.each([':method', ':scheme', ':path'])('wants exactly one %s', (name) => {
    expect(request(without(name)).detail).toBe('malformed pseudo-header fields');
    expect(request([...GET, GET.find(([one]) => one === name)!]).detail).toBe('malformed pseudo-header fields');
  });

  it.each([
    ['a second :authority', [...GET, [':authority', 'shop.example.com']]],
    ['a pseudo-header after a regular field', [...without(':path'), ['a', 'b'], [':path', '/']]],
    ['an :authority after a regular field', [...without(':authority'), ['a', 'b'], [':authority', 'x']]],
    ['an unknown one', [...GET, [':foo', 'bar']]],
    ['one in upper case', [...without(':path'), [':Path', '/']]],
    ['a colon alone', [...GET, [':', 'x']]],
    ['a :status', [...GET, [':status', '200']]],
    ['a :protocol without CONNECT', [...GET, [':protocol', 'websocket']]],
    ['another scheme', replace(':scheme', 'ftp')],
    ['an empty scheme', replace(':scheme', '')],
    ['no field at all', []],
  ] as [string, Field[]][])('refuses %s', (_, fields) => {
    expect(request(fields).detail).toBe('malformed pseudo-header fields');
  });

  it.each(['http', 'https', 'HTTP', 'Https'])('takes %s as a scheme', (scheme) => {
    expect(request(replace(':scheme', scheme)).fault).toBe(0);
  });

  it.each([
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'PATCH',
    'TRACE',
    'PURGE',
    'get',
  ])('takes %s as a method', (method) => {
    expect(request(replace(':method', method)).head.method).toBe(method);
  });

  it.each(['', 'GE T', 'G@T', 'GÄT'])('refuses %j as a method', (method) => {
    expect(request(replace(':method', method)).fault).not.toBe(0);
  });
});

describe('F4: the authority', () => {
  it.each([
    'shop.example.com',
    'SHOP.example.com',
  ])('takes a Host of %s beside :authority, and passes on one', (host) => {
    const { fault, head } = request([...GET, ['a', 'b'], ['host', host], ['c', 'd']]);
    expect(fault).toBe(0);
    expect(copyKept(head)).toBe('host: shop.example.com\r\na: b\r\nc: d\r\n');
    expect(head.repeated & (1 << FIELD.HOST)).toBe(0);
  });

  it('refuses a Host that differs, two, and none at all', () => {
    expect(request([...GET, ['host', 'other.example.com']]).detail).toBe('Host differs from :authority');
    expect(request([...GET, ['host', '']]).detail).toBe('Host differs from :authority');
    const host: Field = ['host', 'shop.example.com'];
    expect(request([...GET, host, host]).detail).toBe('more than one Host field');
    expect(request([...without(':authority'), host, host]).detail).toBe('more than one Host field');
    expect(request(without(':authority')).detail).toBe('no Host field');
  });

  it('takes Host alone', () => {
    const { fault, head } = request([...without(':authority'), ['a', 'b'], ['host', 'Shop.example.com:8443']]);
    expect(fault).toBe(0);
    expect(head).toMatchObject({ authority: 'Shop.example.com:8443', host: 'shop.example.com', port: 8443 });
    expect(copyKept(head)).toBe('a: b\r\nhost: Shop.example.com:8443\r\n');
  });

  it.each([
    '',
    'user@shop.example.com',
    'a/b',
    'a?b',
    'a:b',
    'a:99999',
    '[::1',
    'a b',
    'ä',
  ])('refuses %j', (authority) => {
    expect(request(replace(':authority', authority)).detail).toBe('invalid host');
  });

  it.each(['a:80', '[::1]:8080', '127.0.0.1', 'a_b.c'])('takes %s', (authority) => {
    expect(request(replace(':authority', authority)).head.authority).toBe(authority);
  });
});

describe('the length', () => {
  it('comes from Content-Length, which is framed anew', () => {
    const { fault, head } = request([...GET, ['content-length', '12'], ['a', 'b']], true);
    expect(fault).toBe(0);
    expect(head).toMatchObject({ framing: FRAMING.LENGTH, length: 12 });
    expect(copyKept(head)).toBe('host: shop.example.com\r\na: b\r\n');
  });

  it('is unknown when there is a body and no Content-Length', () => {
    expect(request(GET, true).head).toMatchObject({ framing: FRAMING.CHUNKED, length: -1 });
  });

  it('may be 0 where there is no body, and nothing else', () => {
    expect(request([...GET, ['content-length', '0']]).head).toMatchObject({ framing: FRAMING.LENGTH, length: 0 });
    expect(request([...GET, ['content-length', '1']]).detail).toBe('body ended early');
  });

  it.each(['', '+1', '-1', '1,1', '0x1', '1 1', '1.0', '99999999999999999999'])('refuses %j', (length) => {
    expect(request([...GET, ['content-length', length]], true).fault).not.toBe(0);
  });

  it('may be said once', () => {
    const length: Field = ['content-length', '1'];
    expect(request([...GET, length, length], true).detail).toBe('more than one Content-Length');
  });
});

describe('F6: cookies', () => {
  it('joins the lines of Cookie to the last one', () => {
    const cookies: Field[] = [
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
    ];
    const { head } = request([
      ...GET,
      ['x', 'y'],
      cookies[0]!,
      ['accept', '*/*'],
      cookies[1]!,
      ['cookie', 'c=3'],
      ['z', 'w'],
    ]);
    expect(copyKept(head)).toBe('host: shop.example.com\r\nx: y\r\naccept: */*\r\nz: w\r\ncookie: a=1; b=2; c=3\r\n');
    expect(head.count).toBe(5);
    expect(head.repeated & (1 << FIELD.COOKIE)).toBe(0);
    expect(head.value(head.find(FIELD.COOKIE))).toBe('a=1; b=2; c=3');
  });

  it('leaves one line where it is, and empty ones out', () => {
    expect(copyKept(request([...GET, ['cookie', 'a=1'], ['x', 'y']]).head)).toContain('cookie: a=1\r\nx: y\r\n');
    const { head } = request([...GET, ['cookie', ''], ['cookie', 'a=1'], ['cookie', '']]);
    expect(copyKept(head)).toBe('host: shop.example.com\r\ncookie: a=1\r\n');
  });

  it('joins hundreds of them', () => {
    const crumbs = Array.from({ length: 90 }, (_, i) => `name${i}=${'x'.repeat(i)}`);
    const { head } = request([...GET, ...crumbs.map((crumb): Field => ['cookie', crumb])]);
    expect(copyKept(head)).toBe(`host: shop.example.com\r\ncookie: ${crumbs.join('; ')}\r\n`);
  });
});

describe('F7: the path', () => {
  it.each([
    '',
    'a',
    '*',
    '/a b',
    '/a\tb',
    '/a#b',
    '/ä',
    'http://a/',
    '//\x7f',
    '/\0',
    '/ HTTP/1.1\r\nx: y',
  ])('refuses %j', (path) => {
    expect(request(replace(':path', path)).fault).not.toBe(0);
  });

  it('is * of OPTIONS alone', () => {
    const options = GET.map(([n, v]): Field => [n, n === ':method' ? 'OPTIONS' : n === ':path' ? '*' : v]);
    expect(request(options).head).toMatchObject({ method: 'OPTIONS', path: '*' });
    expect(request(options.map(([n, v]) => [n, n === ':path' ? '**' : v])).fault).not.toBe(0);
  });

  it.each(['/', '//', '/%00?a=b&c', '/a|b"<>', '/?'])('takes %s as it is', (path) => {
    expect(request(replace(':path', path)).head.path).toBe(path);
  });
});

describe('CONNECT', () => {
  it('is refused by name', () => {
    expect(
      request([
        [':method', 'CONNECT'],
        [':authority', 'a:443'],
      ]).detail,
    ).toBe('CONNECT is not supported');
    expect(request(replace(':method', 'CONNECT')).detail).toBe('CONNECT is not supported');
  });

  const websocket: Field[] = [...replace(':method', 'CONNECT'), [':protocol', 'websocket']];

  it.each([false, true])('with :protocol is a GET that asks for an upgrade, its body aside (%s)', (hasBody) => {
    const { fault, head } = request([...websocket, ['sec-websocket-version', '13']], hasBody);
    expect(fault).toBe(0);
    expect(head).toMatchObject({
      method: 'GET',
      methodId: METHOD.GET,
      upgrade: 'websocket',
      isExtendedConnect: true,
      framing: FRAMING.NONE,
      length: -1,
      path: '/cart?id=7',
    });
  });

  it.each([':scheme', ':path', ':authority'])('with :protocol needs %s', (name) => {
    expect(request(websocket.filter(([one]) => one !== name)).fault).not.toBe(0);
  });

  it.each(['', 'a b', 'a/b', 'a,b'])('with %j as :protocol is refused', (protocol) => {
    expect(request([...replace(':method', 'CONNECT'), [':protocol', protocol]]).fault).not.toBe(0);
  });
});

describe('expectations', () => {
  it('are 100-continue or others', () => {
    expect(request([...GET, ['expect', '100-Continue']], true).head).toMatchObject({ expectContinue: true });
    expect(request([...GET, ['expect', 'x']], true).head).toMatchObject({ expectContinue: false, expectOther: true });
  });
});
