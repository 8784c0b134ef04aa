// RELIABILITY.md F9: what a client may ask for that leads nowhere, and what it may not. Every flood ends its own connection with
// ENHANCE_YOUR_CALM within its first hundreds of frames, and nobody else's; and no honest client, however busy, is ever told to calm
// down.

import { describe, expect, it } from 'vitest';
import { simpleConfig, startFermat } from '../support/fermat.ts';
import { type H2Client, h2Client } from '../support/h2.ts';
import {
  data,
  E,
  F,
  frame,
  getFields,
  goaway,
  headers,
  ping,
  postFields,
  priority,
  reset,
  S,
  settings,
  T,
  windowUpdate,
} from '../support/h2-frames.ts';
import { type Field, writeFields } from '../support/hpack.ts';
import { rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

/** Who is trusted is never made to wait: most of these tests come from one address. */
const rig = useRig((origin) => simpleConfig([origin.url], {}, { trustedProxies: ['127.0.0.1/32'] }));

const MIB = 1 << 20;
/** Frames of a flood, sent in bursts until the server has had enough. */
const FLOOD = 20_000;
const BURST = 50;
/** Who has not answered for so long reads no more: beyond any pause of a busy machine, and less than a client may take. */
const HELD_BACK_MS = 3000;

/** Sends the n-th frames in bursts until the connection ends; gives the code and how many were sent. */
async function flood(client: H2Client, one: (n: number) => Buffer): Promise<{ code: number; sent: number }> {
  let sent = 0;
  while (sent < FLOOD && !client.hasEnded && !client.isClosed && client.goaways.length === 0) {
    client.send(...Array.from({ length: BURST }, () => one(sent++)));
    await delay(0);
  }
  return { code: await client.ended(), sent };
}

const odd = (n: number) => 2 * n + 1;

describe('F9 floods', () => {
  const FLOODS: [what: string, before: Buffer[], one: (n: number) => Buffer][] = [
    ['PINGs', [], () => ping()],
    ['answers to PINGs nobody sent', [], () => ping('pingpong', F.ACK)],
    ['SETTINGS', [], () => settings([S.TABLE, 4096])],
    ['empty SETTINGS', [], () => settings()],
    ['acknowledgements', [], () => frame(T.SETTINGS, F.ACK, 0)],
    ['PRIORITYs', [], (n) => priority(odd(n % 1000))],
    ['WINDOW_UPDATEs of the connection', [], () => windowUpdate(0, 1)],
    ['WINDOW_UPDATEs of a stream', [headers(1, postFields())], () => windowUpdate(1, 1)],
    [
      'WINDOW_UPDATEs of a stream that ended',
      [headers(1, getFields('/quick'), F.END_STREAM)],
      () => windowUpdate(1, 1),
    ],
    ['empty DATA', [headers(1, postFields())], () => data(1)],
    ['DATA that is all padding', [headers(1, postFields())], () => frame(T.DATA, F.PADDED, 1, Buffer.alloc(1))],
    ['unknown frames', [], () => frame(0xfa, 0, 0, Buffer.from('x'))],
    ['GOAWAYs', [], () => goaway(0)],
    ['RST_STREAMs of one stream', [headers(1, postFields())], () => reset(1)],
    ['malformed requests', [], (n) => headers(odd(n), [[':method', 'GET']], F.END_STREAM)],
    [
      'requests that are reset at once (rapid reset)',
      [],
      (n) => Buffer.concat([headers(odd(n), getFields(), F.END_STREAM), reset(odd(n))]),
    ],
    [
      'uploads that are reset at once',
      [],
      (n) => Buffer.concat([headers(odd(n), postFields()), data(odd(n), 'x'), reset(odd(n))]),
    ],
    [
      'requests that make us reset them (CVE-2025-8671)',
      [],
      (n) => Buffer.concat([headers(odd(n), getFields(), F.END_STREAM), windowUpdate(odd(n), 0)]),
    ],
    ['heads that are too large', [], (n) => headers(odd(n), getFields(`/${'a'.repeat(9000)}`), F.END_STREAM)],
  ];

  it.each(FLOODS)('F9 ends a connection that floods with %s', async (_, before, one) => {
    rig.origin.script = (request) => (request.target === '/quick' ? request.answer() : undefined);
    using client = await h2Client(rig.port, { isGreedy: false });
    for (let n = 0; n < FLOOD; n++) client.stream(odd(n));
    client.send(...before);
    if (before.length > 0) await client.settle();
    const { code, sent } = await flood(client, one);
    expect(code).toBe(E.ENHANCE_YOUR_CALM);
    // Some are under way when the server has had enough.
    expect(sent).toBeLessThan(5000);
    await until(
      () =>
        rig.origin.requests.every(
          ({ connection }) =>
            connection.isClosed || connection.requests.length > 1 || rig.origin.requests[0]?.target === '/quick',
        ),
      'the end of what was begun',
    );
    expect(rig.origin.requests.length).toBeLessThanOrEqual(110);
  });

  it('F9 lets a client that comes back to flood wait unread, serves it then, and its neighbours at once', async () => {
    const from = '127.0.0.77';
    const fill = Buffer.concat(Array.from({ length: 500 }, () => ping()));
    for (let i = 0; i < 3; i++) {
      using client = await h2Client(rig.port, { from, isGreedy: false });
      client.send(fill);
      expect(await client.ended()).toBe(E.ENHANCE_YOUR_CALM);
    }
    const startMs = performance.now();
    const late = h2Client(rig.port, { from });
    using neighbour = await h2Client(rig.port, { from: '127.0.0.78' });
    expect((await neighbour.get()).status).toBe(200);
    using client = await late;
    expect((await client.get()).status).toBe(200);
    // A second, less the time between its last strike and its connect.
    expect(performance.now() - startMs).toBeGreaterThan(500);
  });

  it('F9 closes at once what comes on top of a few that wait, and lets go of those that go', async () => {
    const from = '127.0.0.79';
    const fill = Buffer.concat(Array.from({ length: 500 }, () => ping()));
    for (let i = 0; i < 3; i++) {
      using client = await h2Client(rig.port, { from, isGreedy: false });
      client.send(fill);
      expect(await client.ended()).toBe(E.ENHANCE_YOUR_CALM);
    }
    const crowd = await Promise.all(Array.from({ length: 20 }, () => rawClient(rig.port, from)));
    await until(
      () => crowd.filter(({ isClosed, hasEnded }) => isClosed || hasEnded).length === 12,
      'the end of those that are too many',
    );
    for (const client of crowd) client.destroy();
    await until(async () => (await rig.fermat.metric('fermat_connections')) === 0, 'no connections');
  });

  it('F9 ends a header section without an end, in many small CONTINUATIONs or few large ones', async () => {
    for (const part of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(16_384, 'x')]) {
      using client = await h2Client(rig.port);
      client.send(frame(T.HEADERS, 0, 1, writeFields(getFields())));
      const { code, sent } = await flood(client, () => frame(T.CONTINUATION, 0, 1, part));
      expect(code).toBe(E.ENHANCE_YOUR_CALM);
      expect(sent).toBeLessThan(1000);
    }
  });

  it('F9 bounds what a small block may become (HPACK bomb)', async () => {
    using client = await h2Client(rig.port);
    const big: Field = ['x-bomb', 'b'.repeat(3900)];
    const block = Buffer.concat([
      writeFields(getFields()),
      Buffer.from([0x40]),
      writeFields([big]).subarray(1),
      Buffer.alloc(15_000 - 4096, 0x80 | 62),
    ]);
    const before = rig.fermat.rssBytes;
    client.stream(client.id());
    client.send(frame(T.HEADERS, F.END_HEADERS | F.END_STREAM, 1, block));
    expect((await client.over(client.stream(1))).status).toBe(431);
    expect((await client.get()).status).toBe(200);
    expect(rig.fermat.rssBytes - before).toBeLessThan(16 * MIB);
  });

  it('F9 keeps the answers to a client that reads none of them within bounds', async () => {
    using client = await h2Client(rig.port);
    client.socket.pause();
    const before = rig.fermat.rssBytes;
    for (let n = 0; n < 20_000 && !client.isClosed; n++) {
      client.socket.write(ping());
      if (n % 1000 === 0) await delay(1);
    }
    expect(rig.fermat.rssBytes - before).toBeLessThan(16 * MIB);
  });

  it('F9 reads no more requests of a client that takes none of their answers', async () => {
    // Answers without a body met no window: what nobody read piled up for as long as somebody asked.
    let count = 0;
    rig.origin.script = (request) => request.answer(204, '', `X-Large: ${String(count++).repeat(2000)}\r\n`);
    using client = await h2Client(rig.port);
    // What so many answers leave behind in a young process is no measure of what is held.
    for (let round = 0; round < 25; round++) {
      for (const stream of Array.from({ length: 40 }, () => client.request())) await client.over(stream);
    }
    count = 0;
    client.socket.pause();
    const before = rig.fermat.rssBytes;
    // Never more than a hundred at once, as far as they are read: that alone would be a flood.
    let isHeldBack = false;
    for (let round = 1; round <= 150; round++) {
      for (let i = 0; i < 40; i++) client.request();
      isHeldBack ||= await until(() => count > round * 40 - 20, 'their answers', HELD_BACK_MS).then(
        () => false,
        () => true,
      );
    }
    expect(isHeldBack).toBe(true);
    expect(rig.fermat.rssBytes - before).toBeLessThan(24 * MIB);
    // Of 6000: what is under way is answered, however long that takes, and then no more is read.
    const isQuiet = async (): Promise<boolean> => {
      const seen = count;
      await delay(300);
      return count === seen;
    };
    await until(isQuiet, 'no more requests to the endpoint', 20_000);
    expect(count).toBeLessThan(3000);
    // What it asked for beyond a hundred at once is refused when it reads again, and then it has had its share.
    client.socket.resume();
    const code = await client.ended();
    // Where what we say meets a closed socket, the reset drops what we have not read yet: the GOAWAY, too.
    expect(code === E.ENHANCE_YOUR_CALM || client.wasReset).toBe(true);
  });

  it('F9 does not blame a client that it reads no more for the half of a frame that it has read', async () => {
    const limits = { headTimeout: '2s' };
    await using fermat = await startFermat(simpleConfig([rig.origin.url], {}, { limits }));
    let count = 0;
    rig.origin.script = (request) => request.answer(204, '', `X-Large: ${String(count++).repeat(2000)}\r\n`);
    using client = await h2Client(fermat.port);
    client.socket.pause();
    let rest: Buffer = Buffer.alloc(0);
    let isHeldBack = false;
    for (let round = 1; round <= 150 && !isHeldBack; round++) {
      const heads = Array.from({ length: 40 }, () => headers(client.id(), getFields(), F.END_STREAM));
      const last = heads.pop()!;
      client.send(rest, ...heads, last.subarray(0, 12));
      rest = last.subarray(12);
      isHeldBack = await until(() => count > round * 40 - 20, 'their answers', HELD_BACK_MS).then(
        () => false,
        () => true,
      );
    }
    expect(isHeldBack).toBe(true);
    client.socket.resume();
    client.send(rest);
    for (const stream of client.streams.values()) expect((await client.over(stream)).status).toBe(204);
    expect(client.goaways).toEqual([]);
  });

  it('F9 leaves other clients alone meanwhile', async () => {
    using other = await h2Client(rig.port);
    let isOver = false;
    const floods = (async () => {
      for (let i = 0; i < 6; i++) {
        using client = await h2Client(rig.port);
        for (let n = 0; n < FLOOD; n++) client.stream(odd(n));
        await flood(client, (n) => Buffer.concat([headers(odd(n), getFields('/flood'), F.END_STREAM), reset(odd(n))]));
      }
      isOver = true;
    })();
    let answers = 0;
    while (!isOver) {
      expect((await other.get('/other')).status).toBe(200);
      answers++;
    }
    await floods;
    expect(answers).toBeGreaterThan(10);
    expect(other.goaways).toEqual([]);
  });
});

describe('F9 honest clients', () => {
  it('F9 may ask ten thousand times over one connection', async () => {
    rig.origin.script = (request) => request.answer();
    using client = await h2Client(rig.port);
    for (let round = 0; round < 100; round++) {
      const all = Array.from({ length: 100 }, () => client.request());
      for (const stream of all) if ((await client.over(stream)).status !== 200) expect(stream.status).toBe(200);
      client.streams.clear();
      client.frames.length = 1;
      rig.origin.requests.length = 0;
      for (const connection of rig.origin.connections) connection.requests.length = 0;
    }
    expect(client.goaways).toEqual([]);
  });

  it('F9 may open both windows for each frame of a big download, and ping for each', async () => {
    const body = Buffer.alloc(16 * MIB);
    rig.origin.script = (request) => request.answer(200, body);
    using client = await h2Client(rig.port);
    const stream = client.request();
    let frames = 0;
    client.socket.on('data', () => {
      const now = client.framesOf(T.DATA).length;
      for (; frames < now; frames += 4) client.send(ping());
    });
    expect((await client.over(stream)).bodyBytes).toBe(body.length);
    expect(client.goaways).toEqual([]);
  });

  it('F9 may open the windows of a long line all at once', async () => {
    // What frames earned was cut off at the burst, long before they had arrived and were answered.
    rig.origin.script = (request) => request.answer(200, Buffer.alloc(8 * MIB));
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, 16 * MIB]] });
    client.open(0, 16 * MIB);
    const stream = await client.over(client.request());
    const frames = client.framesOf(T.DATA).length;
    client.send(
      ...Array.from({ length: frames }, () =>
        Buffer.concat([windowUpdate(0, 16_384), windowUpdate(stream.id, 16_384)]),
      ),
    );
    await client.settle();
    expect([stream.bodyBytes, frames >= 512, client.goaways]).toEqual([8 * MIB, true, []]);
  });

  it('F9 may give up a thousand downloads in a row while they finish others (as gRPC clients do)', async () => {
    const body = Buffer.alloc(64 << 10);
    rig.origin.script = (request) => {
      if (request.target === '/small') return request.answer();
      request.send('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
      request.send(body);
    };
    using client = await h2Client(rig.port);
    for (let i = 0; i < 1000; i++) {
      const stream = client.request(getFields('/large'));
      await client.come(() => stream.bodyBytes > 0, 'a part of the body');
      client.send(reset(stream.id));
      if (i % 10 === 0) expect((await client.get('/small')).status).toBe(200);
    }
    expect(client.goaways).toEqual([]);
    expect((await client.get('/small')).status).toBe(200);
  });

  it('F9 may give up requests before they are answered, if they let others finish', async () => {
    rig.origin.script = (request) => (request.target === '/small' ? request.answer() : undefined);
    using client = await h2Client(rig.port);
    for (let i = 0; i < 300; i++) {
      const hedge = client.request(getFields('/slow'));
      expect((await client.get('/small')).status).toBe(200);
      client.send(reset(hedge.id));
    }
    expect(client.goaways).toEqual([]);
  });

  it('F9 may send a body in ten thousand small frames', async () => {
    using client = await h2Client(rig.port);
    const stream = client.start();
    for (let i = 0; i < 100; i++) {
      client.send(...Array.from({ length: 100 }, () => data(stream.id, 'ten bytes!')));
      await client.settle();
    }
    client.send(data(stream.id, '', F.END_STREAM));
    expect((await client.over(stream)).status).toBe(200);
    expect(rig.origin.request.bodyBytes).toBe(100_000);
  });

  it('F9 may have the bodies of a hundred uploads under way when all are refused', async () => {
    rig.origin.script = (request) => request.answer(403, 'no');
    using client = await h2Client(rig.port);
    await client.come(() => client.told.has(S.WINDOW));
    const all = Array.from({ length: 100 }, () => client.start());
    for (const { id } of all) for (let i = 0; i < 3; i++) client.send(data(id, Buffer.alloc(16_384)));
    for (const stream of all) expect((await client.over(stream)).status).toBe(403);
    await client.settle();
    expect((await client.get()).status).toBe(403);
    expect(client.goaways).toEqual([]);
  });
});
