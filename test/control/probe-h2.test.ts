import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { probeVerb } from '../../src/cli/probe.ts';
import { type Certificate, makeCertificate } from '../support/certificate.ts';
import { probe } from '../support/probing.ts';
import { until } from '../support/until.ts';

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
interface Running {
  readonly port: number;
  /** Sessions so far, and connections that are open now. */
  readonly sessions: ServerHttp2Session[];
  readonly sockets: Set<Socket>;
}

let directory: string;
let good: Certificate;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fermat-probe-h2-'));
  good = makeCertificate(directory, 'origin.test');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function listen(server: Server | Http2Server): Promise<Running> {
  const running: Running & { port: number } = { port: 0, sessions: [], sockets: new Set() };
  server.on('connection', (socket: Socket) => {
    running.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => running.sockets.delete(socket));
  });
  server.on('session', (session: ServerHttp2Session) => {
    running.sessions.push(session);
    session.on('error', () => undefined);
  });
  ends.push(() => {
    for (const socket of running.sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  running.port = (server.address() as AddressInfo).port;
  return running;
}

function origin(handler: Handler): Promise<Running> {
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    handler(stream, headers);
  });
  return listen(server);
}

const ok: Handler = (stream) => {
  stream.respond({ ':status': 200 });
  stream.end('all is well');
};

describe('a probe of an h2c endpoint', () => {
  test('speaks HTTP/2 by prior knowledge, and asks for what is configured', async () => {
    const asked: IncomingHttpHeaders[] = [];
    const { port } = await origin((stream, headers) => {
      asked.push(headers);
      ok(stream, headers);
    });
    const spec = { path: '/health?deep=1', host: 'shop.example.com', expectBody: 'is well' };
    const [result] = await probe(port, { spec });
    expect(result).toMatchObject({ ok: true, status: 200, tlsMs: null, warm: false, error: null });
    expect(result!.connectMs).toBeGreaterThan(0);
    expect(result!.firstByteMs).toBeGreaterThan(0);
    expect(asked[0]).toMatchObject({
      ':method': 'GET',
      ':scheme': 'http',
      ':path': '/health?deep=1',
      ':authority': 'shop.example.com',
      'user-agent': 'fermat-probe',
    });
  });

  test('connects anew every time, and asks on the connection of the first from the second on', async () => {
    const server = await origin(ok);
    const results = await probe(server.port, { count: 4 });
    expect(results.map(({ warm }) => warm)).toEqual([false, true, true, true]);
    await until(() => server.sockets.size === 0, 'the end of the connections');
  });

  test('times the first byte apart from the connect', async () => {
    const { port } = await origin((stream, headers) => setTimeout(ok, 80, stream, headers));
    const [result] = await probe(port);
    expect(result!.firstByteMs).toBeGreaterThanOrEqual(78);
    expect(result!.connectMs).toBeLessThan(60);
  });

  test('renews the warm connection after a GOAWAY, or when it was closed meanwhile, and that is no fault', async () => {
    const server = await origin(ok);
    const leave = [
      (session: ServerHttp2Session) => session.close(),
      (session: ServerHttp2Session) => session.destroy(),
      (session: ServerHttp2Session) => session.goaway(),
    ];
    for (const end of leave) {
      server.sessions.length = 0;
      const results = await probe(server.port, {
        count: 3,
        before: (count) => {
          if (count === 2) for (const session of server.sessions) if (!session.destroyed) end(session);
        },
      });
      expect(results.map((result) => [result.ok, result.warm])).toEqual([
        [true, false],
        [true, true],
        [true, false],
      ]);
    }
  });

  test('asks again on a new connection when the warm one refuses the request', async () => {
    let requests = 0;
    const { port } = await origin((stream, headers) => {
      if (++requests === 2) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else ok(stream, headers);
    });
    const results = await probe(port, { count: 2 });
    expect(results.map((result) => [result.ok, result.warm])).toEqual([
      [true, false],
      [true, false],
    ]);
    expect(requests).toBe(3);
  });

  test('takes an endless answer for good once its head is', async () => {
    const { port } = await origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('data: x\n\n');
    });
    const [result] = await probe(port, { spec: { timeoutMs: 150 } });
    expect(result).toMatchObject({ ok: true, status: 200 });
  });

  test('reads no more than 64 KiB of a large body', async () => {
    const { port } = await origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(4 << 20, 'x'));
    });
    const results = await probe(port, { count: 2 });
    expect(results.map((result) => result.ok)).toEqual([true, true]);
  });
});

describe('a probe of an h2c endpoint that fails says how', () => {
  const cases: readonly (readonly [what: string, handler: Handler, text: string | RegExp, failure: string])[] = [
    [
      'a status that is not expected',
      (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
      'status 503, expected 200-399',
      'status',
    ],
    [
      'a body that lacks what is expected',
      (stream) => stream.respond({ ':status': 200 }, { endStream: true }),
      'body lacks "well"',
      'body',
    ],
    [
      'a refused request',
      (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
      'request reset (REFUSED_STREAM) before an answer',
      'protocol',
    ],
    [
      'a GOAWAY that means it',
      (stream) => stream.session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0),
      'connection closed (ENHANCE_YOUR_CALM) before an answer',
      'protocol',
    ],
    [
      'a connection that breaks off',
      (stream) => stream.session?.socket.destroy(),
      /^connection (closed|reset) before an answer$/,
      'protocol',
    ],
    ['silence', () => undefined, 'no answer in 150ms', 'timeout'],
    [
      'an answer that stops in the middle',
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('all is');
      },
      'body not complete in 150ms',
      'timeout',
    ],
  ];
  test.each(cases)('%s', async (_what, handler, text, failure) => {
    const { port } = await origin(handler);
    const [result] = await probe(port, { spec: { expectBody: 'well', timeoutMs: 150 } });
    expect(result).toMatchObject({ ok: false, failure });
    if (typeof text === 'string') expect(result!.error).toBe(text);
    else expect(result!.error).toMatch(text);
  });

  test('an endpoint that speaks HTTP/1.1', async () => {
    const { port } = await listen(createHttp((_request, response) => response.end('all is well')));
    const [result] = await probe(port);
    expect(result).toMatchObject({ ok: false, failure: 'protocol', error: 'no HTTP/2 there (protocol error)' });
  });

  test('one that closes at once', async () => {
    const { port } = await listen(createTcp((socket) => socket.once('data', () => socket.end())));
    const [result] = await probe(port);
    expect(result).toMatchObject({ ok: false, failure: 'protocol', error: 'connection closed before an answer' });
  });
});

describe('a probe of an h2 endpoint', () => {
  const secure = (options: object = {}): Promise<Running & { names: (string | false)[]; subjects: unknown[] }> => {
    const names: (string | false)[] = [];
    const subjects: unknown[] = [];
    const server = createSecureServer({ cert: good.cert, key: good.key, ...options });
    server.on('stream', ok);
    server.on('secureConnection', (socket: TLSSocket) => {
      names.push(socket.servername ?? false);
      subjects.push(socket.getPeerCertificate()?.subject?.CN);
    });
    return listen(server as unknown as Server).then((running) => Object.assign(running, { names, subjects }));
  };

  test('agrees on it by ALPN, with SNI and the pool’s own CA, and times the handshake by itself', async () => {
    const server = await secure();
    const tls = { ca: good.cert.toString(), serverName: 'origin.test' };
    const results = await probe(server.port, { scheme: 'h2', tls, count: 3 });
    expect(results.map((result) => [result.ok, result.warm, result.error])).toEqual([
      [true, false, null],
      [true, true, null],
      [true, true, null],
    ]);
    for (const result of results) expect(result.tlsMs).toBeGreaterThan(0);
    expect(new Set(server.names)).toEqual(new Set(['origin.test']));
  });

  test('shows its client certificate', async () => {
    const mine = makeCertificate(directory, 'edge.test');
    const server = await secure({ requestCert: true, rejectUnauthorized: true, ca: mine.cert });
    const tls = { ca: good.cert.toString(), cert: mine.cert.toString(), key: mine.key.toString() };
    const [result] = await probe(server.port, { scheme: 'h2', tls });
    expect(result).toMatchObject({ ok: true, status: 200 });
    expect(server.subjects).toEqual(['edge.test']);
  });

  test('does not trust a certificate that does not verify', async () => {
    const server = await secure();
    expect((await probe(server.port, { scheme: 'h2' }))[0]).toMatchObject({
      ok: false,
      failure: 'tls',
      error: 'self-signed certificate',
    });
    const tls = { ca: good.cert.toString(), serverName: 'other.test' };
    expect((await probe(server.port, { scheme: 'h2', tls }))[0]).toMatchObject({
      ok: false,
      failure: 'tls',
      error: 'certificate is for another name',
    });
  });

  test('does not fall back to HTTP/1.1', async () => {
    let requests = 0;
    const server = createHttps({ cert: good.cert, key: good.key }, (_request, response) => {
      requests++;
      response.end('all is well');
    });
    const { port } = await listen(server as unknown as Server);
    const [result] = await probe(port, { scheme: 'h2', tls: { ca: good.cert.toString() } });
    expect(result).toMatchObject({ ok: false, failure: 'tls' });
    expect(requests).toBe(0);
  });
});

test('fermat probe takes h2:// and h2c:// addresses', async () => {
  const { port } = await origin(ok);
  const server = createSecureServer({ cert: good.cert, key: good.key });
  server.on('stream', ok);
  const secured = await listen(server as unknown as Server);
  const lines: string[] = [];
  const code = await probeVerb([`h2c://127.0.0.1:${port}/`, `h2://127.0.0.1:${secured.port}/`], {
    verify: false,
    json: true,
    print: (line) => lines.push(line),
  });
  expect(code).toBe(0);
  expect(JSON.parse(lines.join(''))).toMatchObject([
    { ok: true, status: 200, tlsMs: null },
    { ok: true, status: 200, tlsMs: expect.any(Number) },
  ]);
});
