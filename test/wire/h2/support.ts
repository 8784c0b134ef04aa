// Header lists to blocks and back: by hand, with Huffman, by our own codec, and by Node's nghttp2 over a real socket.

import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { faultOf } from '../../../src/wire/fault.ts';
import { HeaderBlock } from '../../../src/wire/h2/block.ts';
import { HPACK, HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { HUFFMAN_CODES, HUFFMAN_LENGTHS } from '../../../src/wire/h2/huffman.ts';
import { readRequest } from '../../../src/wire/h2/request.ts';
import { PSEUDO } from '../../../src/wire/h2/statics.ts';
import { RequestHead } from '../../../src/wire/request.ts';

export type Field = readonly [name: string, value: string];

export const MAX_BYTES = 65536;
export const MAX_FIELDS = 100;

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

/** RFC 7541 5.1. */
export function integer(first: number, prefix: number, value: number): Buffer {
  if (value < prefix) return Buffer.from([first | value]);
  const bytes = [first | prefix];
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export function huffman(text: string): Buffer {
  let bits = '';
  for (const byte of Buffer.from(text, 'latin1')) {
    bits += HUFFMAN_CODES[byte]!.toString(2).padStart(HUFFMAN_LENGTHS[byte]!, '0');
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

export function string(text: string, isHuffman = false): Buffer {
  const bytes = isHuffman ? huffman(text) : Buffer.from(text, 'latin1');
  return Buffer.concat([integer(isHuffman ? 0x80 : 0, 0x7f, bytes.length), bytes]);
}

/** A literal with a literal name: 0x00 not indexed, 0x10 never, 0x40 from now on. */
export function literal([name, value]: Field, first = 0, isHuffman = false): Buffer {
  return Buffer.concat([Buffer.from([first]), string(name, isHuffman), string(value, isHuffman)]);
}

export function blockOf(fields: readonly Field[], first = 0, isHuffman = false): Buffer {
  return Buffer.concat(fields.map((field) => literal(field, first, isHuffman)));
}

/** What the lines of a block say. */
export function linesOf(block: HeaderBlock): string[] {
  const text = block.bytes.toString('latin1', 0, block.end);
  return text === '' ? [] : text.slice(0, -2).split('\r\n');
}

export interface Decoded {
  readonly code: number;
  readonly lines: string[];
  readonly block: HeaderBlock;
}

export function decode(decoder: HpackDecoder, bytes: Buffer, maxBytes = MAX_BYTES, maxFields = MAX_FIELDS): Decoded {
  const block = new HeaderBlock();
  const code = decoder.decode(bytes, 0, bytes.length, block, maxBytes, maxFields);
  return { code, lines: linesOf(block), block };
}

/** Regular lines by the numbers that the block gives, and pseudo-headers by theirs. */
export function fieldsOf(block: HeaderBlock): { pseudo: Record<string, string>; regular: Field[] } {
  const text = block.bytes.toString('latin1', 0, block.end);
  const pseudo: Record<string, string> = {};
  for (const [name, id] of Object.entries(PSEUDO)) {
    const k = id - PSEUDO.METHOD;
    const at = block.pseudoAt[k] ?? -1;
    if (at >= 0) pseudo[`:${name.toLowerCase()}`] = text.slice(at, block.pseudoEnd[k]);
  }
  const regular: Field[] = [];
  for (let i = block.hosts; i < block.count; i++) {
    regular.push([text.slice(block.nameAt[i], block.nameEnd[i]), text.slice(block.valueAt[i], block.valueEnd[i])]);
  }
  return { pseudo, regular };
}

export const GET: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'shop.example.com'],
  [':path', '/cart?id=7'],
];

export interface Read {
  readonly fault: number;
  readonly detail: string;
  readonly head: RequestHead;
}

/** A header list read as a request. */
export function request(fields: readonly Field[], hasBody = false, head = new RequestHead(0)): Read {
  const block = new HeaderBlock();
  const bytes = blockOf(fields);
  const code = new HpackDecoder().decode(bytes, 0, bytes.length, block, MAX_BYTES, MAX_FIELDS);
  if (code !== HPACK.OK) throw new Error(`expected the block to decode, got ${code}`);
  const fault = readRequest(block, head, hasBody);
  return { fault, detail: fault === 0 ? '' : faultOf(fault).detail, head };
}

const FRAME_HEAD_BYTES = 9;
const HEADERS = 1;
const PADDED = 8;
const PRIORITY = 32;
const PREFACE_BYTES = 24;
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** The blocks that Node's client writes for these requests, all on one connection. */
export async function blocksOfNode(requests: readonly http2.OutgoingHttpHeaders[]): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = net.createServer((socket) => {
    let held = Buffer.alloc(0);
    let at = PREFACE_BYTES;
    socket.on('error', () => {});
    socket.write(EMPTY_SETTINGS);
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= at + FRAME_HEAD_BYTES) {
        const length = held.readUIntBE(at, 3);
        if (held.length < at + FRAME_HEAD_BYTES + length) return;
        if (held[at + 3] === HEADERS) blocks.push(blockOfFrame(held, at, length));
        at += FRAME_HEAD_BYTES + length;
      }
      if (blocks.length === requests.length) resolve();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = http2.connect(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`);
  client.on('error', () => {});
  for (const headers of requests) client.request(headers, { endStream: true }).on('error', () => {});
  await promise;
  client.destroy();
  server.close();
  return blocks;
}

function blockOfFrame(held: Buffer, at: number, length: number): Buffer {
  const flags = held[at + 4]!;
  if ((flags & PADDED) !== 0) throw new Error('expected no padding');
  const from = at + FRAME_HEAD_BYTES + ((flags & PRIORITY) !== 0 ? 5 : 0);
  return Buffer.from(held.subarray(from, at + FRAME_HEAD_BYTES + length));
}
