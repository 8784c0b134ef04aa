// Bodies on their way through a compressor: at flat memory, held back by slow clients, sent on when the endpoint pauses, cut
// visibly when it breaks off, and let go of when the client goes. Which answers are compressed: compression.test.ts.

import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectH2, constants } from 'node:http2';
import { finished, pipeline } from 'node:stream/promises';
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
} from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Config, poolOf } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import type { OriginRequest } from '../support/origin.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const CODINGS = ['zstd', 'br', 'gzip'] as const;
type Coding = (typeof CODINGS)[number];
const UNDOING = { gzip: createGunzip, br: createBrotliDecompress, zstd: createZstdDecompress };
/** MAX_STREAMING of src/data/compress/coder.ts. */
const MAX_STREAMING = 128;
const MIB = 1 << 20;

const rig = useRig(
  (origin): Config => ({
    pools: { main: poolOf([origin.url]) },
    routes: [{ name: 'all', pool: 'main', compress: CODINGS }],
  }),
);

const accept = (coding: string) => `Accept-Encoding: ${coding}\r\n`;
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const chunkOf = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Half of it compresses; its period is longer than the windows of the compressors, and no buffer's size. */
const NOISE = createHash('shake256', { outputLength: 400_009 }).update('fermat').digest();
const PIECE = Buffer.from(NOISE.map((byte, i) => (i % 3 === 0 ? byte : 97 + (byte & 3))));
/** Does not compress at all, but says it is text. */
const randomText = (bytes: number) => createHash('shake256', { outputLength: bytes }).update(`${bytes}`).digest();

/** A GET by Node's own client, not yet read. */
async function ask(coding: string, path = '/'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port: rig.port, path, agent: false, headers: { 'accept-encoding': coding } },
      resolve,
    );
    request.on('error', reject).end();
  });
}

/** Pours `bytes` of PIECE into a connection as fast as it takes them; gives their hash. `written` sees how many so far. */
async function pour(
  request: OriginRequest,
  bytes: number,
  written: (bytes: number) => void = () => {},
): Promise<string> {
  const sum = createHash('sha1');
  const { socket } = request.connection;
  for (let done = 0; done < bytes && !socket.destroyed; ) {
    const piece = PIECE.subarray(0, Math.min(PIECE.length, bytes - done));
    sum.update(piece);
    done += piece.length;
    const hasRoom = socket.write(piece);
    written(done);
    if (!hasRoom) await until(() => socket.destroyed || !socket.writableNeedDrain, 'room', 30_000);
  }
  return sum.digest('hex');
}

/** Undone on the fly: hash and length of what an answer says. */
async function undone(answer: IncomingMessage, coding: Coding): Promise<{ hash: string; bytes: number }> {
  expect(answer.headers['content-encoding']).toBe(coding);
  const sum = createHash('sha1');
  let bytes = 0;
  await pipeline(answer, UNDOING[coding](), async (content) => {
    for await (const part of content) {
      sum.update(part as Buffer);
      bytes += (part as Buffer).length;
    }
  });
  return { hash: sum.digest('hex'), bytes };
}

/** Waits until `read` gives the same for a while. */
async function settled(read: () => number): Promise<number> {
  let last = -1;
  await until(
    async () => {
      const isStill = read() === last && last > 0;
      last = read();
      await delay(150);
      return isStill;
    },
    'a standstill',
    15_000,
  );
  return last;
}

describe.each(CODINGS)('%s', (coding) => {
  it('carries 64 MiB at flat memory, byte by byte', async () => {
    let sent = '';
    rig.origin.script = async (request) => {
      request.send(`${HEAD}Content-Length: ${64 * MIB}\r\n\r\n`);
      sent = await pour(request, 64 * MIB);
    };
    const before = rig.fermat.rssBytes;
    const { hash, bytes } = await undone(await ask(coding), coding);
    expect([bytes, hash]).toEqual([64 * MIB, sent]);
    expect(rig.fermat.rssBytes - before).toBeLessThan(40 * MIB);
  });

  it('holds the endpoint back while the client does not read, and goes on when it does', async () => {
    let written = 0;
    let sent = '';
    rig.origin.script = async (request) => {
      request.send(`${HEAD}Content-Length: ${48 * MIB}\r\n\r\n`);
      sent = await pour(request, 48 * MIB, (bytes) => {
        written = bytes;
      });
    };
    const before = rig.fermat.rssBytes;
    const answer = await ask(coding);
    const stoppedAt = await settled(() => written);
    expect(stoppedAt).toBeLessThan(47 * MIB);
    expect(rig.fermat.rssBytes - before).toBeLessThan(40 * MIB);
    const { hash, bytes } = await undone(answer, coding);
    expect([bytes, hash]).toEqual([48 * MIB, sent]);
  });

  it('sends on what an endpoint has said when it pauses', async () => {
    const resumed = Promise.withResolvers<void>();
    rig.origin.script = async (request) => {
      request.send(CHUNKED + chunkOf('first words\n'));
      await resumed.promise;
      request.send(`${chunkOf('last words\n')}0\r\n\r\n`);
    };
    const answer = await ask(coding);
    const content = answer.pipe(UNDOING[coding]());
    let text = '';
    content.on('data', (part: Buffer) => {
      text += part.toString();
    });
    using watch = new Stopwatch();
    await until(() => text !== '', 'the first words');
    expect(watch.ms).toBeLessThan(watch.allowed(500)); // 25 to 50 ms on a quiet machine
    expect(text).toBe('first words\n');
    resumed.resolve();
    await finished(content);
    expect(text).toBe('first words\nlast words\n');
  });

  it('shows that a body is not whole when the endpoint breaks off in it', async () => {
    rig.origin.script = async (request) => {
      request.send(`${HEAD}Content-Length: ${MIB}\r\n\r\n`);
      await pour(request, 300_000);
      await delay(100);
      request.reset();
    };
    using client = await rawClient(rig.port);
    await client.send(get('/', accept(coding)));
    await client.closed();
    const received = client.pending.toString('latin1');
    expect(received).toContain(`\r\nContent-Encoding: ${coding}\r\n`);
    expect(client.received).toBeGreaterThan(50_000);
    expect(received.endsWith('\r\n0\r\n\r\n')).toBe(false);
    const failed = undone(await ask(coding), coding).catch((error: Error) => error);
    expect(await failed).toBeInstanceOf(Error);
  });
});

describe('small bodies', () => {
  it('that come slowly are sent on all the same', async () => {
    const body = 'x'.repeat(4000);
    const resumed = Promise.withResolvers<void>();
    rig.origin.script = async (request) => {
      request.send(`${HEAD}Content-Length: 4000\r\n\r\n${body.slice(0, 2000)}`);
      await resumed.promise;
      request.send(body.slice(2000));
    };
    using client = await rawClient(rig.port);
    await client.send(get('/', accept('gzip')));
    await until(() => client.received > 0, 'the head');
    resumed.resolve();
    const answer = await client.answer();
    expect([answer.framing, gunzipSync(answer.body).toString()]).toEqual(['chunked', body]);
  });

  it('that never become whole are a 502, since nothing has been said yet', async () => {
    rig.origin.script = (request) => {
      request.send(`${HEAD}Content-Length: 4000\r\n\r\n${'x'.repeat(2000)}`);
      request.reset();
    };
    const { answer } = await rig.passed(get('/', accept('gzip')));
    expect([answer.status, answer.field('content-encoding')]).toEqual([502, null]);
    expect(answer.field('proxy-status')).toContain('connection_terminated');
  });

  it('answer pipelined requests in their order', async () => {
    rig.origin.script = (request) => request.answer(200, request.target.repeat(3000), 'Content-Type: text/plain\r\n');
    using client = await rawClient(rig.port);
    const paths = ['/a', '/bb', '/ccc', '/d'];
    await client.send(paths.map((path) => get(path, accept('gzip'))).join(''));
    for (const path of paths) {
      const answer = await client.answer();
      expect(gunzipSync(answer.body).toString()).toBe(path.repeat(3000));
    }
  });
});

it('resets an HTTP/2 stream whose body breaks off, and leaves the connection as it is', async () => {
  rig.origin.script = async (request) => {
    if (request.target === '/good') return request.answer(200, 'good'.repeat(5000), 'Content-Type: text/plain\r\n');
    request.send(`${HEAD}Content-Length: ${MIB}\r\n\r\n`);
    await pour(request, 100_000);
    await delay(50);
    request.reset();
  };
  const session = connectH2(`http://127.0.0.1:${rig.port}`);
  const bad = session.request({ ':path': '/bad', 'accept-encoding': 'br' }).resume();
  await expect(finished(bad)).rejects.toThrow();
  expect(bad.rstCode).not.toBe(constants.NGHTTP2_NO_ERROR);
  const good = session.request({ ':path': '/good', 'accept-encoding': 'br' });
  const parts: Buffer[] = [];
  for await (const part of good) parts.push(part as Buffer);
  expect(brotliDecompressSync(Buffer.concat(parts)).toString()).toBe('good'.repeat(5000));
  session.close();
});

it('answers early in full while the client still sends, and is ready for its next request', async () => {
  const body = randomText(60_000);
  rig.origin.script = (request) =>
    request.answer(200, request.method === 'POST' ? body : 'next', 'Content-Type: text/plain\r\n');
  using client = await rawClient(rig.port);
  const upload = `POST / HTTP/1.1\r\nHost: example.com\r\n${accept('gzip')}Content-Length: 100000\r\n\r\n`;
  await client.send(upload + 'u'.repeat(1000));
  const answer = await client.answer('POST');
  expect(gunzipSync(answer.body).equals(body)).toBe(true);
  await client.send('u'.repeat(99_000) + get('/next'));
  expect((await client.answer()).text).toBe('next');
});

/** Endless answers, each begun and read no further than its first bytes. */
async function endless(count: number, fields: string): Promise<RawClient[]> {
  rig.origin.script = async (request) => {
    if (request.target !== '/endless') return request.answer(200, 'y'.repeat(20_000), 'Content-Type: text/plain\r\n');
    request.send(CHUNKED + chunkOf('x'.repeat(20_000)));
  };
  const clients = await Promise.all(Array.from({ length: count }, () => rawClient(rig.port)));
  await Promise.all(clients.map((client) => client.send(get('/endless', fields))));
  await until(() => clients.every(({ received }) => received > 0), 'the first bytes of all', 10_000);
  return clients;
}

describe('many at a time', () => {
  it('beyond what one worker compresses answers go out as they are, and are counted', async () => {
    const misses = () => rig.fermat.metric('fermat_compression_misses_total', 'route="all"', 'reason="busy"');
    const before = await misses();
    const clients = await endless(MAX_STREAMING, accept('gzip'));
    const { answer } = await rig.passed(get('/more', accept('gzip')));
    expect([answer.field('content-encoding'), answer.field('vary')]).toEqual([null, 'Accept-Encoding']);
    expect(answer.text).toBe('y'.repeat(20_000));
    expect((await misses()) - before).toBe(1);
    for (const client of clients) client.destroy();
    await until(
      async () => (await ask('gzip', '/again')).resume().headers['content-encoding'] === 'gzip',
      'a free compressor',
    );
  });

  it('small bodies that come slowly take no more compressors than there are', async () => {
    const body = 'x'.repeat(4000);
    const resumed = Promise.withResolvers<void>();
    rig.origin.script = async (request) => {
      request.send(`${HEAD}Content-Length: 4000\r\n\r\n${body.slice(0, 2000)}`);
      await resumed.promise;
      request.send(body.slice(2000));
    };
    const clients = await Promise.all(Array.from({ length: MAX_STREAMING + 20 }, () => rawClient(rig.port)));
    await Promise.all(clients.map((client) => client.send(get('/', accept('gzip')))));
    const begun = () => clients.filter(({ received }) => received > 0).length;
    await until(() => begun() >= MAX_STREAMING, 'the first bytes of most', 10_000);
    await delay(200);
    expect(begun()).toBe(MAX_STREAMING);
    resumed.resolve();
    for (const client of clients) {
      expect(gunzipSync((await client.answer()).body).toString()).toBe(body);
      client.destroy();
    }
  });

  it('lets go of compressors and endpoints when clients go, in the midst of a body', async () => {
    for (let round = 0; round < 3; round++) {
      const clients = await endless(MAX_STREAMING - 8, accept(CODINGS[round]!));
      for (const client of clients) client.reset();
      await until(
        () => rig.origin.open.every(({ requests }) => requests.at(-1)?.target !== '/endless'),
        'closed connections',
      );
    }
    const { answer } = await rig.passed(get('/after', accept('br')));
    expect(answer.field('content-encoding')).toBe('br');
    await until(async () => (await rig.fermat.metric('fermat_endpoint_inflight')) === 0, 'nothing in flight');
  });
});
