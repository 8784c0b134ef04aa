// Endpoints over HTTP/2 (h2c and h2): a real node:http2 server behind the real process, clients over HTTP/1.1. What is shared,
// what is retried because the endpoint said that it had not looked at it, and what is shown when it breaks off.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { get, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

type Script = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, session: ServerHttp2Session) => void;

class H2Origin {
  script: Script = echo;
  readonly sessions = new Set<ServerHttp2Session>();
  sessionsEver = 0;
  readonly server: Http2Server;

  constructor(server: Http2Server) {
    this.server = server;
    server.on('session', (session) => {
      this.sessionsEver++;
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session));
      session.on('error', () => {});
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      this.script(stream as ServerHttp2Stream, headers, stream.session as ServerHttp2Session);
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  close(): void {
    for (const session of this.sessions) session.destroy();
    this.server.close();
  }
}

function echo(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    stream.end(JSON.stringify({ bytes, headers }));
  });
}

const origins: H2Origin[] = [];
const tcp: Server[] = [];
let directory: string;
let fermat: Fermat;
let plain: H2Origin;
let other: H2Origin;
let narrow: H2Origin;
let secure: H2Origin;

async function originOf(server: Http2Server): Promise<H2Origin> {
  const origin = await new H2Origin(server).listen();
  origins.push(origin);
  return origin;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fermat-h2-'));
  const file = (name: string): string => join(directory, name);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key.pem')];
  const args = ['req', '-x509', ...key, '-out', file('cert.pem'), '-days', '2', ...subject];
  execFileSync('openssl', args, { stdio: 'ignore' });
  const identity = { key: readFileSync(file('key.pem')), cert: readFileSync(file('cert.pem')) };
  plain = await originOf(createServer({ settings: { enableConnectProtocol: true } }));
  other = await originOf(createServer());
  narrow = await originOf(createServer({ settings: { maxConcurrentStreams: 5 } }));
  secure = await originOf(createSecureServer(identity) as unknown as Http2Server);
  const http1 = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
  });
  const silent = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
  });
  for (const server of [http1, silent]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    tcp.push(server);
  }
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;
  const h2c = ({ port }: { readonly port: number }): string => `h2c://127.0.0.1:${port}`;
  const none: Config = { retry: { attempts: 0 } };
  fermat = await startFermat({
    pools: {
      plain: poolOf([h2c(plain)], none),
      both: poolOf([h2c(plain), h2c(other)], { balance: { policy: 'round-robin' } }, 'b'),
      narrow: poolOf([h2c(narrow)], none, 'n'),
      secure: poolOf([`h2://127.0.0.1:${secure.port}`], { ...none, tls: { ca: file('cert.pem') } }, 's'),
      distrusted: poolOf([`h2://127.0.0.1:${secure.port}`], none, 'd'),
      http1: poolOf([`h2c://127.0.0.1:${portOf(http1)}`], none, 'h'),
      silent: poolOf([`h2c://127.0.0.1:${portOf(silent)}`], { ...none, timeouts: { connect: '300ms' } }, 'q'),
      hasty: poolOf([h2c(other)], { ...none, timeouts: { idle: '200ms' } }, 'i'),
    },
    routes: [
      { pool: 'plain' },
      ...['both', 'narrow', 'secure', 'distrusted', 'http1', 'silent', 'hasty'].map((pool) => ({
        path: `/${pool}`,
        pool,
      })),
    ],
  });
});

afterEach(() => {
  for (const origin of origins) origin.script = echo;
  expect(fermat.exit).toBeNull();
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});

afterAll(async () => {
  await fermat?.stop();
  for (const origin of origins) origin.close();
  for (const server of tcp) server.close();
  rmSync(directory, { recursive: true, force: true });
});

const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${fermat.port}${path}`, { ...init, signal: AbortSignal.timeout(8000) });

describe('an exchange over HTTP/2', () => {
  it('carries the request as it is, its host as :authority, and none of HTTP/1.1’s own fields', async () => {
    using client = await rawClient(fermat.port);
    await client.send(
      'GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, x-secret\r\nX-Secret: 1\r\nTE: trailers\r\nCookie: a=b\r\n\r\n',
    );
    const answer = await client.answer();
    const { headers } = JSON.parse(answer.text) as { headers: Record<string, string> };
    expect(headers).toMatchObject({
      ':method': 'GET',
      ':path': '/a?b=c',
      ':scheme': 'http',
      ':authority': 'shop.example',
      te: 'trailers',
      cookie: 'a=b',
      via: '1.1 fermat',
      'x-forwarded-host': 'shop.example',
    });
    for (const name of ['connection', 'x-secret', 'host', 'keep-alive', 'upgrade'])
      expect(headers[name]).toBeUndefined();
    expect(answer.field('via')).toBe('2.0 fermat');
  });

  it('streams bodies both ways, with and without a length', async () => {
    const body = Buffer.alloc(3_000_000, 'x');
    expect(await (await ask('/up', { method: 'POST', body })).json()).toMatchObject({ bytes: body.length });
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 30; i++) controller.enqueue(new Uint8Array(100_000));
        controller.close();
      },
    });
    const chunked = await ask('/up', { method: 'POST', body: stream, duplex: 'half' } as RequestInit);
    expect(await chunked.json()).toMatchObject({ bytes: 3_000_000 });
    plain.script = (s) => {
      s.respond({ ':status': 200, 'content-length': 5_000_000 });
      s.end(Buffer.alloc(5_000_000, 'y'));
    };
    expect((await (await ask('/down')).arrayBuffer()).byteLength).toBe(5_000_000);
  });

  it('passes trailers on, both ways', async () => {
    let seen: IncomingHttpHeaders = {};
    plain.script = (stream) => {
      stream.on('trailers', (trailers) => {
        seen = trailers;
      });
      stream.resume();
      stream.on('end', () => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
        stream.end('body');
      });
    };
    using client = await rawClient(fermat.port);
    await client.send(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nX-Sent: 7\r\n\r\n',
    );
    const answer = await client.answer('POST');
    expect(answer.text).toBe('body');
    expect(answer.trailers).toEqual([['x-sum', '42']]);
    expect(seen['x-sent']).toBe('7');
  });

  it('gives HEAD, 204 and 304 no body, and passes on interim answers', async () => {
    plain.script = (stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.respond(
        {
          ':status': Number(headers['x-status'] ?? 200),
          'content-length': headers[':method'] === 'HEAD' ? 99 : undefined,
        },
        { endStream: true },
      );
    };
    using client = await rawClient(fermat.port);
    await client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
    const head = await client.answer('HEAD');
    expect([head.status, head.field('content-length'), head.interims.length]).toEqual([200, '99', 1]);
    for (const status of [204, 304]) {
      await client.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Status: ${status}\r\n\r\n`);
      expect((await client.answer()).status).toBe(status);
    }
  });

  it('works over TLS with a CA of its own, and a certificate that does not verify is a 502', async () => {
    expect(await (await ask('/secure/x', { method: 'POST', body: 'hello' })).json()).toMatchObject({
      bytes: 5,
      headers: { ':scheme': 'https' },
    });
    const refused = await ask('/distrusted');
    expect([refused.status, refused.headers.get('proxy-status')]).toEqual([502, 'fermat; error=tls_certificate_error']);
  });

  it('carries a WebSocket as extended CONNECT (RFC 8441)', async () => {
    plain.script = (stream, headers) => {
      expect([headers[':method'], headers[':protocol']]).toEqual(['CONNECT', 'websocket']);
      expect(headers['sec-websocket-key']).toBeUndefined();
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    };
    using client = await rawClient(fermat.port);
    await client.send(
      'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const answer = await client.answer();
    expect([answer.status, answer.field('sec-websocket-accept')]).toEqual([101, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
    await client.send('ping, raw');
    await until(() => client.pending.toString() === 'ping, raw', 'the echo');
    client.socket.end();
    await until(() => client.hasEnded, 'the end of the tunnel');
  });
});

describe('one connection', () => {
  it('is shared by requests at the same time', async () => {
    const before = plain.sessionsEver;
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(`/shared/${i}`)));
    expect(answers.map(({ status }) => status)).toEqual(new Array(60).fill(200));
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    expect(plain.sessions.size).toBe(1);
    expect(plain.sessionsEver - before).toBeLessThanOrEqual(1);
  });

  it('carries no more requests at once than the endpoint takes; a few more are opened, and all are answered', async () => {
    let open = 0;
    let most = 0;
    const perSession = new Map<ServerHttp2Session, number>();
    narrow.script = (stream, _headers, session) => {
      const now = (perSession.get(session) ?? 0) + 1;
      perSession.set(session, now);
      most = Math.max(most, now);
      open++;
      setTimeout(() => {
        perSession.set(session, perSession.get(session)! - 1);
        stream.respond({ ':status': 200 });
        stream.end('ok');
      }, 10);
    };
    const answers = await Promise.all(
      Array.from({ length: 120 }, () => ask('/narrow').then((answer) => answer.text())),
    );
    expect(answers).toEqual(new Array(120).fill('ok'));
    expect(open).toBe(120);
    expect(most).toBeLessThanOrEqual(5);
    expect(narrow.sessions.size).toBeLessThanOrEqual(8);
  });

  it('closes when nobody has used it for a while', async () => {
    await (await ask('/hasty')).arrayBuffer();
    await until(() => other.sessions.size === 0, 'the close of the idle connection');
  });

  it('that is drained by GOAWAY under load loses nothing, POSTs included', async () => {
    let count = 0;
    plain.script = (stream, headers, session) => {
      if (++count % 20 === 0) session.close(); // GOAWAY, and what was begun is finished
      echo(stream, headers);
    };
    const statuses = new Set<number>();
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(
        Array.from({ length: 15 }, (_, i) => ask(`/drained/${i}`, { method: 'POST', body: 'x'.repeat(100) })),
      );
      for (const answer of answers) {
        statuses.add(answer.status);
        await answer.arrayBuffer();
      }
    }
    expect([...statuses]).toEqual([200]);
  });

  it('is given up for streams beyond a GOAWAY’s last one: they were not looked at, so even a POST is repeated', async () => {
    await (await ask('/before')).arrayBuffer(); // the first stream of a connection has no predecessor to name
    let isFirst = true;
    plain.script = (stream, headers, session) => {
      if (!isFirst) return echo(stream, headers);
      isFirst = false;
      session.goaway(constants.NGHTTP2_NO_ERROR, stream.id! - 2);
    };
    const answer = await ask('/unseen', { method: 'POST', body: 'once' });
    expect([answer.status, await answer.json()]).toMatchObject([200, { bytes: 4 }]);
  });
});

describe('when an endpoint', () => {
  it('refuses a stream, a POST is repeated', async () => {
    let refusals = 0;
    plain.script = (stream, headers) => {
      if (refusals++ === 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else echo(stream, headers);
    };
    const answer = await ask('/refused', { method: 'POST', body: 'abc' });
    expect([answer.status, await answer.json()]).toMatchObject([200, { bytes: 3 }]);
  });

  it('resets a stream before it answers, a POST is a 502 and the connection lives on', async () => {
    await (await ask('/first')).arrayBuffer();
    const [session] = plain.sessions;
    plain.script = (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    expect((await ask('/reset', { method: 'POST', body: 'abc' })).status).toBe(502);
    plain.script = echo;
    expect((await ask('/after')).status).toBe(200);
    expect([...plain.sessions]).toContain(session);
  });

  it('breaks off in mid-body, the client sees that it is not whole', async () => {
    plain.script = (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half');
      setTimeout(() => stream.destroy(new Error('scripted')), 20); // close() would say END_STREAM first
    };
    using client = await rawClient(fermat.port);
    await client.send(get('/half'));
    await expect(client.answer()).rejects.toThrow();
    expect(client.pending.toString('latin1')).not.toContain('0\r\n\r\n');
  });

  it('dies with requests under way, GETs are answered by another one', async () => {
    let isHanging = true;
    plain.script = (stream, headers) => {
      if (!isHanging) echo(stream, headers);
    };
    const answers = Promise.all(Array.from({ length: 20 }, (_, i) => ask(`/both/${i}`)));
    await until(() => plain.sessions.size > 0, 'a connection');
    await new Promise((resolve) => setTimeout(resolve, 100));
    isHanging = false;
    for (const session of plain.sessions) session.destroy();
    expect((await answers).map(({ status }) => status)).toEqual(new Array(20).fill(200));
  });

  it('does not speak HTTP/2, that is a failed connect: told at once, never a hang', async () => {
    const answer = await ask('/http1', { method: 'POST', body: 'abc' });
    expect(answer.status).toBe(502);
    const fromMs = performance.now();
    expect((await ask('/silent')).status).toBe(504);
    expect(performance.now() - fromMs).toBeLessThan(3000);
  });

  it('announces another length than it sends, that is not passed off as whole', async () => {
    plain.script = (stream) => {
      stream.respond({ ':status': 200, 'content-length': 10 });
      stream.end('short');
    };
    using client = await rawClient(fermat.port);
    await client.send(get('/lie'));
    await expect(client.answer()).rejects.toThrow();
  });
});

describe('a client', () => {
  it('that goes away cancels its stream within 100 ms, and no other', async () => {
    const closed: number[] = [];
    plain.script = (stream, headers) => {
      if (headers[':path'] !== '/stay') stream.on('close', () => closed.push(performance.now()));
      else
        setTimeout(() => {
          stream.respond({ ':status': 200 });
          stream.end();
        }, 400);
      stream.resume();
    };
    const stays = ask('/stay');
    const client = await rawClient(fermat.port);
    await client.send(get('/gone'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    using watch = new Stopwatch();
    client.socket.destroy();
    await until(() => closed.length === 1, 'the reset of the stream');
    expect(closed[0]! - watch.startMs).toBeLessThan(watch.allowed(200));
    expect((await stays).status).toBe(200);
  });

  it('that does not read holds its own answer back, and nobody else’s', async () => {
    let sent = 0;
    plain.script = (stream, headers) => {
      if (headers[':path'] !== '/large') return echo(stream, headers);
      stream.respond({ ':status': 200 });
      const more = (): void => {
        while (sent < 200_000_000) {
          sent += 65_536;
          if (!stream.write(Buffer.alloc(65_536))) {
            stream.once('drain', more);
            return;
          }
        }
      };
      more();
    };
    using client = await rawClient(fermat.port);
    client.socket.pause();
    await client.send(get('/large'));
    await until(() => sent > 100_000, 'the first bytes');
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stood = sent;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent).toBe(stood);
    expect(sent).toBeLessThan(20_000_000);
    expect((await ask('/small')).status).toBe(200);
  });
});
