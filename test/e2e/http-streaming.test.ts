// Bodies on their way: unbuffered, unchanged, held back by whoever reads slowly, at flat memory however large.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Stopwatch } from '../support/lateness.ts';
import { ChunkedBody, headLength } from '../support/message.ts';
import { get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const rig = useRig();

const MIB = 1 << 20;
/** Repeats with a period that no buffer size divides, so that a lost or doubled piece changes the hash. */
const PATTERN = Buffer.from(Array.from({ length: 65_537 }, (_, i) => (i * 31 + (i >> 8)) & 255));
const hash = () => createHash('sha1');

/** Writes `bytes` bytes of the pattern with back-pressure; gives their hash. */
async function pour(socket: NodeJS.WritableStream, bytes: number): Promise<string> {
  const sum = hash();
  for (let left = bytes; left > 0; ) {
    const piece = left < PATTERN.length ? PATTERN.subarray(0, left) : PATTERN;
    sum.update(piece);
    left -= piece.length;
    if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  return sum.digest('hex');
}

describe('large bodies', () => {
  it('carries 64 MiB up at flat memory, byte by byte', async () => {
    const sum = hash();
    let bytes = 0;
    rig.origin.script = async (request) => {
      request.takeBody = (piece) => {
        bytes += piece.length;
        request.bodyBytes += piece.length;
        sum.update(piece);
      };
      await request.whole();
      request.answer();
    };
    using client = await rawClient(rig.port);
    const before = rig.fermat.rssBytes;
    await client.send(`POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
    const sent = await pour(client.socket, 64 * MIB);
    expect((await client.answer('POST', 20_000)).status).toBe(200);
    expect([bytes, sum.digest('hex')]).toEqual([64 * MIB, sent]);
    expect(rig.fermat.rssBytes - before).toBeLessThan(64 * MIB);
  });

  it.each(['Content-Length', 'chunks'])('carries 64 MiB down at flat memory, byte by byte, by %s', async (framing) => {
    let sent = '';
    rig.origin.script = async (request) => {
      const { socket } = request.connection;
      if (framing === 'chunks') {
        request.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000000\r\n');
        sent = await pour(socket, 64 * MIB);
        request.send('\r\n0\r\n\r\n');
      } else {
        request.send(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
        sent = await pour(socket, 64 * MIB);
      }
    };
    const client = await rawClient(rig.port);
    client.socket.removeAllListeners('data');
    const before = rig.fermat.rssBytes;
    const sum = hash();
    let bytes = 0;
    const take = (piece: Buffer) => {
      bytes += piece.length;
      sum.update(piece);
    };
    const chunked = framing === 'chunks' ? new ChunkedBody(take) : null;
    let pending: Buffer = Buffer.alloc(0);
    let hasHead = false;
    client.socket.on('data', (piece: Buffer) => {
      pending = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
      if (!hasHead) {
        const length = headLength(pending);
        if (length < 0) return;
        hasHead = true;
        pending = pending.subarray(length);
      }
      if (chunked === null) {
        take(pending);
        pending = Buffer.alloc(0);
      } else pending = pending.subarray(chunked.take(pending));
    });
    await client.send(get());
    await until(() => bytes === 64 * MIB && (chunked === null || chunked.isDone), 'the whole body', 20_000);
    expect(sum.digest('hex')).toBe(sent);
    expect(rig.fermat.rssBytes - before).toBeLessThan(64 * MIB);
    client.destroy();
  });

  it('carries a large body up in small chunks and down in odd ones', async () => {
    rig.origin.script = async (request) => {
      const body = await request.whole();
      request.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (let at = 0, n = 1; at < body.length; n = (n * 7 + 1) % 50_000) {
        const piece = body.subarray(at, at + n);
        request.send(`${piece.length.toString(16)}\r\n`);
        request.send(piece);
        request.send('\r\n');
        at += piece.length;
      }
      request.send('0\r\n\r\n');
    };
    const body = Buffer.concat(Array.from({ length: 20 }, () => PATTERN));
    using client = await rawClient(rig.port);
    await client.send('POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let at = 0; at < body.length; at += 1000) {
      const piece = body.subarray(at, at + 1000);
      client.socket.write(`${piece.length.toString(16)}\r\n`);
      client.socket.write(piece);
      client.socket.write('\r\n');
    }
    await client.send('0\r\n\r\n');
    expect((await client.answer('POST')).body.equals(body)).toBe(true);
  });
});

describe('back-pressure', () => {
  it('holds an origin back when the client does not read', async () => {
    let written = 0;
    rig.origin.script = async (request) => {
      request.send(`HTTP/1.1 200 OK\r\nContent-Length: ${256 * MIB}\r\n\r\n`);
      const piece = Buffer.alloc(64 << 10);
      while (!request.connection.isClosed && written < 256 * MIB) {
        written += piece.length;
        if (request.send(piece)) continue;
        await new Promise((resolve) => {
          request.connection.socket.once('drain', resolve);
          request.connection.socket.once('close', resolve);
        });
      }
    };
    using client = await rawClient(rig.port);
    const before = rig.fermat.rssBytes;
    client.socket.pause();
    await client.send(get());
    let last = -1;
    await until(
      async () => {
        const isStill = written === last && written > 0;
        last = written;
        await delay(150);
        return isStill;
      },
      'the origin to be held back',
      8000,
    );
    // Kernel buffers on two connections hold some megabytes; Fermat itself next to nothing.
    expect(written).toBeLessThan(48 * MIB);
    expect(rig.fermat.rssBytes - before).toBeLessThan(16 * MIB);
    client.destroy();
    await until(() => rig.origin.requests[0]?.connection.isClosed, 'the end of the upstream connection');
  });

  it('holds a client back when the origin does not read', async () => {
    rig.origin.onConnection = ({ socket }) => {
      socket.once('data', () => socket.pause());
    };
    rig.origin.script = () => {};
    // A new connection upstream, so that the script above sees it from its start.
    for (const { socket } of rig.origin.open) socket.destroy();
    using client = await rawClient(rig.port);
    const before = rig.fermat.rssBytes;
    await client.send(`POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: ${256 * MIB}\r\n\r\n`);
    for (let i = 0; i < 64; i++) client.socket.write(Buffer.alloc(MIB));
    let last = -1;
    await until(
      async () => {
        const left = client.socket.writableLength;
        const isStill = left === last && left < 64 * MIB;
        last = left;
        await delay(150);
        return isStill;
      },
      'the client to be held back',
      8000,
    );
    expect(client.socket.writableLength).toBeGreaterThan(16 * MIB);
    expect(rig.fermat.rssBytes - before).toBeLessThan(16 * MIB);
  });
});

describe('unbuffered', () => {
  it('passes each server-sent event on when it comes', async () => {
    let say = (_: string): void => {};
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
      say = (text) => request.send(`${text.length.toString(16)}\r\n${text}\r\n`);
    };
    using client = await rawClient(rig.port);
    await client.send(get('/', 'Accept: text/event-stream\r\n'));
    await until(() => client.pending.includes('text/event-stream'), 'the head, before any event');
    for (let i = 0; i < 5; i++) {
      using watch = new Stopwatch();
      say(`data: ${i}\n\n`);
      await until(() => client.pending.includes(`data: ${i}`), `event ${i}`);
      expect(watch.ms).toBeLessThan(watch.allowed(200));
    }
    client.destroy();
    await until(() => rig.origin.requests[0]?.connection.isClosed, 'the end of the upstream connection');
  });

  it('passes pieces of a request on when they come', async () => {
    using client = await rawClient(rig.port);
    await client.send('POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n');
    const request = await rig.origin.nth(1);
    for (let i = 1; i <= 5; i++) {
      await client.send('1\r\nx\r\n');
      await until(() => request.bodyBytes === i, `piece ${i}`, 1000);
    }
    await client.send('0\r\n\r\n');
    expect((await client.answer('POST')).status).toBe(200);
  });

  it('lets both sides talk at once', async () => {
    rig.origin.script = (request) => {
      request.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const { takeBody } = request;
      request.takeBody = (bytes) => {
        takeBody.call(request, bytes);
        request.send(`${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`);
      };
      void request.whole().then(() => request.send('0\r\n\r\n'));
    };
    using client = await rawClient(rig.port);
    await client.send('POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const word of ['one', 'two', 'three']) {
      await client.send(`${word.length}\r\n${word}\r\n`);
      await until(() => client.pending.includes(word), `the echo of ${word}`, 1000);
    }
    await client.send('0\r\n\r\n');
    expect((await client.answer('POST')).text).toBe('onetwothree');
  });
});
