// Answers on routes with `compress`, seen from the client: every coding undone by zlib again, header by header, under slow clients,
// broken endpoints and endless bodies. What is negotiated by which Accept-Encoding: test/wire/accept.test.ts.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Config, poolOf } from '../support/fermat.ts';
import { get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';

const run = promisify(execFile);
const CODINGS = ['zstd', 'br', 'gzip'] as const;
type Coding = (typeof CODINGS)[number];
const UNDO: Record<Coding, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gunzipSync(bytes),
  br: (bytes) => brotliDecompressSync(bytes),
  zstd: (bytes) => zstdDecompressSync(bytes),
};

const rig = useRig(
  (origin): Config => ({
    pools: { main: poolOf([origin.url]) },
    routes: [
      { name: 'plain', path: '/plain', pool: 'main' },
      { name: 'all', path: '/', pool: 'main', compress: ['zstd', 'br', 'gzip'] },
    ],
  }),
);

/** JSON-like, and not the same everywhere. */
function textOf(bytes: number): Buffer {
  let text = '';
  for (let i = 0; text.length < bytes; i++)
    text += `{"id":${i},"name":"product ${(i * 7919) % 1000}","price":${(i * 31) % 97}},\n`;
  return Buffer.from(text.slice(0, bytes), 'latin1');
}

const accept = (coding: string) => `Accept-Encoding: ${coding}\r\n`;
const TEXT = 'Content-Type: text/plain; charset=utf-8\r\n';

describe.each(CODINGS)('%s', (coding) => {
  it.each([1024, 5000, 8192, 8193, 40_000, 1_000_000])('carries %i bytes of known length', async (bytes) => {
    const body = textOf(bytes);
    rig.origin.script = (request) => request.answer(200, body, TEXT);
    const { answer } = await rig.passed(get('/', accept(coding)));
    expect(answer.field('content-encoding')).toBe(coding);
    expect(answer.field('vary')).toBe('Accept-Encoding');
    expect(answer.framing).toBe(bytes <= 8192 ? 'length' : 'chunked');
    expect(answer.body.length).toBeLessThan(bytes);
    expect(UNDO[coding](answer.body).equals(body)).toBe(true);
  });
});
