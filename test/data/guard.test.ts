// What is decided about a request before an endpoint is chosen.

import { describe, expect, it } from 'vitest';
import { fillLocation, reflect } from '../../src/data/answers.ts';
import { PROBLEM } from '../../src/data/errors.ts';
import { isLastHop, refusalOf, stripped } from '../../src/data/guard.ts';
import type { RequestHead } from '../../src/wire/request.ts';
import { parseRequest } from '../wire/support.ts';

function headOf(fields = '', start = 'GET / HTTP/1.1'): RequestHead {
  const { head, status, detail } = parseRequest(`${start}\r\nHost: a.example:81\r\n${fields}\r\n`);
  expect([status, detail]).toEqual([0, '']);
  return head;
}

describe('a request', () => {
  it('that is plain is let through', () => {
    expect(refusalOf(headOf(), 'id', 0, null)).toBeNull();
    expect(refusalOf(headOf('Expect: 100-continue\r\nContent-Length: 5\r\n'), 'id', 5, null)).toBeNull();
  });

  it('that expects anything but 100-continue is refused', () => {
    expect(refusalOf(headOf('Expect: the-unexpected\r\n'), 'id', 0, null)).toBe(PROBLEM.expectation);
  });

  it('that has been here is refused, wherever in CDN-Loop it says so, and others of our kind are not', () => {
    for (const value of ['fermat; n=abc', 'other, fermat; n=abc; x=1', 'a\r\nCDN-Loop: fermat; n=abc'])
      expect(refusalOf(headOf(`CDN-Loop: ${value}\r\n`), 'abc', 0, null)).toBe(PROBLEM.loop);
    expect(refusalOf(headOf('CDN-Loop: fermat; n=other\r\nVia: 1.1 fermat\r\n'), 'abc', 0, null)).toBeNull();
  });

  it('that announces more than the limit is refused at once, and no other', () => {
    expect(refusalOf(headOf('Content-Length: 101\r\n'), 'id', 100, null)).toBe(PROBLEM.bodyTooLarge);
    expect(refusalOf(headOf('Content-Length: 100\r\n'), 'id', 100, null)).toBeNull();
    expect(refusalOf(headOf('Content-Length: 9007199254740991\r\n'), 'id', 0, null)).toBeNull();
    expect(refusalOf(headOf('Transfer-Encoding: chunked\r\n'), 'id', 1, null)).toBeNull();
  });
});

describe('the last hop', () => {
  it.each([
    ['OPTIONS / HTTP/1.1', '0', true],
    ['TRACE / HTTP/1.1', '0', true],
    ['TRACE / HTTP/1.1', '00', true],
    ['TRACE / HTTP/1.1', '1', false],
    ['TRACE / HTTP/1.1', 'x', false],
    ['GET / HTTP/1.1', '0', false],
  ])('of %s with Max-Forwards %s: %s', (start, value, expected) => {
    expect(isLastHop(headOf(`Max-Forwards: ${value}\r\n`, start))).toBe(expected);
  });

  it('is not here without the field', () => {
    expect(isLastHop(headOf('', 'TRACE / HTTP/1.1'))).toBe(false);
  });
});

describe('a TRACE that is reflected', () => {
  it('is what came, in order, without what is secret in any case of letters', () => {
    const fields =
      'X-One: 1\r\nAuthorization: Basic c2VjcmV0\r\ncookie: sid=secret\r\nPROXY-AUTHORIZATION: secret\r\nCookie: more=secret\r\nX-Two:  2 \r\n';
    expect(reflect(headOf(fields, 'TRACE /p?q=1 HTTP/1.1'))).toBe(
      'TRACE /p?q=1 HTTP/1.1\r\nHost: a.example:81\r\nX-One: 1\r\nX-Two: 2\r\n\r\n',
    );
  });
});

describe('a path without its prefix', () => {
  it.each([
    ['/api/users', '/api', '/users'],
    ['/api/users', '/api/', '/users'],
    ['/api', '/api', '/'],
    ['/api/', '/api/', '/'],
    ['/api', '/api/', '/'],
    ['/api?x=/api', '/api', '/?x=/api'],
    ['/api/?x', '/api', '/?x'],
    ['/a/b/c/d', '/a/b', '/c/d'],
    ['/x/y', '/', '/x/y'],
    ['/?q', '/', '/?q'],
    ['/caf%C3%A9/x', '/caf%C3%A9', '/x'],
    ['/caf%c3%a9/x?y', '/caf%C3%A9/', '/x?y'],
    ['/caf\xc3\xa9', '/caf%C3%A9/', '/'],
  ])('%s less %s is %s', (path, prefix, expected) => expect(stripped(path, prefix)).toBe(expected));

  it.each([
    ['/%61pi/users', '/api'],
    ['/x/../api/users', '/api'],
    ['/apis', '/api'],
    ['//api/users', '/api'],
    ['/API/users', '/api'],
    ['*', '/api'],
  ])('%s less %s cannot be told', (path, prefix) => expect(stripped(path, prefix)).toBeNull());
});

describe('a location', () => {
  it('is filled with the host and the URI of the request, as often as they are named', () => {
    const head = headOf('', 'GET /p/a?q=1&r=2 HTTP/1.1');
    expect(fillLocation(`https://\${host}\${uri}`, head)).toBe('https://a.example:81/p/a?q=1&r=2');
    expect(fillLocation(`/x?a=\${uri}&b=\${uri}`, head)).toBe('/x?a=/p/a?q=1&r=2&b=/p/a?q=1&r=2');
    expect(fillLocation('https://fixed/', head)).toBe('https://fixed/');
  });

  it('of https does not take over the port of http', () => {
    const head = headOf('', 'GET http://b.example:80/x HTTP/1.1');
    expect(fillLocation(`https://\${host}\${uri}`, head)).toBe('https://b.example/x');
    expect(fillLocation(`http://\${host}\${uri}`, head)).toBe('http://b.example:80/x');
  });

  it('takes what the client sent by its letters: no pattern in it is expanded', () => {
    const head = headOf('', "GET /$&$1$%7Bhost%7D$' HTTP/1.1");
    expect(fillLocation(`https://h\${uri}`, head)).toBe("https://h/$&$1$%7Bhost%7D$'");
  });

  it('of a request for the server as a whole is its root', () => {
    expect(fillLocation(`https://\${host}\${uri}`, headOf('', 'OPTIONS * HTTP/1.1'))).toBe('https://a.example:81/');
  });
});
