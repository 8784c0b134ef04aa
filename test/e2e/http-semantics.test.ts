// RELIABILITY.md E: what messages mean, and what becomes of the connection afterwards.

import { describe, expect, it } from 'vitest';
import { exchange, get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const rig = useRig();

const answers = (bytes: string) => {
  rig.origin.script = (request) => request.send(bytes);
};

describe('E1 interim answers', () => {
  it('E1 forwards 103 and other 1xx, and then the final answer', async () => {
    rig.origin.script = async (request) => {
      request.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n');
      request.send('HTTP/1.1 102 Processing\r\n\r\n');
      request.answer();
    };
    const { answer } = await rig.passed(get());
    expect(answer.interims.map((interim) => interim.start.slice(0, 12))).toEqual(['HTTP/1.1 103', 'HTTP/1.1 102']);
    expect(answer.interims[0]?.fields).toContainEqual(['Link', '</a.css>; rel=preload']);
    expect(answer.status).toBe(200);
  });

  it('E1 passes an interim answer on at once', async () => {
    let finish = () => {};
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
      finish = () => request.answer();
    };
    using client = await rawClient(rig.port);
    await client.send(get());
    expect((await client.interim()).start).toMatch(/ 103 /);
    finish();
    expect((await client.answer()).status).toBe(200);
  });

  it('E1 sends no interim answer to an HTTP/1.0 client', async () => {
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
      request.answer();
    };
    using client = await rawClient(rig.port);
    await client.send('GET / HTTP/1.0\r\nHost: example.com\r\n\r\n');
    expect((await client.answer()).interims).toEqual([]);
  });

  it('E1 answers 502 to a 101 nobody asked for', async () => {
    answers('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const answer = await exchange(rig.port, get());
    expect(answer.status).toBe(502);
  });
});

describe('E2 Expect: 100-continue', () => {
  const head = 'POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n';

  it('E2 lets the client send its body, once, and passes the final answer on', async () => {
    rig.origin.script = async (request) => {
      if (request.field('expect') !== null) request.send('HTTP/1.1 100 Continue\r\n\r\n');
      request.answer(200, await request.whole());
    };
    using client = await rawClient(rig.port);
    await client.send(head);
    expect((await client.interim()).start).toMatch(/^HTTP\/1\.1 100 /);
    await client.send('abc');
    const answer = await client.answer('POST');
    expect([answer.status, answer.text, answer.interims.length]).toEqual([200, 'abc', 0]);
  });

  it('E2 says 100 itself when the origin says nothing', async () => {
    rig.origin.script = async (request) => request.answer(200, await request.whole());
    using client = await rawClient(rig.port);
    await client.send(head);
    expect((await client.interim(3000)).start).toMatch(/^HTTP\/1\.1 100 /);
    await client.send('abc');
    expect((await client.answer('POST')).text).toBe('abc');
  });

  it.each([
    417, 401, 413,
  ])('E2 passes a final %i on in place of a 100, and never waits for the body', async (status) => {
    rig.origin.script = (request) => request.answer(status, 'no');
    using client = await rawClient(rig.port);
    await client.send(head);
    const answer = await client.answer('POST');
    expect(answer.status).toBe(status);
    if (answer.field('connection') === 'close') expect(await client.closed()).toBe('end');
  });

  it('E2 takes the body that comes without waiting', async () => {
    rig.origin.script = async (request) => request.answer(200, await request.whole());
    using client = await rawClient(rig.port);
    await client.send(`${head}abc`);
    expect((await client.answer('POST')).text).toBe('abc');
  });

  it('E2 refuses any other expectation', async () => {
    await rig.refused(head.replace('100-continue', 'something-else'), 417);
  });

  it('E2 sends no 100 to an HTTP/1.0 client', async () => {
    using client = await rawClient(rig.port);
    await client.send(`${head.replace('HTTP/1.1', 'HTTP/1.0')}abc`);
    const answer = await client.answer('POST');
    expect([answer.status, answer.interims.length]).toEqual([200, 0]);
  });
});

describe('E3 answers without a body', () => {
  it('E3 keeps Content-Length and sends no body to HEAD', async () => {
    answers('HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n');
    using client = await rawClient(rig.port);
    await client.send(`HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n`);
    expect((await client.answer('HEAD')).field('content-length')).toBe('12345');
    rig.origin.script = (request) => request.answer();
    await client.send(get('/next'));
    expect((await client.answer()).text).toBe('ok');
  });

  it('E3 takes HEAD with a chunked answer for one without a body', async () => {
    answers('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    using client = await rawClient(rig.port);
    await client.send(`HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n`);
    expect((await client.answer('HEAD')).field('content-length')).toBeNull();
    rig.origin.script = (request) => request.answer();
    await client.send(get('/next'));
    expect((await client.answer()).text).toBe('ok');
  });

  it.each([
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', null],
    ['304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 12345\r\nETag: "x"\r\n\r\n', '12345'],
    ['304 without length', 'HTTP/1.1 304 Not Modified\r\n\r\n', null],
  ])('E3 sends %s without body or coding and goes on', async (_, bytes, length) => {
    answers(bytes);
    using client = await rawClient(rig.port);
    await client.send(get());
    const answer = await client.answer();
    expect([answer.field('content-length'), answer.field('transfer-encoding'), answer.framing]).toEqual([
      length,
      null,
      'none',
    ]);
    rig.origin.script = (request) => request.answer();
    await client.send(get('/next'));
    expect((await client.answer()).text).toBe('ok');
  });
});

describe('E4 HTTP/1.0 clients', () => {
  it('E4 closes after the answer, and never sends chunks', async () => {
    answers('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n');
    using client = await rawClient(rig.port);
    await client.send('GET / HTTP/1.0\r\nHost: example.com\r\n\r\n');
    const answer = await client.answer();
    expect([answer.text, answer.framing, answer.field('transfer-encoding')]).toEqual(['hi', 'close', null]);
  });

  it('E4 closes even when asked to keep the connection', async () => {
    using client = await rawClient(rig.port);
    await client.send(`GET / HTTP/1.0\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n${get('/second')}`);
    expect((await client.answer()).status).toBe(200);
    // RFC 9112 9.3 leaves a proxy no choice; what matters is that both sides agree on the end.
    expect(await client.closed()).toBe('end');
    expect(client.pending.length).toBe(0);
    expect((await rig.settled()).map((request) => request.target)).toEqual(['/']);
  });

  it('E4 understands an origin that speaks HTTP/1.0', async () => {
    rig.origin.script = (request) => {
      request.send('HTTP/1.0 200 OK\r\n\r\nold');
      request.close();
    };
    using client = await rawClient(rig.port);
    await client.send(get() + get('/second'));
    expect([(await client.answer()).text, (await client.answer()).text]).toEqual(['old', 'old']);
    expect(new Set(rig.origin.requests.map((request) => request.connection)).size).toBe(2);
  });
});

describe('E5 and E6 several requests on one connection', () => {
  it('E5 does not look at what follows a request with Connection: close', async () => {
    using client = await rawClient(rig.port);
    await client.send(get('/first', 'Connection: close\r\n') + get('/second'));
    const answer = await client.answer();
    expect(answer.field('connection')).toBe('close');
    expect(await client.closed()).toBe('end');
    expect(client.pending.length).toBe(0);
    expect((await rig.settled()).map((request) => request.target)).toEqual(['/first']);
  });

  it('E6 answers pipelined requests in order, however long each takes', async () => {
    rig.origin.script = async (request) => {
      await delay(request.target === '/0' ? 60 : 0);
      request.answer(200, request.target);
    };
    using client = await rawClient(rig.port);
    await client.send(Array.from({ length: 20 }, (_, i) => get(`/${i}`)).join(''));
    for (let i = 0; i < 20; i++) expect((await client.answer()).text).toBe(`/${i}`);
  });

  it('E6 keeps apart pipelined requests with bodies', async () => {
    rig.origin.script = async (request) =>
      request.answer(200, Buffer.concat([Buffer.from(request.target), await request.whole()]));
    const post = (i: number) =>
      i % 2
        ? `POST /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody`
        : `POST /${i} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`;
    for (const piece of [Infinity, 11]) {
      using client = await rawClient(rig.port);
      await client.send(Array.from({ length: 10 }, (_, i) => post(i)).join(''), piece);
      for (let i = 0; i < 10; i++) expect((await client.answer('POST')).text).toBe(`/${i}body`);
    }
  });

  it('E6 reads no further ahead than one answer allows', async () => {
    rig.origin.script = () => {};
    using client = await rawClient(rig.port);
    const before = rig.fermat.rssBytes;
    await client.send(get('/first'));
    await rig.origin.nth(1);
    const flood = Buffer.from(get('/more').repeat(20_000));
    for (let i = 0; i < 30; i++) client.socket.write(flood);
    await until(() => client.socket.writableLength > flood.length, 'back-pressure on the pipeline');
    await delay(200);
    expect(client.socket.writableLength).toBeGreaterThan(flood.length * 10);
    expect(rig.origin.requests.length).toBe(1);
    expect(rig.fermat.rssBytes - before).toBeLessThan(48 << 20);
  });

  it('E6 uses one connection for one request after the other', async () => {
    using client = await rawClient(rig.port);
    for (let i = 0; i < 5; i++) {
      await client.send(get());
      expect((await client.answer()).status).toBe(200);
    }
    expect(new Set(rig.origin.requests.map((request) => request.connection)).size).toBe(1);
  });
});

describe('E9 half-close', () => {
  it('E9 answers what was asked before the client said it was done, then closes', async () => {
    rig.origin.script = async (request) => {
      await delay(20);
      request.answer(200, 'late');
    };
    using client = await rawClient(rig.port);
    client.socket.end(get());
    expect((await client.answer()).text).toBe('late');
    expect(await client.closed()).toBe('end');
  });

  it('E9 answers every pipelined request of a client that has half-closed', async () => {
    rig.origin.script = async (request) => {
      await delay(10);
      request.answer(200, request.target);
    };
    using client = await rawClient(rig.port);
    client.socket.end(get('/0') + get('/1') + get('/2'));
    for (let i = 0; i < 3; i++) expect((await client.answer()).text).toBe(`/${i}`);
    expect(await client.closed()).toBe('end');
  });

  it('E9 waits for a slow answer on behalf of a client that has half-closed', async () => {
    rig.origin.script = async (request) => {
      await delay(2500);
      request.answer(200, 'at last');
    };
    using client = await rawClient(rig.port);
    client.socket.end(get());
    expect((await client.answer()).text).toBe('at last');
    expect(await client.closed()).toBe('end');
  });

  it('E9 sends a large answer whole to a client that has half-closed', async () => {
    const body = Buffer.alloc(3_000_000, 'x');
    rig.origin.script = (request) => request.answer(200, body);
    using client = await rawClient(rig.port);
    client.socket.end(get());
    expect((await client.answer()).body.length).toBe(body.length);
  });
});

describe('E10 responses that break HTTP', () => {
  it.each([
    ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi'],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi'],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi'],
    ['a coding with 204', 'HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['no version', '200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['an unknown version', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of letters', 'HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of 099', 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n'],
    ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['a space before a colon', 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n'],
    ['a NUL in a value', 'HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n'],
    ['a bare CR in a value', 'HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 0\r\n\r\n'],
    ['garbage', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['an endless head', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(200_000)}\r\n\r\n`],
    ['too many fields', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(2000)}\r\n`],
  ])('E10 answers 502 to %s, and closes that connection', async (_, bytes) => {
    answers(bytes);
    using client = await rawClient(rig.port);
    await client.send(get());
    const answer = await client.answer();
    expect(answer.status).toBe(502);
    expect(answer.field('proxy-status')).toMatch(/^fermat; error=http_/);
    const request = rig.origin.requests.at(-1)!;
    await until(() => request.connection.isClosed, 'the end of the upstream connection');
  });

  it.each([
    ['a bad size', '2\r\nhi\r\nzz\r\n'],
    ['data longer than its size', '2\r\nhi!\r\n0\r\n\r\n'],
    ['the end of the connection', '2\r\nhi\r\n'],
  ])('E10 makes the truncation visible when a chunked body breaks off with %s', async (_, body) => {
    rig.origin.script = (request) => {
      request.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
      request.close();
    };
    using client = await rawClient(rig.port);
    await client.send(get());
    await expect(client.answer()).rejects.toThrow(/was (closed|reset) before/);
  });

  it('E10 makes the truncation visible when a body is shorter than its length', async () => {
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
      request.close();
    };
    using client = await rawClient(rig.port);
    await client.send(get());
    await expect(client.answer()).rejects.toThrow(/was (closed|reset) before/);
  });
});

describe('E11 bytes after a response', () => {
  it('E11 never takes them for an answer, and closes that connection', async () => {
    rig.origin.script = (request) => {
      request.send(
        request.target === '/first'
          ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'
          : 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood',
      );
    };
    using client = await rawClient(rig.port);
    await client.send(get('/first') + get('/second'));
    expect([(await client.answer()).text, (await client.answer()).text]).toEqual(['ok', 'good']);
    await until(() => rig.origin.requests[0]?.connection.isClosed, 'the end of the upstream connection');
  });

  it('E11 drops a pooled connection on which the origin speaks unasked', async () => {
    using client = await rawClient(rig.port);
    await client.send(get('/first'));
    await client.answer();
    const { connection } = rig.origin.request;
    connection.socket.write('HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nevil');
    await until(() => connection.isClosed, 'the end of the upstream connection');
    await client.send(get('/second'));
    expect((await client.answer()).text).toBe('ok');
  });

  it('E11 does the same with a body where there must be none', async () => {
    answers('HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    using client = await rawClient(rig.port);
    await client.send(get('/first'));
    expect((await client.answer()).status).toBe(304);
    rig.origin.script = (request) => request.answer(200, 'good');
    await client.send(get('/second'));
    expect((await client.answer()).text).toBe('good');
  });
});

describe('E12 bodies that end with the connection', () => {
  it('E12 sends them in chunks to an HTTP/1.1 client, and keeps its connection', async () => {
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 200 OK\r\n\r\nuntil the end');
      request.close();
    };
    using client = await rawClient(rig.port);
    await client.send(get() + get());
    const answer = await client.answer();
    expect([answer.framing, answer.text]).toEqual(['chunked', 'until the end']);
    expect((await client.answer()).text).toBe('until the end');
  });

  it('E12 sends them as they are to an HTTP/1.0 client', async () => {
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 200 OK\r\n\r\nuntil the end');
      request.close();
    };
    const answer = await exchange(rig.port, 'GET / HTTP/1.0\r\n\r\n');
    expect([answer.framing, answer.text]).toEqual(['close', 'until the end']);
  });

  it('E12 makes a reset in such a body visible, to clients of either version', async () => {
    for (const version of ['1.1', '1.0']) {
      rig.origin.script = async (request) => {
        request.send('HTTP/1.1 200 OK\r\n\r\nuntil the');
        await delay(30);
        request.reset();
      };
      using client = await rawClient(rig.port);
      await client.send(`GET / HTTP/${version}\r\nHost: example.com\r\n\r\n`);
      await expect(client.answer()).rejects.toThrow(/was (closed|reset)/);
    }
  });
});
