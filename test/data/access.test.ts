// Lines of the access log, as the real process writes them to stdout.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { F, getFields, headers, PREFACE, reset, settings } from '../support/h2-frames.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin();
});
afterEach(() => origin.reset());
afterAll(async () => {
  await origin?.refuse();
});

async function logging(access: string): Promise<Fermat> {
  const routes = [
    { name: 'main', pool: 'main' },
    { path: '/own', respond: { status: 403, body: 'no' } },
    { path: '/limited', pool: 'main', rateLimit: [{ rate: '1/h', key: 'client' }] },
  ];
  return startFermat({ pools: { main: poolOf([origin.url]) }, routes, logging: { access } });
}

/** The lines after `bytes` were sent and answered. */
async function linesAfter(fermat: Fermat, bytes: string, many = 1): Promise<string[]> {
  const from = fermat.stdout.length;
  await exchange(fermat.port, bytes, bytes.slice(0, bytes.indexOf(' ')));
  const lines = (): string[] => fermat.stdout.slice(from).split('\n').slice(0, -1);
  await until(() => lines().length >= many, 'the line');
  return lines();
}

describe('json', () => {
  it('is one object a line with everything about the request, and survives hostile bytes', async () => {
    await using fermat = await logging('json');
    origin.script = (request) => request.answer(201, 'four');
    const [plain] = await linesAfter(fermat, 'GET /a?b=1 HTTP/1.1\r\nHost: Shop.example\r\n\r\n');
    const line = JSON.parse(plain!) as Record<string, unknown>;
    expect(line).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      requestId: expect.stringMatching(/^[0-9a-f]{16}-0\w+$/),
      client: '127.0.0.1',
      country: null,
      asn: null,
      protocol: 'HTTP/1.1',
      scheme: 'http',
      method: 'GET',
      host: expect.stringMatching(/^shop\.example$/i),
      path: '/a',
      query: 'b=1',
      status: 201,
      outcome: 'answered',
      error: null,
      reason: null,
      bytesIn: 0,
      bytesOut: 4,
      durationMs: expect.any(Number),
      overheadMs: expect.any(Number),
      route: 'main',
      pool: 'main',
      endpoint: 'e0',
      region: null,
      role: 'band',
      attempts: 1,
      retried: false,
      hedged: false,
      phases: {
        queueMs: expect.any(Number),
        connectMs: expect.any(Number),
        firstByteMs: expect.any(Number),
        totalMs: expect.any(Number),
      },
      userAgent: null,
      referer: null,
      traceId: null,
    });
    expect(line.durationMs).toBeGreaterThan(0);
    const [own] = await linesAfter(fermat, 'GET /own HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(JSON.parse(own!)).toMatchObject({
      status: 403,
      bytesOut: 2,
      requestId: null,
      phases: null,
      endpoint: null,
      attempts: 0,
    });
    const [odd] = await linesAfter(fermat, "X!#$%'|~ /x'%22%0a HTTP/1.1\r\nHost: a\r\nReferer: \"}\\\r\n\r\n");
    expect(JSON.parse(odd!)).toMatchObject({ method: "X!#$%'|~", path: "/x'%22%0a" });
    origin.reset();
    const only = async (bytes: string): Promise<unknown> => JSON.parse((await linesAfter(fermat, bytes))[0]!);
    await only('GET /limited HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await only('GET /limited HTTP/1.1\r\nHost: a\r\n\r\n')).toMatchObject({
      ...{ status: 429, outcome: 'refused', reason: 'rate_limited', route: '/limited', endpoint: null },
    });
    expect(await only('GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n')).toMatchObject({
      ...{ status: 400, outcome: 'refused', client: '127.0.0.1', method: null, error: 'http_request_error' },
    });
  });
});

const UPGRADE =
  'GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

describe('what is no plain request', () => {
  it('tells of a tunnel at its end, with the bytes of both ways', async () => {
    await using fermat = await logging('json');
    origin.script = (request) => {
      request.onTunnelData = (bytes) => {
        if (bytes.includes('l')) request.send('back');
      };
      request.send(SWITCHED);
    };
    const from = fermat.stdout.length;
    using client = await rawClient(fermat.port);
    await client.send(UPGRADE);
    expect((await client.answer()).status).toBe(101);
    await client.send('hello');
    await until(() => client.pending.toString('latin1') === 'back', 'the answer');
    client.socket.end();
    await until(() => fermat.stdout.length > from, 'the line');
    expect(JSON.parse(fermat.stdout.slice(from))).toMatchObject({ status: 101, bytesIn: 5, bytesOut: 4 });
  });

  // They were counted, and had no line.
  it('tells of requests over HTTP/2 that are taken back before they begin', async () => {
    await using fermat = await logging('json');
    const from = fermat.stdout.length;
    const taken = [1, 3, 5].flatMap((id) => [headers(id, getFields('/'), F.END_HEADERS | F.END_STREAM), reset(id)]);
    using client = await rawClient(fermat.port);
    await client.send(Buffer.concat([PREFACE, settings(), ...taken]));
    const lines = (): string[] => fermat.stdout.slice(from).split('\n').slice(0, -1);
    await until(() => lines().length === 3, 'the lines');
    for (const line of lines()) {
      expect(JSON.parse(line)).toMatchObject({
        client: '127.0.0.1',
        status: 499,
        outcome: 'client_gone',
        reason: null,
      });
    }
  });
});

describe('combined', () => {
  it('is the line that log tools know, with quotes that cannot be broken out of', async () => {
    await using fermat = await logging('combined');
    const [plain] = await linesAfter(
      fermat,
      'GET /a?b=1 HTTP/1.1\r\nHost: a\r\nReferer: http://r/\r\nUser-Agent: me "and" \\ you\r\n\r\n',
    );
    expect(plain).toMatch(
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/a\?b=1 HTTP\/1\.1" 200 2 "http:\/\/r\/" "me \\x22and\\x22 \\x5C you"$/,
    );
    const [bare] = await linesAfter(fermat, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(bare).toMatch(/"HEAD \/ HTTP\/1\.1" 200 0 "-" "-"$/);
  });

  it('is whole when the process ends right after the request', async () => {
    const fermat = await logging('combined');
    for (let i = 0; i < 20; i++) await exchange(fermat.port, `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await fermat.stop();
    expect(fermat.stdout.match(/"GET \/\d+ HTTP\/1\.1" 200/g)).toHaveLength(20);
  });
});
