// What nobody thought of: frames by chance, and honest clients, endpoints and windows that do everything at once in any order. The
// seed is printed with a failure; FERMAT_TEST_SEED takes another.

import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { type H2Client, h2Client } from '../support/h2.ts';
import { data, F, frame, getFields, postFields, S, settings, T, u32 } from '../support/h2-frames.ts';
import type { Stream } from '../support/h2-stream.ts';
import { writeFields } from '../support/hpack.ts';
import type { OriginRequest } from '../support/origin.ts';
import { useRig } from '../support/rig.ts';
import { delay } from '../support/until.ts';

const SEED = Number(process.env.FERMAT_TEST_SEED ?? 1);
const rig = useRig((origin) => simpleConfig([origin.url]));

/** Mulberry32. */
function chance(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

describe('frames by chance', () => {
  /** Mostly right, often in the wrong place, sometimes not even that. */
  function anyFrame(pick: (n: number) => number): Buffer {
    const id = pick(8) === 0 ? pick(2 ** 31) : pick(12);
    const flags = pick(4) === 0 ? pick(256) : [0, F.END_STREAM, F.END_HEADERS, F.END_HEADERS | F.END_STREAM][pick(4)]!;
    const noise = Buffer.from(Array.from({ length: pick(30) }, () => pick(256)));
    switch (pick(12)) {
      case 0:
        return frame(T.DATA, flags, id, noise);
      case 1:
      case 2:
      case 3:
        return frame(T.HEADERS, flags, id, writeFields(pick(2) === 0 ? getFields('/any') : postFields('/any')));
      case 4:
        return frame(T.HEADERS, flags, id, noise);
      case 5:
        return frame(T.CONTINUATION, flags, id, pick(2) === 0 ? noise : writeFields([['x-more', 'y']]));
      case 6:
        return frame(T.RST_STREAM, flags, id, u32(pick(16)));
      case 7:
        return frame(T.WINDOW_UPDATE, flags, id, u32(pick(3) === 0 ? pick(2 ** 31) : pick(1000)));
      case 8:
        return settings([pick(10), pick(3) === 0 ? pick(2 ** 31) : pick(70_000)]);
      case 9:
        return frame(T.PING, flags & F.ACK, pick(5) === 0 ? id : 0, Buffer.alloc(8));
      case 10:
        return frame(T.PRIORITY, flags, id, Buffer.concat([u32(pick(20)), Buffer.from([pick(256)])]));
      default:
        return frame(pick(20), flags, id, noise, pick(20) === 0 ? pick(1 << 24) : -1);
    }
  }

  it('end connections or do not, but never a worker, and reach no endpoint as what they are not', async () => {
    const pick = chance(SEED);
    for (let round = 0; round < 120; round++) {
      const client = await h2Client(rig.port, { isGreedy: false });
      const bytes = Buffer.concat(Array.from({ length: 1 + pick(40) }, () => anyFrame(pick)));
      const pieceBytes = pick(3) === 0 ? 1 + pick(50) : bytes.length;
      for (let at = 0; at < bytes.length && !client.isClosed; at += pieceBytes) {
        client.socket.write(bytes.subarray(at, at + pieceBytes));
        if (pieceBytes < bytes.length) await delay(0);
      }
      if (pick(2) === 0) await client.settle().catch(() => {});
      client.destroy();
    }
    using client = await h2Client(rig.port);
    expect((await client.get()).status).toBe(200);
    for (const { method, target } of rig.origin.requests)
      expect([method, target].join(' ')).toMatch(/^(GET|POST) \/(any)?$/);
  });
});

describe('everything at once', () => {
  const BODY = Buffer.alloc(1 << 20, 'abcdefghijklmnopqrstuvwxyz');

  /** By what the path says: /bytes/framing/way/delay. The answer to a POST begins when its body is in, or does not wait for it. */
  async function serve(request: OriginRequest): Promise<void> {
    const [, bytes, framing, way, ms] = request.target
      .split('/')
      .map((part, i) => (i === 2 || i === 3 ? part : Number(part)));
    if (way === 'never') return;
    if (way !== 'early') await request.whole();
    await delay(ms as number);
    const body = BODY.subarray(0, bytes as number);
    if (framing === 'length') request.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
    else request.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const half = way === 'die' ? body.length >> 1 : body.length;
    for (let at = 0; at < half; at += 30_000) {
      const piece = body.subarray(at, Math.min(half, at + 30_000));
      if (framing === 'length') request.send(piece);
      else request.send(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]));
      if (at % 90_000 === 0) await delay(1);
    }
    if (way === 'die') return request.reset();
    if (framing !== 'length') request.send('0\r\nX-Sum: 1\r\n\r\n');
  }

  interface Asked {
    readonly stream: Stream;
    readonly bytes: number;
    readonly way: string;
    readonly sent: Promise<void>;
  }

  function ask(client: H2Client, pick: (n: number) => number): Asked {
    const bytes = [0, 1, 5000, 16_384, 70_000, 300_000, 1 << 20][pick(7)]!;
    // An answer that was whole before its connection died would leave a stale one for whoever comes next.
    const way = ['plain', 'plain', 'plain', 'early', bytes > 1 ? 'die' : 'plain', 'never'][pick(6)]!;
    const path = `/${bytes}/${['length', 'chunked'][pick(2)]}/${way}/${pick(4) === 0 ? pick(30) : 0}`;
    if (pick(3) > 0) return { stream: client.request(getFields(path)), bytes, way, sent: Promise.resolve() };
    const size = [0, 10, 100_000, 400_000][pick(4)]!;
    const stream = client.start(postFields(path, pick(2) === 0 ? [['content-length', `${size}`]] : []));
    if (size === 0) client.send(data(stream.id, '', F.END_STREAM));
    const sent = size === 0 ? Promise.resolve() : client.upload(stream, BODY.subarray(0, size));
    return { stream, bytes, way, sent };
  }

  async function churn(client: H2Client, pick: (n: number) => number, rounds: number): Promise<void> {
    const all: Asked[] = [];
    for (let i = 0; i < rounds; i++) {
      const open = all.filter(({ stream }) => !stream.isOver && !stream.isGivenUp);
      if (open.length < 40) all.push(ask(client, pick));
      if (pick(6) === 0 && open.length > 0) {
        client.giveUp(open[pick(open.length)]!.stream);
      }
      if (pick(10) === 0) client.settings([S.WINDOW, [0, 1, 1000, 65_535, 500_000][pick(5)]!]);
      if (pick(15) === 0) client.settings([S.TABLE, [0, 50, 4096, 65_536][pick(4)]!]);
      if (pick(3) === 0) await delay(pick(8));
    }
    client.settings([S.WINDOW, 1 << 20]);
    for (const one of all) {
      if (one.way === 'never' && !one.stream.isOver && !one.stream.isGivenUp) client.giveUp(one.stream);
      if (one.stream.isGivenUp) continue;
      await client.over(one.stream, 15_000);
      await one.sent;
      const what = `stream ${one.stream.id}, ${one.way}, ${one.bytes} bytes`;
      if (one.way === 'die') {
        if (one.stream.status === 200) expect(one.stream.hasEnded, what).toBe(false);
      } else {
        expect([one.stream.status, one.stream.hasEnded, one.stream.bodyBytes], what).toEqual([200, true, one.bytes]);
        expect(Buffer.concat(one.stream.parts).equals(BODY.subarray(0, one.bytes)), what).toBe(true);
      }
    }
  }

  it('gives every answer whole or visibly broken, and keeps to every window', async () => {
    rig.origin.script = serve;
    await Promise.all(
      [1, 2, 3].map(async (n) => {
        using client = await h2Client(rig.port);
        await churn(client, chance(SEED * 1000 + n), 120);
        expect(client.goaways.map(({ code }) => code)).toEqual([]);
      }),
    );
  });
});
