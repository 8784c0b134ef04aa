import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodedRoute, isDotSegment, normalisePath, readingsOf } from '../../src/core/path.ts';

describe('normalisePath', () => {
  it.each([
    ['/', '/'],
    ['/a/b?c=/../d', '/a/b'],
    ['/%61%2D%7e/%5F', '/a-~/_'],
    ['/%2f%3B%zz%', '/%2F%3B%zz%'],
    ['/a\\b//c', '/a/b/c'],
    ['/a;x=1/b;y', '/a/b'],
    ['/a/./b/../c', '/a/c'],
    ['/a/%2e%2E/c', '/c'],
    ['/a/..;x/c', '/c'],
    ['/../../x', '/x'],
    ['/a/..', '/'],
    ['/a/.', '/a/'],
    ['/a/b/', '/a/b/'],
    ['/a/...', '/a/...'],
    ['/a/.b', '/a/.b'],
  ])('reads %s as %s', (raw, normalised) => {
    expect(normalisePath(raw)).toBe(normalised);
  });

  it('has no answer for what does not begin with a slash', () => {
    for (const path of ['', '*', 'a/b', '?x', '%2fa']) expect(normalisePath(path)).toBeNull();
  });

  it('decodes one layer only', () => {
    expect(normalisePath('/%2561')).toBe('/%2561');
  });
});

const messy = fc
  .array(fc.constantFrom('/', '.', '..', '%2e', '%2f', '%5c', '%3b', '%25', ';', '\\', 'a', 'b', '%61', '?', '%00'), {
    maxLength: 14,
  })
  .map((parts) => `/${parts.join('')}`);

describe('readingsOf', () => {
  it('gives the normalised path first, and every reading once', () => {
    fc.assert(
      fc.property(messy, (path) => {
        const readings = readingsOf(path);
        expect(readings?.[0]).toBe(normalisePath(path));
        expect(new Set(readings).size).toBe(readings?.length);
      }),
    );
  });

  it('is settled after one normalisation: a second one changes nothing but further layers of encoding', () => {
    fc.assert(
      fc.property(messy, (path) => {
        const once = normalisePath(path)!;
        fc.pre(!once.includes('%'));
        expect(normalisePath(once)).toBe(once);
      }),
    );
  });

  it('has one reading only for a plain path', () => {
    expect(readingsOf('/a/b.c/d-e?f=%2f')).toEqual(['/a/b.c/d-e']);
    expect(readingsOf('/%61')).toEqual(['/a']);
  });

  it('counts in those who decode slashes, keep parameters, keep dots, decode twice or stop at a NUL', () => {
    expect(readingsOf('/a%2fb')).toContain('/a/b');
    expect(readingsOf('/a;b')).toEqual(['/a', '/a;b']);
    expect(readingsOf('/a/../b')).toEqual(['/b', '/a/../b']);
    expect(readingsOf('/a%252fb')).toContain('/a/b');
    expect(readingsOf('/a%00b')).toContain('/a');
  });

  it('gives up on a path with too many meanings', () => {
    expect(readingsOf(`/a;b//c%2f..\\${'x'.repeat(8000)}`)).toBeNull();
  });
});

describe('decodedRoute', () => {
  it('is the path as bytes for those who decode it', () => {
    expect(decodedRoute('/a b')).toBe('/a b');
    expect(decodedRoute('/a%20b/')).toBe('/a b/');
    expect(decodedRoute('/caf%C3%A9')).toBe('/caf\xc3\xa9');
    expect(decodedRoute('/%E0%A4%B9')).toBe('/\xe0\xa4\xb9');
    expect(decodedRoute('/100%')).toBe('/100%');
  });

  it('is nothing where another path could be meant', () => {
    for (const path of ['/a%2Fb', '/a%5Cb', '/a%3Bb', '/a%2525', '/a%3Fb', '/a%23', '/a%00', '/%C0%AE', '/%E0%80%AF']) {
      expect(`${path} ${decodedRoute(path)}`).toBe(`${path} null`);
    }
  });
});

describe('isDotSegment', () => {
  it('tells dots that are a segment from dots in a name', () => {
    expect(['/.', '/..', '/./', '/../a', '/.?', '/..?a'].every((path) => isDotSegment(path, 1))).toBe(true);
    expect(['/a', '/.a', '/..a', '/...', '/'].some((path) => isDotSegment(path, 1))).toBe(false);
  });
});
