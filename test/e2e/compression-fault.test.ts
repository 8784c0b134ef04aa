// zlib itself fails, as it does when there is no memory: the client sees that its answer is not whole, and nobody else sees anything.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { get, rawClient } from '../support/raw.ts';

const PRELOAD = pathToFileURL(resolve(import.meta.dirname, '../support/failing-zlib.ts')).href;
const GZIP = 'Accept-Encoding: gzip\r\n';
const TEXT = 'Content-Type: text/plain\r\n';

let origin: Origin;
let fermat: Fermat;

beforeAll(async () => {
  origin = await startOrigin();
  fermat = await startFermat(
    { pools: { main: poolOf([origin.url]) }, routes: [{ name: 'all', pool: 'main', compress: ['gzip'] }] },
    { env: { NODE_OPTIONS: `--import ${PRELOAD}` } },
  );
});
afterAll(async () => {
  await fermat.stop();
  await origin.refuse();
});

const errors = () => fermat.metric('fermat_compression_misses_total', 'route="all"', 'coding="gzip"', 'reason="error"');

// Also in its very last piece: what has come out by then would look whole if the failure went unnoticed (it did).
it.each([
  100_001, 110_000, 131_072, 200_000, 500_000,
])('cuts a streamed answer of %i bytes, and counts it', async (bytes) => {
  const before = await errors();
  origin.script = (request) => request.answer(200, 'x'.repeat(bytes), TEXT);
  using client = await rawClient(fermat.port);
  await client.send(get('/', GZIP));
  await client.closed();
  const received = client.pending.toString('latin1');
  expect(received).toContain('\r\nContent-Encoding: gzip\r\n');
  expect(received.endsWith('\r\n0\r\n\r\n')).toBe(false);
  expect((await errors()) - before).toBe(1);
});

it('answers 500 instead of a small one, of which nothing has been sent', async () => {
  const before = await errors();
  origin.script = (request) => request.answer(200, `fail${'x'.repeat(4000)}`, TEXT);
  using client = await rawClient(fermat.port);
  await client.send(get('/', GZIP) + get('/second'));
  const answer = await client.answer();
  expect([answer.status, answer.field('content-encoding')]).toEqual([500, null]);
  expect(answer.field('proxy-status')).toContain('proxy_internal_error');
  expect((await client.answer()).body.length).toBe(4004); // the request behind it is served
  expect((await errors()) - before).toBe(1);
});

it('goes on compressing for everybody else', async () => {
  const body = 'y'.repeat(60_000);
  origin.script = (request) => request.answer(200, body, TEXT);
  for (let i = 0; i < 20; i++) {
    using client = await rawClient(fermat.port);
    await client.send(get('/', GZIP));
    expect(gunzipSync((await client.answer()).body).toString()).toBe(body);
  }
  expect(await fermat.metric('fermat_worker_restarts_total')).toBe(0);
  expect(fermat.exit).toBeNull();
});
