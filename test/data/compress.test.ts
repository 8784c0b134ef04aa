// The header of answers that are, or may be, compressed; and which content may be.

import { randomBytes } from 'node:crypto';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { COMPRESS_CODINGS, type CompressCoding, type RouteSpec } from '../../src/core/snapshot.ts';
import { codecOf } from '../../src/data/compress/codecs.ts';
import type { Compressor } from '../../src/data/compress/compressors.ts';
import { codedLines, dropSums, forbidsTransform, varyLine, weakened } from '../../src/data/compress/fields.ts';
import { isCompressible } from '../../src/data/compress/types.ts';
import { compressPlanOf } from '../../src/data/compress.ts';
import { copyKept } from '../../src/wire/fields.ts';
import { parseRequest, parseResponse } from '../wire/support.ts';

function answerOf(lines: string) {
  const { head, status } = parseResponse(`HTTP/1.1 200 OK\r\n${lines}\r\n`);
  expect(status).toBe(0);
  return head;
}

function requestOf(lines: string) {
  const { head, status } = parseRequest(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
  expect(status).toBe(0);
  return head;
}

describe('Vary', () => {
  it.each([
    ['', 'Vary: Accept-Encoding\r\n'],
    ['Vary: Cookie\r\n', 'Vary: Cookie, Accept-Encoding\r\n'],
    ['Vary: Cookie\r\nVary: Origin, Accept\r\n', 'Vary: Cookie, Origin, Accept, Accept-Encoding\r\n'],
    ['Vary: Accept-Encoding\r\n', 'Vary: Accept-Encoding\r\n'],
    ['Vary: Origin , ACCEPT-encoding\r\n', 'Vary: Origin , ACCEPT-encoding\r\n'],
    ['Vary: Accept-Encoding-Of-Mine\r\n', 'Vary: Accept-Encoding-Of-Mine, Accept-Encoding\r\n'],
    ['Vary: *\r\n', 'Vary: *\r\n'],
    ['Vary: Cookie\r\nVary: *\r\n', 'Vary: Cookie\r\nVary: *\r\n'],
  ])('%j becomes %j', (lines, expected) => {
    const answer = answerOf(lines);
    const added = varyLine(answer);
    expect(copyKept(answer) + added).toBe(expected);
  });

  it('does not bring back what the route took away', () => {
    const answer = answerOf('Vary: Cookie\r\n');
    answer.drop[0] = 1;
    expect(varyLine(answer)).toBe('Vary: Accept-Encoding\r\n');
  });
});

describe('ETag', () => {
  it.each([
    ['ETag: "abc"\r\n', 'ETag: W/"abc"\r\n'],
    ['etag: ""\r\n', 'ETag: W/""\r\n'],
    ['ETag: W/"abc"\r\n', 'ETag: W/"abc"\r\n'],
    ['ETag: abc\r\n', 'ETag: abc\r\n'],
    ['', ''],
  ])('%j becomes %j', (lines, expected) => {
    const answer = answerOf(lines);
    const added = weakened(answer);
    expect(copyKept(answer) + added).toBe(expected);
  });
});

describe('what is not true of compressed content', () => {
  it('is taken out of the header, and the rest stays', () => {
    const answer = answerOf(
      [
        'Content-Type: text/plain',
        'Content-Length: 2000',
        'Accept-Ranges: bytes',
        'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==',
        'Digest: SHA-256=abc',
        'Content-Digest: sha-256=:abc:',
        'Repr-Digest: sha-256=:abc:',
        'ETag: "v1"',
        'X-Digest: mine',
        '',
      ].join('\r\n'),
    );
    answer.drop[answer.findName('content-length')] = 0;
    const added = codedLines(answer, 'br');
    expect(copyKept(answer) + added).toBe(
      'Content-Type: text/plain\r\nX-Digest: mine\r\nContent-Encoding: br\r\nETag: W/"v1"\r\n',
    );
  });

  it('is taken out of the trailers', () => {
    const trailers = answerOf('Repr-Digest: sha-256=:abc:\r\nX-Time: 3\r\nContent-MD5: abc\r\n');
    dropSums(trailers);
    expect(copyKept(trailers)).toBe('X-Time: 3\r\n');
  });
});

describe('no-transform', () => {
  it.each([
    ['Cache-Control: no-transform\r\n', true],
    ['Cache-Control: max-age=60, No-Transform\r\n', true],
    ['Cache-Control: max-age=60\r\nCache-Control: no-transform\r\n', true],
    ['Cache-Control: no-cache\r\n', false],
    ['Cache-Control: x-no-transform\r\n', false],
    ['', false],
  ])('%j: %s', (lines, expected) => {
    expect(forbidsTransform(answerOf(lines))).toBe(expected);
    expect(forbidsTransform(requestOf(lines))).toBe(expected);
  });
});

describe('types', () => {
  it.each([
    'text/html',
    'text/html; charset=utf-8',
    'TEXT/CSS',
    'text/plain;charset=utf-8',
    'text/markdown',
    'application/json',
    'application/json ; charset=utf-8',
    'application/problem+json',
    'application/ld+json',
    'application/xhtml+xml',
    'application/rss+xml',
    'application/xml',
    'application/javascript',
    'text/javascript',
    'application/wasm',
    'application/x-ndjson',
    'image/svg+xml',
    'font/ttf',
    'font/otf',
  ])('%s is worth compressing', (type) => {
    expect(isCompressible(type)).toBe(true);
  });

  it.each([
    'text/event-stream',
    'text/event-stream; charset=utf-8',
    'application/grpc',
    'application/grpc+json',
    'application/grpc-web+proto',
    'image/png',
    'image/jpeg',
    'video/mp4',
    'audio/mpeg',
    'font/woff2',
    'application/zip',
    'application/gzip',
    'application/pdf',
    'application/octet-stream',
    'multipart/byteranges; boundary=text/plain',
    'application/x-json-not',
    'text',
    '',
  ])('%j is left as it is', (type) => {
    expect(isCompressible(type)).toBe(false);
  });

  it('stay what they are when thousands have been seen', () => {
    for (let i = 0; i < 2000; i++) expect(isCompressible(`text/x-${i}`)).toBe(true);
    expect(isCompressible('image/png')).toBe(false);
    expect(isCompressible('application/json')).toBe(true);
  });
});

describe('the plan of a route', () => {
  const specOf = (more: Partial<RouteSpec>) =>
    ({ compress: ['br', 'gzip'], responseHeaders: { set: [], remove: [] }, ...more }) as RouteSpec;
  const setting = (name: string, value: string) => specOf({ responseHeaders: { set: [[name, value]], remove: [] } });

  it('keeps the order of the file', () => {
    const plan = compressPlanOf(specOf({}))!;
    expect(plan.names).toEqual(['br', 'gzip']);
    expect(plan.codecs.map(({ name }) => name)).toEqual(['br', 'gzip']);
    expect(plan.codecs.map(({ index }) => COMPRESS_CODINGS[index])).toEqual(['br', 'gzip']);
    expect(plan.hasVary).toBe(false);
  });

  it('is none without codings, and where the route writes a header that forbids it', () => {
    expect(compressPlanOf(specOf({ compress: [] }))).toBeNull();
    expect(compressPlanOf(setting('Content-Encoding', 'gzip'))).toBeNull();
    expect(compressPlanOf(setting('cache-control', 'public, no-transform'))).toBeNull();
    expect(compressPlanOf(setting('Cache-Control', 'public'))).not.toBeNull();
  });

  it('knows a Vary that the route writes itself', () => {
    expect(compressPlanOf(setting('Vary', '*'))!.hasVary).toBe(true);
    expect(compressPlanOf(setting('vary', 'Origin, accept-encoding'))!.hasVary).toBe(true);
    expect(compressPlanOf(setting('Vary', 'Origin'))!.hasVary).toBe(false);
  });
});

describe('compressors', () => {
  const UNDO = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
  const text = Buffer.from(Array.from({ length: 3000 }, (_, i) => `line ${(i * 7919) % 3001}\n`).join(''));

  /** Lends a compressor, gives what came out of it after each step. */
  async function steps(name: CompressCoding, run: (compressor: Compressor) => Promise<void>): Promise<Buffer> {
    const { compressors } = codecOf(name);
    const compressor = compressors.take();
    const parts: Buffer[] = [];
    compressor.user = {
      onOutput: (out) => parts.push(out),
      onFailed: () => {
        throw new Error('the compressor failed');
      },
    };
    await run(compressor);
    compressors.give(compressor);
    return Buffer.concat(parts);
  }
  const write = (to: Compressor, bytes: Buffer) => new Promise<void>((resolve) => to.write(bytes, () => resolve()));
  const flush = (to: Compressor) => new Promise<void>((resolve) => to.flush(() => resolve()));
  const finish = (to: Compressor) => new Promise<void>((resolve) => to.finish(() => resolve()));

  it.each(COMPRESS_CODINGS)('%s: a flush brings out all that went in', async (name) => {
    const out = await steps(name, async (compressor) => {
      await write(compressor, text);
      await flush(compressor);
    });
    expect(out.length).toBeGreaterThan(codecOf(name).compressors.whole(text).length * 0.9);
  });

  it.each(
    COMPRESS_CODINGS,
  )('%s: one answer after the other comes out whole, and as small as the first', async (name) => {
    const sizes = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const out = await steps(name, async (compressor) => {
        await write(compressor, text);
        await finish(compressor);
      });
      expect(UNDO[name](out).equals(text)).toBe(true);
      sizes.add(out.length);
    }
    expect(sizes.size).toBe(1);
  });

  it.each(COMPRESS_CODINGS)('%s: what a client has left unread never reaches the next', async (name) => {
    const { compressors } = codecOf(name);
    const compressor = compressors.take();
    compressor.pause();
    await write(compressor, randomBytes(20_000));
    await finish(compressor);
    expect(compressor.hasOutput).toBe(true);
    compressors.give(compressor);
    const out = await steps(name, async (next) => {
      expect(next).not.toBe(compressor);
      await write(next, text);
      await finish(next);
    });
    expect(UNDO[name](out).equals(text)).toBe(true);
  });

  it.each(COMPRESS_CODINGS)('%s: whole bodies come out whole, whatever is in them', (name) => {
    const { compressors } = codecOf(name);
    for (let i = 0; i < 200; i++) {
      const bytes = i % 2 === 0 ? text.subarray(i, i * 40) : randomBytes(i * 40);
      expect(UNDO[name](compressors.whole(bytes)).equals(bytes)).toBe(true);
    }
    for (const bytes of [Buffer.alloc(0), Buffer.from('x'), randomBytes(8192), randomBytes(20_000)]) {
      expect(UNDO[name](compressors.whole(bytes)).equals(bytes)).toBe(true);
    }
  });
});
