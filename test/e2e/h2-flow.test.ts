// Flow control from end to end: who does not read is not sent to, at either end, and nothing piles up in between. The client of
// these tests keeps book of every window it gives and calls it a fault when the server sends beyond one (support/h2.ts).

import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { type H2Client, h2Client } from '../support/h2.ts';
import { getFields, postFields, reset, S, T } from '../support/h2-frames.ts';
import type { Stream } from '../support/h2-stream.ts';
import type { Field } from '../support/hpack.ts';
import type { OriginRequest } from '../support/origin.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const rig = useRig((origin) => simpleConfig([origin.url]));

const KIB = 1024;
const MIB = 1 << 20;
/** What sockets and kernels hold on both sides of a connection that nobody reads. */
const KERNEL_BYTES = 14 * MIB;
const PIECE = Buffer.alloc(64 * KIB, 'x');

/** Sends a body with back-pressure and gives, at any time, how much of it has been taken. */
function pour(request: OriginRequest, bytes: number): { sent: number } {
  const state = { sent: 0 };
  const { socket } = request.connection;
  request.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
  const more = () => {
    while (state.sent < bytes && !socket.destroyed) {
      const count = Math.min(PIECE.length, bytes - state.sent);
      state.sent += count;
      if (!socket.write(PIECE.subarray(0, count))) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
  return state;
}

/** The value when it has not changed for a while. */
async function settled(value: () => number): Promise<number> {
  let last = -1;
  let sinceMs = performance.now();
  return until(
    () => {
      const now = value();
      if (now !== last) sinceMs = performance.now();
      last = now;
      return performance.now() - sinceMs > 150 ? now + 1 : 0;
    },
    'a value that stays',
    10_000,
  ).then((now) => now - 1);
}

describe('a client that opens no window', () => {
  it('is sent nothing of a body, costs little, and gets all of it when it does', async () => {
    let poured = { sent: 0 };
    rig.origin.script = (request) => {
      poured = pour(request, 48 * MIB);
    };
    const before = rig.fermat.rssBytes;
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, 0]] });
    const stream = await client.head(client.request());
    const taken = await settled(() => poured.sent);
    expect([stream.status, stream.bodyBytes]).toEqual([200, 0]);
    expect(taken).toBeLessThan(KERNEL_BYTES);
    expect(rig.fermat.rssBytes - before).toBeLessThan(32 * MIB);
    client.isGreedy = true;
    client.open(0, 16 * MIB);
    client.open(stream.id, MIB);
    await client.over(stream, 15_000);
    expect([stream.hasEnded, stream.bodyBytes]).toEqual([true, 48 * MIB]);
  });

  it('for fifty streams at once costs no more than what windows and sockets hold', async () => {
    rig.origin.script = (request) => void pour(request, 64 * MIB);
    const before = rig.fermat.rssBytes;
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, 0]] });
    const all = Array.from({ length: 50 }, () => client.request());
    for (const stream of all) await client.head(stream);
    await settled(() => rig.fermat.rssBytes >> 22);
    expect(rig.fermat.rssBytes - before).toBeLessThan(64 * MIB);
    expect(client.dataBytes).toBe(0);
  });

  it('of the connection keeps bodies back, but neither heads nor answers without any', async () => {
    rig.origin.script = (request) =>
      request.target === '/none' ? request.answer(204, '') : request.answer(200, PIECE);
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, MIB]] });
    const first = client.request();
    await client.come(() => client.window === 0, 'the use of the whole window');
    const second = await client.head(client.request());
    expect([second.status, second.bodyBytes]).toEqual([200, 0]);
    expect((await client.get('/none')).status).toBe(204);
    client.open(0, 2 * PIECE.length);
    await client.over(first);
    expect((await client.over(second)).bodyBytes).toBe(PIECE.length);
  });
});

describe('windows that change', () => {
  it('are kept to the byte when they open by one', async () => {
    rig.origin.script = (request) => request.answer(200, 'x'.repeat(300));
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, 0]] });
    const stream = await client.head(client.request());
    for (let i = 1; i <= 300; i++) {
      client.open(stream.id, 1);
      await client.come(() => stream.bodyBytes === i, `byte ${i}`);
    }
    await client.over(stream);
    expect([stream.hasEnded, client.framesOf(T.DATA).filter(({ length }) => length > 1)]).toEqual([true, []]);
  });

  it('go to zero and below in mid-stream, and back', async () => {
    rig.origin.script = (request) => void pour(request, MIB);
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, 200_000]] });
    client.open(0, 4 * MIB);
    const stream = client.request();
    await client.come(() => stream.bodyBytes === 200_000, 'the first window');
    client.settings([S.WINDOW, 0]);
    await client.settle();
    expect([client.settingsAcks, stream.window]).toEqual([2, -200_000]);
    client.open(stream.id, 150_000);
    await client.settle();
    client.settings([S.WINDOW, 50_000]);
    await client.settle();
    expect([stream.bodyBytes, stream.window]).toEqual([200_000, 0]);
    client.open(stream.id, 10);
    await client.come(() => stream.bodyBytes === 200_010, 'ten bytes');
    client.settings([S.WINDOW, 2 * MIB]);
    await client.over(stream);
    expect(stream.bodyBytes).toBe(MIB);
  });

  it('and frame sizes of the client are taken up at once', async () => {
    rig.origin.script = (request) => void pour(request, 256 * KIB);
    using client = await h2Client(rig.port, { settings: [[S.FRAME, 1 << 20]] });
    expect((await client.get()).bodyBytes).toBe(256 * KIB);
    client.faults.splice(0); // frames above 16384 are what it asked for
  });
});

describe('streams that share a connection', () => {
  it('let a small answer overtake a body of a gigabyte', async () => {
    rig.origin.script = (request) =>
      request.target === '/big' ? void pour(request, 1024 * MIB) : request.answer(200, 'small');
    // A window of the connection that is always just about used up, as it is with a client at the end of a slow line.
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, 64 * MIB]] });
    const big = client.request(getFields('/big'));
    await client.come(() => client.window === 0, 'the use of the whole window');
    for (let i = 0; i < 20; i++) {
      const before = big.bodyBytes;
      const small = client.request();
      while (!small.isOver) {
        if (client.window === 0) client.open(0, 16 * KIB);
        await client.settle();
        if (!small.isOver && client.window > 0)
          await client.come(() => client.window === 0 || small.isOver, 'some DATA');
      }
      expect(small.body).toBe('small');
      expect(big.bodyBytes - before).toBeLessThanOrEqual(256 * KIB);
    }
    expect(big.isOver).toBe(false);
    client.send(reset(big.id));
  });

  it('take turns', async () => {
    rig.origin.script = (request) => void pour(request, 64 * MIB);
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, 64 * MIB]] });
    const all = Array.from({ length: 4 }, () => client.request());
    for (const stream of all) await client.head(stream);
    for (let i = 0; i < 80; i++) {
      await client.come(() => client.window === 0, 'the use of the whole window');
      client.open(0, 64 * KIB);
    }
    await client.come(() => client.window === 0, 'the use of the whole window');
    const shares = all.map(({ bodyBytes }) => bodyBytes / client.dataBytes);
    expect(Math.min(...shares), `${shares}`).toBeGreaterThan(0.15);
  });

  it('go on when others are reset with their bodies half sent', async () => {
    rig.origin.script = (request) => void pour(request, request.target === '/last' ? 2 * MIB : 64 * MIB);
    using client = await h2Client(rig.port, { isGreedy: false, settings: [[S.WINDOW, MIB]] });
    const all = Array.from({ length: 30 }, () => client.request());
    for (const stream of all) await client.head(stream);
    for (const stream of all) client.send(reset(stream.id));
    const last = client.request(getFields('/last'));
    client.isGreedy = true;
    client.open(0, 16 * MIB);
    expect((await client.over(last)).bodyBytes).toBe(2 * MIB);
  });
});

describe('clients of one worker', () => {
  it('have their small answers soon while one of them takes a hundred large ones at once', async () => {
    rig.origin.script = (request) =>
      request.target === '/big' ? void pour(request, 1024 * MIB) : request.answer(200, 'small');
    using greedy = await h2Client(rig.port, { settings: [[S.WINDOW, 16 * MIB]] });
    const downloads = Array.from({ length: 100 }, () => greedy.request(getFields('/big')));
    for (const stream of downloads) await greedy.head(stream);
    using modest = await h2Client(rig.port);
    let slowestBytes = 0;
    for (let i = 0; i < 30; i++) {
      const before = greedy.dataBytes;
      const small = modest.request();
      await modest.over(small);
      expect(small.body).toBe('small');
      slowestBytes = Math.max(slowestBytes, greedy.dataBytes - before);
    }
    expect(greedy.dataBytes).toBeGreaterThan(MIB);
    // Counted in what the other one got meanwhile, which a busy machine does not change: a frame or two of each, and what lay ready.
    expect(slowestBytes).toBeLessThan(48 * MIB);
    greedy.destroy();
  });
});

describe('request bodies', () => {
  const hold = (request: OriginRequest) => void request.connection.socket.pause();

  /** What the server has let the client send on a stream beyond its first window. */
  const granted = (client: H2Client, stream: Stream) =>
    client.framesOf(T.WINDOW_UPDATE, stream.id).reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);

  it('stop when the endpoint does not read, without a word to other streams, and go on when it does', async () => {
    rig.origin.script = (request) => {
      if (request.method === 'POST') hold(request);
      else request.answer();
    };
    const before = rig.fermat.rssBytes;
    using client = await h2Client(rig.port);
    const stream = client.start(postFields('/', [['content-length', `${32 * MIB}`]]));
    const done = client.upload(stream, Buffer.alloc(32 * MIB, 'u'), true, 25_000);
    expect(await settled(() => granted(client, stream))).toBeLessThan(KERNEL_BYTES);
    expect(rig.fermat.rssBytes - before).toBeLessThan(32 * MIB);
    for (let i = 0; i < 5; i++) expect((await client.get()).status).toBe(200);
    const request = rig.origin.requests.find(({ method }) => method === 'POST')!;
    request.connection.socket.resume();
    await done;
    await request.whole();
    expect(request.bodyBytes).toBe(32 * MIB);
    request.answer();
    expect((await client.over(stream)).status).toBe(200);
  });

  it('of fifty streams cost a window each when the endpoint stops reading, however fast it was before', async () => {
    rig.origin.script = hold;
    const before = rig.fermat.rssBytes;
    using client = await h2Client(rig.port);
    const streams = Array.from({ length: 50 }, () => client.start());
    const all = streams.map((stream) =>
      client.upload(stream, Buffer.alloc(16 * MIB, 'u'), true, 25_000).catch(() => {}),
    );
    await settled(() => streams.reduce((sum, stream) => sum + granted(client, stream), 1));
    // Fifty windows of 64 KiB and a MiB of grown ones, beside what pools and heaps take.
    expect(rig.fermat.rssBytes - before).toBeLessThan(40 * MIB);
    for (const stream of streams) client.send(reset(stream.id));
    client.destroy();
    await Promise.all(all);
  });

  it('of a fast endpoint are given larger windows, and no more of them than one connection is to hold', async () => {
    using client = await h2Client(rig.port);
    const stream = client.start();
    await client.upload(stream, Buffer.alloc(8 * MIB, 'u'), true, 20_000);
    expect((await client.over(stream, 10_000)).status).toBe(200);
    const steps = client.framesOf(T.WINDOW_UPDATE, stream.id).map(({ payload }) => payload.readUInt32BE(0));
    expect(steps[0]).toBeGreaterThanOrEqual(32 * KIB);
    expect(Math.max(...steps)).toBeGreaterThanOrEqual(128 * KIB);
    expect(steps.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(8 * MIB + 192 * KIB);
  });

  it('of 64 MiB arrive whole, with a length and without, while memory stays', async () => {
    const before = rig.fermat.rssBytes;
    using client = await h2Client(rig.port);
    for (const [bytes, more] of [
      [64 * MIB, [['content-length', `${64 * MIB}`]]],
      [16 * MIB, []],
    ] as [number, Field[]][]) {
      rig.origin.requests.length = 0;
      const stream = client.start(postFields('/', more));
      await client.upload(stream, Buffer.alloc(bytes, 'u'), true, 20_000);
      expect((await client.over(stream, 10_000)).status).toBe(200);
      expect(rig.origin.request.bodyBytes).toBe(bytes);
    }
    expect(rig.fermat.rssBytes - before).toBeLessThan(48 * MIB);
  });

  it('of many streams at once arrive each with its own bytes', async () => {
    rig.origin.script = async (request) => request.answer(200, await request.whole());
    using client = await h2Client(rig.port);
    const bodies = Array.from({ length: 20 }, (_, i) => Buffer.alloc(200_000 + i, 65 + i));
    const streams = bodies.map(() => client.start());
    await Promise.all(bodies.map((body, i) => client.upload(streams[i]!, body)));
    for (const [i, stream] of streams.entries()) {
      await client.over(stream);
      expect(Buffer.concat(stream.parts).equals(bodies[i]!)).toBe(true);
    }
  });

  it('are let go when the endpoint dies with the client still sending', async () => {
    rig.origin.script = async (request) => {
      if (request.method !== 'POST') return request.answer();
      await until(() => request.bodyBytes > 100_000, 'a part of the body');
      request.reset();
    };
    using client = await h2Client(rig.port);
    const stream = client.start();
    await client.upload(stream, Buffer.alloc(8 * MIB));
    await client.over(stream);
    expect([502, 503]).toContain(stream.status);
    expect((await client.get()).status).toBe(200);
    await delay(20);
    expect(client.goaways).toEqual([]);
  });
});
