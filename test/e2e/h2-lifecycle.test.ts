// How HTTP/2 connections begin, wait and end: time-outs with small values, and a reload in mid-stream. A drain is in
// h2-drain.test.ts.

import { describe, expect, it } from 'vitest';
import { poolOf, simpleConfig } from '../support/fermat.ts';
import { h2Client } from '../support/h2.ts';
import {
  data,
  E,
  F,
  frame,
  getFields,
  PREFACE,
  ping,
  postFields,
  S,
  settings,
  T,
  windowUpdate,
} from '../support/h2-frames.ts';
import { writeFields } from '../support/hpack.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

/** Time-outs are taken off a coarse wheel: never early, late by no more than this. */
const LATE_MS = 900;
const HEAD_MS = 300;
const IDLE_MS = 400;
const BODY_MS = 300;

const CONFIG = (origin: Origin) =>
  simpleConfig(
    [origin.url],
    {},
    { limits: { body: '1MiB', headTimeout: `${HEAD_MS}ms`, idleTimeout: `${IDLE_MS}ms`, bodyTimeout: `${BODY_MS}ms` } },
  );
const rig = useRig(CONFIG);

async function msUntil(what: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await what;
  return performance.now() - startMs;
}

function expectAbout(ms: number, expectedMs: number): void {
  expect(ms).toBeGreaterThan(expectedMs - 60);
  expect(ms).toBeLessThan(expectedMs + LATE_MS);
}

describe('time', () => {
  it('ends a connection on which nothing is asked, in peace', async () => {
    using fresh = await h2Client(rig.port);
    using used = await h2Client(rig.port);
    await used.get();
    expectAbout(await msUntil(Promise.all([fresh.ended(), used.ended()])), IDLE_MS);
    expect([fresh.goaways, used.goaways]).toEqual([
      [{ lastId: 0, code: E.NO_ERROR }],
      [{ lastId: 1, code: E.NO_ERROR }],
    ]);
  });

  it('leaves a connection alone on which an answer takes long, before and after it begins', async () => {
    rig.origin.script = async (request) => {
      await delay(2 * IDLE_MS);
      request.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl');
      await delay(2 * IDLE_MS);
      request.send('ow');
    };
    using client = await h2Client(rig.port);
    expect((await client.get()).body).toBe('slow');
  });

  it('leaves a connection alone on which something is asked, also when that is answered at once', async () => {
    using client = await h2Client(rig.port);
    const lastHop = [[':method', 'OPTIONS'], ...getFields().slice(1), ['max-forwards', '0']] as const;
    for (let i = 0; i < 8; i++) {
      await delay(IDLE_MS / 2);
      expect((await client.over(client.request(lastHop))).status).toBe(200);
    }
    expectAbout(await msUntil(client.ended()), IDLE_MS);
  });

  const UNFINISHED: [what: string, first: Buffer, more: Buffer | null][] = [
    ['a preface', PREFACE.subarray(0, 10), null],
    ['a header section', Buffer.concat([PREFACE, settings(), frame(T.HEADERS, 0, 1, writeFields(getFields()))]), null],
    [
      'a header section that goes on and on',
      Buffer.concat([PREFACE, settings(), frame(T.HEADERS, 0, 1, writeFields(getFields()))]),
      frame(T.CONTINUATION, 0, 1),
    ],
    ['a frame', Buffer.concat([PREFACE, settings(), frame(T.PING, 0, 0, Buffer.alloc(0), 8)]), null],
    ['the head of a frame', Buffer.concat([PREFACE, settings(), ping().subarray(0, 5)]), null],
  ];
  it.each(UNFINISHED)('ends a connection with %s that does not become whole', async (_, first, more) => {
    using client = await h2Client(rig.port, { isBare: true });
    client.send(first);
    const timer = setInterval(() => more !== null && client.send(more), 60);
    const ms = await msUntil(client.ended()).finally(() => clearInterval(timer));
    expectAbout(ms, HEAD_MS);
    expect([E.ENHANCE_YOUR_CALM, -1]).toContain(client.goaways.at(-1)?.code ?? -1);
  });

  it('takes no upload for an unfinished frame because its reads end in the midst of one', async () => {
    // A steady upload whose every read ended inside a frame was cut when the time for heads was over.
    using client = await h2Client(rig.port);
    await client.settle();
    const stream = client.start();
    const bytes = Buffer.concat([
      ...Array.from({ length: 30 }, () => data(stream.id, 'x'.repeat(1000))),
      data(stream.id, '', F.END_STREAM),
    ]);
    for (let at = 0; at < bytes.length; at += 999) {
      client.send(bytes.subarray(at, at + 999));
      await delay(20);
    }
    expect((await client.over(stream)).status).toBe(200);
    expect(rig.origin.request.bodyBytes).toBe(30_000);
  });

  it('takes a slow frame of a body for what it is', async () => {
    using client = await h2Client(rig.port);
    const stream = client.start();
    await client.settle();
    const bytes = data(stream.id, 'slow body!', F.END_STREAM);
    for (const byte of bytes.subarray(0, 9)) client.send(Buffer.from([byte]));
    for (const byte of bytes.subarray(9)) {
      client.send(Buffer.from([byte]));
      await delay(50);
    }
    expect((await client.over(stream)).status).toBe(200);
  });

  it('answers 408 to a body without progress, aborts it upstream, and goes on with others', async () => {
    using client = await h2Client(rig.port);
    const stalled = client.start(postFields('/', [['content-length', '100']]));
    client.send(data(stalled.id, 'abc'));
    const request = await rig.origin.nth(1);
    expectAbout(await msUntil(client.over(stalled)), BODY_MS);
    expect([stalled.status, stalled.field('proxy-status')]).toEqual([408, 'fermat; error=http_request_error']);
    await until(() => request.connection.isClosed, 'the end of the upstream connection');
    expect(request.isWhole).toBe(false);
    expect((await client.get()).status).toBe(200);
  });

  it('lets a gRPC stream be silent for as long as it likes', async () => {
    using client = await h2Client(rig.port);
    const stream = client.start(
      postFields('/', [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ]),
    );
    client.send(data(stream.id, 'abc'));
    await delay(2 * BODY_MS);
    client.send(data(stream.id, 'def', F.END_STREAM));
    expect((await client.over(stream)).status).toBe(200);
  });

  it('lets go of a client that reads nothing of its answer, and of a stream that opens no window', async () => {
    const body = Buffer.alloc(16 << 20);
    rig.origin.script = (request) => (request.target === '/small' ? request.answer() : request.answer(200, body));
    using deaf = await h2Client(rig.port);
    deaf.socket.pause();
    deaf.send(settings([S.WINDOW, 1 << 30]), windowUpdate(0, 1 << 30));
    deaf.request();
    using shut = await h2Client(rig.port, { settings: [[S.WINDOW, 1000]], isGreedy: false });
    const stuck = shut.request();
    await until(() => rig.origin.requests.length === 2, 'both requests');
    const timer = setInterval(() => void shut.request(getFields('/small')), 100);
    await shut.over(stuck).finally(() => clearInterval(timer));
    expect([stuck.hasEnded, stuck.resetCode]).toEqual([false, E.CANCEL]);
    expect((await shut.get('/small')).status).toBe(200);
    const upstream = rig.origin.requests.filter(({ target }) => target === '/').map(({ connection }) => connection);
    await until(() => upstream.every(({ isClosed }) => isClosed), 'the end of both upstream connections');
  });

  it('does not cut a stream whose client opens its window bit by bit', async () => {
    rig.origin.script = (request) => request.answer(200, 'x'.repeat(20));
    using client = await h2Client(rig.port, { settings: [[S.WINDOW, 0]], isGreedy: false });
    const stream = await client.head(client.request());
    for (let i = 0; i < 20; i++) {
      await delay((2 * IDLE_MS) / 20);
      client.open(stream.id, 1);
    }
    expect((await client.over(stream)).hasEnded).toBe(true);
  });

  it('answers 413 to a body beyond the limit, declared or not', async () => {
    using client = await h2Client(rig.port);
    const declared = client.start(postFields('/', [['content-length', '1048577']]));
    expect((await client.over(declared)).status).toBe(413);
    const counted = client.start();
    await client.upload(counted, Buffer.alloc((1 << 20) + 1));
    expect((await client.over(counted)).status).toBe(413);
    await until(
      () => rig.origin.requests.every(({ connection }) => connection.isClosed),
      'the end of the upstream connection',
    );
    expect(rig.origin.requests.some(({ isWhole }) => isWhole)).toBe(false);
  });
});

describe('a reload', () => {
  it('leaves streams under way to end as they began, and is what the next request of the connection meets', async () => {
    let say = () => {};
    rig.origin.script = (request) => {
      if (request.target === '/stay') return; // so that the connection is never idle
      if (request.target !== '/long') return request.answer(200, 'old');
      request.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
      say = () => request.send('4\r\nlast\r\n0\r\n\r\n');
    };
    await using other = await startOrigin((request) => request.answer(200, 'new'));
    using client = await h2Client(rig.port);
    client.request(getFields('/stay'));
    const long = client.request(getFields('/long'));
    await client.come(() => long.bodyBytes === 5, 'the first part');
    rig.fermat.writeConfig({ ...CONFIG(rig.origin), pools: { main: poolOf([other.url], {}, 'n') } });
    expect((await rig.fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await until(async () => (await client.get()).body === 'new', 'the new endpoint');
    say();
    expect((await client.over(long)).body).toBe('firstlast');
    rig.fermat.writeConfig(CONFIG(rig.origin));
    expect((await rig.fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await until(async () => (await client.get()).body === 'old', 'the old endpoint');
    expect(client.goaways).toEqual([]);
  });
});

describe('a plain connection', () => {
  it('that never says what it speaks is closed', async () => {
    using client = await rawClient(rig.port);
    await client.send('PRI * HT');
    expectAbout(await msUntil(client.closed()), HEAD_MS);
  });
});
