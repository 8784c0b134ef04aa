// Where frames end is told the same however the bytes are cut; and a frame of ours is one.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLOSE_CODE, closeFrame, FrameTrack } from '../../src/wire/websocket-frames.ts';

interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly length: number;
  readonly isMasked: boolean;
}

/** Its bytes, in the shortest form of the length that holds it, or a longer one. */
function bytesOf({ opcode, isFinal, length, isMasked }: Frame): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const first = (isFinal ? 0x80 : 0) | opcode;
  let head: Buffer;
  if (length < 126) head = Buffer.from([first, mask | length]);
  else if (length < 65_536) head = Buffer.from([first, mask | 126, length >> 8, length & 0xff]);
  else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  // A payload that looks like heads of frames.
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0, 0x88), Buffer.alloc(length, 0x88)]);
}

function endsOf(list: readonly Frame[]): number[] {
  let at = 0;
  return list.map((frame) => {
    at += bytesOf(frame).length;
    return at;
  });
}

const frames = fc.array(
  fc.record({
    opcode: fc.constantFrom(0, 1, 2, 9, 10),
    isFinal: fc.boolean(),
    length: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(65_535, 65_536, 70_000)),
    isMasked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

describe('frames that pass', () => {
  it('end where they end, however the bytes come', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 }), (list, cuts) => {
        const all = Buffer.concat(list.map(bytesOf));
        const ends = new Set<number>([0]);
        for (const end of endsOf(list)) ends.add(end);
        const track = new FrameTrack();
        for (let at = 0, cut = 0; at < all.length; cut++) {
          const to = Math.min(all.length, at + cuts[cut % cuts.length]!);
          track.pass(all, at, to);
          expect(track.isBetween).toBe(ends.has(to));
          at = to;
        }
        expect(track.hasClose).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('are passed up to the end of the one under way', () => {
    fc.assert(
      fc.property(frames, fc.nat(), (list, seed) => {
        const all = Buffer.concat(list.map(bytesOf));
        const ends = endsOf(list);
        const from = seed % all.length;
        const track = new FrameTrack();
        track.pass(all, 0, from);
        fc.pre(!track.isBetween);
        const end = ends.find((at) => at > from)!;
        expect(track.passFrame(all, from, end - 1)).toBe(-1);
        expect(track.passFrame(all, end - 1, all.length)).toBe(end);
        expect(track.isBetween).toBe(true);
      }),
    );
  });

  it('may be of any length, and cost what they weigh', () => {
    const track = new FrameTrack();
    const head = Buffer.from([0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0]);
    track.pass(head, 0, head.length);
    const chunk = Buffer.alloc(1 << 20, 0x88);
    for (let i = 0; i < 4095; i++) track.pass(chunk, 0, chunk.length);
    expect(track.isBetween).toBe(false);
    expect(track.passFrame(chunk, 0, chunk.length)).toBe(chunk.length);
    expect(track.hasClose).toBe(false);
  });

  it('show a close frame from its first byte on', () => {
    const track = new FrameTrack();
    track.pass(Buffer.from([0x88]), 0, 1);
    expect([track.hasClose, track.isBetween]).toEqual([true, false]);
  });
});

describe('a close frame of ours', () => {
  it('is what RFC 6455 says: two bytes of reason, masked by whoever is a client', () => {
    expect([...closeFrame(CLOSE_CODE.GOING_AWAY, null)]).toEqual([0x88, 0x02, 0x03, 0xe9]);
    const mask = Buffer.from([0xde, 0xad, 0xbe, 0xef]);
    expect([...closeFrame(CLOSE_CODE.GOING_AWAY, mask)]).toEqual([
      0x88,
      0x82,
      0xde,
      0xad,
      0xbe,
      0xef,
      0x03 ^ 0xde,
      0xe9 ^ 0xad,
    ]);
  });
});
