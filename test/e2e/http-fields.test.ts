// RELIABILITY.md D and CONTRACT.md "Headers": what is passed on, what is not, what is added, and who is believed.

import { describe, expect, it } from 'vitest';
import { poolOf } from '../support/fermat.ts';
import { get, rawClient } from '../support/raw.ts';
import { clientFields, useRig } from '../support/rig.ts';

const rig = useRig((origin) => ({
  listeners: [{ name: 'http', address: '127.0.0.1:0' }],
  trustedProxies: ['127.0.0.2/32', '10.0.0.0/8'],
  pools: { main: poolOf([origin.url]) },
  routes: [{ pool: 'main' }],
}));

const TRUSTED = '127.0.0.2';

async function fromTrusted(fields: string) {
  using client = await rawClient(rig.port, TRUSTED);
  await client.send(get('/', fields));
  expect((await client.answer()).status).toBe(200);
  return rig.origin.request;
}

describe('D1 Connection', () => {
  it('D1 removes Connection and everything it names, from head and trailers', async () => {
    using client = await rawClient(rig.port);
    await client.send(
      'POST / HTTP/1.1\r\nHost: example.com\r\nConnection: X-A, keep-alive ,x-b\r\nX-A: 1\r\nx-B: 2\r\nX-C: 3\r\nConnection: x-d\r\nX-D: 4\r\n' +
        'Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: 5\r\nX-E: 6\r\n\r\n',
    );
    expect((await client.answer('POST')).status).toBe(200);
    const { request } = rig.origin;
    for (const name of ['x-a', 'x-b', 'x-d', 'connection', 'keep-alive']) expect(request.all(name)).toEqual([]);
    expect(request.field('x-c')).toBe('3');
    expect(request.trailers.map(([name]) => name.toLowerCase())).not.toContain('x-a');
  });

  it('D1 does the same with a response', async () => {
    rig.origin.script = (request) => {
      request.send(
        'HTTP/1.1 200 OK\r\nConnection: X-A\r\nX-A: 1\r\nX-B: 2\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: 5\r\n\r\n',
      );
    };
    const { answer } = await rig.passed(get());
    for (const name of ['x-a', 'keep-alive']) expect(answer.all(name)).toEqual([]);
    expect([answer.field('x-b'), answer.text, answer.trailers]).toEqual(['2', 'a', []]);
  });

  it.each([
    'Host',
    'Content-Length',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'Forwarded',
    'Authorization',
    'Cookie',
    'Via',
    'CDN-Loop',
    'X-Request-Id',
    'Transfer-Encoding',
  ])('D1 does not let Connection nominate %s away', async (name) => {
    using client = await rawClient(rig.port);
    await client.send(
      `POST / HTTP/1.1\r\nHost: example.com\r\nConnection: close, ${name}\r\nAuthorization: Basic eA==\r\nCookie: a=b\r\nContent-Length: 2\r\n\r\nhi`,
    );
    const answer = await client.answer('POST');
    if (answer.status === 400) return;
    const { request } = rig.origin;
    expect([request.all('host'), request.all('authorization'), request.all('cookie'), request.body.toString()]).toEqual(
      [['example.com'], ['Basic eA=='], ['a=b'], 'hi'],
    );
    for (const own of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'via', 'cdn-loop', 'x-request-id']) {
      expect(request.all(own).length).toBe(1);
    }
  });
});

describe('D2 hop-by-hop fields', () => {
  it('D2 removes them without being told by Connection', async () => {
    const { request } = await rig.passed(
      get(
        '/',
        'Keep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX-Kept: 1\r\n',
      ),
    );
    expect(clientFields(request).filter((line) => !/^te: trailers$/i.test(line))).toEqual([
      'Host: example.com',
      'X-Kept: 1',
    ]);
  });

  it('D2 removes them from responses', async () => {
    rig.origin.script = (request) =>
      request.answer(
        200,
        'x',
        'Keep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Kept: 1\r\n',
      );
    const { answer } = await rig.passed(get());
    for (const name of ['keep-alive', 'proxy-connection', 'upgrade']) expect(answer.all(name)).toEqual([]);
    expect(answer.field('x-kept')).toBe('1');
  });
});

describe('D3 Via', () => {
  it('D3 adds itself at the end on the way in, and on the way out', async () => {
    rig.origin.script = (request) => request.answer(200, 'x', 'Via: 1.1 inner\r\n');
    const { answer, request } = await rig.passed(get('/', 'Via: 1.0 outer\r\n'));
    expect(request.all('via').join(', ')).toBe('1.0 outer, 1.1 fermat');
    expect(answer.all('via').join(', ')).toBe('1.1 inner, 1.1 fermat');
  });
});

describe('D4 Max-Forwards', () => {
  it.each(['TRACE', 'OPTIONS'])('D4 answers %s itself at zero', async (method) => {
    using client = await rawClient(rig.port);
    await client.send(
      `${method} /a HTTP/1.1\r\nHost: example.com\r\nMax-Forwards: 0\r\nCookie: secret=1\r\nAuthorization: Basic c2VjcmV0\r\nX-A: 1\r\n\r\n`,
    );
    const answer = await client.answer(method);
    expect(await rig.settled()).toEqual([]);
    expect(answer.text).not.toContain('secret');
    expect(answer.text).not.toContain('c2VjcmV0');
    if (method === 'TRACE' && answer.status === 200) {
      expect(answer.field('content-type')).toBe('message/http');
      expect(answer.text).toContain('TRACE /a HTTP/1.1\r\n');
    } else expect([200, 405, 501]).toContain(answer.status);
  });

  it.each([
    ['TRACE', '5', '4'],
    ['OPTIONS', '1', '0'],
    ['GET', '5', '5'],
    ['GET', '0', '0'],
  ])('D4 forwards %s with Max-Forwards %s as %s', async (method, came, went) => {
    const { request } = await rig.passed(
      `${method} / HTTP/1.1\r\nHost: example.com\r\nMax-Forwards: ${came}\r\n\r\n`,
      method,
    );
    expect(request.all('max-forwards')).toEqual([went]);
  });

  it('D4 never invents it', async () => {
    const { request } = await rig.passed('OPTIONS / HTTP/1.1\r\nHost: example.com\r\n\r\n', 'OPTIONS');
    expect(request.field('max-forwards')).toBeNull();
  });
});

describe('D5 and D6 end-to-end fields', () => {
  it('D5 keeps the order of lines with the same name and joins none', async () => {
    rig.origin.script = (request) =>
      request.answer(200, 'x', 'Set-Cookie: a=1, b\r\nX-A: 1\r\nSet-Cookie: c=2\r\nX-A: 2\r\nset-cookie: d=3\r\n');
    const { answer, request } = await rig.passed(
      get('/', 'X-A: 1\r\nX-B: x\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\n'),
    );
    expect(clientFields(request)).toEqual([
      'Host: example.com',
      'X-A: 1',
      'X-B: x',
      'x-a: 2',
      'Cookie: a=1',
      'Cookie: b=2',
    ]);
    expect(answer.all('set-cookie')).toEqual(['a=1, b', 'c=2', 'd=3']);
    expect(answer.all('x-a')).toEqual(['1', '2']);
  });

  it('D6 forwards what it does not know, caches, conditionals, ranges and credentials untouched', async () => {
    const fields = [
      'Cache-Control: no-store, max-age="0"',
      'If-None-Match: W/"x", "y"',
      'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
      'Range: bytes=0-0,-1',
      'Authorization: Bearer a.b-c',
      'Accept-Encoding: br;q=1.0, *;q=0',
      'X-Unknown:  spaced   out',
      'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'tracestate: a=1,b=2',
    ];
    rig.origin.script = (request) =>
      request.answer(
        416,
        'x',
        'WWW-Authenticate: Basic realm="a, b", Digest x=y\r\nAllow: GET, FOO\r\nETag: W/"x"\r\nContent-Encoding: gzip\r\n',
      );
    const { answer, request } = await rig.passed(get('/', `${fields.join('\r\n')}\r\n`));
    expect(clientFields(request).slice(1)).toEqual(fields.map((field) => field.replace(':  ', ': ')));
    expect(answer.status).toBe(416);
    expect(answer.field('www-authenticate')).toBe('Basic realm="a, b", Digest x=y');
    expect([answer.field('allow'), answer.field('etag'), answer.field('content-encoding')]).toEqual([
      'GET, FOO',
      'W/"x"',
      'gzip',
    ]);
  });

  it('D6 passes statuses and reasons it has never heard of', async () => {
    rig.origin.script = (request) => request.send('HTTP/1.1 299 Rather\xfcber Odd\r\nContent-Length: 0\r\n\r\n');
    const { answer } = await rig.passed(get());
    expect(answer.status).toBe(299);
  });
});

describe('D7 Date', () => {
  it('D7 adds a missing Date and leaves one that is there', async () => {
    rig.origin.script = (request) => request.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    const { answer } = await rig.passed(get());
    const date = answer.field('date')!;
    expect(date).toMatch(/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT$/);
    expect(Math.abs(Date.parse(date) - Date.now())).toBeLessThan(3000);
    rig.origin.reset();
    const dated = await rig.passed(get());
    expect(dated.answer.all('date')).toEqual(['Thu, 01 Jan 2026 00:00:00 GMT']);
  });
});

describe('D8 authentication', () => {
  it('D8 makes no challenge of its own and passes those of the origin', async () => {
    rig.origin.script = (request) => request.answer(401, 'x', 'WWW-Authenticate: Basic realm="o"\r\n');
    const { answer } = await rig.passed(get());
    expect([answer.status, answer.field('proxy-authenticate')]).toEqual([401, null]);
  });
});

describe('where a request comes from', () => {
  it('says where a request comes from, and believes nothing a stranger says about it', async () => {
    const lies = [
      'X-Forwarded-For: 6.6.6.6',
      'x-forwarded-for: 7.7.7.7',
      'X_Forwarded_For: 6.6.6.6',
      'X.Forwarded.For: 6.6.6.6',
      'X-Forwarded-Proto: https',
      'X_Forwarded-Proto: https',
      'X-Forwarded-Host: evil',
      'X-Forwarded-Port: 6666',
      'X-Forwarded-Prefix: /evil',
      'X-Real-IP: 6.6.6.6',
      'X_Real_IP: 6.6.6.6',
      'Forwarded: for=6.6.6.6',
      'X-Request-Id: evil',
      'X_Request_Id: evil',
    ];
    const { request } = await rig.passed(get('/', `${lies.join('\r\n')}\r\nX-Harmless: 1\r\n`));
    expect(clientFields(request)).toEqual(['Host: example.com', 'X-Harmless: 1']);
    expect([request.all('x-forwarded-for'), request.all('x-forwarded-proto')]).toEqual([['127.0.0.1'], ['http']]);
    expect([request.all('x-forwarded-host'), request.all('x-forwarded-port')]).toEqual([
      ['example.com'],
      [String(rig.port)],
    ]);
    expect(request.all('via')).toEqual(['1.1 fermat']);
    expect(request.field('x-request-id')).not.toBe('evil');
    expect(request.head).not.toMatch(/6\.6\.6\.6|7\.7\.7\.7|evil/);
  });

  it('gives every request an id of its own', async () => {
    using client = await rawClient(rig.port);
    await client.send(get() + get() + get());
    for (let i = 0; i < 3; i++) await client.answer();
    expect(new Set(rig.origin.requests.map((request) => request.field('x-request-id'))).size).toBe(3);
  });

  it('appends to what a trusted proxy says, and keeps its id, protocol, host and port', async () => {
    const request = await fromTrusted(
      'X-Forwarded-For: 6.6.6.6, 10.0.0.7\r\nX-Forwarded-For: 10.0.0.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example.com\r\nX-Forwarded-Port: 443\r\nX-Request-Id: abc\r\n',
    );
    expect(request.all('x-forwarded-for').join(', ')).toBe(`6.6.6.6, 10.0.0.7, 10.0.0.8, ${TRUSTED}`);
    expect([request.all('x-forwarded-proto'), request.all('x-forwarded-host')]).toEqual([
      ['https'],
      ['shop.example.com'],
    ]);
    expect([request.all('x-forwarded-port'), request.all('x-request-id')]).toEqual([['443'], ['abc']]);
  });

  it('adds what a trusted proxy left out', async () => {
    const request = await fromTrusted('');
    expect(request.all('x-forwarded-for')).toEqual([TRUSTED]);
    expect([request.all('x-forwarded-proto'), request.all('x-forwarded-host')]).toEqual([['http'], ['example.com']]);
    expect(request.field('x-request-id')).toMatch(/^[!-~]{8,}$/);
  });
});
