import { describe, expect, it } from 'vitest';
import { HPACK, HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { HpackEncoder } from '../../../src/wire/h2/encoder.ts';
import { Out } from '../../../src/wire/h2/out.ts';
import { parseResponse } from '../support.ts';
import { decode } from './support.ts';

/** An encoder and the decoder on its other side. */
class Pair {
  readonly encoder = new HpackEncoder();
  readonly decoder = new HpackDecoder();
  /** The bytes of the block written last. */
  bytes = Buffer.alloc(0);

  block(write: (encoder: HpackEncoder, out: Out) => void): string[] {
    const out = new Out();
    write(this.encoder, out);
    this.bytes = Buffer.from(out.bytes.subarray(0, out.at));
    const { code, lines } = decode(this.decoder, this.bytes);
    expect(code).toBe(HPACK.OK);
    return lines;
  }

  lines(text: string): string[] {
    return this.block((encoder, out) => encoder.lines(out, text));
  }
}

describe('pseudo-headers', () => {
  it.each([100, 103, 200, 204, 206, 302, 304, 400, 404, 500, 503, 599, 999])('writes status %i', (status) => {
    expect(new Pair().block((encoder, out) => encoder.status(out, status))).toEqual([`:status: ${status}`]);
  });

  it.each([
    ['GET', 'https', 'a.example', '/'],
    ['POST', 'http', 'a.example:81', '/x?y'],
    ['PURGE', 'ftp', '', `/${'p'.repeat(3000)}`],
  ])('writes a request of %s', (method, scheme, authority, path) => {
    const pair = new Pair();
    for (let i = 0; i < 4; i++) {
      expect(pair.block((encoder, out) => encoder.request(out, method, scheme, authority, path, ''))).toEqual([
        `:method: ${method}`,
        `:scheme: ${scheme}`,
        `:path: ${path}`,
        `:authority: ${authority}`,
      ]);
    }
  });

  it('writes an extended CONNECT', () => {
    const write = (encoder: HpackEncoder, out: Out): void =>
      encoder.request(out, 'GET', 'https', 'a', '/chat', 'websocket');
    expect(new Pair().block(write)).toEqual([
      ':method: CONNECT',
      ':scheme: https',
      ':path: /chat',
      ':authority: a',
      ':protocol: websocket',
    ]);
  });
});

describe('lines', () => {
  it('are written in lower case, less those that HTTP/2 does not have', () => {
    const text =
      'Host: a\r\nX-A: b C\r\nConnection: close\r\nUpgrade: x\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\n' +
      'Proxy-Connection: x\r\nVia: 1.1 fermat\r\nETag: "Q"\r\nX-Empty: \r\n';
    const pair = new Pair();
    for (let i = 0; i < 5; i++) {
      expect(pair.lines(text)).toEqual(['x-a: b C', 'via: 1.1 fermat', 'etag: "Q"', 'x-empty: ']);
    }
  });

  it('keep every byte of latin1, and lengths of any size', () => {
    const value = Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join('');
    for (const bytes of [0, 1, 126, 127, 128, 254, 255, 256, 16510, 16511, 70000]) {
      const line = `${'n'.repeat(Math.max(bytes % 300, 1))}: ${value}${'v'.repeat(bytes)}`;
      const { encoder } = new Pair();
      const out = new Out();
      encoder.lines(out, `${line}\r\n`);
      const { lines } = decode(new HpackDecoder(), out.bytes.subarray(0, out.at), 1 << 20);
      expect(lines).toEqual([line]);
    }
  });

  it('go as a byte each from the third time on', () => {
    const pair = new Pair();
    const text = 'Server: nginx\r\nX-Frame-Options: DENY\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n';
    pair.lines(text);
    pair.lines(text);
    for (let i = 0; i < 3; i++) {
      expect(pair.lines(text)).toHaveLength(4);
      expect(pair.bytes).toHaveLength(4);
    }
    expect(pair.lines(`${text}Date: x\r\n`)).toHaveLength(5);
    expect(pair.bytes.length).toBeLessThan(10);
  });

  it('are never remembered when they are secrets', () => {
    const pair = new Pair();
    const text = 'Authorization: Basic YQ==\r\nCookie: a=b\r\nSet-Cookie: a=b\r\nProxy-Authorization: x\r\n';
    for (let i = 0; i < 4; i++) {
      expect(pair.lines(text)).toHaveLength(4);
      // Never indexed, with the name's place in the static table: 0001 1111 and the rest.
      expect(pair.bytes[0]).toBe(0x1f);
      expect(decode(pair.decoder, Buffer.of(0xbe)).code).toBe(HPACK.BAD);
    }
  });

  it('do not fill the table with what comes once', () => {
    const pair = new Pair();
    for (let i = 0; i < 500; i++)
      pair.lines(`X-Trace: ${i}-${i * 7919}\r\nX-Request-Id: same\r\nETag: "same"\r\nServer: nginx\r\n`);
    expect(decode(pair.decoder, Buffer.of(0xbe)).lines).toEqual(['server: nginx']);
    expect(decode(pair.decoder, Buffer.of(0xbf)).code).toBe(HPACK.BAD);
  });

  it('follow a date that changes every second', () => {
    const pair = new Pair();
    for (let i = 0; i < 3000; i++) {
      const second = String(10 + (Math.floor(i / 10) % 50));
      const date = `date: Mon, 06 Oct 2025 10:${String(10 + (i % 7))}:${second} GMT`;
      expect(pair.lines(`${date}\r\nserver: nginx\r\n`)).toEqual([date, 'server: nginx']);
    }
  });
});

describe('fields of a head', () => {
  const TEXT =
    'HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 3\r\nX-A:  b \r\nConnection: x-b\r\nX-B: c\r\nSet-Cookie: a=1\r\n' +
    'Set-Cookie: b=2\r\nX-C: d\r\n\r\n';

  it('are those that are kept', () => {
    const { head } = parseResponse(TEXT);
    const pair = new Pair();
    const kept = ['server: nginx', 'x-a: b', 'set-cookie: a=1', 'set-cookie: b=2', 'x-c: d'];
    for (let i = 0; i < 4; i++) expect(pair.block((encoder, out) => encoder.fields(out, head))).toEqual(kept);
    head.drop[head.count - 1] = 1;
    for (let i = 0; i < 2; i++) {
      expect(pair.block((encoder, out) => encoder.fields(out, head))).toEqual(kept.slice(0, -1));
    }
  });

  it('may be none', () => {
    expect(
      new Pair().block((encoder, out) => encoder.fields(out, parseResponse('HTTP/1.1 200 OK\r\n\r\n').head)),
    ).toEqual([]);
  });

  it('are written after the same ones went another way', () => {
    const pair = new Pair();
    const { head } = parseResponse('HTTP/1.1 200 OK\r\nServer: nginx\r\nX-A: b\r\n\r\n');
    for (let i = 0; i < 60; i++) {
      expect(pair.block((encoder, out) => encoder.fields(out, head))).toEqual(['server: nginx', 'x-a: b']);
      expect(pair.lines(`x-big: ${String(i >> 1).padStart(900, 'x')}\r\nServer: nginx\r\n`)).toHaveLength(2);
    }
  });
});

describe('the size of the table', () => {
  it('is what the peer allows, and is told before the next block', () => {
    const pair = new Pair();
    const text = 'Server: nginx\r\nX-A: b\r\n';
    for (let i = 0; i < 3; i++) pair.lines(text);
    pair.encoder.tableSize(0);
    expect(pair.lines(text)).toHaveLength(2);
    expect(pair.bytes[0]).toBe(0x20);
    expect(pair.bytes.length).toBeGreaterThan(10);
    pair.lines(text);
    expect(pair.bytes[0]).not.toBe(0x20);
    pair.encoder.tableSize(65536);
    for (let i = 0; i < 4; i++) pair.lines(text);
    expect(pair.bytes).toHaveLength(2);
  });

  it('is told twice when it was lower in between', () => {
    const pair = new Pair();
    pair.encoder.tableSize(100);
    pair.encoder.tableSize(4096);
    pair.lines('Server: nginx\r\n');
    expect(pair.bytes.subarray(0, 5)).toEqual(Buffer.from('3f453fe11f', 'hex'));
  });

  it('may be so small that little fits', () => {
    const pair = new Pair();
    pair.encoder.tableSize(200);
    for (let i = 0; i < 50; i++) {
      const lines = ['server: nginx', 'x-a: b', `x-b: ${'c'.repeat(100)}`, 'vary: x', `x-c: ${i >> 2}`, 'x-d: e'];
      expect(pair.lines(`${lines.join('\r\n')}\r\n`)).toEqual(lines);
    }
  });

  it('is not told when it stays the same', () => {
    const pair = new Pair();
    pair.encoder.tableSize(4096);
    pair.encoder.tableSize(65536);
    pair.block((encoder, out) => encoder.status(out, 200));
    expect(pair.bytes).toEqual(Buffer.of(0x88));
  });
});
