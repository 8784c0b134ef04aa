import { describe, expect, it } from 'vitest';
import { AMBIGUOUS, compileRouter } from '../../src/core/router.ts';
import { NONE, type RouteSpec } from '../../src/core/snapshot.ts';

/** `host/path @listener`; a leading `=` in the path is an equality. Index in the list = the answer expected. */
function route(text: string): RouteSpec {
  const [where = '', listener = null] = text.split(' @');
  const slash = where.indexOf('/');
  const host = where.slice(0, slash).replace('=', '');
  const exact = where.includes('=');
  return {
    uid: 0,
    name: text,
    host: host === '' ? null : host,
    path: where.slice(slash),
    exact,
    listener,
    pool: 0,
    row: 0,
    mode: 'forward',
    residency: [],
    respond: null,
    stripPrefix: false,
    hostHeader: { kind: 'preserve' },
    requestHeaders: { set: [], remove: [] },
    responseHeaders: { set: [], remove: [] },
    serverTiming: false,
    priority: 'normal',
    compress: [],
    rateLimits: [],
    locality: null,
  };
}

function routerOf(...texts: string[]) {
  const router = compileRouter(texts.map(route));
  const name = (index: number) => (index === AMBIGUOUS ? '400' : index === NONE ? '404' : texts[index]);
  return (host: string, path: string, listener = 'http') => name(router.match(host, path, listener));
}

describe('hosts', () => {
  const at = routerOf('a.example.com/', '*.example.com/', '*.b.example.com/x', '/');

  it('takes the exact host, then the longest suffix, then the route of any host', () => {
    expect(at('a.example.com', '/')).toBe('a.example.com/');
    expect(at('z.example.com', '/')).toBe('*.example.com/');
    expect(at('y.z.example.com', '/')).toBe('*.example.com/');
    expect(at('q.b.example.com', '/x')).toBe('*.b.example.com/x');
    expect(at('other.org', '/')).toBe('/');
    expect(at('', '/')).toBe('/');
  });

  it('does not fall back to a less specific host once a host has matched', () => {
    expect(at('q.b.example.com', '/elsewhere')).toBe('404');
  });

  it('wants at least one more label where a suffix is asked for', () => {
    expect(at('example.com', '/')).toBe('/');
    expect(at('.example.com', '/')).toBe('/');
    expect(at('evilexample.com', '/')).toBe('/');
  });

  it('takes a fully qualified name for the same host', () => {
    expect(at('a.example.com.', '/')).toBe('a.example.com/');
    expect(at('z.example.com.', '/')).toBe('*.example.com/');
  });

  it('finds nothing without any route or for a host that has none', () => {
    expect(routerOf()('a', '/')).toBe('404');
    expect(routerOf('a/')('b', '/')).toBe('404');
    expect(routerOf('*.a.b/')('b', '/')).toBe('404');
  });
});

describe('paths', () => {
  const at = routerOf('/', '/api', '/api/', '/api/v1/users', '=/api/v1', '=/api/v1/', '/private/', '=/');

  it('takes the longest prefix that ends at a segment', () => {
    expect(at('', '/apiary')).toBe('/');
    expect(at('', '/api')).toBe('/api');
    expect(at('', '/api/')).toBe('/api/');
    expect(at('', '/api/v1/usersx')).toBe('/api/');
    expect(at('', '/api/v1/users/7')).toBe('/api/v1/users');
  });

  it('takes an equality before a prefix, and only for the whole path', () => {
    expect(at('', '/api/v1')).toBe('=/api/v1');
    expect(at('', '/api/v1/')).toBe('=/api/v1/');
    expect(at('', '/api/v1/x')).toBe('/api/');
    expect(at('', '/')).toBe('=/');
    expect(routerOf('/a', '=/a')('', '/a')).toBe('=/a');
    expect(routerOf('=/a')('', '/a/b')).toBe('404');
  });

  it('takes /private for /private/, unless a route says /private', () => {
    expect(at('', '/private')).toBe('/private/');
    expect(at('', '/privateer')).toBe('/');
  });

  it('leaves the query out of it', () => {
    expect(at('', '/api?x=/private/;//../%2f')).toBe('/api');
    expect(at('', '/?/private')).toBe('=/');
  });

  it('routes `*` and an empty path like the root', () => {
    for (const path of ['*', '', '?x']) expect(at('', path)).toBe('=/');
    expect(at('', 'nonsense')).toBe('404');
  });
});

describe('listeners', () => {
  const at = routerOf('/ @tls', '/', 'a/x @tls', 'a/ @plain', '=/only @plain');

  it('prefers the route of the listener to that of all listeners with the same path', () => {
    expect(at('', '/', 'tls')).toBe('/ @tls');
    expect(at('', '/', 'plain')).toBe('/');
  });

  it('prefers the longer path whichever listener it is of', () => {
    expect(routerOf('/ @tls', '/a')('', '/a', 'tls')).toBe('/a');
  });

  it('does not see the routes, nor the hosts, of other listeners', () => {
    expect(at('a', '/x', 'plain')).toBe('a/ @plain');
    expect(at('a', '/y', 'tls')).toBe('404');
    expect(at('a', '/x', 'third')).toBe('/');
    expect(at('b', '/only', 'plain')).toBe('=/only @plain');
  });

  it('takes the first of two equal routes', () => {
    expect(compileRouter([route('/a'), route('/a')]).match('', '/a', 'http')).toBe(0);
  });
});

describe('spellings', () => {
  const at = routerOf('/', '/private', '/a/b');

  it('sees through spellings that RFC 3986 calls equal', () => {
    for (const path of ['/%70rivate', '/priv%61te/x', '/%70%72%69vate?q']) expect(at('', path)).toBe('/private');
  });

  it('refuses what another endpoint may read as a path of another route', () => {
    for (const path of [
      '//private',
      '/x/../private',
      '/private/../x',
      '/x/%2e%2e/private',
      '/x/..;/private',
      '/x/..;a=b/private',
      '/private;x',
      '/%2570rivate',
      '/x/..%2fprivate',
      '/x%2f..%2fprivate',
      '/private%2fx',
      '/private%2Fx',
      '/x/..\\private',
      '/\\private',
      '/%5cprivate',
      '/private%5c..%5cx',
      '/private%3bx',
      '/private%00.png',
      '/private%3fx',
      '/private%23x',
      '/x/%252e%252e/private',
      '/x/..%c0%afprivate',
      '/x/%c0%ae%c0%ae/private',
      '/./private',
      '/a//b',
      '/a/./b',
    ]) {
      expect(`${path} → ${at('', path)}`).toBe(`${path} → 400`);
    }
  });

  it('lets them be where every reading leads to the same route', () => {
    for (const path of [
      '/x%2fy',
      '/x//y',
      '/x;v=1/y',
      '/x/../y',
      '/%E4%BD%A0',
      '/x%20y',
      '/.well-known/x',
      '/..x',
      '/x%',
    ]) {
      expect(`${path} → ${at('', path)}`).toBe(`${path} → /`);
    }
    for (const path of ['/private/x%2fy', '/private/;x', '/private//x', '/private/./x']) {
      expect(`${path} → ${at('', path)}`).toBe(`${path} → /private`);
    }
  });

  // Whatever a route's path had encoded, no request ever got to it: one who decodes was always led elsewhere.
  it('takes a path that has to be encoded for the path of its route', () => {
    const of = routerOf('/', '/a%20b', '/caf%C3%A9/', '/%21', '/!');
    for (const path of ['/a%20b', '/a%20b/c', '/a%20b?c']) expect(of('', path)).toBe('/a%20b');
    for (const path of ['/caf%C3%A9', '/caf%c3%a9/x', '/caf\xc3\xa9/x']) expect(of('', path)).toBe('/caf%C3%A9/');
    expect(of('', '/!')).toBe('/!');
    for (const path of ['/a%20bc', '/a%2520c']) expect(of('', path)).toBe('/');
    for (const path of ['/a%2520b', '/x/..%2fa%20b', '/a%20b%2f..%2fx', '/%21']) expect(of('', path)).toBe('400');
  });

  it('refuses nothing where there is but one route to choose', () => {
    expect(routerOf('/')('', '/x/..%2f..;/%00//\\')).toBe('/');
  });

  it('refuses a path whose meanings would take too long to count', () => {
    expect(at('', `/%252525252525${'/x;y//%2f\\..%3f'.repeat(500)}`)).toBe('400');
    const startMs = performance.now();
    for (let i = 0; i < 20; i++) at('', `/${'%2f;x'.repeat(1600)}`);
    expect((performance.now() - startMs) / 20).toBeLessThan(20);
  });
});

describe('size', () => {
  it('agrees with a search through the list on thousands of routes and paths', () => {
    let seed = 7;
    const random = (n: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 1;
      return (seed >>> 4) % n;
    };
    const segment = () => 'abc'[random(3)]! + (random(2) ? '' : 'x');
    const path = () => `/${Array.from({ length: random(5) }, segment).join('/')}`;
    const texts = Array.from({ length: 400 }, () => (random(4) ? '' : '=') + path() + (random(4) ? '' : '/')).map((t) =>
      t.replace('//', '/'),
    );
    const at = routerOf(...texts);
    for (let i = 0; i < 5000; i++) {
      const asked = (path() + (random(3) ? '' : '/')).replace('//', '/');
      expect(`${asked} ${at('', asked)}`).toBe(`${asked} ${slowly(texts, asked)}`);
    }
  });
});

/** The rules, as plainly as they can be said. */
function slowly(texts: readonly string[], path: string): string {
  const rank = (text: string): number => {
    if (text === `=${path}`) return 4 * path.length + 3;
    if (text.startsWith('=')) return -1;
    if (text.endsWith('/')) {
      if (path.startsWith(text)) return 4 * text.length + 2;
      return path === text.slice(0, -1) ? 4 * path.length + 1 : -1;
    }
    return path === text || path.startsWith(`${text}/`) ? 4 * text.length + 2 : -1;
  };
  const best = texts.reduce((a, b) => (rank(b) > rank(a) ? b : a), '=none');
  return rank(best) < 0 ? '404' : best;
}
