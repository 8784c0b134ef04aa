// What a client may ask for, in bytes and in time: the limits of CONTRACT.md with small values, on a process of their own.

import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const rig = useRig((origin) =>
  simpleConfig(
    [origin.url],
    {},
    {
      limits: {
        requestLine: '200',
        head: '1000',
        headers: 10,
        body: '10KiB',
        headTimeout: '500ms',
        idleTimeout: '700ms',
        bodyTimeout: '500ms',
        connectionsPerClient: 20,
      },
    },
  ),
);

const post = (fields: string, body = '') => `POST / HTTP/1.1\r\nHost: example.com\r\n${fields}\r\n${body}`;

/** Time-outs are taken off a coarse wheel: never early, late by no more than this. */
const LATE_MS = 900;

async function msUntil(what: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await what;
  return performance.now() - startMs;
}

describe('sizes', () => {
  it('answers 414 and 431 at the limits that are set', async () => {
    await rig.refused(get(`/${'a'.repeat(200)}`), 414);
    await rig.refused(get('/', `X-A: ${'a'.repeat(1000)}\r\n`), 431);
    await rig.refused(get('/', 'X-A: b\r\n'.repeat(10)), 431);
    expect((await rig.passed(get('/', 'X-A: b\r\n'.repeat(9)))).answer.status).toBe(200);
  });

  it('answers a HEAD that is too large, malformed or too slow without a body', async () => {
    const head = (target: string, fields = '') => `HEAD ${target} HTTP/1.1\r\nHost: example.com\r\n${fields}\r\n`;
    for (const [bytes, status] of [
      [head(`/${'a'.repeat(200)}`), 414],
      [head('/', `X-A: ${'a'.repeat(1000)}\r\n`), 431],
      [head('/', 'X A: b\r\n'), 400],
      [head('/#'), 400],
      ['HEAD / HTTP/1.1\r\nHo', 408],
    ] as const) {
      using client = await rawClient(rig.port);
      await client.send(get() + bytes); // what was asked before on this connection means nothing
      expect((await client.answer()).status).toBe(200);
      expect((await client.answer('HEAD')).status).toBe(status);
      expect(await client.rest()).toBe('');
    }
    using client = await rawClient(rig.port);
    await client.send(`${head('/')}\u0001`);
    expect((await client.answer('HEAD')).status).toBe(200);
    expect((await client.answer()).text).toContain('400 ');
  });

  it('answers 413 to a declared length over the limit without waiting for the body', async () => {
    await rig.refused(post('Content-Length: 10241\r\n'), 413);
    await rig.refused(post('Content-Length: 10241\r\nExpect: 100-continue\r\n'), 413);
  });

  it('answers 413 to a chunked body as soon as it is over the limit, and aborts it upstream', async () => {
    rig.origin.script = () => {};
    using client = await rawClient(rig.port);
    await client.send(post('Transfer-Encoding: chunked\r\n', `1000\r\n${'x'.repeat(4096)}\r\n`));
    const request = await rig.origin.nth(1);
    await client.send(`2000\r\n${'x'.repeat(8192)}\r\n`);
    const answer = await client.answer('POST');
    expect([answer.status, answer.field('connection')]).toEqual([413, 'close']);
    await until(() => request.connection.isClosed, 'the end of the upstream connection');
    expect(request.isWhole).toBe(false);
  });

  it('passes a body of exactly the limit', async () => {
    const { answer, request } = await rig.passed(post('Content-Length: 10240\r\n', 'x'.repeat(10_240)), 'POST');
    expect([answer.status, request.bodyBytes]).toEqual([200, 10_240]);
  });
});

describe('times', () => {
  it('answers 408 to a head that does not end, however its bytes trickle in', async () => {
    using client = await rawClient(rig.port);
    await client.send('GET / HTTP/1.1\r\nHost: example.com\r\n');
    const startMs = performance.now();
    const trickle = setInterval(() => client.socket.write('X-A: b\r\n'.slice(0, 1)), 100);
    const answer = await client.answer();
    clearInterval(trickle);
    const ms = performance.now() - startMs;
    expect([answer.status, answer.field('connection')]).toEqual([408, 'close']);
    expect(ms).toBeGreaterThan(450);
    expect(ms).toBeLessThan(500 + LATE_MS);
    await client.closed();
  });

  it('closes a connection on which nothing was asked, without a word', async () => {
    using fresh = await rawClient(rig.port);
    using used = await rawClient(rig.port);
    await used.send(get());
    await used.answer();
    const ms = await msUntil(Promise.all([fresh.closed(), used.closed()]));
    expect(ms).toBeGreaterThan(500);
    expect(ms).toBeLessThan(700 + LATE_MS);
    expect([fresh.received, used.pending.length]).toEqual([0, 0]);
  });

  it('answers 408 to a body without progress and aborts it upstream', async () => {
    rig.origin.script = () => {};
    using client = await rawClient(rig.port);
    await client.send(post('Content-Length: 100\r\n', 'abc'));
    const request = await rig.origin.nth(1);
    const startMs = performance.now();
    const answer = await client.answer('POST');
    expect([answer.status, answer.field('connection')]).toEqual([408, 'close']);
    expect(performance.now() - startMs).toBeLessThan(500 + LATE_MS);
    await until(() => request.connection.isClosed, 'the end of the upstream connection');
  });

  it('lets a slow body that makes progress take its time', async () => {
    using client = await rawClient(rig.port);
    await client.send(post('Content-Length: 8\r\n'));
    for (let i = 0; i < 8; i++) {
      await delay(150);
      await client.send('x');
    }
    expect((await client.answer('POST')).status).toBe(200);
  });

  it('lets an answer take longer than any time-out of the request', async () => {
    rig.origin.script = async (request) => {
      await delay(1600);
      request.answer();
    };
    using client = await rawClient(rig.port);
    await client.send(get());
    expect((await client.answer()).status).toBe(200);
  });

  it('lets go of a client that reads nothing of its answer', async () => {
    const body = Buffer.alloc(16 << 20);
    rig.origin.script = (request) => request.answer(200, body);
    using client = await rawClient(rig.port);
    client.socket.pause();
    await client.send(get());
    const request = await rig.origin.nth(1);
    await until(() => request.connection.isClosed, 'the end of the upstream connection', 5000);
  });
});

describe('connections', () => {
  it('closes connections of one client beyond its share, and takes new ones when others have gone', async () => {
    await until(async () => (await rig.fermat.metric('fermat_connections')) === 0, 'no open connections');
    const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(rig.port)));
    for (const client of clients) await client.send(get());
    for (const client of clients) expect((await client.answer()).status).toBe(200);
    using excess = await rawClient(rig.port);
    excess.socket.write(get());
    await excess.closed();
    expect(excess.received === 0 || excess.pending.toString('latin1').startsWith('HTTP/1.1 503')).toBe(true);
    using other = await rawClient(rig.port, '127.0.0.9');
    await other.send(get());
    expect((await other.answer()).status).toBe(200);
    for (const client of clients) client.destroy();
    await until(async () => {
      using again = await rawClient(rig.port);
      again.socket.write(get());
      await until(() => again.received > 0 || again.isClosed || again.hasEnded, 'an answer or a close');
      return again.received > 0;
    }, 'room for a new connection');
  });
});
