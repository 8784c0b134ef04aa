// A listener over TLS, end to end: which certificate is shown, what is agreed on, what is told to endpoints, and that a
// connection over TLS behaves like any other when its client goes, half-closes, streams or is cut off.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { Pki, tlsClient, tlsConnect, tlsListener } from '../support/pki.ts';
import { get } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const MB = 1_000_000;
/** From the client's going to the end of the request at the endpoint; on a busy machine a little more. */
const GONE_MS = 100;
const SLACK_MS = 60;
const pki = new Pki();
const chunkLine = (part: Buffer): Buffer => Buffer.from(`${part.length.toString(16)}\r\n`);
let origin: Origin;
let fermat: Fermat;
let port: number;

beforeAll(async () => {
  origin = await startOrigin();
  const first = pki.issue('first', { san: 'DNS:example.com,DNS:*.example.com,IP:127.0.0.1' });
  const exact = pki.issue('exact', { san: 'DNS:www.example.com,DNS:MiXed.test', key: 'rsa' });
  const old = pki.issue('old.test', { subject: '/CN=Old.test' });
  const local = { ...tlsListener([first]), name: 'local', address: `unix:${pki.file('fermat.sock')}` };
  fermat = await startFermat(
    simpleConfig(
      [origin.url],
      {},
      { listeners: [tlsListener([first, exact, old]), local], limits: { headTimeout: '1s' } },
    ),
  );
  port = fermat.ports.https!;
});

afterEach(() => {
  const faults = [...origin.faults];
  origin.reset();
  expect(faults).toEqual([]);
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});

afterAll(async () => {
  await fermat?.stop();
  await origin?.refuse();
  pki[Symbol.dispose]();
});

/** The common name of the certificate shown for an SNI. */
async function shownFor(servername: string): Promise<string> {
  const socket = await tlsConnect(port, { servername });
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

describe('the certificate', () => {
  it('is the one that names the host, exactly before by wildcard, in any case', async () => {
    expect(await shownFor('www.example.com')).toBe('exact');
    expect(await shownFor('WWW.Example.COM')).toBe('exact');
    expect(await shownFor('mixed.TEST')).toBe('exact');
    expect(await shownFor('api.example.com')).toBe('first');
    expect(await shownFor('example.com')).toBe('first');
  });

  it('is the first where none names the host, or no host is named', async () => {
    expect(await shownFor('elsewhere.test')).toBe('first');
    expect(await shownFor('a.b.example.com')).toBe('first');
    expect(await shownFor('')).toBe('first');
  });

  it('is found by its common name when it has no subjectAltName', async () => {
    expect(await shownFor('old.test')).toBe('Old.test');
  });

  it('is no host, however strange the name that is asked for', async () => {
    for (const servername of ['__proto__', 'constructor', '*', '*.example.com', '.', 'a'.repeat(255), '..example.com'])
      expect(await shownFor(servername)).toBe('first');
  });
});

describe('what is agreed on', () => {
  it('is HTTP/1.1 by ALPN, and without ALPN', async () => {
    const offered = await tlsConnect(port, { ALPNProtocols: ['spdy/1', 'http/1.1'] });
    expect(offered.alpnProtocol).toBe('http/1.1');
    offered.destroy();
    using plain = await tlsClient(port, { ALPNProtocols: [] });
    expect((plain.socket as TLSSocket).alpnProtocol).toBe(false);
    await plain.send(get('/'));
    expect((await plain.answer()).status).toBe(200);
  });

  it('is nothing when no protocol is shared: the handshake fails with the alert for it', async () => {
    await expect(tlsConnect(port, { ALPNProtocols: ['spdy/1'] })).rejects.toThrow(/no application protocol/i);
  });

  it('is never TLS 1.1', async () => {
    await expect(
      tlsConnect(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }),
    ).rejects.toThrow();
    const socket = await tlsConnect(port, { maxVersion: 'TLSv1.2' });
    expect(socket.getProtocol()).toBe('TLSv1.2');
    socket.destroy();
  });
});

describe('a request over TLS', () => {
  it('reaches the endpoint as https, whatever the client says about it', async () => {
    using client = await tlsClient(port, { servername: 'example.com' });
    await client.send(
      get('/a', 'X-Forwarded-Proto: http\r\nX-Forwarded-Client-Cert: Hash=0\r\nX_Forwarded.Client_Cert: 1\r\n'),
    );
    const answer = await client.answer();
    expect(answer.status).toBe(200);
    const { request } = origin;
    expect(request.all('x-forwarded-proto')).toEqual(['https']);
    expect(request.all('x-forwarded-port')).toEqual([String(port)]);
    expect(request.head.toLowerCase()).not.toMatch(/client.cert/);
  });

  it('for a host that the certificate does not cover is a 421, and the connection goes on', async () => {
    using client = await tlsClient(port, { servername: 'www.example.com' });
    await client.send('GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n');
    const answer = await client.answer();
    expect(answer.status).toBe(421);
    expect(answer.field('proxy-status')).toBe('fermat; error=http_request_denied');
    for (const host of ['www.example.com', 'WWW.EXAMPLE.COM:8443', 'www.example.com.']) {
      await client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect((await client.answer()).status).toBe(200);
    }
    expect(origin.requests.length).toBe(3);
  });

  it('may name the address, or no host in HTTP/1.0', async () => {
    using client = await tlsClient(port);
    await client.send(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    expect((await client.answer()).status).toBe(200);
    using old = await tlsClient(port);
    await old.send('GET / HTTP/1.0\r\n\r\n');
    expect((await old.answer()).status).toBe(200);
  });

  it('is taken over a UNIX socket', async () => {
    const below = connect({ path: pki.file('fermat.sock') });
    using client = await tlsClient(0, { socket: below });
    await client.send(get('/'));
    expect((await client.answer()).status).toBe(200);
    expect(origin.request.all('x-forwarded-proto')).toEqual(['https']);
  });

  it('is answered in order with those pipelined behind it', async () => {
    origin.script = (request) => request.answer(200, request.target);
    using client = await tlsClient(port);
    await client.send(get('/1') + get('/2') + get('/3'));
    for (const path of ['/1', '/2', '/3']) expect((await client.answer()).text).toBe(path);
  });

  it('is taken from curl', async () => {
    const args = ['-s', '--cacert', pki.file('first.pem'), '--resolve', `example.com:${port}:127.0.0.1`];
    const out = await promisify(execFile)('curl', [
      ...args,
      '-w',
      '%{http_code}',
      '-o',
      '/dev/null',
      `https://example.com:${port}/`,
    ]);
    expect(out.stdout).toBe('200');
  });

  it('and its answer are streamed, however large', async () => {
    const body = Buffer.alloc(5 * MB, 'x');
    origin.script = async (request) => {
      await request.whole();
      request.answer(200, Buffer.alloc(request.bodyBytes + 1, 'y'));
    };
    using client = await tlsClient(port);
    await client.send(`POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: ${body.length}\r\n\r\n`);
    await client.send(body);
    expect((await client.answer('POST')).body.length).toBe(5 * MB + 1);
    await client.send(get('/again'));
    expect((await client.answer()).status).toBe(200);
  });

  // Bodies are read into memory that is used again: over TLS as soon as it is encrypted, and never before.
  it('and its answer arrive as they were sent, many at once, whoever is slow', async () => {
    const bodies = Array.from({ length: 6 }, () => randomBytes(3 * MB));
    origin.script = async (request) => request.answer(200, await request.whole());
    await Promise.all(
      bodies.map(async (body, i) => {
        using client = await tlsClient(port);
        const isChunked = i % 2 === 0;
        const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`;
        await client.send(`POST / HTTP/1.1\r\nHost: example.com\r\n${framing}\r\n\r\n`);
        for (let at = 0; at < body.length; at += 100_000) {
          const part = body.subarray(at, at + 100_000);
          await client.send(isChunked ? Buffer.concat([chunkLine(part), part, Buffer.from('\r\n')]) : part);
          if (i < 2) await delay(1);
        }
        if (isChunked) await client.send('0\r\n\r\n');
        if (i > 2) client.socket.pause();
        await delay(100);
        client.socket.resume();
        expect((await client.answer('POST')).body.equals(body)).toBe(true);
      }),
    );
  });

  it('has the first event of a stream at once', async () => {
    const { promise: sent, resolve } = Promise.withResolvers<number>();
    origin.script = async (request) => {
      request.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
      await delay(50);
      request.send('9\r\ndata: 1\n\n\r\n');
      resolve(performance.now());
    };
    using client = await tlsClient(port);
    using watch = new Stopwatch();
    await client.send(get('/events'));
    await until(() => client.pending.includes('data: 1'));
    expect(performance.now() - (await sent)).toBeLessThan(watch.allowed(50));
  });
});

describe('a client over TLS', () => {
  it.each([
    ['TLSv1.2'],
    ['TLSv1.3'],
  ] as const)('that goes has its request cancelled within 100 ms (%s)', async (version) => {
    origin.script = () => {};
    const options = { minVersion: version, maxVersion: version };
    for (const leave of [(s: TLSSocket) => s.destroy(), (s: TLSSocket) => s.end(() => s.destroy())]) {
      origin.requests.length = 0;
      const socket = await tlsConnect(port, options);
      socket.write(get('/slow'));
      const request = await origin.nth(1);
      await delay(60); // a FIN right behind the request would be a half-close
      using watch = new Stopwatch();
      leave(socket);
      await until(() => request.connection.isClosed, 'the cancelled request');
      expect(request.connection.closedAtMs - watch.startMs).toBeLessThan(watch.allowed(GONE_MS + SLACK_MS));
    }
  });

  it('that half-closes behind its request gets its answer', async () => {
    origin.script = async (request) => {
      await delay(300);
      request.answer(200, 'late');
    };
    using client = await tlsClient(port);
    await client.send(get('/'));
    client.halfClose();
    expect((await client.answer()).text).toBe('late');
    expect(await client.closed()).toBe('end');
  });

  it('sees that an answer without a length was cut off', async () => {
    origin.script = async (request) => {
      request.send('HTTP/1.1 200 OK\r\n\r\npart');
      await delay(50);
      request.reset();
    };
    using client = await tlsClient(port);
    await client.send('GET / HTTP/1.0\r\nHost: example.com\r\n\r\n');
    expect(await client.rest()).toMatch(/part$/);
    await until(() => client.isClosed);
    expect(client.wasReset).toBe(true);
  });

  it('is refused a bad request in words, and closed in order', async () => {
    using client = await tlsClient(port);
    await client.send('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
    expect((await client.answer()).status).toBe(400);
    expect(await client.closed()).toBe('end');
    using slow = await tlsClient(port);
    await slow.send('GET / HT');
    expect((await slow.answer('GET', 5000)).status).toBe(408);
  });
});

it('says https where it listens, and counts handshakes', async () => {
  expect(fermat.stdout).toContain(`listening https on https://127.0.0.1:${port}`);
  const before = await fermat.metric('fermat_tls_handshakes_total', 'listener="https"', 'result="ok"');
  using client = await tlsClient(port);
  await client.send(get('/', 'Connection: close\r\n'));
  expect((await client.answer()).status).toBe(200);
  client.destroy();
  await until(async () => (await fermat.metric('fermat_tls_handshakes_total', 'result="ok"')) > before);
  await until(async () => (await fermat.metric('fermat_connections', 'listener="https"')) === 0);
});
