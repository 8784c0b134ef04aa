// RELIABILITY.md F1 to F7: HTTP/2 in front of an HTTP/1.1 endpoint. What is malformed in HTTP/2, or would mean something else when it
// is written as HTTP/1.1, never reaches the endpoint; what is right arrives once and means the same; and answers find their way back.

import { describe, expect, it } from 'vitest';
import { poolOf } from '../support/fermat.ts';
import { type H2Client, h2Client } from '../support/h2.ts';
import { data, E, F, frame, getFields, headers, postFields, reset, S, T } from '../support/h2-frames.ts';
import type { Stream } from '../support/h2-stream.ts';
import { type Field, writeFields } from '../support/hpack.ts';
import { Stopwatch } from '../support/lateness.ts';
import { clientFields, useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const rig = useRig((origin) => ({
  pools: {
    main: poolOf([origin.url]),
    left: poolOf([origin.url], {}, 'left'),
    dead: poolOf(['http://127.0.0.1:1'], { probe: { type: 'tcp', interval: '1h', timeout: '1s' } }, 'dead'),
  },
  routes: [
    { host: 'example.com', path: '/dead/', pool: 'dead' },
    { host: 'example.com', path: '/left/', pool: 'left' },
    { host: 'example.com', path: '/said', respond: { status: 418, body: 'short and stout' } },
    { host: 'example.com', path: '/moved', respond: { status: 308, location: 'https://other.example/x' } },
    { host: 'example.com', pool: 'main' },
    { host: 'www.example.com', pool: 'main' },
  ],
  logging: { access: 'combined' },
}));

/** Wants the request to be a stream error, with nothing whole at the endpoint and the connection as good as before. */
async function malformed(fields: readonly Field[], body: string | null = null): Promise<void> {
  using client = await h2Client(rig.port);
  const stream = await client.over(client.request(fields, body));
  expect([stream.resetCode, stream.status]).toEqual([E.PROTOCOL_ERROR, 0]);
  expect((await rig.settled()).filter(({ isWhole }) => isWhole)).toEqual([]);
  expect((await client.get()).status).toBe(200);
}

async function passed(fields: readonly Field[], body: string | null = null) {
  using client = await h2Client(rig.port);
  const stream = await client.over(client.request(fields, body));
  return { stream, request: rig.origin.request };
}

const without = (fields: readonly Field[], name: string) => fields.filter(([n]) => n !== name);
const replaced = (fields: readonly Field[], name: string, value: string) =>
  fields.map(([n, v]): Field => [n, n === name ? value : v]);
const shown = (text: string) => JSON.stringify(text);

describe('F1 names and values', () => {
  const NAMES = [
    'X-Upper',
    'x-Upper',
    'x a',
    'x\0',
    'x\n',
    'x\r\nevil',
    'x:y',
    'x\x7f',
    'x\x80',
    'xé',
    '',
    'x"',
    'x(',
    ' x',
  ];
  it.each(NAMES.map((name) => [shown(name), name]))('F1 refuses the name %s', async (_, name) => {
    await malformed(getFields('/', [[name, 'v']]));
  });

  const VALUES = ['a\0b', 'a\rb', 'a\nb', 'a\r\nX-Evil: 1', ' a', 'a ', '\ta', 'a\t', '\0', '\n', ' '];
  it.each(VALUES.map((value) => [shown(value), value]))('F1 refuses the value %s', async (_, value) => {
    await malformed(getFields('/', [['x-a', value]]));
  });

  it('F1 passes every name and value that is allowed, unchanged and in order', async () => {
    const fields: Field[] = [
      ["x-!#$%&'*+-.^_`|~09az", 'v'],
      ['x-empty', ''],
      ['x-inside', 'a \t b'],
      ['x-high', 'caf\xe9 \xff'],
      ['x-quoted', '"a, b"; c=\'d\''],
      ['x-twice', '1'],
      ['x-other', 'z'],
      ['x-twice', '2'],
    ];
    const { stream, request } = await passed(getFields('/', fields));
    expect(stream.status).toBe(200);
    expect(clientFields(request)).toEqual(['host: example.com', ...fields.map(([name, value]) => `${name}: ${value}`)]);
  });
});

describe('F2 fields about the connection', () => {
  const FIELDS: Field[] = [
    ['connection', 'close'],
    ['connection', 'x-forwarded-for'],
    ['keep-alive', 'timeout=5'],
    ['proxy-connection', 'keep-alive'],
    ['transfer-encoding', 'chunked'],
    ['transfer-encoding', 'identity'],
    ['upgrade', 'websocket'],
    ['te', 'gzip'],
    ['te', 'trailers, gzip'],
    ['te', ''],
  ];
  it.each(FIELDS)('F2 refuses %s: %s', async (name, value) => {
    await malformed(getFields('/', [[name, value]]));
    rig.origin.requests.length = 0;
    await malformed(postFields('/', [[name, value]]), '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n');
  });

  it('F2 passes a request with TE: trailers', async () => {
    const { stream } = await passed(getFields('/', [['te', 'trailers']]));
    expect(stream.status).toBe(200);
  });
});

describe('F3 pseudo-headers', () => {
  const GET = getFields();
  const BAD: [what: string, fields: readonly Field[]][] = [
    ['no :method', without(GET, ':method')],
    ['no :scheme', without(GET, ':scheme')],
    ['no :path', without(GET, ':path')],
    ['none at all', [['accept', '*/*']]],
    ['two :method', [...GET, [':method', 'GET']]],
    ['two :path', [...GET, [':path', '/x']]],
    ['two :scheme', [...GET, [':scheme', 'http']]],
    ['two :authority', [...GET, [':authority', 'example.com']]],
    ['one behind a regular field', [...without(GET, ':path'), ['x-a', 'b'], [':path', '/']]],
    ['one of answers', [...GET, [':status', '200']]],
    ['an unknown one', [...GET, [':unknown', 'x']]],
    ['an empty name behind the colon', [...GET, [':', 'x']]],
    ['one in upper case', [...without(GET, ':path'), [':Path', '/']]],
    [':protocol without CONNECT', [...GET, [':protocol', 'websocket']]],
    ['an empty :method', replaced(GET, ':method', '')],
    ['an empty :scheme', replaced(GET, ':scheme', '')],
    ['a :scheme that is no web', replaced(GET, ':scheme', 'ftp')],
  ];
  it.each(BAD)('F3 refuses %s', async (_, fields) => {
    await malformed(fields);
  });

  it('F3 takes them in any order, behind each other', async () => {
    const { request } = await passed([...GET].reverse());
    expect(request.start).toBe('GET / HTTP/1.1');
  });
});

describe('F4 :authority and Host', () => {
  it('F4 sends :authority as the one Host', async () => {
    const { request } = await passed(getFields('/', [['host', 'example.com']]));
    expect([request.all('host'), request.field('x-forwarded-host')]).toEqual([['example.com'], 'example.com']);
  });

  it('F4 takes Host where there is no :authority', async () => {
    const { stream, request } = await passed([...without(getFields(), ':authority'), ['host', 'example.com:8443']]);
    expect([stream.status, request.all('host')]).toEqual([200, ['example.com:8443']]);
  });

  const BAD: [what: string, fields: readonly Field[]][] = [
    ['a Host that differs', getFields('/', [['host', 'evil.example']])],
    ['a Host that differs in its port', getFields('/', [['host', 'example.com:81']])],
    ['two Hosts', [...without(getFields(), ':authority'), ['host', 'example.com'], ['host', 'example.com']]],
    [
      'two Hosts beside :authority',
      getFields('/', [
        ['host', 'example.com'],
        ['host', 'example.com'],
      ]),
    ],
    ['neither', without(getFields(), ':authority')],
    ['an empty one', replaced(getFields(), ':authority', '')],
    ...[
      'a b',
      'user@example.com',
      'example.com/x',
      'exa\\mple.com',
      'example.com:x',
      'example.com\r\nx: y',
      '[::1',
    ].map((text): [string, Field[]] => [`the authority ${shown(text)}`, replaced(getFields(), ':authority', text)]),
  ];
  it.each(BAD)('F4 refuses %s', async (_, fields) => {
    await malformed(fields);
  });

  it('F4 routes by it', async () => {
    using client = await h2Client(rig.port);
    const stream = await client.over(client.request(replaced(getFields(), ':authority', 'nobody.example')));
    expect(stream.status).toBe(404);
  });
});

describe('F5 Content-Length and DATA', () => {
  it('F5 refuses a length without a body', async () => {
    using client = await h2Client(rig.port);
    const stream = client.stream(client.id());
    client.send(headers(1, postFields('/', [['content-length', '5']]), F.END_STREAM));
    expect((await client.over(stream)).resetCode).toBe(E.PROTOCOL_ERROR);
    expect(await rig.settled()).toEqual([]);
  });

  const BAD = ['+5', '-5', '5 5', '5, 6', '0x5', '', '5a', '5.0', '99999999999999999999'];
  it.each(BAD.map((length) => [shown(length), length]))('F5 refuses the length %s', async (_, length) => {
    await malformed(postFields('/', [['content-length', length]]), 'hello');
  });

  it('F5 refuses two lengths that differ', async () => {
    await malformed(
      postFields('/', [
        ['content-length', '5'],
        ['content-length', '6'],
      ]),
      'hello',
    );
  });

  const LENGTH = (bytes: number) => postFields('/counted', [['content-length', `${bytes}`]]);
  const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n';
  const MISMATCHES: [what: string, length: number, send: (client: H2Client, id: number) => Promise<void> | void][] = [
    ['too little, with the last frame', 10, (client, id) => client.send(data(id, 'hello', F.END_STREAM))],
    [
      'too little, and an empty frame behind',
      10,
      async (client, id) => {
        client.send(data(id, 'hello'));
        await rig.origin.nth(1);
        client.send(data(id, '', F.END_STREAM));
      },
    ],
    [
      'too little, and trailers behind',
      10,
      (client, id) => client.send(data(id, 'hello'), headers(id, [['x-t', '1']], F.END_STREAM)),
    ],
    ['nothing', 5, (client, id) => client.send(data(id, '', F.END_STREAM))],
    ['too much, in one frame', 5, (client, id) => client.send(data(id, `hello${SMUGGLED}`, F.END_STREAM))],
    [
      'too much, a frame later',
      5,
      async (client, id) => {
        client.send(data(id, 'hello'));
        await rig.origin.nth(1);
        await client.settle();
        client.send(data(id, SMUGGLED, F.END_STREAM));
      },
    ],
    ['more than nothing', 0, (client, id) => client.send(data(id, SMUGGLED, F.END_STREAM))],
  ];

  it.each(
    MISMATCHES,
  )('F5 lets no endpoint see a whole request, nor is its connection used again, when the body is %s', async (_, length, send) => {
    using client = await h2Client(rig.port);
    const stream = client.start(LENGTH(length));
    await send(client, stream.id);
    expect((await client.over(stream)).resetCode).toBe(E.PROTOCOL_ERROR);
    const begun = rig.origin.requests.filter(({ target }) => target === '/counted');
    for (const request of begun) {
      await until(() => request.connection.isClosed, 'the end of the connection to the endpoint');
      expect(length > 0 && request.isWhole).toBe(false);
      expect(request.connection.requests.at(-1)).toBe(request);
    }
    expect((await rig.settled()).map(({ target }) => target).filter((target) => target !== '/counted')).toEqual([]);
    expect((await client.get()).status).toBe(200);
  });

  it('F5 passes a body of the right length, also when its end comes by itself or as trailers', async () => {
    using client = await h2Client(rig.port);
    for (const end of [
      (id: number) => data(id, '', F.END_STREAM),
      (id: number) => headers(id, [['x-t', '1']], F.END_STREAM),
    ]) {
      rig.origin.requests.length = 0;
      const stream = client.start(LENGTH(10));
      client.send(data(stream.id, 'hello'), data(stream.id, 'world'));
      await rig.origin.nth(1);
      await client.settle();
      client.send(end(stream.id));
      expect((await client.over(stream)).status).toBe(200);
      expect([rig.origin.request.body.toString(), rig.origin.request.framing]).toEqual([
        'helloworld',
        { kind: 'length', length: 10 },
      ]);
    }
  });

  it('F5 passes a body without a length in chunks, and none at all without framing', async () => {
    const { request } = await passed(postFields(), 'hello');
    expect([request.framing.kind, request.body.toString()]).toEqual(['chunked', 'hello']);
    rig.origin.requests.length = 0;
    expect((await passed(postFields())).request.framing.kind).toBe('none');
  });

  it('F5 ends a body whose end comes while the request waits for its endpoint', async () => {
    // A held end was lost when nothing but the end was held.
    using client = await h2Client(rig.port);
    const all = Array.from({ length: 40 }, () => client.start(postFields()));
    for (const { id } of all) client.send(data(id, 'x'));
    for (const { id } of all) client.send(data(id, '', F.END_STREAM));
    for (const stream of all) expect((await client.over(stream)).status).toBe(200);
    expect(rig.origin.requests.map(({ body }) => body.toString())).toEqual(all.map(() => 'x'));
  });
});

describe('F6 cookies', () => {
  it('F6 joins split cookies into one line', async () => {
    const crumbs: Field[] = [
      ['cookie', 'a=1'],
      ['x-between', 'y'],
      ['cookie', 'b=2'],
      ['cookie', 'c="3; d"'],
    ];
    const { request } = await passed(getFields('/', crumbs));
    expect([request.all('cookie'), request.field('x-between')]).toEqual([['a=1; b=2; c="3; d"'], 'y']);
  });

  it('F6 leaves one cookie as it is, and sets cookies one line each', async () => {
    rig.origin.script = (request) =>
      request.answer(200, 'ok', 'Set-Cookie: a=1; Path=/\r\nX-A: b\r\nSet-Cookie: b=2\r\n');
    const { stream, request } = await passed(getFields('/', [['cookie', 'a=1; b=2']]));
    expect(request.field('cookie')).toBe('a=1; b=2');
    expect(stream.all('set-cookie')).toEqual(['a=1; Path=/', 'b=2']);
  });
});

describe('F7 the request line', () => {
  const PATHS = [
    '',
    'x',
    'x/',
    '//\r\n',
    '/ HTTP/1.1',
    '/a b',
    '/\r\nX-Evil: 1',
    '/\0',
    '/\t',
    '/#f',
    '/a\x7f',
    '*',
    '/\n',
    'http://evil.example/',
    '?q',
    '/caf\xe9',
  ];
  it.each(PATHS.map((path) => [shown(path), path]))('F7 lets no endpoint see the path %s', async (_, path) => {
    await malformed(getFields(path));
  });

  const METHODS = ['GET /evil HTTP/1.1\r\nX:', 'G ET', 'GET\r\n', 'GET\0', '', 'GET:', 'G(', 'GET\t', 'é'];
  it.each(
    METHODS.map((method) => [shown(method), method]),
  )('F7 lets no endpoint see the method %s', async (_, method) => {
    await malformed(replaced(getFields(), ':method', method));
  });

  it('F7 passes path and method byte by byte', async () => {
    for (const [method, path] of [
      ['GET', '/a/../b//c;d=e?q=%20\'()*!$&+,;=:@[]|"<>^`{}'],
      ['PURGE', '/%2e%2E/'],
      ["x-!#$%&'*+.^_`|~", '/?'],
      ['OPTIONS', '*'],
    ] as const) {
      rig.origin.requests.length = 0;
      using client = await h2Client(rig.port);
      const stream = await client.over(client.request(replaced(getFields(path), ':method', method)));
      // A path that could be read in two ways is refused by the router, but never rewritten.
      if (stream.status !== 400) expect(rig.origin.request.start).toBe(`${method} ${path} HTTP/1.1`);
      expect([200, 400]).toContain(stream.status);
    }
  });

  it('F7 answers 501 to CONNECT', async () => {
    using client = await h2Client(rig.port);
    const stream = client.start([
      [':method', 'CONNECT'],
      [':authority', 'example.com:443'],
    ]);
    client.send(data(stream.id, 'GET / HTTP/1.1\r\n\r\n'));
    expect((await client.over(stream)).status).toBe(501);
    expect(await rig.settled()).toEqual([]);
  });
});

describe('what the endpoint gets', () => {
  it('is told where the request came from and by what', async () => {
    const { request } = await passed(
      getFields('/', [
        ['x-forwarded-for', '6.6.6.6'],
        ['forwarded', 'for=6.6.6.6'],
        ['x_forwarded_proto', 'https'],
        ['user-agent', 'test'],
      ]),
    );
    expect([request.field('x-forwarded-for'), request.field('x-forwarded-proto'), request.field('via')]).toEqual([
      '127.0.0.1',
      'http',
      '2.0 fermat',
    ]);
    expect(clientFields(request)).toEqual(['host: example.com', 'user-agent: test']);
    expect(request.field('cdn-loop')).toMatch(/^fermat; n=/);
  });

  it('is not asked twice for what has been here before', async () => {
    const { request } = await passed(getFields());
    using client = await h2Client(rig.port);
    const stream = await client.get('/', [['cdn-loop', request.field('cdn-loop')!]]);
    expect([stream.status, stream.field('proxy-status')]).toEqual([508, 'fermat; error=proxy_loop_detected']);
    expect(rig.origin.requests).toHaveLength(1);
  });

  it('gets trailers as trailers of its chunks, less what may not be there', async () => {
    using client = await h2Client(rig.port);
    const stream = client.start(
      postFields('/', [
        ['te', 'trailers'],
        ['trailer', 'x-sum'],
      ]),
    );
    client.send(
      data(stream.id, 'hello'),
      headers(
        stream.id,
        [
          ['x-sum', 'abc'],
          ['x-forwarded-for', '6.6.6.6'],
          ['authorization', 'no'],
          ['x-two', '2'],
        ],
        F.END_STREAM,
      ),
    );
    expect((await client.over(stream)).status).toBe(200);
    const names = rig.origin.request.trailers.map(([name, value]) => `${name}: ${value}`);
    expect(names).toEqual(['x-sum: abc', 'x-two: 2']);
  });

  const TRAILERS: [what: string, bytes: (id: number) => Buffer][] = [
    ['that do not end the stream', (id) => headers(id, [['x-t', '1']])],
    ['with a pseudo-header', (id) => headers(id, [[':path', '/x']], F.END_STREAM)],
    ['with a name in upper case', (id) => headers(id, [['X-T', '1']], F.END_STREAM)],
    ['with framing', (id) => headers(id, [['transfer-encoding', 'chunked']], F.END_STREAM)],
    ['with CRLF in a value', (id) => headers(id, [['x-t', 'a\r\nb: c']], F.END_STREAM)],
  ];
  it.each(TRAILERS)('is spared trailers %s', async (_, bytes) => {
    using client = await h2Client(rig.port);
    const stream = client.start();
    client.send(data(stream.id, 'hello'), bytes(stream.id));
    expect((await client.over(stream)).resetCode).toBe(E.PROTOCOL_ERROR);
    expect((await rig.settled()).filter(({ isWhole }) => isWhole)).toEqual([]);
    expect((await client.get()).status).toBe(200);
  });

  it('gets a hundred requests of one connection at once', async () => {
    let most = 0;
    const waiting: (() => void)[] = [];
    rig.origin.script = (request) => {
      waiting.push(() => request.answer(200, request.target));
      most = Math.max(most, waiting.length);
    };
    using client = await h2Client(rig.port);
    const all = Array.from({ length: 100 }, (_, i) => client.request(getFields(`/${i}`)));
    await rig.origin.nth(100);
    // Answered in another order than asked.
    for (const answer of waiting.reverse()) answer();
    for (const [i, stream] of all.entries()) expect((await client.over(stream)).body).toBe(`/${i}`);
    expect(most).toBe(100);
  });
});

describe('what the client gets', () => {
  it('has the fields of the endpoint, less those about its connection', async () => {
    rig.origin.script = (request) =>
      request.send(
        'HTTP/1.1 203 Whatever\r\nX-Mixed-Case: Kept\r\nConnection: keep-alive, X-Hop\r\nX-Hop: gone\r\nKeep-Alive: timeout=9\r\nContent-Length: 5\r\nVary: a\r\nVary: b\r\n\r\nhello',
      );
    const { stream } = await passed(getFields());
    expect([stream.status, stream.body, stream.field('x-mixed-case'), stream.all('vary')]).toEqual([
      203,
      'hello',
      'Kept',
      ['a', 'b'],
    ]);
    expect([stream.all('x-hop'), stream.field('content-length'), stream.field('via')]).toEqual([[], '5', '1.1 fermat']);
    expect(stream.all('date')).toHaveLength(1);
  });

  const BODILESS: [what: string, method: string, answer: string, status: number, length: string | null][] = [
    ['to HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n', 200, '1234'],
    ['of 204', 'GET', 'HTTP/1.1 204 None\r\n\r\n', 204, null],
    ['of 304', 'GET', 'HTTP/1.1 304 Same\r\nETag: "x"\r\nContent-Length: 99\r\n\r\n', 304, '99'],
    ['of length 0', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 200, '0'],
  ];
  it.each(BODILESS)('ends an answer %s with its head', async (_, method, answer, status, length) => {
    rig.origin.script = (request) => request.send(answer);
    using client = await h2Client(rig.port);
    const stream = await client.over(client.request(replaced(getFields(), ':method', method)));
    expect([stream.status, stream.bodyBytes, stream.field('content-length')]).toEqual([status, 0, length]);
    expect(client.framesOf(T.DATA)).toEqual([]);
    expect(client.framesOf(T.HEADERS)[0]!.flags & F.END_STREAM).toBe(F.END_STREAM);
  });

  it('gets trailers of chunks as trailers', async () => {
    rig.origin.script = (request) =>
      request.send(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n',
      );
    const { stream } = await passed(getFields('/', [['te', 'trailers']]));
    expect([stream.body, stream.trailers]).toEqual(['hello', [['x-sum', 'abc']]]);
  });

  it('gets a body without a length to its end, as it comes', async () => {
    rig.origin.script = async (request) => {
      request.send('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst');
      await delay(30);
      request.send(' second');
      request.close();
    };
    const { stream } = await passed(getFields());
    expect([stream.body, stream.hasEnded, stream.field('content-length')]).toEqual(['first second', true, null]);
  });

  it('sees each piece of a stream as soon as the endpoint says it', async () => {
    let say: (text: string) => void = () => {};
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
      say = (text) => request.send(`${text.length.toString(16)}\r\n${text}\r\n`);
    };
    using client = await h2Client(rig.port);
    const stream = await client.head(client.request());
    for (const text of ['one', 'two', 'three']) {
      const before = stream.bodyBytes;
      say(text);
      await client.come(() => stream.bodyBytes === before + text.length, text);
    }
    expect(stream.body).toBe('onetwothree');
  });

  it('gets interim answers before the final one', async () => {
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Busy\r\n\r\n');
      request.answer(200, 'done');
    };
    const { stream } = await passed(getFields());
    expect(stream.interims.map(([[, status] = ['', '']]) => status)).toEqual(['103', '102']);
    expect([stream.interims[0]!.find(([name]) => name === 'link')?.[1], stream.body]).toEqual([
      '</a.css>; rel=preload',
      'done',
    ]);
  });

  it('gets the 100 it waits for from the endpoint, or after a second from us', async () => {
    rig.origin.script = async (request) => {
      if (request.target === '/eager') request.send('HTTP/1.1 100 Continue\r\n\r\n');
      await request.whole();
      request.answer();
    };
    using client = await h2Client(rig.port);
    for (const path of ['/eager', '/silent']) {
      const stream = client.start(
        postFields(path, [
          ['expect', '100-continue'],
          ['content-length', '5'],
        ]),
      );
      await client.come(() => stream.interims.length === 1, 'the 100');
      client.send(data(stream.id, 'hello', F.END_STREAM));
      expect([(await client.over(stream)).status, stream.interims.length]).toEqual([200, 1]);
    }
  });

  it('gets a large head in CONTINUATIONs', async () => {
    const long = 'v'.repeat(12_000);
    rig.origin.script = (request) => request.answer(200, 'ok', `X-A: ${long}\r\nX-B: ${long}\r\nX-C: ${long}\r\n`);
    using client = await h2Client(rig.port);
    for (let i = 0; i < 2; i++) {
      const stream = await client.get();
      expect(['x-a', 'x-b', 'x-c'].map((name) => stream.field(name)?.length)).toEqual([12_000, 12_000, 12_000]);
    }
    expect(client.framesOf(T.CONTINUATION).length).toBeGreaterThan(1);
  });

  it('is shown that an answer broke off, and never its end', async () => {
    for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
      for (const leave of ['close', 'reset'] as const) {
        rig.origin.script = async (request) => {
          request.send(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nhello\r\n`);
          await delay(20);
          request[leave]();
        };
        using client = await h2Client(rig.port);
        const stream = await client.over(client.request());
        expect([stream.status, stream.hasEnded, stream.resetCode]).toEqual([200, false, E.INTERNAL_ERROR]);
        rig.origin.script = (request) => request.answer();
        expect((await client.get()).status).toBe(200);
      }
    }
  });

  it('is told early when nobody reads the rest of its body, and may ask again', async () => {
    rig.origin.script = (request) => request.answer(413, 'too much');
    using client = await h2Client(rig.port);
    const stream = client.start(postFields('/', [['content-length', '1000000']]));
    client.send(data(stream.id, Buffer.alloc(1000)));
    await client.come(() => stream.resetCode >= 0 && stream.hasEnded, 'END_STREAM and RST_STREAM');
    expect([stream.status, stream.body, stream.resetCode]).toEqual([413, 'too much', E.NO_ERROR]);
    client.send(data(stream.id, Buffer.alloc(1000)), data(stream.id, '', F.END_STREAM));
    rig.origin.script = (request) => request.answer();
    expect((await client.get()).status).toBe(200);
  });
});

describe('answers of our own', () => {
  const own = async (path: string, more: readonly Field[] = []): Promise<Stream> => {
    using client = await h2Client(rig.port);
    return await client.get(path, more);
  };

  it('tell why in Proxy-Status, in words and in JSON', async () => {
    const refused = await own('/dead/');
    expect([refused.status, refused.field('proxy-status')]).toEqual([
      refused.status === 503 ? 503 : 502,
      refused.status === 503 ? 'fermat; error=destination_unavailable' : 'fermat; error=connection_refused',
    ]);
    const asJson = await own('/dead/', [['accept', 'application/json']]);
    expect(Object.keys(JSON.parse(asJson.body))).toEqual(['error']);
    rig.origin.script = (request) => request.send('what is this?\r\n\r\n');
    const bad = await own('/bad');
    expect([bad.status, bad.field('proxy-status')]).toEqual([502, 'fermat; error=http_protocol_error']);
    expect(bad.field('via')).toMatch(/fermat/);
    expect(bad.all('date')).toHaveLength(1);
  });

  it('are what the route says', async () => {
    expect([(await own('/said')).body, (await own('/said')).status]).toEqual(['short and stout', 418]);
    expect((await own('/moved')).field('location')).toBe('https://other.example/x');
  });

  it('wait for a window whatever of the request still comes, and whatever was asked before', async () => {
    rig.origin.script = async (request) => {
      await request.whole();
      request.answer(204, '');
    };
    using client = await h2Client(rig.port, { settings: [[S.WINDOW, 0]], isGreedy: false });
    expect((await client.over(client.request(postFields('/', [['content-length', '5']]), 'hello'))).status).toBe(204);
    const long = client.start(postFields(`/${'a'.repeat(9000)}`));
    await until(() => long.status === 414, 'the head of the refusal');
    client.send(data(long.id, 'hello'));
    client.open(long.id, 1000);
    expect((await client.over(long)).body).toContain('414 ');
  });

  it('say 431 to a head that is too large or has too many fields, and 414 to a path that is too long', async () => {
    using client = await h2Client(rig.port);
    const many = await client.get(
      '/',
      Array.from({ length: 101 }, (_, i): Field => [`x-${i}`, 'v']),
    );
    expect([many.status, many.field('proxy-status')]).toEqual([431, 'fermat; error=http_request_error']);
    const block = writeFields(
      getFields(
        '/',
        Array.from({ length: 4 }, (_, i): Field => [`x-${i}`, 'v'.repeat(9000)]),
      ),
    );
    const id = client.id();
    client.send(
      frame(T.HEADERS, F.END_STREAM, id, block.subarray(0, 16_000)),
      frame(T.CONTINUATION, 0, id, block.subarray(16_000, 32_000)),
      frame(T.CONTINUATION, F.END_HEADERS, id, block.subarray(32_000)),
    );
    expect((await client.over(client.stream(id))).status).toBe(431);
    expect((await client.get(`/${'a'.repeat(9000)}`)).status).toBe(414);
    const long = client.request(replaced(getFields(`/${'a'.repeat(9000)}`), ':method', 'HEAD'));
    expect([(await client.over(long)).status, long.body]).toEqual([414, '']);
    expect((await client.get(`/${'a'.repeat(8000)}`)).status).toBe(200);
    expect(rig.origin.requests).toHaveLength(1);
  });

  it('have no body for HEAD', async () => {
    using client = await h2Client(rig.port);
    const stream = await client.over(client.request(replaced(getFields('/said'), ':method', 'HEAD')));
    expect([stream.status, stream.bodyBytes, stream.field('content-length')]).toEqual([418, 0, '15']);
  });
});

describe('the access log', () => {
  it('says that it was HTTP/2', async () => {
    await passed(getFields('/logged', [['user-agent', 'me']]));
    await until(() => /"GET \/logged HTTP\/2\.0" 200 2 "-" "me"/.test(rig.fermat.stdout), 'the line');
  });
});

describe('a client that goes', () => {
  /** From its going to the end of the endpoint's connection; a busy machine gets some more. */
  const GONE_MS = 160;

  it.each([
    'silence',
    'answer',
  ])('lets go of the endpoint at once when it resets a stream in the midst of %s, and blames nobody', async (phase) => {
    const failures = async () =>
      (await rig.fermat.json<{ id: string; failures: number }[]>('/api/v1/endpoints')).find(({ id }) => id === 'left0')!
        .failures;
    const code = phase === 'silence' ? 'code="499"' : 'code="200"';
    const count = () => rig.fermat.metric('fermat_requests_total', 'endpoint="left0"', code);
    const before = await count();
    rig.origin.script = (request) => {
      if (phase === 'answer') request.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello');
    };
    using client = await h2Client(rig.port);
    const stream = client.request(getFields('/left/'));
    const request = await rig.origin.nth(1);
    if (phase === 'answer') await client.come(() => stream.bodyBytes === 5, 'a part of the answer');
    using watch = new Stopwatch();
    client.send(reset(stream.id));
    await until(() => request.connection.isClosed, 'the end of the connection');
    expect(request.connection.closedAtMs - watch.startMs).toBeLessThan(watch.allowed(GONE_MS));
    await until(async () => (await count()) === before + 1, 'its count');
    expect(await failures()).toBe(0);
    rig.origin.script = (other) => other.answer();
    expect((await client.get()).status).toBe(200);
  });

  it.each([
    'closes',
    'resets',
    'half-closes',
  ])('takes the fifty requests it had open with it when it %s', async (how) => {
    rig.origin.script = () => {};
    using client = await h2Client(rig.port);
    for (let i = 0; i < 50; i++) client.request();
    await rig.origin.nth(50);
    using watch = new Stopwatch();
    if (how === 'closes') client.destroy();
    else if (how === 'resets') client.socket.resetAndDestroy();
    else client.socket.end();
    await until(() => rig.origin.requests.every(({ connection }) => connection.isClosed), 'the end of all connections');
    const lastMs = Math.max(...rig.origin.requests.map(({ connection }) => connection.closedAtMs));
    expect(lastMs - watch.startMs).toBeLessThan(watch.allowed(GONE_MS + 100));
    await until(async () => (await rig.fermat.metric('fermat_endpoint_inflight')) === 0, 'nothing in flight');
  });
});
