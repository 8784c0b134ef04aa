// RELIABILITY.md A: where one message ends and the next begins. A second request hides behind every malformed one; what
// must never happen is that the origin gets to see it.

import { describe, expect, it } from 'vitest';
import { Stopwatch } from '../support/lateness.ts';
import { get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { until } from '../support/until.ts';

const rig = useRig();

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n';

function post(fields: string, body = ''): string {
  return `POST /a HTTP/1.1\r\nHost: example.com\r\n${fields}\r\n${body}`;
}

/** A request that Fermat answers itself. */
function ours(fields: string, body: string): string {
  return `OPTIONS /a HTTP/1.1\r\nHost: example.com\r\nMax-Forwards: 0\r\n${fields}\r\n${body}`;
}

describe('A1 Content-Length and Transfer-Encoding together', () => {
  it.each([
    ['length first', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'],
    ['coding first', 'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n'],
    ['length zero', 'Transfer-Encoding: chunked\r\nContent-Length: 0\r\n'],
    ['other case', 'TRANSFER-ENCODING: Chunked\r\ncontent-LENGTH: 4\r\n'],
  ])('A1 refuses both and closes: %s', async (_, fields) => {
    await rig.refused(post(fields, `0\r\n\r\n${SMUGGLED}`), 400);
  });
});

describe('A2 transfer codings other than one final chunked', () => {
  it.each([
    ['Transfer-Encoding: chunked, identity', [400, 501]],
    ['Transfer-Encoding: identity', [400, 501]],
    ['Transfer-Encoding: gzip', [400, 501]],
    ['Transfer-Encoding: gzip, chunked', [400, 501]],
    ['Transfer-Encoding: xchunked', [400, 501]],
    ['Transfer-Encoding: chunked, chunked', [400, 501]],
    ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', [400, 501]],
    ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', [400, 501]],
    ['Transfer-Encoding: ', [400, 501]],
    ['Transfer-Encoding: "chunked"', [400, 501]],
    ['Transfer-Encoding: chunked;q=1', [400, 501]],
    ['Transfer-Encoding: \x0bchunked', [400]],
    ['Transfer-Encoding: chunked\x00', [400]],
    ['Transfer-Encoding : chunked', [400]],
    ['Transfer\x00-Encoding: chunked', [400]],
  ])('A2 refuses %j and closes', async (field, statuses) => {
    await rig.refused(post(`${field}\r\n`, `0\r\n\r\n${SMUGGLED}`), statuses);
  });

  it('A2 takes `chunked` in any case, with blanks around it', async () => {
    const { answer, request } = await rig.passed(
      post('Transfer-Encoding:  \tChUnKeD \r\n', '2\r\nhi\r\n0\r\n\r\n'),
      'POST',
    );
    expect(answer.status).toBe(200);
    expect([request.framing.kind, request.body.toString()]).toEqual(['chunked', 'hi']);
  });
});

describe('A3 lengths that are none', () => {
  it.each([
    'Content-Length: 4\r\nContent-Length: 5',
    'Content-Length: 5, 6',
    'Content-Length: +5',
    'Content-Length: -5',
    'Content-Length: 0x5',
    'Content-Length: ',
    'Content-Length: 5 5',
    'Content-Length: 5,',
    'Content-Length: ,5',
    'Content-Length: 5;',
    'Content-Length: 5.0',
    'Content-Length: 1e1',
    'Content-Length: \xb2',
    'Content-Length: 99999999999999999999',
    'Content-Length: 9007199254740993',
    'Content-Length: 4\r\nContent-Length: +4',
    'Content-Length:\r\n 4',
  ])('A3 refuses %j and closes', async (field) => {
    await rig.refused(post(`${field}\r\n`, `abcde${SMUGGLED}`), [400, 413]);
  });
});

describe('A4 the same length twice', () => {
  it.each([
    'Content-Length: 5\r\nContent-Length: 5',
    'Content-Length: 5, 5',
  ])('A4 refuses %j or makes it one', async (field) => {
    using client = await rawClient(rig.port);
    await client.send(post(`${field}\r\n`, 'abcde'));
    const answer = await client.answer('POST');
    expect([200, 400]).toContain(answer.status);
    if (answer.status === 200) expect(rig.origin.request.framing).toEqual({ kind: 'length', length: 5 });
    else expect(await client.closed()).toBe('end');
  });
});

describe('A5 chunked in HTTP/1.0', () => {
  it('A5 refuses a transfer coding in HTTP/1.0 and closes', async () => {
    const bytes = `POST /a HTTP/1.0\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`;
    await rig.refused(bytes, [400, 501]);
  });
});

describe('A6 malformed chunks', () => {
  it.each([
    ['an overflowing size', 'fffffffffffffffff\r\nhi\r\n0\r\n\r\n'],
    ['a size beyond 2^53', '20000000000000\r\nhi\r\n0\r\n\r\n'],
    [
      'a size that wraps at 2^32',
      '100000002\r\nhi\r\n0\r\n\r\n'.replace('100000002', '1000000000000000000000000000000002'),
    ],
    ['a plus sign', '+2\r\nhi\r\n0\r\n\r\n'],
    ['a minus sign', '-2\r\nhi\r\n0\r\n\r\n'],
    ['0x', '0x2\r\nhi\r\n0\r\n\r\n'],
    ['an empty size', '\r\nhi\r\n0\r\n\r\n'],
    ['a blank before', ' 2\r\nhi\r\n0\r\n\r\n'],
    ['a blank after', '2 \r\nhi\r\n0\r\n\r\n'],
    ['letters', 'g\r\nhi\r\n0\r\n\r\n'],
    ['an LF-ended size', '2\nhi\r\n0\r\n\r\n'],
    ['a CR-ended size', '2\rhi\r\n0\r\n\r\n'],
    ['data longer than its size', '2\r\nhi!\r\n0\r\n\r\n'],
    ['data ended by LF', '2\r\nhi\n0\r\n\r\n'],
    ['data ended by nothing', '2\r\nhi0\r\n\r\n'],
    ['a last chunk ended by LF', '2\r\nhi\r\n0\n\r\n'],
    ['a trailer section ended by LF', '2\r\nhi\r\n0\r\n\n'],
    ['a trailer line ended by LF', '2\r\nhi\r\n0\r\nx: y\n\r\n'],
    ['LF in an extension', '2;a\nb\r\nhi\r\n0\r\n\r\n'],
  ])('A6 refuses %s, closes, and never completes the request at the origin', async (_, body) => {
    await rig.refused(post('Transfer-Encoding: chunked\r\n', `${body}${SMUGGLED}`), 400);
  });
});

describe('A7 chunk extensions', () => {
  it('A7 ignores and drops an unknown extension', async () => {
    const { answer, request } = await rig.passed(
      post('Transfer-Encoding: chunked\r\n', '0002;name=value;other="q;\\"x"\r\nhi\r\n0;last\r\n\r\n'),
      'POST',
    );
    expect(answer.status).toBe(200);
    // The strict reader of the origin would have stumbled over anything but a bare size.
    expect(request.body.toString()).toBe('hi');
  });

  it('A7 limits the length of extensions, in one chunk and in all of them', async () => {
    await rig.refused(
      post('Transfer-Encoding: chunked\r\n', `2;${'x'.repeat(20_000)}\r\nhi\r\n0\r\n\r\n`),
      [400, 413, 431],
    );
    const many = `1;${'x'.repeat(200)}\r\na\r\n`.repeat(2000);
    await rig.refused(post('Transfer-Encoding: chunked\r\n', `${many}0\r\n\r\n`), [400, 413, 431]);
  });
});

describe('A8 trailers', () => {
  it('A8 forwards harmless trailers as trailers and never merges them into the head', async () => {
    const { request } = await rig.passed(
      post('Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n', '2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n'),
      'POST',
    );
    expect(request.field('x-sum')).toBeNull();
    expect(request.trailers.filter(([name]) => name.toLowerCase() !== 'x-sum')).toEqual([]);
  });

  it.each([
    'Content-Length: 0',
    'Transfer-Encoding: chunked',
    'Host: evil',
    'Authorization: Basic eA==',
    'X-Forwarded-For: 6.6.6.6',
    'Cookie: a=b',
    'Connection: close',
    'Via: 1.1 x',
    'Forwarded: for=6.6.6.6',
    'X_Forwarded_For: 6.6.6.6',
  ])('A8 never forwards %j as a trailer', async (field) => {
    using client = await rawClient(rig.port);
    await client.send(post('Transfer-Encoding: chunked\r\n', `2\r\nhi\r\n0\r\n${field}\r\n\r\n`));
    expect([200, 400]).toContain((await client.answer('POST')).status);
    for (const request of rig.origin.requests) {
      expect(request.trailers).toEqual([]);
      expect(request.head).not.toContain('6.6.6.6');
    }
  });

  it('A8 limits the trailer section', async () => {
    const trailers = Array.from({ length: 400 }, (_, i) => `x-${i}: ${'y'.repeat(200)}\r\n`).join('');
    await rig.refused(post('Transfer-Encoding: chunked\r\n', `2\r\nhi\r\n0\r\n${trailers}\r\n`), [400, 431]);
  });

  it('A8 forwards trailers of a response', async () => {
    rig.origin.script = (request) => {
      request.send(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n',
      );
    };
    const { answer } = await rig.passed(get('/', 'TE: trailers\r\n'));
    expect(answer.text).toBe('hi');
    expect(answer.field('x-sum')).toBeNull();
    expect(answer.trailers.map(([name, value]) => `${name.toLowerCase()}: ${value}`)).toEqual(['x-sum: 7']);
  });
});

describe('A9 bodies that end early', () => {
  it.each([
    ['Content-Length', 'fin', 'Content-Length: 10\r\n', 'abc'],
    ['Content-Length', 'rst', 'Content-Length: 10\r\n', 'abc'],
    ['chunked', 'fin', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n'],
    ['chunked', 'rst', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n'],
    ['chunked inside a chunk', 'fin', 'Transfer-Encoding: chunked\r\n', '9\r\nabc'],
    ['chunked before the last CRLF', 'fin', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n'],
  ])('A9 aborts the upstream request, never completes it: %s, %s', async (_, how, fields, body) => {
    using client = await rawClient(rig.port);
    await client.send(post(fields, body));
    const request = await rig.origin.nth(1);
    await until(() => request.bodyBytes === 3, 'the part of the body');
    using watch = new Stopwatch();
    if (how === 'fin') client.halfClose();
    else client.reset();
    await until(() => request.connection.isClosed, 'the end of the upstream connection');
    expect(request.connection.closedAtMs - watch.startMs).toBeLessThan(watch.allowed(500));
    expect(request.isWhole).toBe(false);
  });
});

describe('A10 answers before the body', () => {
  it('A10 reads the rest or closes when Fermat itself answers early', async () => {
    using client = await rawClient(rig.port);
    await client.send(`POST /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\nExpect: 200-ok\r\n\r\nabc`);
    const answer = await client.answer('POST');
    expect(answer.status).toBe(417);
    expect(answer.field('connection')).toBe('close');
    await client.send(`${'x'.repeat(997)}${SMUGGLED}`);
    await client.closed();
    expect(client.pending.length).toBe(0);
    expect(await rig.settled()).toEqual([]);
  });

  it('A10 reads a small rest of a known length after an answer of its own, and goes on', async () => {
    using client = await rawClient(rig.port);
    await client.send(ours('Content-Length: 1000\r\n', 'abc'));
    const answer = await client.answer();
    expect([answer.all('allow').length, answer.field('connection')]).toEqual([1, null]);
    await client.send('x'.repeat(997) + ours('Content-Length: 5\r\n', 'hello') + get('/second'));
    expect([(await client.answer()).all('allow').length, (await client.answer()).text]).toEqual([1, 'ok']);
    expect((await rig.settled()).map((request) => request.target)).toEqual(['/second']);
  });

  it('A10 closes behind an answer of its own when the rest is large or its length not known', async () => {
    for (const [fields, body] of [
      ['Content-Length: 1000000\r\n', 'abc'],
      ['Content-Length: 3\r\nExpect: 100-continue\r\n', ''],
      ['Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n'],
    ] as const) {
      using client = await rawClient(rig.port);
      await client.send(ours(fields, body));
      const answer = await client.answer();
      expect([answer.all('allow').length, answer.field('connection')]).toEqual([1, 'close']);
      await client.closed();
    }
  });

  it('A10 passes on an early answer of the origin while a body is still being sent', async () => {
    rig.origin.script = (request) => request.answer(403, 'no');
    using client = await rawClient(rig.port);
    await client.send(post('Content-Length: 100000\r\n', 'x'.repeat(1000)));
    const answer = await client.answer('POST');
    expect([answer.status, answer.text]).toEqual([403, 'no']);
    await client.send(`${'x'.repeat(99_000)}${get('/second')}`);
    // Either the connection ends here, or the next request is answered for what it is.
    if (answer.field('connection') === 'close') {
      await client.closed();
      expect(client.pending.length).toBe(0);
    } else {
      expect((await client.answer()).status).toBe(403);
    }
    rig.origin.script = (request) => request.answer();
    for (const request of await rig.settled()) expect(['/a', '/second']).toContain(request.target);
  });

  it('A10 does not lose an early answer behind a large body that is still in flight', async () => {
    rig.origin.script = (request) => request.answer(413, 'too much', 'Connection: close\r\n');
    for (let i = 0; i < 5; i++) {
      using client = await rawClient(rig.port);
      await client.send(post('Content-Length: 50000000\r\n', ''));
      client.socket.write(Buffer.alloc(2_000_000));
      expect((await client.answer('POST')).status).toBe(413);
      await client.closed();
    }
  });
});

describe('A11 own framing', () => {
  it.each([
    ['Content-Length: 5\r\n', 'abcde', { kind: 'length', length: 5 }],
    ['Content-Length: 0005\r\n', 'abcde', { kind: 'length', length: 5 }],
    ['Content-Length: 0\r\n', '', { kind: 'length', length: 0 }],
    ['Transfer-Encoding: chunked\r\n', '0005;x\r\nabcde\r\n0\r\n\r\n', { kind: 'chunked' }],
  ])('A11 frames %j anew with exactly one of both', async (fields, body, framing) => {
    for (const method of ['POST', 'DELETE', 'GET', 'OPTIONS', 'PURGE']) {
      rig.origin.reset();
      const { answer, request } = await rig.passed(post(fields, body).replace('POST', method), method);
      expect(answer.status).toBe(200);
      expect(request.framing).toEqual(framing);
      expect(request.body.toString()).toBe(body === '' ? '' : 'abcde');
    }
  });

  it('A11 sends no framing for a request without a body', async () => {
    const { request } = await rig.passed(get('/'));
    expect(request.framing).toEqual({ kind: 'none' });
  });

  it('A11 gives the same whichever way the bytes are cut', async () => {
    const bytes =
      post('Transfer-Encoding: chunked\r\nX-A: 1\r\n', '5;e=1\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n') +
      get('/next');
    for (const piece of [1, 2, 3, 7, 50, 1000]) {
      rig.origin.reset();
      using client = await rawClient(rig.port);
      await client.send(bytes, piece);
      expect((await client.answer('POST')).status).toBe(200);
      expect((await client.answer()).status).toBe(200);
      expect(rig.origin.requests.map((request) => [request.target, request.body.toString()])).toEqual([
        ['/a', 'hello world'],
        ['/next', ''],
      ]);
    }
  });
});
