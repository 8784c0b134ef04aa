// Answers on routes with `compress`, seen from the client: which are compressed, what their header says, and that zlib undoes them.
// How the bodies flow: compression-flow.test.ts. What is negotiated by which Accept-Encoding: test/wire/accept.test.ts.

import { execFile } from 'node:child_process';
import { connect } from 'node:http2';
import { promisify } from 'node:util';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Config, poolOf } from '../support/fermat.ts';
import { get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';

const run = promisify(execFile);
const CODINGS = ['zstd', 'br', 'gzip'] as const;
const UNDO = {
  gzip: (bytes: Buffer) => gunzipSync(bytes),
  br: (bytes: Buffer) => brotliDecompressSync(bytes),
  zstd: (bytes: Buffer) => zstdDecompressSync(bytes),
};

const rig = useRig(
  (origin): Config => ({
    pools: { main: poolOf([origin.url]) },
    routes: [
      { name: 'off', path: '/off', pool: 'main' },
      { name: 'all', path: '/', pool: 'main', compress: ['zstd', 'br', 'gzip'] },
      { name: 'gzip', path: '/gzip', pool: 'main', compress: ['gzip'] },
      {
        name: 'edited',
        path: '/edited',
        pool: 'main',
        compress: ['gzip'],
        requestHeaders: { remove: ['Accept-Encoding'] },
        responseHeaders: { set: { Vary: 'Origin' } },
      },
      { name: 'own', path: '/own', respond: { status: 200, body: 'x'.repeat(3000) }, compress: ['gzip'] },
    ],
  }),
);

/** JSON-like, and not the same everywhere. */
function textOf(bytes: number): Buffer {
  let text = '';
  for (let i = 0; text.length < bytes; i++)
    text += `{"id":${i},"name":"a ${(i * 7919) % 1000}","price":${(i * 31) % 97}},\n`;
  return Buffer.from(text.slice(0, bytes), 'latin1');
}

const BODY = textOf(3000);
const TEXT = 'Content-Type: text/plain; charset=utf-8\r\n';
const accept = (coding: string) => `Accept-Encoding: ${coding}\r\n`;
const GZIP = accept('gzip');
const head = (fields: string, path = '/') => `HEAD ${path} HTTP/1.1\r\nHost: example.com\r\n${fields}\r\n`;

describe.each(CODINGS)('%s', (coding) => {
  it.each([1024, 5000, 8192, 8193, 40_000, 1_000_000])('carries %i bytes of known length', async (bytes) => {
    const body = textOf(bytes);
    rig.origin.script = (request) => request.answer(200, body, TEXT);
    const { answer } = await rig.passed(get('/', accept(coding)));
    expect([answer.field('content-encoding'), answer.field('vary')]).toEqual([coding, 'Accept-Encoding']);
    expect(answer.framing).toBe(bytes <= 8192 ? 'length' : 'chunked');
    expect(answer.body.length).toBeLessThan(bytes);
    expect(UNDO[coding](answer.body).equals(body)).toBe(true);
  });

  it.each([
    0, 1, 700, 20_000, 300_000,
  ])('carries %i bytes of unknown length, and the trailers behind them', async (bytes) => {
    const body = textOf(bytes);
    rig.origin.script = (request) => {
      const chunk = bytes === 0 ? '' : `${bytes.toString(16)}\r\n${body.toString('latin1')}\r\n`;
      request.send(
        `HTTP/1.1 200 OK\r\n${TEXT}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\nX-Sum: 12\r\nDigest: md5=x\r\n\r\n`,
      );
    };
    const { answer } = await rig.passed(get('/', accept(coding)));
    expect(answer.field('content-encoding')).toBe(coding);
    expect(answer.trailers).toEqual([['X-Sum', '12']]);
    expect(UNDO[coding](answer.body).equals(body)).toBe(true);
  });

  it('is understood by curl, over HTTP/1.1 and HTTP/2', async () => {
    const body = textOf(200_000);
    rig.origin.script = (request) => request.answer(200, body, TEXT);
    for (const version of ['--http1.1', '--http2-prior-knowledge']) {
      const url = `http://127.0.0.1:${rig.port}/`;
      const flags = ['-sS', '-i', version, '--compressed', '-H', `Accept-Encoding: ${coding}`, url];
      const { stdout } = await run('curl', flags, { encoding: 'buffer', timeout: 10_000 });
      const end = stdout.indexOf('\r\n\r\n');
      expect(stdout.toString('latin1', 0, end).toLowerCase()).toContain(`content-encoding: ${coding}`);
      expect(stdout.subarray(end + 4).equals(body)).toBe(true);
    }
  });
});

describe('an answer goes out as it came', () => {
  it.each([
    ['of a route that does not compress', '/off', GZIP, 200, TEXT],
    ['to a client that does not ask', '/', '', 200, TEXT],
    ['to a client that refuses', '/', accept('gzip;q=0, identity'), 200, TEXT],
    ['to a client that knows other codings only', '/gzip', accept('br, zstd, deflate'), 200, TEXT],
    ['to a client that likes it better', '/', accept('identity, gzip;q=0.9'), 200, TEXT],
    ['to a client that forbids transformations', '/', `${GZIP}Cache-Control: no-transform\r\n`, 200, TEXT],
    ['with no-transform', '/', GZIP, 200, `${TEXT}Cache-Control: public, no-transform\r\n`],
    ['of a type that is compressed already', '/', GZIP, 200, 'Content-Type: image/png\r\n'],
    ['of no type', '/', GZIP, 200, ''],
    ['that is a stream of events', '/', GZIP, 200, 'Content-Type: text/event-stream\r\n'],
    ['in a coding of the endpoint', '/', accept('gzip, br'), 200, `${TEXT}Content-Encoding: br\r\n`],
    ['that is a part', '/', `${GZIP}Range: bytes=0-2999\r\n`, 206, `${TEXT}Content-Range: bytes 0-2999/9000\r\n`],
    ['that says it is a part', '/', GZIP, 200, `${TEXT}Content-Range: bytes 0-2999/9000\r\n`],
    ['that is an error', '/', GZIP, 404, TEXT],
    ['that is a redirect', '/', GZIP, 302, `${TEXT}Location: /there\r\n`],
  ])('%s', async (_, path, wants, status, fields) => {
    rig.origin.script = (request) => request.answer(status, BODY, `${fields}ETag: "v1"\r\nAccept-Ranges: bytes\r\n`);
    const { answer } = await rig.passed(get(path, wants));
    expect(answer.status).toBe(status);
    expect(answer.field('content-encoding')).toBe(fields.includes('Content-Encoding') ? 'br' : null);
    expect([answer.field('etag'), answer.field('accept-ranges')]).toEqual(['"v1"', 'bytes']);
    expect(answer.framing).toBe('length');
    expect(answer.body.equals(BODY)).toBe(true);
  });

  it('below 1 KiB, when its length is known', async () => {
    rig.origin.script = (request) => request.answer(200, BODY.subarray(0, 1023), TEXT);
    const { answer } = await rig.passed(get('/', GZIP));
    expect([answer.field('content-encoding'), answer.field('vary')]).toEqual([null, 'Accept-Encoding']);
    expect(answer.body.equals(BODY.subarray(0, 1023))).toBe(true);
  });

  it('when Fermat gives it itself', async () => {
    using client = await rawClient(rig.port);
    await client.send(get('/own', GZIP));
    const answer = await client.answer();
    expect([answer.field('content-encoding'), answer.body.length]).toEqual([null, 3000]);
  });

  it('after a 101', async () => {
    rig.origin.script = (request) => {
      request.tunnel((bytes) => request.send(bytes));
      request.send(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${TEXT}\r\n`);
    };
    using client = await rawClient(rig.port);
    await client.send(get('/', `${GZIP}Connection: Upgrade\r\nUpgrade: websocket\r\n`));
    const answer = await client.answer();
    expect([answer.status, answer.field('vary'), answer.field('content-encoding')]).toEqual([101, null, null]);
    await client.send('a'.repeat(5000));
    client.halfClose();
    expect(await client.rest()).toBe('a'.repeat(5000));
  });
});

describe('the header', () => {
  it('of a compressed answer is true of what is sent', async () => {
    const fields =
      'ETag: "v1"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\nContent-MD5: abc\r\nRepr-Digest: md5=:a:\r\nX-Own: 1\r\n';
    rig.origin.script = (request) => request.answer(200, BODY, TEXT + fields);
    const { answer } = await rig.passed(get('/', GZIP));
    const of = (name: string) => answer.field(name);
    expect(['content-encoding', 'etag', 'vary', 'x-own', 'content-type'].map(of)).toEqual([
      'gzip',
      'W/"v1"',
      'Origin, Accept-Encoding',
      '1',
      'text/plain; charset=utf-8',
    ]);
    expect(['accept-ranges', 'content-md5', 'repr-digest'].map(of)).toEqual([null, null, null]);
    expect(Number(of('content-length'))).toBe(answer.body.length);
  });

  it.each([
    ['of a 200 in identity', 'GET', '', 200, TEXT],
    ['of a part', 'GET', GZIP, 206, `${TEXT}Content-Range: bytes 0-2999/9000\r\n`],
    ['of an answer to HEAD', 'HEAD', '', 200, TEXT],
    ['of a 304', 'GET', GZIP, 304, ''],
    ['of an answer in a coding of the endpoint', 'GET', GZIP, 200, `${TEXT}Content-Encoding: br\r\n`],
  ])('%s says that it varies', async (_, method, wants, status, fields) => {
    rig.origin.script = (request) => {
      if (status === 304) request.send(`HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nVary: Cookie\r\n\r\n`);
      else request.answer(status, BODY, `${fields}Vary: Cookie\r\n`);
    };
    const { answer } = await rig.passed(method === 'HEAD' ? head(wants) : get('/', wants), method);
    expect(answer.all('vary')).toEqual(['Cookie, Accept-Encoding']);
  });

  it.each([
    ['of a type that never is compressed', 200, 'Content-Type: image/png\r\n'],
    ['of an error', 500, TEXT],
  ])('%s does not', async (_, status, fields) => {
    rig.origin.script = (request) => request.answer(status, BODY, fields);
    const { answer } = await rig.passed(get('/', GZIP));
    expect(answer.all('vary')).toEqual([]);
  });

  it('of an answer to HEAD is that of the answer to GET, less the length that nobody knows', async () => {
    rig.origin.script = (request) => request.answer(200, BODY, `${TEXT}ETag: "v1"\r\n`);
    const { answer } = await rig.passed(head(GZIP), 'HEAD');
    const of = (name: string) => answer.field(name);
    expect(['content-encoding', 'etag', 'content-length'].map(of)).toEqual(['gzip', 'W/"v1"', null]);
  });

  it.each([
    ['W/"v1"', 'W/"v1"'],
    ['"v1"', '"v1"'],
    ['"v0", W/"v1"', 'W/"v1"'],
  ])('of a 304 names the ETag that the client asked about (%s)', async (asked, told) => {
    rig.origin.script = (request) => request.send('HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n');
    const { answer } = await rig.passed(get('/', `${GZIP}If-None-Match: ${asked}\r\n`));
    expect([answer.status, answer.field('etag')]).toEqual([304, told]);
  });

  it('keeps what the route writes, and the endpoint need not be asked for a coding', async () => {
    rig.origin.script = (request) => request.answer(200, BODY, `${TEXT}Vary: Cookie\r\n`);
    const { answer, request } = await rig.passed(get('/edited', GZIP));
    expect(request.field('accept-encoding')).toBeNull();
    expect(answer.field('content-encoding')).toBe('gzip');
    expect(answer.all('vary')).toEqual(['Origin', 'Accept-Encoding']);
    expect(gunzipSync(answer.body).equals(BODY)).toBe(true);
  });
});

describe('HTTP versions', () => {
  it('ends a streamed answer to an HTTP/1.0 client by closing', async () => {
    const body = textOf(30_000);
    rig.origin.script = (request) => request.answer(200, body, TEXT);
    using client = await rawClient(rig.port);
    await client.send(`GET / HTTP/1.0\r\nHost: example.com\r\n${GZIP}\r\n`);
    const answer = await client.answer();
    expect([answer.framing, answer.field('content-encoding')]).toEqual(['close', 'gzip']);
    expect(gunzipSync(answer.body).equals(body)).toBe(true);
  });

  it('serves many HTTP/2 streams of one connection', async () => {
    const session = connect(`http://127.0.0.1:${rig.port}`);
    rig.origin.script = (request) => request.answer(200, textOf(Number(request.target.slice(1))), TEXT);
    const one = async (bytes: number, i: number) => {
      const coding = CODINGS[i % 3]!;
      const stream = session.request({ ':path': `/${bytes}`, 'accept-encoding': coding });
      const parts: Buffer[] = [];
      let encoding: unknown;
      stream.on('response', (fields) => {
        encoding = fields['content-encoding'];
      });
      for await (const part of stream) parts.push(part as Buffer);
      expect(encoding).toBe(coding);
      expect(UNDO[coding](Buffer.concat(parts)).equals(textOf(bytes))).toBe(true);
    };
    await Promise.all([2000, 9000, 70_000, 150_000, 4000, 33_000, 500_000, 8192, 8193].map(one));
    session.close();
  });
});

it('is counted by route and coding, with the bytes before and after', async () => {
  const { fermat } = rig;
  const labels = ['route="gzip"', 'coding="gzip"'];
  const values = () =>
    Promise.all([
      fermat.metric('fermat_compressed_responses_total', ...labels),
      fermat.metric('fermat_compression_bytes_total', ...labels, 'direction="in"'),
      fermat.metric('fermat_compression_bytes_total', ...labels, 'direction="out"'),
    ]);
  const before = await values();
  let out = 0;
  for (const bytes of [3000, 50_000]) {
    rig.origin.script = (request) => request.answer(200, textOf(bytes), TEXT);
    const { answer } = await rig.passed(get('/gzip', GZIP));
    out += answer.body.length;
  }
  const after = await values();
  expect(after.map((value, i) => value - before[i]!)).toEqual([2, 53_000, out]);
});
