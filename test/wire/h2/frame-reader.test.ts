// Frames out of bytes: whatever way the bytes are cut, the same frames come out; and each way in which a frame can be wrong by
// itself has its error (RFC 9113, 4 and 6).

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, READ } from '../../../src/wire/h2/frame-reader.ts';
import { H2_ERROR } from '../../../src/wire/h2/frames.ts';
import {
  F,
  frame,
  goaway,
  padded,
  ping,
  priority,
  reset,
  settings,
  T,
  u32,
  windowUpdate,
} from '../../support/h2-frames.ts';

const MAX_BLOCK = 1000;

interface Event {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** The frame's own length, padding included; of joined header sections it is not judged. */
  readonly length: number;
  readonly payload: string;
}

/** Feeds `bytes` in pieces and gives the frames, DATA put together again, and the error if there was one. */
function read(bytes: Buffer, cuts: readonly number[] = [], reader = new FrameReader(MAX_BLOCK)): [Event[], number] {
  const events: Event[] = [];
  let body = '';
  let isOpen = false;
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    // A copy that is spoilt afterwards: nothing that was read may be looked at later.
    const piece = Buffer.from(bytes.subarray(at, Math.max(at, cut)));
    at = Math.max(at, cut);
    for (let from = 0; ; from = reader.at) {
      const code = reader.read(piece, from);
      if (code === READ.MORE) break;
      if (code === READ.BAD) return [events, reader.error];
      const { type, flags, streamId, length } = reader;
      const payload = reader.buf.toString('latin1', reader.from, reader.to);
      if (code === READ.FRAME) events.push({ type, flags, streamId, length: type === T.HEADERS ? 0 : length, payload });
      else {
        expect(reader.isFirst, 'a frame begins with its first piece').toBe(!isOpen);
        if (reader.isFirst) body = '';
        body += payload;
        isOpen = !reader.isLast;
        if (reader.isLast) events.push({ type, flags, streamId, length, payload: body });
      }
    }
    piece.fill(0xee);
  }
  return [events, H2_ERROR.NO_ERROR];
}

const ID = fc.integer({ min: 1, max: 0x7fff_ffff });
const BYTES = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
const PAD = fc.option(fc.integer({ min: 0, max: 255 }), { nil: -1 });

interface Made {
  readonly bytes: Buffer;
  readonly event: Event;
}

const made = (type: number, flags: number, streamId: number, payload: Buffer): Made => ({
  bytes: frame(type, flags, streamId, payload),
  event: { type, flags, streamId, length: payload.length, payload: payload.toString('latin1') },
});

const DATA: fc.Arbitrary<Made> = fc
  .record({ id: ID, body: BYTES, pad: PAD, isEnd: fc.boolean() })
  .map(({ id, body, pad, isEnd }) => {
    const flags = (isEnd ? F.END_STREAM : 0) | (pad >= 0 ? F.PADDED : 0);
    const payload = pad >= 0 ? padded(body, pad) : body;
    return {
      bytes: frame(T.DATA, flags, id, payload),
      event: { type: T.DATA, flags, streamId: id, length: payload.length, payload: body.toString('latin1') },
    };
  });

const SECTION: fc.Arbitrary<Made> = fc
  .record({
    id: ID,
    parts: fc.array(BYTES, { minLength: 1, maxLength: 5 }),
    pad: PAD,
    hasPriority: fc.boolean(),
    isEnd: fc.boolean(),
  })
  .map(({ id, parts, pad, hasPriority, isEnd }) => {
    const [first, ...rest] = parts;
    const isWhole = rest.length === 0;
    const flags =
      (isEnd ? F.END_STREAM : 0) |
      (isWhole ? F.END_HEADERS : 0) |
      (pad >= 0 ? F.PADDED : 0) |
      (hasPriority ? F.PRIORITY : 0);
    const own = hasPriority ? Buffer.concat([u32(0), Buffer.from([7]), first!]) : first!;
    const bytes = [frame(T.HEADERS, flags, id, pad >= 0 ? padded(own, pad) : own)];
    for (const [i, part] of rest.entries())
      bytes.push(frame(T.CONTINUATION, i === rest.length - 1 ? F.END_HEADERS : 0, id, part));
    const payload = Buffer.concat(parts).toString('latin1');
    return { bytes: Buffer.concat(bytes), event: { type: T.HEADERS, flags, streamId: id, length: 0, payload } };
  });

const CONTROL: fc.Arbitrary<Made> = fc.oneof(
  fc.tuple(ID, ID).map(([id, value]) => made(T.WINDOW_UPDATE, 0, id, u32(value))),
  fc.tuple(ID, ID).map(([id, value]) => made(T.RST_STREAM, 0, id, u32(value))),
  ID.map((id) => made(T.PRIORITY, 0, id, Buffer.from([0, 0, 0, 0, 9]))),
  fc.constant(made(T.PING, 0, 0, Buffer.from('12345678'))),
  fc.constant(made(T.SETTINGS, F.ACK, 0, Buffer.alloc(0))),
  fc
    .array(fc.constant(Buffer.from([0, 5, 0, 0, 64, 0])), { maxLength: 4 })
    .map((all) => made(T.SETTINGS, 0, 0, Buffer.concat(all))),
  BYTES.map((debug) => made(T.GOAWAY, 0, 0, Buffer.concat([Buffer.alloc(8), debug]))),
  fc.tuple(fc.integer({ min: 10, max: 255 }), ID, BYTES).map(([type, id, payload]) => made(type, 0, id, payload)),
);

describe('frames that are right', () => {
  it('come out the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(DATA, SECTION, CONTROL), { maxLength: 8 }),
        fc.array(fc.nat(4000), { maxLength: 12 }),
        fc.boolean(),
        (all, someCuts, isByteByByte) => {
          const bytes = Buffer.concat(all.map((one) => one.bytes));
          const cuts = isByteByByte
            ? Array.from(bytes.keys())
            : someCuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
          expect(read(bytes, cuts)).toEqual([all.map((one) => one.event), H2_ERROR.NO_ERROR]);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('come out of the largest size', () => {
    const body = Buffer.alloc(16_384, 'x');
    const [events, error] = read(frame(T.DATA, 0, 1, body), [3, 9, 10, 9000]);
    expect([events[0]!.payload.length, error]).toEqual([16_384, 0]);
  });

  it('ignore the reserved bit of the stream id', () => {
    expect(read(frame(T.DATA, 0, 0x8000_0001, Buffer.from('x')))[0][0]!.streamId).toBe(1);
  });

  it('tell a frame or a header section that is not whole from a body that goes on', () => {
    const midwayAfter = (bytes: Buffer) => {
      const reader = new FrameReader(MAX_BLOCK);
      read(bytes, [], reader);
      return reader.isMidway;
    };
    expect(midwayAfter(frame(T.PING, 0, 0, Buffer.alloc(8)))).toBe(false);
    expect(midwayAfter(frame(T.PING, 0, 0, Buffer.alloc(8)).subarray(0, 3))).toBe(true);
    expect(midwayAfter(frame(T.PING, 0, 0, Buffer.alloc(8)).subarray(0, 12))).toBe(true);
    expect(midwayAfter(frame(T.HEADERS, 0, 1, Buffer.from('x')))).toBe(true);
    expect(midwayAfter(frame(T.DATA, 0, 1, Buffer.from('abc')).subarray(0, 10))).toBe(false);
  });
});

describe('frames that are wrong', () => {
  const BAD: [what: string, bytes: Buffer, error: number][] = [
    ['a frame above the size', frame(T.DATA, 0, 1, Buffer.alloc(16_385)), H2_ERROR.FRAME_SIZE_ERROR],
    ['an unknown frame above the size', frame(99, 0, 1, Buffer.alloc(16_385)), H2_ERROR.FRAME_SIZE_ERROR],
    ['DATA on stream 0', frame(T.DATA, 0, 0, Buffer.from('x')), H2_ERROR.PROTOCOL_ERROR],
    ['padded DATA without a pad length', frame(T.DATA, F.PADDED, 1), H2_ERROR.FRAME_SIZE_ERROR],
    ['DATA with more padding than frame', frame(T.DATA, F.PADDED, 1, Buffer.from([3, 0, 0])), H2_ERROR.PROTOCOL_ERROR],
    ['HEADERS on stream 0', frame(T.HEADERS, F.END_HEADERS, 0), H2_ERROR.PROTOCOL_ERROR],
    ['padded HEADERS without a pad length', frame(T.HEADERS, F.PADDED, 1), H2_ERROR.FRAME_SIZE_ERROR],
    [
      'HEADERS with more padding than frame',
      frame(T.HEADERS, F.PADDED, 1, Buffer.from([3, 0, 0])),
      H2_ERROR.PROTOCOL_ERROR,
    ],
    [
      'HEADERS with padding into the priority',
      frame(T.HEADERS, F.PADDED | F.PRIORITY, 1, Buffer.from([1, 0, 0, 0, 0, 9])),
      H2_ERROR.PROTOCOL_ERROR,
    ],
    ['HEADERS too short for a priority', frame(T.HEADERS, F.PRIORITY, 1, Buffer.alloc(4)), H2_ERROR.PROTOCOL_ERROR],
    [
      'HEADERS that depend on themselves',
      frame(T.HEADERS, F.PRIORITY | F.END_HEADERS, 5, Buffer.concat([u32(5), Buffer.from([0])])),
      H2_ERROR.PROTOCOL_ERROR,
    ],
    ['PRIORITY on stream 0', priority(0), H2_ERROR.PROTOCOL_ERROR],
    ['PRIORITY of four bytes', frame(T.PRIORITY, 0, 1, Buffer.alloc(4)), H2_ERROR.FRAME_SIZE_ERROR],
    ['RST_STREAM on stream 0', reset(0), H2_ERROR.PROTOCOL_ERROR],
    ['RST_STREAM of three bytes', frame(T.RST_STREAM, 0, 1, Buffer.alloc(3)), H2_ERROR.FRAME_SIZE_ERROR],
    ['SETTINGS on a stream', frame(T.SETTINGS, 0, 1), H2_ERROR.PROTOCOL_ERROR],
    ['SETTINGS of seven bytes', frame(T.SETTINGS, 0, 0, Buffer.alloc(7)), H2_ERROR.FRAME_SIZE_ERROR],
    ['an acknowledgement with settings', frame(T.SETTINGS, F.ACK, 0, Buffer.alloc(6)), H2_ERROR.FRAME_SIZE_ERROR],
    ['PUSH_PROMISE', frame(T.PUSH_PROMISE, F.END_HEADERS, 1, u32(2)), H2_ERROR.PROTOCOL_ERROR],
    ['PING on a stream', frame(T.PING, 0, 1, Buffer.alloc(8)), H2_ERROR.PROTOCOL_ERROR],
    ['PING of seven bytes', frame(T.PING, 0, 0, Buffer.alloc(7)), H2_ERROR.FRAME_SIZE_ERROR],
    ['GOAWAY on a stream', frame(T.GOAWAY, 0, 1, Buffer.alloc(8)), H2_ERROR.PROTOCOL_ERROR],
    ['GOAWAY of seven bytes', frame(T.GOAWAY, 0, 0, Buffer.alloc(7)), H2_ERROR.FRAME_SIZE_ERROR],
    ['WINDOW_UPDATE of three bytes', frame(T.WINDOW_UPDATE, 0, 0, Buffer.alloc(3)), H2_ERROR.FRAME_SIZE_ERROR],
    ['CONTINUATION without a section', frame(T.CONTINUATION, F.END_HEADERS, 1), H2_ERROR.PROTOCOL_ERROR],
    [
      'CONTINUATION behind a whole section',
      Buffer.concat([frame(T.HEADERS, F.END_HEADERS, 1), frame(T.CONTINUATION, F.END_HEADERS, 1)]),
      H2_ERROR.PROTOCOL_ERROR,
    ],
    [
      'CONTINUATION of another stream',
      Buffer.concat([frame(T.HEADERS, 0, 1), frame(T.CONTINUATION, F.END_HEADERS, 3)]),
      H2_ERROR.PROTOCOL_ERROR,
    ],
    ['PING inside a section', Buffer.concat([frame(T.HEADERS, 0, 1), ping()]), H2_ERROR.PROTOCOL_ERROR],
    ['DATA inside a section', Buffer.concat([frame(T.HEADERS, 0, 1), frame(T.DATA, 0, 1)]), H2_ERROR.PROTOCOL_ERROR],
    [
      'an unknown frame inside a section',
      Buffer.concat([frame(T.HEADERS, 0, 1), frame(77, 0, 1)]),
      H2_ERROR.PROTOCOL_ERROR,
    ],
    [
      'a section above the limit',
      Buffer.concat([frame(T.HEADERS, 0, 1, Buffer.alloc(600)), frame(T.CONTINUATION, 0, 1, Buffer.alloc(401))]),
      H2_ERROR.ENHANCE_YOUR_CALM,
    ],
    [
      'a flood of empty CONTINUATIONs',
      Buffer.concat([frame(T.HEADERS, 0, 1), ...Array.from({ length: 40 }, () => frame(T.CONTINUATION, 0, 1))]),
      H2_ERROR.ENHANCE_YOUR_CALM,
    ],
  ];

  it.each(BAD)('refuses %s, however it is cut', (_, bytes, error) => {
    const before = Buffer.concat([settings(), windowUpdate(0, 1), goaway(0)]);
    const all = Buffer.concat([before, bytes]);
    for (const cuts of [[], [before.length], Array.from(all.keys())]) {
      const [events, got] = read(all, cuts);
      expect(got).toBe(error);
      expect(events.slice(0, 3).map(({ type }) => type)).toEqual([T.SETTINGS, T.WINDOW_UPDATE, T.GOAWAY]);
    }
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const whole = read(Buffer.from(bytes));
        expect(read(Buffer.from(bytes), Array.from(bytes.keys()))).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });
});
