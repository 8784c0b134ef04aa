// What publishers wrap a database in, taken off while it arrives: gzip (DB-IP), a tar in a gzip (MaxMind), or nothing. Told by the
// bytes themselves, not by names: mirrors call files what they like. Pure: bytes in, bytes out.

import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

type Bytes = AsyncIterable<Uint8Array>;

const GZIP = [0x1f, 0x8b];
const BLOCK_BYTES = 512;
/** Where a tar's first header says that it is one. POSIX.1-1988 and later; GNU tar writes it too. */
const USTAR_AT = 257;

/** The .mmdb file in there. Throws when there is none, or when the wrapping is broken or ends early. */
export async function* unpack(packed: Bytes): AsyncGenerator<Uint8Array> {
  const outer = await peeked(packed, GZIP.length);
  if (!GZIP.every((byte, i) => outer.head[i] === byte)) {
    yield* unwrapped(outer);
    return;
  }
  const gunzip = createGunzip();
  const source = Readable.from(all(outer), { objectMode: false });
  source.on('error', (error) => gunzip.destroy(error));
  try {
    yield* unwrapped(await peeked(source.pipe(gunzip), USTAR_AT + 5));
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

async function* unwrapped(stream: Peeked): AsyncGenerator<Uint8Array> {
  const magic = Buffer.from(stream.head.subarray(USTAR_AT, USTAR_AT + 5)).toString('latin1');
  yield* magic === 'ustar' ? fileOf(all(stream)) : all(stream);
}

/** The first file of a tar whose name ends in .mmdb. */
async function* fileOf(tar: Bytes): AsyncGenerator<Uint8Array> {
  const reader = new Reader(tar);
  for (;;) {
    const header = await reader.take(BLOCK_BYTES);
    if (header === null || header.every((byte) => byte === 0)) throw new Error('there is no .mmdb file in it');
    const name = textOf(header, 0, 100);
    const sizeBytes = Number.parseInt(textOf(header, 124, 12), 8);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new Error('its tar header is broken');
    const isFile = header[156] === 0x30 || header[156] === 0;
    if (isFile && name.endsWith('.mmdb')) {
      yield* reader.stream(sizeBytes);
      // To the end of the tar: whoever counts or hashes what comes sees all of it.
      await reader.drain();
      return;
    }
    for await (const _ of reader.stream(Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES));
  }
}

function textOf(header: Uint8Array, at: number, bytes: number): string {
  const text = Buffer.from(header.subarray(at, at + bytes)).toString('latin1');
  const end = text.indexOf('\0');
  return (end < 0 ? text : text.slice(0, end)).trim();
}

interface Peeked {
  /** At least what was asked for, unless there is no more. */
  readonly head: Uint8Array;
  readonly rest: AsyncIterator<Uint8Array>;
}

async function peeked(stream: Bytes, bytes: number): Promise<Peeked> {
  const rest = stream[Symbol.asyncIterator]();
  let head = new Uint8Array(0);
  while (head.length < bytes) {
    const { value, done } = await rest.next();
    if (done === true) break;
    head = new Uint8Array(Buffer.concat([head, value]));
  }
  return { head, rest };
}

async function* all({ head, rest }: Peeked): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (;;) {
      const { value, done } = await rest.next();
      if (done === true) return;
      yield value;
    }
  } finally {
    await rest.return?.();
  }
}

/** Takes a stream of chunks apart at places of its own. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #left: Uint8Array = new Uint8Array(0);

  constructor(chunks: Bytes) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes; null at the end. */
  async take(bytes: number): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = [];
    try {
      for await (const part of this.stream(bytes)) parts.push(part);
    } catch (error) {
      if (parts.length === 0) return null;
      throw error;
    }
    return Buffer.concat(parts);
  }

  async drain(): Promise<void> {
    while ((await this.#chunks.next()).done !== true);
  }

  async *stream(bytes: number): AsyncGenerator<Uint8Array> {
    let wanted = bytes;
    while (wanted > 0) {
      if (this.#left.length === 0) {
        const { value, done } = await this.#chunks.next();
        if (done === true) throw new Error('it ends in the middle');
        this.#left = value;
      }
      const part = this.#left.subarray(0, wanted);
      this.#left = this.#left.subarray(part.length);
      wanted -= part.length;
      yield part;
    }
  }
}
