// RELIABILITY.md C: request target and Host; and which route a path leads to, byte by byte.

import { describe, expect, it } from 'vitest';
import { poolOf } from '../support/fermat.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { clientFields, useRig } from '../support/rig.ts';

const rig = useRig((origin) => ({
  pools: { main: poolOf([origin.url]) },
  routes: [
    { pool: 'main' },
    { path: '/private', respond: { status: 403, body: 'keep out' } },
    { path: '=/exact', respond: { status: 204 } },
    {
      path: '/answer',
      respond: { status: 200, body: '{}' },
      responseHeaders: { set: { 'Content-Type': 'application/json' } },
    },
    {
      path: '/moved',
      respond: { status: 301, body: 'there', location: '/here' },
      responseHeaders: { set: { Location: '/there' }, remove: ['content-type'] },
    },
    { path: '/back', respond: { status: 301, location: 'https://$' + '{host}$' + '{uri}' } },
    { host: 'moved.example.com', respond: { status: 308, location: 'https://new.example.com$' + '{uri}' } },
    { host: 'here.example.com', respond: { status: 301, location: 'https://$' + '{host}/x' } },
    { host: 'only.example.com', path: '/a', pool: 'main' },
    { host: '*.wild.example.com', path: '/strip/', pool: 'main', stripPrefix: true },
    { host: 'literal.example.com', pool: 'main', hostHeader: 'inside.example.com' },
    { host: 'endpoint.example.com', pool: 'main', hostHeader: 'endpoint' },
    {
      host: 'edit.example.com',
      pool: 'main',
      requestHeaders: { set: { 'X-Set': 'by route' }, remove: ['x-gone'] },
      responseHeaders: { set: { 'X-Out': 'by route' }, remove: ['server'] },
    },
  ],
}));

const to = (host: string, path = '/', fields = '') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;

describe('C1 Host', () => {
  it.each([
    ['none', 'GET / HTTP/1.1\r\n\r\n'],
    ['two', 'GET / HTTP/1.1\r\nHost: example.com\r\nHost: example.com\r\n\r\n'],
    ['two in one', to('example.com, other.example')],
    ['a space', to('exa mple.com')],
    ['a slash', to('example.com/a')],
    ['userinfo', to('user@example.com')],
    ['a fragment', to('example.com#a')],
    ['a query', to('example.com?a')],
    ['a port that is none', to('example.com:8o')],
    ['a port out of range', to('example.com:65536')],
    ['two ports', to('example.com:80:80')],
    ['a broken IPv6 address', to('[::1')],
    ['an IPv6 address without brackets', to('::1')],
    ['brackets around no address', to('[example]')],
    ['a backslash', to('example.com\\evil')],
    ['bytes beyond ASCII', to('ex\xe4mple.com')],
    ['a quote', to('"example.com"')],
  ])('C1 refuses %s', async (_, bytes) => {
    await rig.refused(bytes, 400);
  });

  it.each([
    'example.com',
    'EXAMPLE.com:8080',
    '127.0.0.1',
    '[::1]:80',
    'a_b.example.com',
    'example.com.',
  ])('C1 takes %s and passes it on as it came', async (host) => {
    const { answer, request } = await rig.passed(to(host));
    expect(answer.status).toBe(200);
    expect(request.field('host')).toBe(host);
  });
});

describe('C2 absolute-form', () => {
  it('C2 forwards the origin-form, and the host of the target in place of Host', async () => {
    const { request } = await rig.passed(`GET http://other.example:81/a?b=c HTTP/1.1\r\nHost: example.com\r\n\r\n`);
    expect([request.start, request.all('host')]).toEqual(['GET /a?b=c HTTP/1.1', ['other.example:81']]);
  });

  it('C2 routes by the host of the target', async () => {
    const answer = await exchange(rig.port, 'GET http://moved.example.com/a HTTP/1.1\r\nHost: example.com\r\n\r\n');
    expect(answer.status).toBe(308);
    const back = await exchange(rig.port, 'GET http://example.com/a HTTP/1.1\r\nHost: moved.example.com\r\n\r\n');
    expect(back.status).toBe(200);
  });

  it('C2 makes an empty path a slash', async () => {
    const { request } = await rig.passed('GET http://example.com HTTP/1.1\r\nHost: example.com\r\n\r\n');
    expect(request.target).toBe('/');
    rig.origin.reset();
    const query = await rig.passed('GET http://example.com?a=b HTTP/1.1\r\nHost: example.com\r\n\r\n');
    expect(query.request.target).toBe('/?a=b');
  });
});

describe('C3 asterisk-form', () => {
  it('C3 forwards OPTIONS * as it is', async () => {
    const { request } = await rig.passed('OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n', 'OPTIONS');
    expect(request.start).toBe('OPTIONS * HTTP/1.1');
  });

  it('C3 makes OPTIONS of a host without a path OPTIONS *', async () => {
    const { request } = await rig.passed('OPTIONS http://example.com HTTP/1.1\r\nHost: example.com\r\n\r\n', 'OPTIONS');
    expect(request.start).toBe('OPTIONS * HTTP/1.1');
  });

  it('C3 refuses the asterisk with any other method', async () => {
    await rig.refused('GET * HTTP/1.1\r\nHost: example.com\r\n\r\n', 400);
  });
});

describe('C4 CONNECT', () => {
  it('C4 refuses CONNECT and reads nothing behind it', async () => {
    await rig.refused(
      `CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n${get('/smuggled')}`,
      [405, 501],
    );
    await rig.refused(`CONNECT / HTTP/1.1\r\nHost: example.com\r\n\r\n${get('/smuggled')}`, [400, 405, 501]);
  });
});

describe('C5 path and query', () => {
  it.each([
    '/a%2Fb%2fc/%41%zz',
    '/a;b=c;d/e;f',
    "/-._~!$&'()*+,;=:@/?-._~!$&'()*+,;=:@/?",
    '/a?',
    '/??a=?b',
    '/x//y/./z/../w',
    '/%E4%BD%A0%00',
    '/a?b=/../private',
  ])('C5 passes %s on byte by byte', async (path) => {
    const { answer, request } = await rig.passed(to('example.com', path));
    if (answer.status === 400)
      expect(path).toContain('%zz'); // the only one that a strict reader may refuse
    else expect(request.target).toBe(path);
  });
});

describe('characters that RFC 3986 does not know', () => {
  it.each([
    '/a\\b',
    '/a"b',
    '/a<b>',
    '/a|b',
    '/a^b`c{d}',
    '/a?b=[c]',
  ])('refuses %s or passes it on as it is', async (path) => {
    using client = await rawClient(rig.port);
    await client.send(to('example.com', path));
    if ((await client.answer()).status !== 400) expect(rig.origin.request.target).toBe(path);
  });
});

describe('C6 malformed targets', () => {
  it.each([
    'http://user@example.com/',
    'http://user:pw@example.com/',
    '/a#b',
    'a',
    '@example.com/',
    '?a=b',
    'http:///a',
    'http://',
    'http:/a',
    'example.com:80',
    'ftp://example.com/',
    'http://exa mple.com/',
    '',
  ])('C6 refuses the target %j', async (target) => {
    await rig.refused(`GET ${target} HTTP/1.1\r\nHost: example.com\r\n\r\n`, 400);
  });
});

describe('C7 version', () => {
  it('C7 forwards HTTP/1.1 whatever minor version came', async () => {
    const { request } = await rig.passed('GET / HTTP/1.0\r\nHost: example.com\r\n\r\n');
    expect(request.start).toBe('GET / HTTP/1.1');
  });

  it('C7 sends a Host for an HTTP/1.0 client that has none', async () => {
    const { request } = await rig.passed('GET / HTTP/1.0\r\n\r\n');
    expect(request.all('host').length).toBe(1);
  });

  it.each([
    'HTTP/2.0',
    'HTTP/3',
    'HTTP/0.9',
    'HTTP/1',
    'HTTP/1.',
    'HTTP/1.1.1',
    'http/1.1',
    'HTTP/11',
    'HTTP/1.x',
    'HTTPS/1.1',
    'HTTP /1.1',
  ])('C7 refuses %s', async (version) => {
    await rig.refused(`GET / ${version}\r\nHost: example.com\r\n\r\n`, [400, 505]);
  });
});

describe('C8 loops', () => {
  it('C8 answers 508 when its own id comes back in CDN-Loop, and not for anything in Via', async () => {
    const { request } = await rig.passed(to('example.com', '/', 'Via: 1.1 fermat, 1.1 fermat\r\n'));
    const own = request.field('cdn-loop')!;
    expect(own).toMatch(/^fermat; n=[!-~]{8,}$/);
    rig.origin.reset();
    const looped = await exchange(rig.port, to('example.com', '/', `CDN-Loop: other, ${own}\r\n`));
    expect([looped.status, looped.field('proxy-status')]).toEqual([508, 'fermat; error=proxy_loop_detected']);
    expect(await rig.settled()).toEqual([]);
  });

  it('C8 keeps what others wrote into CDN-Loop, another fermat included', async () => {
    const { request } = await rig.passed(
      to('example.com', '/', 'CDN-Loop: other; v="1, 2"\r\nCDN-Loop: fermat; n=someone\r\n'),
    );
    const all = request.all('cdn-loop').join(', ');
    expect(all).toMatch(/^other; v="1, 2", fermat; n=someone, fermat; n=[!-~]+$/);
  });
});

describe('routes', () => {
  it('answers by itself where the route says so', async () => {
    const answer = await exchange(rig.port, to('example.com', '/private/x'));
    expect([answer.status, answer.text]).toEqual([403, 'keep out']);
    const empty = await exchange(rig.port, to('example.com', '/exact'));
    expect([empty.status, empty.framing, empty.field('content-length')]).toEqual([204, 'none', null]);
    expect(await rig.settled()).toEqual([]);
  });

  it('fills host and URI into a redirect', async () => {
    const moved = await exchange(rig.port, to('moved.example.com', '/a?b=c'));
    expect([moved.status, moved.field('location')]).toEqual([308, 'https://new.example.com/a?b=c']);
    const here = await exchange(rig.port, to('here.example.com:8080'));
    expect(here.status).toBe(301);
    expect(here.field('location')).toMatch(/^https:\/\/here\.example\.com(:8080)?\/x$/);
  });

  it('gives such an answer the fields that the route sets, and none of those that it removes', async () => {
    const answer = await exchange(rig.port, get('/answer'));
    expect([answer.all('content-type'), answer.text]).toEqual([['application/json'], '{}']);
    const moved = await exchange(rig.port, get('/moved'));
    expect([moved.all('location'), moved.all('content-type')]).toEqual([['/there'], []]);
  });

  it('fills no host that an HTTP/1.0 client has not named into a redirect', async () => {
    const answer = await exchange(rig.port, 'GET /back HTTP/1.0\r\n\r\n');
    expect([answer.status, answer.field('location'), answer.text]).toEqual([400, null, '400 no Host field\n']);
  });

  it('never lets a spelling of a private path reach the endpoint', async () => {
    for (const path of [
      '/private',
      '/private/',
      '/privat%65',
      '//private',
      '/./private',
      '/x/../private',
      '/x/%2e%2e/private',
      '/x/..;/private',
      '/private;a=b',
      '/%2570rivate',
      '/x%2f..%2fprivate',
      '/private%2fx',
      '/private%00',
      '/private/../x',
      '/private/..;/x',
    ]) {
      const answer = await exchange(rig.port, to('example.com', path));
      expect(`${path} ${[400, 403].includes(answer.status)}`).toBe(`${path} true`);
    }
    expect(await rig.settled()).toEqual([]);
    expect((await exchange(rig.port, to('example.com', '/privateer'))).status).toBe(200);
  });

  it('keeps the connection after a path that can be read in two ways', async () => {
    using client = await rawClient(rig.port);
    await client.send(to('example.com', '/private%2fx'));
    expect((await client.answer()).status).toBe(400);
  });

  it('answers 404 for a host whose routes do not fit, though others would', async () => {
    const answer = await exchange(rig.port, to('only.example.com', '/b'));
    expect([answer.status, answer.field('proxy-status')]).toEqual([404, 'fermat; error=destination_not_found']);
    expect((await exchange(rig.port, to('only.example.com', '/a/b'))).status).toBe(200);
    expect((await exchange(rig.port, to('ONLY.example.com:99', '/b'))).status).toBe(404);
  });

  it('strips the prefix when told to', async () => {
    for (const [path, stripped] of [
      ['/strip/a?b', '/a?b'],
      ['/strip/', '/'],
      ['/strip?x', '/?x'],
    ]) {
      rig.origin.reset();
      const { request } = await rig.passed(to('a.wild.example.com', path));
      expect(request.target).toBe(stripped);
    }
  });

  it('sends the Host the route asks for', async () => {
    const literal = await rig.passed(to('literal.example.com'));
    expect(literal.request.all('host')).toEqual(['inside.example.com']);
    expect(literal.request.field('x-forwarded-host')).toBe('literal.example.com');
    rig.origin.reset();
    const endpoint = await rig.passed(to('endpoint.example.com'));
    expect(endpoint.request.all('host')).toEqual([`127.0.0.1:${rig.origin.port}`]);
  });

  it('sets and removes fields as the route says', async () => {
    rig.origin.script = (request) => request.answer(200, 'x', 'Server: s\r\nX-Out: theirs\r\nX-Kept: k\r\n');
    const { answer, request } = await rig.passed(
      to('edit.example.com', '/', 'X-Set: theirs\r\nX-Gone: a\r\nX-GONE: b\r\nX-Kept: k\r\n'),
    );
    expect(clientFields(request)).toEqual(expect.arrayContaining(['X-Kept: k', 'X-Set: by route']));
    expect([request.all('x-set'), request.all('x-gone')]).toEqual([['by route'], []]);
    expect([answer.all('x-out'), answer.all('server'), answer.field('x-kept')]).toEqual([['by route'], [], 'k']);
  });

  it('answers a problem as JSON when asked for it', async () => {
    const answer = await exchange(rig.port, to('only.example.com', '/b', 'Accept: application/json\r\n'));
    expect(answer.field('content-type')).toMatch(/^application\/json/);
    expect(JSON.parse(answer.text)).toEqual({ error: { code: 'no_route', message: expect.any(String) } });
    const plain = await exchange(rig.port, to('only.example.com', '/b', 'Accept: text/html, */*\r\n'));
    expect(plain.field('content-type')).toMatch(/^text\/plain/);
  });
});
