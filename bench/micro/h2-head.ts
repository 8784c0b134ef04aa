// What a head costs in HTTP/2: a browser's request of 20 fields, as nghttp2 encodes it, out of HPACK and into a RequestHead; and the
// head of a response into HPACK. The rival is the same request as HTTP/1.1 text. Run: node bench/micro/h2-head.ts
//
// "first": a new connection, everything a Huffman literal. "other fields": from the table, but not the ones of the last request.
// "same fields": only the path differs from the last request, as in most of a page's or an API client's.

import type { OutgoingHttpHeaders } from 'node:http2';
import { copyKept } from '../../src/wire/fields.ts';
import { HeaderBlock } from '../../src/wire/h2/block.ts';
import { HPACK, HpackDecoder } from '../../src/wire/h2/decoder.ts';
import { HpackEncoder } from '../../src/wire/h2/encoder.ts';
import { Out } from '../../src/wire/h2/out.ts';
import { readRequest } from '../../src/wire/h2/request.ts';
import { RequestHead, RequestReader } from '../../src/wire/request.ts';
import { ResponseReader } from '../../src/wire/response.ts';
import { blocksOfNode } from '../../test/wire/h2/support.ts';

interface Figure {
  readonly name: string;
  readonly nsPerOp: number;
  readonly note?: string;
}

/** Short rounds, and the quickest of many: what somebody else on the machine does is in the others. */
const ROUNDS = 1500;
const TIMES = 200;
const WARM_UP = 30_000;

function browser(path: string, fetchMode: string, crumbs: number): OutgoingHttpHeaders {
  const cookies = ['session=8f14e45fceea167a5a36dedd4bea2543', 'theme=dark', '_ga=GA1.1.1234567890.1700000000'];
  return {
    ':method': 'GET',
    ':authority': 'shop.example.com',
    ':scheme': 'https',
    ':path': path,
    'sec-ch-ua': '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"',
    'sec-ch-ua-mobile': '?0',
    'sec-ch-ua-platform': '"Linux"',
    'user-agent':
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
    'sec-fetch-site': 'same-origin',
    'sec-fetch-mode': fetchMode,
    'sec-fetch-dest': 'script',
    referer: 'https://shop.example.com/catalogue?page=3',
    'accept-encoding': 'gzip, deflate, br, zstd',
    'accept-language': 'en-GB,en;q=0.9,de;q=0.8',
    priority: 'u=1',
    'if-none-match': '"3f9c1-18c"',
    'x-trace': '4bf92f3577b34da6',
    dnt: '1',
    // Types say that Cookie is one string; Node takes crumbs as well.
    cookie: (crumbs === 1 ? cookies.join('; ') : cookies) as string,
  };
}

const ANSWER = (i: number): string =>
  `HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 06 Oct 2025 10:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n` +
  `Content-Length: 13${i}\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\nETag: W/"82-${i * 7919}abcdef"\r\n` +
  'Vary: Accept-Encoding\r\nX-Frame-Options: DENY\r\nX-Content-Type-Options: nosniff\r\n\r\n';

/** Keeps the optimiser honest. */
let sink = 0;

function nsOf(run: (i: number) => number): number {
  for (let i = 0; i < WARM_UP; i++) sink += run(i);
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < TIMES; i++) sink += run(i);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / TIMES);
  }
  return best;
}

/** Blocks of one connection: the first request, then requests that differ in the path, and in a field if `modes` has two. */
async function blocksOf(modes: readonly string[], crumbs: number): Promise<Buffer[]> {
  const requests = Array.from({ length: 10 }, (_, i) =>
    browser(`/assets/app/main.${i}f9c1.js`, modes[i % modes.length]!, crumbs),
  );
  return blocksOfNode(requests);
}

function requestsOn(blocks: readonly Buffer[]): (i: number) => number {
  const decoder = new HpackDecoder();
  const block = new HeaderBlock();
  const head = new RequestHead(0);
  const read = (bytes: Buffer): number => {
    if (decoder.decode(bytes, 0, bytes.length, block, 65536, 100) !== HPACK.OK) throw new Error('block refused');
    const fault = readRequest(block, head, false);
    if (fault !== 0) throw new Error(`request refused: ${fault}`);
    return head.count + head.path.length;
  };
  read(blocks[0]!);
  read(blocks[1]!);
  return (i) => read(blocks[2 + (i & 7)]!);
}

function firstOf(bytes: Buffer): () => number {
  const block = new HeaderBlock();
  const head = new RequestHead(0);
  return () => {
    new HpackDecoder().decode(bytes, 0, bytes.length, block, 65536, 100);
    return readRequest(block, head, false) + head.count;
  };
}

/** The same requests as text. */
function asText(blocks: readonly Buffer[]): (i: number) => number {
  const decoder = new HpackDecoder();
  const block = new HeaderBlock();
  const head = new RequestHead(0);
  const texts = blocks.map((bytes) => {
    decoder.decode(bytes, 0, bytes.length, block, 65536, 100);
    readRequest(block, head, false);
    return Buffer.from(`GET ${head.path} HTTP/1.1\r\n${copyKept(head)}\r\n`, 'latin1');
  });
  const reader = new RequestReader({ requestLineBytes: 8192, headBytes: 32768, headers: 100 });
  return (i) => {
    reader.reset();
    const text = texts[2 + (i & 7)]!;
    if (reader.feed(text, 0) !== text.length) throw new Error(`text refused: ${reader.fault}`);
    return reader.head.path.length;
  };
}

function responses(encoder: HpackEncoder, kinds: number): { run: (i: number) => number; bytes: () => number } {
  const heads = Array.from({ length: 8 }, (_, i) => {
    const reader = new ResponseReader({ headBytes: 32768, headers: 100 });
    reader.expect(1);
    reader.feed(Buffer.from(ANSWER(i % kinds), 'latin1'), 0);
    return reader.head;
  });
  const out = new Out();
  const run = (i: number): number => {
    out.at = 0;
    encoder.status(out, 200);
    encoder.fields(out, heads[i & 7]!);
    encoder.lines(out, 'Via: 1.1 fermat\r\n');
    return out.at;
  };
  return { run, bytes: () => out.at };
}

export async function bench(): Promise<Figure[]> {
  const same = await blocksOf(['no-cors'], 1);
  const other = await blocksOf(['no-cors', 'cors'], 1);
  const crumbs = await blocksOf(['no-cors', 'cors'], 3);
  const figures: Figure[] = [
    { name: 'request, first of a connection', nsPerOp: nsOf(firstOf(same[0]!)), note: `${same[0]!.length} bytes` },
    { name: 'request, other fields', nsPerOp: nsOf(requestsOn(other)), note: `${other[2]!.length} bytes` },
    {
      name: 'request, other fields, cookie in 3',
      nsPerOp: nsOf(requestsOn(crumbs)),
      note: `${crumbs[2]!.length} bytes`,
    },
    { name: 'request, same fields', nsPerOp: nsOf(requestsOn(same)), note: `${same[2]!.length} bytes` },
    { name: 'HTTP/1.1, other fields', nsPerOp: nsOf(asText(other)), note: '803 bytes' },
    { name: 'HTTP/1.1, same fields', nsPerOp: nsOf(asText(same)), note: '803 bytes' },
  ];
  const encoder = new HpackEncoder();
  const stateless = new HpackEncoder();
  stateless.tableSize(0);
  const cases: [string, HpackEncoder, number][] = [
    ['response, 8 of one kind in turn', encoder, 8],
    ['response, the same again', encoder, 1],
    ['response, without a table', stateless, 8],
  ];
  for (const [name, one, kinds] of cases) {
    const { run, bytes } = responses(one, kinds);
    figures.push({ name, nsPerOp: nsOf(run), note: `${bytes()} bytes` });
  }
  if (sink === 0) throw new Error('nothing was read');
  return figures;
}

if (import.meta.main) {
  for (const { name, nsPerOp, note = '' } of await bench()) {
    console.log(`${name.padEnd(40)} ${nsPerOp.toFixed(0).padStart(6)} ns  ${note}`);
  }
}
