// The few HTTP/2 frames that a crowd of slow clients sends, as bytes (RFC 9113, 4 and 6; HPACK without Huffman, RFC 7541).

export const TYPES = { HEADERS: 1, SETTINGS: 4, WINDOW_UPDATE: 8 } as const;
export const FLAGS = { END_STREAM: 1, END_HEADERS: 4 } as const;
const INITIAL_WINDOW_SIZE = 4;

/** `length`: what the frame says of itself, where that is more than there is. */
export function frameOf(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer,
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Streams may send nothing until a window is opened. */
const NO_WINDOW = Buffer.concat([Buffer.from([0, INITIAL_WINDOW_SIZE]), u32(0)]);

export const PREFACE_AND_SETTINGS = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  frameOf(TYPES.SETTINGS, 0, 0, NO_WINDOW),
]);

/** GET http://example.com<path>, whole. */
export function requestFrame(streamId: number, path: string): Buffer {
  const text = (bytes: string) => Buffer.concat([Buffer.from([bytes.length]), Buffer.from(bytes, 'latin1')]);
  const section = Buffer.concat([
    Buffer.from([0x82, 0x86, 0x04]), // :method GET, :scheme http, :path …
    text(path),
    Buffer.from([0x01]), // :authority …
    text('example.com'),
  ]);
  return frameOf(TYPES.HEADERS, FLAGS.END_STREAM | FLAGS.END_HEADERS, streamId, section);
}

export function windowFrame(streamId: number, bytes: number): Buffer {
  return frameOf(TYPES.WINDOW_UPDATE, 0, streamId, u32(bytes));
}
