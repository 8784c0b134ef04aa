// Frames of HTTP/2 as bytes, good ones and others; HPACK as plain literals. Nothing of src/wire/h2 is used.

import { type Field, writeFields } from './hpack.ts';

export const T = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const F = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

export const E = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** Settings by id. */
export const S = { TABLE: 1, PUSH: 2, STREAMS: 3, WINDOW: 4, FRAME: 5, HEAD: 6, CONNECT: 8 } as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** Of DATA kept with its stream alone. */
  readonly payload: Buffer;
  readonly length: number;
  readonly atMs: number;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** One frame, of any length and kind; `length` lies about the payload's. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
  length = -1,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length < 0 ? payload.length : length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId >>> 0, 5);
  return Buffer.concat([head, payload]);
}

export const settings = (...pairs: (readonly [id: number, value: number])[]): Buffer =>
  frame(
    T.SETTINGS,
    0,
    0,
    Buffer.concat(
      pairs.map(([id, value]) => {
        const pair = Buffer.alloc(6);
        pair.writeUInt16BE(id);
        pair.writeUInt32BE(value >>> 0, 2);
        return pair;
      }),
    ),
  );
export const ping = (text = 'pingpong', flags = 0): Buffer => frame(T.PING, flags, 0, Buffer.from(text, 'latin1'));
export const reset = (streamId: number, code: number = E.CANCEL): Buffer => frame(T.RST_STREAM, 0, streamId, u32(code));
export const windowUpdate = (streamId: number, bytes: number): Buffer =>
  frame(T.WINDOW_UPDATE, 0, streamId, u32(bytes));
export const priority = (streamId: number, dependsOn = 0): Buffer =>
  frame(T.PRIORITY, 0, streamId, Buffer.concat([u32(dependsOn), Buffer.from([15])]));
export const goaway = (lastId: number, code: number = E.NO_ERROR): Buffer =>
  frame(T.GOAWAY, 0, 0, Buffer.concat([u32(lastId), u32(code)]));
export const data = (streamId: number, body: string | Buffer = '', flags = 0): Buffer =>
  frame(T.DATA, flags, streamId, typeof body === 'string' ? Buffer.from(body, 'latin1') : body);

/** A whole header section in one HEADERS frame. */
export const headers = (streamId: number, fields: readonly Field[], flags = 0): Buffer =>
  frame(T.HEADERS, flags | F.END_HEADERS, streamId, writeFields(fields));

/** Payload of a frame with padding. */
export function padded(payload: Buffer, bytes: number): Buffer {
  return Buffer.concat([Buffer.from([bytes]), payload, Buffer.alloc(bytes)]);
}

/** What a plain GET asks for; `more` behind it. */
export function getFields(path = '/', more: readonly Field[] = []): Field[] {
  return [[':method', 'GET'], [':scheme', 'http'], [':authority', 'example.com'], [':path', path], ...more];
}

export function postFields(path = '/', more: readonly Field[] = []): Field[] {
  return [[':method', 'POST'], ...getFields(path, more).slice(1)];
}
