// The same question asked of HTTP/2: header blocks, half of them broken, are given to our codec and to nghttp2, which is Node's.
// What it refuses we may not take, and what both take has to be the same fields. That we refuse more is meant.

import http2 from 'node:http2';
import { Duplex } from 'node:stream';
import { HeaderBlock } from '../../src/wire/h2/block.ts';
import { HPACK, HpackDecoder } from '../../src/wire/h2/decoder.ts';
import { readRequest } from '../../src/wire/h2/request.ts';
import { RequestHead } from '../../src/wire/request.ts';
import type { Tally } from './fuzz.ts';
import { pick, type Random, seeded } from './generate.ts';

/** Connections a batch, and most blocks on each. */
const CONNECTIONS = 32;
const BLOCKS = 6;
const MAX_BYTES = 65535;
const MAX_FIELDS = 120;
const FRAME_HEAD_BYTES = 9;
const HEADERS = 1;
const END_STREAM_AND_HEADERS = 5;
const GOAWAY = 7;
const COMPRESSION_ERROR = 9;

/** What became of one block: method, target, authority and `name: value` lines, null for a malformed request. */
type Outcome = readonly string[] | null;

interface Verdict {
  /** Up to the block that broke the connection. */
  readonly outcomes: Outcome[];
  readonly isBroken: boolean;
}

const NAMES = [
  'accept',
  'x-a',
  'x-bc',
  'cookie',
  'user-agent',
  'te',
  'host',
  'X-Up',
  'a b',
  '',
  'content-length',
  'connection',
];
const VALUES = [
  '',
  'a',
  'gzip, deflate',
  'x'.repeat(60),
  'trailers',
  'shop.example',
  'b\0c',
  ' d',
  'e\r\nf: g',
  '\u00e4',
  '0',
];
const PSEUDO: readonly (readonly [string, readonly string[]])[] = [
  [':method', ['GET', 'GET', 'PUT', 'OPTIONS', 'CONNECT', 'G T', '']],
  [':scheme', ['https', 'https', 'http', 'x', '']],
  [':path', ['/', '/', '/a?b', '*', '', 'a', '/a b']],
  [':authority', ['shop.example', 'shop.example', '', 'a@b', 'shop.example:8']],
];

/** accept-encoding, accept, cache-control, user-agent and the first few of the dynamic table. */
const USUAL_INDICES = [16, 19, 24, 58, 16, 19, 24, 58, 16, 19, 24, 58, 62, 63];

function drawString(random: Random, text: string): number[] {
  const bytes = [...Buffer.from(text, 'latin1')];
  if (random() < 0.01) return [0x80 | Math.min(bytes.length, 126), ...bytes.slice(0, 126)]; // Huffman that mostly is none
  return [Math.min(bytes.length, 126), ...bytes.slice(0, 126)];
}

function drawField(random: Random, name: string, value: string): number[] {
  // Pseudo-headers in the table would make most references to it malformed.
  const first = name.startsWith(':') && random() < 0.95 ? 0 : pick(random, [0, 0x10, 0x40, 0x40]);
  return [first, ...drawString(random, name), ...drawString(random, value)];
}

/** A block that is mostly a good request, with something wrong in every other one. */
function drawBlock(random: Random): Buffer {
  const bytes: number[] = [];
  if (random() < 0.1)
    bytes.push(...(random() < 0.8 ? [0x3f, 128 + Math.floor(random() * 128), random() < 0.9 ? 15 : 99] : [0x20]));
  for (const [name, values] of PSEUDO) {
    if (random() < 0.01) continue;
    if (random() < 0.01) bytes.push(...drawField(random, name, pick(random, values)));
    bytes.push(...drawField(random, name, random() < 0.95 ? values[0]! : pick(random, values)));
  }
  const count = Math.floor(random() * 8);
  for (let i = 0; i < count; i++) {
    const isUsual = random() < 0.9;
    if (random() < 0.4) bytes.push(0x80 | (isUsual ? pick(random, USUAL_INDICES) : Math.floor(random() * 80)));
    else {
      const name = pick(random, isUsual ? NAMES.slice(0, 5) : NAMES);
      bytes.push(...drawField(random, name, pick(random, isUsual ? VALUES.slice(0, 4) : VALUES)));
    }
  }
  if (random() < 0.06) bytes.splice(Math.floor(random() * bytes.length), 1);
  if (random() < 0.06 && bytes.length > 0) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return Buffer.from(bytes);
}

/** Method, target, authority and the lines after Host. */
function seenOf(head: RequestHead): string[] {
  const lines = [head.method, head.path, head.authority];
  for (let i = 0; i < head.count; i++) lines.push(`${head.name(i)}: ${head.value(i)}`);
  return lines.filter((line) => line !== `host: ${head.authority}`);
}

/** The same of what Node gives: names and values in turn. */
function seenOfRaw(raw: readonly string[]): string[] {
  const lines: string[] = [];
  const cookies: string[] = [];
  const start = new Map<string, string>();
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i]!, raw[i + 1]!];
    if (name === 'host' && !start.has(':authority')) start.set(':authority', value);
    if (name.startsWith(':')) start.set(name, value);
    else if (name === 'cookie') cookies.push(value);
    else if (name !== 'host') lines.push(`${name}: ${value}`);
  }
  const kept = cookies.length > 1 ? cookies.filter((cookie) => cookie !== '') : cookies;
  // One cookie stays where it stood, several are joined into the last line: the order among other names says nothing.
  if (cookies.length > 0) lines.push(`cookie: ${kept.join('; ')}`);
  return [start.get(':method')!, start.get(':path')!, start.get(':authority')!, ...lines];
}

function oursOf(blocks: readonly Buffer[]): Verdict {
  const decoder = new HpackDecoder();
  const block = new HeaderBlock();
  const head = new RequestHead(0);
  const outcomes: Outcome[] = [];
  for (const bytes of blocks) {
    const code = decoder.decode(bytes, 0, bytes.length, block, MAX_BYTES, MAX_FIELDS);
    if (code === HPACK.BAD) return { outcomes, isBroken: true };
    outcomes.push(code === HPACK.OK && readRequest(block, head, false) === 0 ? seenOf(head) : null);
  }
  return { outcomes, isBroken: false };
}

/** A client's side of a connection: what is pushed is read by the server, what it writes is looked at for a GOAWAY. */
class Wire extends Duplex {
  isBroken = false;
  #held = Buffer.alloc(0);

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    for (let at = 0; this.#held.length >= at + FRAME_HEAD_BYTES; ) {
      const length = this.#held.readUIntBE(at, 3);
      if (this.#held.length < at + FRAME_HEAD_BYTES + length) break;
      const isGoaway = this.#held[at + 3] === GOAWAY;
      if (isGoaway && this.#held.readUInt32BE(at + FRAME_HEAD_BYTES + 4) === COMPRESSION_ERROR) this.isBroken = true;
      at += FRAME_HEAD_BYTES + length;
      this.#held = this.#held.subarray(at);
      at = 0;
    }
    done();
  }
}

function frameOf(stream: number, block: Buffer): Buffer {
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + block.length);
  frame.writeUIntBE(block.length, 0, 3);
  frame[3] = HEADERS;
  frame[4] = END_STREAM_AND_HEADERS;
  frame.writeUInt32BE(stream, 5);
  block.copy(frame, FRAME_HEAD_BYTES);
  return frame;
}

/** nghttp2 behind a real server of node:http2, fed through in-memory sockets. */
export class NodeHpack {
  readonly #server: http2.Http2Server;
  readonly #outcomes = new Map<unknown, Outcome[]>();

  constructor() {
    // Else a connection of nothing but malformed requests is closed before its last block has been seen.
    this.#server = http2.createServer({ maxSessionInvalidFrames: 1000 });
    this.#server.on('sessionError', () => {});
    this.#server.on('session', (session: http2.ServerHttp2Session) => session.on('error', () => {}));
    const onStream = (stream: http2.ServerHttp2Stream, _headers: unknown, _flags: number, raw: string[]): void => {
      stream.on('error', () => {});
      this.#outcomes.get(stream.session)![(stream.id! - 1) / 2] = seenOfRaw(raw);
    };
    this.#server.on('stream', onStream);
  }

  async read(connections: readonly Buffer[][]): Promise<Verdict[]> {
    const all = connections.map((blocks) => {
      const wire = new Wire();
      wire.on('error', () => {});
      const outcomes: Outcome[] = new Array<Outcome>(blocks.length).fill(null);
      this.#server.once('session', (session) => this.#outcomes.set(session, outcomes));
      this.#server.emit('connection', wire);
      wire.push(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
      wire.push(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
      for (const [i, block] of blocks.entries()) wire.push(frameOf(2 * i + 1, block));
      return { wire, outcomes };
    });
    for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
    const verdicts = all.map(({ wire, outcomes }) => ({ outcomes, isBroken: wire.isBroken }));
    for (const { wire } of all) wire.destroy();
    this.#outcomes.clear();
    return verdicts;
  }
}

/** '' unless we take something that nghttp2 does not, or read it as something else. */
export function hpackDisagreement(ours: Verdict, theirs: Verdict): string {
  if (theirs.isBroken && !ours.isBroken) return 'nghttp2 says COMPRESSION_ERROR, we do not';
  for (const [i, mine] of ours.outcomes.entries()) {
    const other = theirs.outcomes[i]!;
    if (mine === null) continue;
    if (other === null) return `block ${i} is malformed to nghttp2, but a request to us`;
    if (mine.toSorted().join('\n') !== other.toSorted().join('\n'))
      return `block ${i} is ${JSON.stringify(other)}, to us ${JSON.stringify(mine)}`;
  }
  return '';
}

/** CONNECTIONS of up to BLOCKS blocks, all drawn from this seed. */
export async function runHpackBatch(node: NodeHpack, seed: number, tally: Tally): Promise<void> {
  const random = seeded(seed);
  const connections = Array.from({ length: CONNECTIONS }, () =>
    Array.from({ length: 1 + Math.floor(random() * BLOCKS) }, () => drawBlock(random)),
  );
  const theirs = await node.read(connections);
  for (const [i, blocks] of connections.entries()) {
    const ours = oursOf(blocks);
    tally.cases++;
    const taken = ours.outcomes.filter((outcome) => outcome !== null).length;
    if (taken === blocks.length) tally.accepted++;
    if (theirs[i]!.outcomes.filter((outcome) => outcome !== null).length > taken) tally.stricter++;
    const what = hpackDisagreement(ours, theirs[i]!);
    const bytes = blocks.map((block) => block.toString('hex')).join(' ');
    if (what !== '') tally.disagreements.push({ kind: 'h2', seed, bytes, what });
  }
}
