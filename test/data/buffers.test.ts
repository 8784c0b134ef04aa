// What sockets read into: whose memory a chunk is in, and that none is read into while somebody still writes from it.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adopt,
  countWaiting,
  giveBulk,
  isShared,
  kept,
  onread,
  owned,
  ReadBuffer,
  takeBulk,
} from '../../src/data/buffers.ts';

const shared = new ReadBuffer().current;

describe('owned and kept bytes', () => {
  it('of the shared buffer are copies, so that the next read does not change them', () => {
    shared.write('abcdef', 0, 'latin1');
    const chunk = shared.subarray(0, 6);
    const both = [owned(chunk, 1, 4), kept(chunk, 1, 4)];
    shared.write('xxxxxx', 0, 'latin1');
    expect(both.map(String)).toEqual(['bcd', 'bcd']);
  });

  it('of any other buffer are the bytes themselves when owned, and a copy when kept', () => {
    const chunk = Buffer.allocUnsafeSlow(6);
    chunk.write('abcdef', 0, 'latin1');
    expect(owned(chunk, 0, 6)).toBe(chunk);
    const part = owned(chunk, 1, 4);
    const copy = kept(chunk, 1, 4);
    chunk.write('xxxxxx', 0, 'latin1');
    expect([String(part), String(copy)]).toEqual(['xxx', 'bcd']);
  });
});

describe('a connection', () => {
  it('reads into the shared buffer as long as no large body is under way', () => {
    const buffer = new ReadBuffer();
    expect(buffer.next(false, true)).toBe(shared);
    expect(buffer.next(false, false)).toBe(shared);
  });

  it('reads a large body into a buffer of its own, the same one while all of it has been written', () => {
    const buffer = new ReadBuffer();
    const own = buffer.next(true, true);
    expect(own).not.toBe(shared);
    expect(own.length).toBe(64 * 1024);
    expect(buffer.next(true, true)).toBe(own);
    expect(buffer.next(false, true)).toBe(shared);
  });

  it('leaves a buffer to whoever still writes from it, at the end of a body too', () => {
    const buffer = new ReadBuffer();
    const first = buffer.next(true, true);
    expect(buffer.next(true, false)).toBe(shared); // who is slow has one buffer held for him, not two
    const reads = Array.from({ length: 16 }, () => buffer.next(true, true));
    expect(reads.slice(0, -1).every((next) => next === shared)).toBe(true);
    const second = reads.at(-1)!;
    expect(second).not.toBe(shared);
    expect(second).not.toBe(first);
    expect(buffer.next(false, false)).toBe(shared);
    const handedOut = Array.from({ length: 200 }, () => new ReadBuffer().next(true, true));
    expect(handedOut).not.toContain(first);
    expect(handedOut).not.toContain(second);
  });

  it('reads less at a time, and into the shared buffer alone, while many wait for their clients', () => {
    const sizes: number[] = [];
    const buffer = new ReadBuffer();
    const own = buffer.next(true, true);
    for (const [count, smallest] of [
      [100, 16],
      [300, 16],
      [600, 8],
    ] as const) {
      for (let i = 0; i < count; i++) countWaiting(1);
      const next = buffer.next(true, true);
      expect([isShared(next), next.byteOffset]).toEqual([true, shared.byteOffset]);
      sizes.push(next.length);
      const small = takeBulk(1000);
      giveBulk(small);
      expect([small.length, takeBulk(1000)]).toEqual([smallest * 1024, small]);
      for (let i = 0; i < count; i++) countWaiting(-1);
    }
    expect(sizes).toEqual([32 * 1024 - 512, 16 * 1024 - 512, 8 * 1024 - 512]);
    expect(buffer.next(false, true)).toBe(shared);
    expect(buffer.next(true, true)).toBe(own);
    buffer.next(false, true);
  });

  it('gets a buffer again that another has done with', () => {
    const one = new ReadBuffer();
    const own = one.next(true, true);
    one.next(false, true);
    expect(new ReadBuffer().next(true, true)).toBe(own);
  });
});

describe('whatever order they come in', () => {
  const step = fc.record({ who: fc.nat(4), isBulk: fc.boolean(), isFlushed: fc.boolean() });

  it('two connections never read into one bulk buffer, and none into what still waits to be written', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const readers = Array.from({ length: 5 }, () => new ReadBuffer());
        /** Buffers with bytes on their way to a socket; never flushed here. */
        const waiting = new Set<Buffer>();
        for (const { who, isBulk, isFlushed } of steps) {
          const reader = readers[who]!;
          if (!isFlushed && reader.current !== shared) waiting.add(reader.current);
          const next = reader.next(isBulk, isFlushed);
          expect(waiting.has(next)).toBe(false);
          if (!isBulk || !isFlushed) expect(next).toBe(shared);
          const own = readers.map((r) => r.current).filter((buffer) => buffer !== shared);
          expect(new Set(own).size).toBe(own.length);
        }
        for (const reader of readers) reader.next(false, true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('over real sockets', () => {
  it('an accepted socket and a connecting one read where they are told, byte for byte', async () => {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const accepted = once(server, 'connection');
    const fromServer: Buffer[] = [];
    const fromClient: Buffer[] = [];
    const memory = new Set<Buffer>();
    const toClient = new ReadBuffer();
    const toServer = new ReadBuffer();
    const client = connect({
      port,
      host: '127.0.0.1',
      onread: onread({
        take: (chunk) => fromServer.push(kept(chunk, 0, chunk.length)),
        next: () => toClient.next(true, true),
      }),
    });
    const [raw] = (await accepted) as [Socket];
    let isBulk = false;
    const socket = adopt(raw, {
      take: (chunk) => fromClient.push(kept(chunk, 0, chunk.length)),
      next: () => {
        isBulk = !isBulk;
        const buffer = toServer.next(isBulk, true);
        memory.add(buffer);
        return buffer;
      },
    });
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) & 255));
    client.end(sent);
    socket.end(sent);
    await Promise.all([once(client, 'close'), once(socket, 'close')]);
    expect(Buffer.concat(fromServer).equals(sent)).toBe(true);
    expect(Buffer.concat(fromClient).equals(sent)).toBe(true);
    expect(memory.has(shared)).toBe(true);
    expect(memory.size).toBeGreaterThan(1);
    server.close();
  });
});
