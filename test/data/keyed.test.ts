import { describe, expect, it } from 'vitest';
import { KeyHash, SEED_HI, SEED_LO } from '../../src/core/key-hash.ts';
import type { KeySpec } from '../../src/core/snapshot.ts';
import { addKey } from '../../src/data/keyed.ts';
import { RequestReader } from '../../src/wire/request.ts';

function headOf(target: string, ...lines: readonly string[]) {
  const reader = new RequestReader({ requestLineBytes: 8192, headBytes: 32_768, headers: 100 });
  reader.feed(Buffer.from([`GET ${target} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n'), 'latin1'), 0);
  return reader.head;
}

/** null = the request has no such key. */
function nameOf(on: KeySpec, target: string, lines: readonly string[] = [], client = ''): string | null {
  const hash = new KeyHash();
  hash.begin(SEED_HI, SEED_LO);
  if (!addKey(hash, on, headOf(target, ...lines), client)) return null;
  hash.end();
  return `${hash.hi} ${hash.lo}`;
}

/** Of a key as the command line writes it. */
function nameOfText(text: string): string {
  const { hi, lo } = new KeyHash().of(Buffer.from(text, 'utf8').toString('latin1'));
  return `${hi} ${lo}`;
}

describe('the key of a request', () => {
  it('is the value of a header, whatever the case of its name; all lines count, an empty one is none', () => {
    const on: KeySpec = { kind: 'header', name: 'x-tenant' };
    expect(nameOf(on, '/', ['X-Tenant:  acme '])).toBe(nameOfText('acme'));
    expect(nameOf(on, '/', ['x-TENANT: a', 'X-Tenant: b'])).toBe(nameOfText('a, b'));
    expect(nameOf(on, '/', ['X-Tenant: M\u00c3\u00bcller'])).toBe(nameOfText('Müller'));
    expect(nameOf(on, '/', ['X-Tenant:'])).toBeNull();
    expect(nameOf(on, '/', ['X-Tenants: acme'])).toBeNull();
  });

  it('is the value of the first cookie of exactly that name, without quotes', () => {
    const on: KeySpec = { kind: 'cookie', name: 'sid' };
    expect(nameOf(on, '/', ['Cookie: a=1; sid=abc; b=2'])).toBe(nameOfText('abc'));
    expect(nameOf(on, '/', ['Cookie: a=1', 'Cookie: sid="abc" ;sid=d'])).toBe(nameOfText('abc'));
    expect(nameOf(on, '/', ['Cookie: sid=a=b'])).toBe(nameOfText('a=b'));
    expect(nameOf(on, '/', ['Cookie: SID=abc; xsid=abc; sidx=1; a=sid=abc; sid'])).toBeNull();
    expect(nameOf(on, '/', ['Cookie: sid='])).toBeNull();
    expect(nameOf(on, '/', ['Cookie: ;;;=; sid'])).toBeNull();
  });

  it.each([
    ['/acme/books', 1, 'acme'],
    ['/acme/books', 2, 'books'],
    ['/acme/books?x=/y', 2, 'books'],
    ['/acme?x=1', 1, 'acme'],
    ['/%61cme/', 1, 'acme'],
    ['//acme', 1, 'acme'],
    ['/x/../acme/y', 1, 'acme'],
    ['/acme;v=1/y', 1, 'acme'],
    ['/acme/', 2, null],
    ['/acme', 2, null],
    ['/', 1, null],
    ['/?a', 1, null],
  ])('is a part of the path as routes see it: %s, part %i', (target, segment, text) => {
    expect(nameOf({ kind: 'path', segment }, target)).toBe(text === null ? null : nameOfText(text));
  });

  it('is the client: an IPv4 address whole, IPv6 by /64, a UNIX socket has none; or nothing but the route', () => {
    const on: KeySpec = { kind: 'client' };
    expect(nameOf(on, '/', [], '203.0.113.7')).toBe(nameOfText('203.0.113.7'));
    expect(nameOf(on, '/', [], '2001:db8:1:2::7')).toBe(nameOf(on, '/', [], '2001:db8:1:2:3:4:5:6'));
    expect(nameOf(on, '/', [], '2001:db8:1:2::7')).not.toBe(nameOf(on, '/', [], '2001:db8:1:3::7'));
    expect(nameOf(on, '/', [], '')).toBeNull();
    expect(nameOf({ kind: 'route' }, '/a')).toBe(nameOf({ kind: 'route' }, '/b'));
  });
});
