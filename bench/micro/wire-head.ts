// What one request or response head costs to read: find its end, check every byte, index the fields, decode it, settle host and
// framing. `node bench/micro/wire-head.ts`; the rival is what any parser must do at least: find the end and decode.

import { type RequestHead, RequestReader } from '../../src/wire/request.ts';
import { ResponseReader } from '../../src/wire/response.ts';

export interface Row {
  readonly name: string;
  readonly bytes: number;
  readonly fields: number;
  /** Median of the rounds, ns a head. */
  readonly ns: number;
}

const CURL =
  'GET /api/v1/items/42?expand=owner HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n' +
  'Accept-Encoding: gzip\r\nX-Trace: 4bf92f3577b34da6\r\nConnection: keep-alive\r\n\r\n';

const BROWSER =
  'GET /assets/app/main.3f9c1.js HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n' +
  'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"\r\nsec-ch-ua-mobile: ?0\r\n' +
  'sec-ch-ua-platform: "Linux"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/140.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,' +
  'image/apng,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n' +
  'Referer: https://shop.example.com/catalogue?page=3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n' +
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\nCookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; ' +
  '_ga=GA1.1.1234567890.1700000000\r\nIf-None-Match: "3f9c1-18c"\r\n\r\n';

const RESPONSE =
  'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 06 Oct 2025 10:00:00 GMT\r\nContent-Type: application/json\r\n' +
  'Content-Length: 130\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n\r\n';

const LIMITS = { requestLineBytes: 8192, headBytes: 32768, headers: 100 };

/** Keeps the optimiser honest. */
let sink = 0;

function median(run: (times: number) => void): number {
  const times = 100_000;
  run(times);
  const rounds: number[] = [];
  for (let i = 0; i < 11; i++) {
    const start = process.hrtime.bigint();
    run(times);
    rounds.push(Number(process.hrtime.bigint() - start) / times);
  }
  return rounds.sort((a, b) => a - b)[5]!;
}

/** Measures every case; about two seconds. */
export function measure(): Row[] {
  const rows: Row[] = [];
  const reader = new RequestReader(LIMITS);
  const responses = new ResponseReader(LIMITS);
  const cases: [string, string, (chunk: Buffer) => number][] = [
    ['request, curl-like', CURL, (chunk) => readRequest(reader, chunk)],
    ['request, browser-like', BROWSER, (chunk) => readRequest(reader, chunk)],
    ['response', RESPONSE, (chunk) => readResponse(responses, chunk)],
  ];
  for (const [name, text, read] of cases) {
    const chunk = Buffer.from(text, 'latin1');
    const fields = text.split('\r\n').length - 3;
    const ns = median((times) => {
      for (let i = 0; i < times; i++) sink += read(chunk);
    });
    const atLeast = median((times) => {
      for (let i = 0; i < times; i++) sink += chunk.toString('latin1', 0, chunk.indexOf('\r\n\r\n')).length;
    });
    rows.push({ name, bytes: chunk.length, fields, ns });
    rows.push({ name: '  indexOf + toString alone', bytes: chunk.length, fields, ns: atLeast });
  }
  return rows;
}

function readRequest(reader: RequestReader, chunk: Buffer): number {
  reader.reset();
  const next = reader.feed(chunk, 0);
  const head: RequestHead = reader.head;
  return next + head.path.length + head.host.length + head.count;
}

function readResponse(reader: ResponseReader, chunk: Buffer): number {
  reader.reset();
  reader.expect(1);
  return reader.feed(chunk, 0) + reader.head.status + reader.head.count;
}

if (import.meta.main) {
  for (const row of measure()) {
    console.log(
      `${row.name.padEnd(28)} ${String(row.bytes).padStart(5)} B ${String(row.fields).padStart(3)} fields ${row.ns.toFixed(0).padStart(6)} ns`,
    );
  }
  if (sink === 0) console.log('nothing was read');
}
