// Our codec against nghttp2, which is Node's: what it writes we read, what we write it reads, many heads on one connection.

import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { HeaderBlock } from '../../../src/wire/h2/block.ts';
import { HPACK, HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { HpackEncoder } from '../../../src/wire/h2/encoder.ts';
import { Out } from '../../../src/wire/h2/out.ts';
import { readRequest } from '../../../src/wire/h2/request.ts';
import { RequestHead } from '../../../src/wire/request.ts';
import { blocksOfNode, type Field, fieldsOf, MAX_BYTES, MAX_FIELDS } from './support.ts';

const REQUESTS = 400;
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';

/** Fields of request i: some the same always, some now and then, some never again; enough to turn the tables over many times. */
function fieldsOfRequest(i: number): Record<string, string> {
  return {
    'user-agent': AGENT,
    accept: i % 3 === 0 ? 'text/html,*/*;q=0.8' : 'application/json',
    'accept-language': 'en-GB,en;q=0.9',
    'x-long': 'abcdefgh'.repeat(i % 90),
    [`x-name-${i % 37}`]: `value ${i % 11}`,
    'x-id': `${(i * 2654435761) % 4294967296}`,
    'x-latin': '\u00e4\u00ff!{}~^',
    cookie: `session=${i % 5}; theme=dark`,
    'x-empty': '',
  };
}

describe('what nghttp2 writes', () => {
  it('is what we read: 400 requests over one table, coded by Huffman', async () => {
    const requests = Array.from({ length: REQUESTS }, (_, i) => ({
      ':path': `/p/${i}?q=${'z'.repeat(i % 20)}`,
      ':authority': 'shop.example.com',
      ...fieldsOfRequest(i),
    }));
    const blocks = await blocksOfNode(requests);
    const decoder = new HpackDecoder();
    const block = new HeaderBlock();
    const head = new RequestHead(0);
    for (const [i, bytes] of blocks.entries()) {
      expect(decoder.decode(bytes, 0, bytes.length, block, MAX_BYTES, MAX_FIELDS)).toBe(HPACK.OK);
      const { pseudo, regular } = fieldsOf(block);
      expect(pseudo).toEqual({
        ':method': 'GET',
        ':scheme': 'http',
        ':authority': 'shop.example.com',
        ':path': requests[i]![':path'],
      });
      expect(Object.fromEntries(regular)).toEqual(fieldsOfRequest(i));
      expect(readRequest(block, head, false)).toBe(0);
      expect(head.host).toBe('shop.example.com');
      expect(head.value(head.findName('x-id'))).toBe(fieldsOfRequest(i)['x-id']);
    }
  });
});

const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const HEADERS = 1;
const END_STREAM_AND_HEADERS = 5;

/** A HEADERS frame of what `write` writes, at most a frame long. */
function frameOf(stream: number, write: (out: Out) => void): Buffer {
  const out = new Out();
  out.reserve(9);
  out.at = 9;
  write(out);
  const end = out.at;
  out.at = 0;
  out.u24(end - 9);
  out.u8(HEADERS);
  out.u8(END_STREAM_AND_HEADERS);
  out.u32(stream);
  return Buffer.from(out.bytes.subarray(0, end));
}

const linesOf = (fields: Record<string, string>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name.toUpperCase()}: ${value}\r\n`)
    .join('');

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

describe('what we write', () => {
  it.each([4096, 0, 300])('is what nghttp2 reads as requests, with a table of %i bytes', async (tableBytes) => {
    const server = http2.createServer({ settings: { headerTableSize: tableBytes } });
    const seen: Field[][] = [];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.on('sessionError', reject);
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      seen.push(Object.entries(headers).map(([name, value]): Field => [name, String(value)]));
      stream.on('error', () => {});
      stream.respond({ ':status': 204 }, { endStream: true });
      if (seen.length === REQUESTS) resolve();
    });
    const port = await listening(server);
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(EMPTY_SETTINGS);
    await once(socket, 'data'); // its settings are in, or on their way: what we write from now on has to follow them
    const encoder = new HpackEncoder();
    encoder.tableSize(tableBytes);
    // Nothing before the acknowledgement has used the table, so the order of the two does not matter to the peer.
    socket.write(Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]));
    for (let i = 0; i < REQUESTS; i++) {
      const frame = frameOf(2 * i + 1, (out) => {
        encoder.request(out, i % 2 === 0 ? 'GET' : 'PUT', 'http', 'shop.example.com', `/p/${i}`, '');
        encoder.lines(out, linesOf(fieldsOfRequest(i)));
        encoder.field(out, 'x-last', 'yes');
      });
      socket.write(frame);
      if (i % 50 === 49) await once(socket, 'data');
    }
    await promise;
    socket.destroy();
    server.close();
    for (const [i, fields] of seen.entries()) {
      const { ':method': method, ':path': path, 'x-last': last, ...rest } = Object.fromEntries(fields);
      expect([method, path, last]).toEqual([i % 2 === 0 ? 'GET' : 'PUT', `/p/${i}`, 'yes']);
      expect(rest).toMatchObject(fieldsOfRequest(i));
    }
  });

  it('is what nghttp2 reads as responses', async () => {
    const encoder = new HpackEncoder();
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write(EMPTY_SETTINGS);
      for (let i = 0; i < REQUESTS; i++) {
        const frame = frameOf(2 * i + 1, (out) => {
          encoder.status(out, i % 2 === 0 ? 200 : 418);
          encoder.lines(out, linesOf(fieldsOfRequest(i)));
        });
        frames.push(frame);
      }
      let at = 24;
      let held = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        held = Buffer.concat([held, chunk]);
        while (held.length >= at + 9 && held.length >= at + 9 + held.readUIntBE(at, 3)) {
          // Answered in the order of the streams, which is that of the requests.
          if (held[at + 3] === HEADERS) socket.write(frames.shift()!);
          at += 9 + held.readUIntBE(at, 3);
        }
      });
    });
    const frames: Buffer[] = [];
    const port = await listening(server);
    const client = http2.connect(`http://127.0.0.1:${port}`);
    const heads = await Promise.all(
      Array.from({ length: REQUESTS }, async (_, i) => {
        const stream = client.request({ ':path': `/${i}` });
        const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
        stream.resume();
        return headers;
      }),
    );
    client.destroy();
    server.close();
    for (const [i, headers] of heads.entries()) {
      expect(headers[':status']).toBe(i % 2 === 0 ? 200 : 418);
      expect(headers).toMatchObject(fieldsOfRequest(i));
    }
  });
});
