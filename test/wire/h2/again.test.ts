// The short cut for requests whose regular fields are those of the last one (h2/tail.ts): nothing may be seen of it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyKept } from '../../../src/wire/fields.ts';
import { FRAMING } from '../../../src/wire/framing.ts';
import { HeaderBlock } from '../../../src/wire/h2/block.ts';
import { HPACK, HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { readRequest } from '../../../src/wire/h2/request.ts';
import { readResponse } from '../../../src/wire/h2/response.ts';
import { RequestHead } from '../../../src/wire/request.ts';
import { ResponseHead } from '../../../src/wire/response.ts';
import { blockOf, type Field, GET, hex, integer, literal, MAX_BYTES, MAX_FIELDS } from './support.ts';

/** One connection, whose requests may share heads. */
class Connection {
  readonly decoder = new HpackDecoder();
  readonly block = new HeaderBlock();
  /** Of the last request: its regular fields were not decoded. */
  wasFolded = false;

  read(bytes: Buffer, head: RequestHead, hasBody = false, maxBytes = MAX_BYTES, maxFields = MAX_FIELDS): number {
    const code = this.decoder.decode(bytes, 0, bytes.length, this.block, maxBytes, maxFields);
    if (code !== HPACK.OK) return -code;
    this.wasFolded = this.block.isFolded;
    return readRequest(this.block, head, hasBody);
  }
}

const PATHS = (path: string, method = 'GET', authority = 'shop.example.com'): Field[] => [
  [':method', method],
  [':scheme', 'https'],
  [':authority', authority],
  [':path', path],
];
const TAIL: Field[] = [
  ['accept', '*/*'],
  ['cookie', 'a=1'],
  ['x-a', 'b'],
  ['cookie', 'b=2'],
];
const KEPT = 'host: shop.example.com\r\naccept: */*\r\nx-a: b\r\ncookie: a=1; b=2\r\n';

describe('a request with the regular fields of the last one', () => {
  it('is known by its bytes and differs in what its pseudo-headers say', () => {
    const connection = new Connection();
    const head = new RequestHead(0);
    for (const [i, method] of ['GET', 'GET', 'PUT', 'GET', 'PURGE'].entries()) {
      const bytes = blockOf([...PATHS(`/${i}`, method), ...TAIL]);
      expect(connection.read(bytes, head, method === 'PUT')).toBe(0);
      expect(connection.wasFolded).toBe(i > 0);
      expect(head).toMatchObject({ method, path: `/${i}`, target: `/${i}`, host: 'shop.example.com', length: -1 });
      expect(head.framing).toBe(method === 'PUT' ? FRAMING.CHUNKED : FRAMING.NONE);
      expect(copyKept(head)).toBe(KEPT);
      expect(head.upgrade).toBe('');
      head.drop.fill(1); // as the data plane may
      head.upgrade = 'x';
    }
  });

  it('is the same in another head', () => {
    const connection = new Connection();
    const heads = [new RequestHead(0), new RequestHead(0), new RequestHead(0)];
    for (let i = 0; i < 9; i++) {
      const head = heads[i % 3]!;
      expect(connection.read(blockOf([...PATHS(`/${i}`), ...TAIL]), head)).toBe(0);
      expect([head.path, copyKept(head)]).toEqual([`/${i}`, KEPT]);
    }
  });

  it('is refused for what is wrong with its pseudo-headers', () => {
    const connection = new Connection();
    const head = new RequestHead(0);
    const good = blockOf([...GET, ...TAIL]);
    const bad = [
      [...PATHS('/a b'), ...TAIL],
      [...PATHS('/', 'G T'), ...TAIL],
      [...PATHS('/', 'CONNECT'), ...TAIL],
      [...PATHS('/', 'GET', 'a@b'), ...TAIL],
      [...PATHS('/', 'GET', ''), ...TAIL],
      [...PATHS('/').slice(1), ...TAIL],
      [...PATHS('/'), [':path', '/'] as const, ...TAIL],
      [...PATHS('/\0'), ...TAIL],
    ];
    for (const fields of bad) {
      expect(connection.read(good, head)).toBe(0);
      expect(connection.read(blockOf(fields), head)).toBeGreaterThan(0);
      expect(connection.read(good, head)).toBe(0);
      expect(copyKept(head)).toBe(KEPT);
    }
  });

  it('has the authority of its own', () => {
    const connection = new Connection();
    const head = new RequestHead(0);
    for (const authority of ['shop.example.com', 'shop.example.org', 'a:81', 'shop.example.com', 'Shop.example.com']) {
      expect(connection.read(blockOf([...PATHS('/', 'GET', authority), ...TAIL]), head)).toBe(0);
      expect(head.authority).toBe(authority);
      expect(copyKept(head)).toBe(KEPT.replace('shop.example.com', authority));
    }
  });

  it('means something else once the table has changed', () => {
    const connection = new Connection();
    const head = new RequestHead(0);
    const block = Buffer.concat([blockOf(GET), hex('be')]);
    const entry = (value: string): Buffer => Buffer.concat([blockOf(GET), literal(['x', value], 0x40)]);
    connection.read(entry('1'), head);
    for (const value of ['1', '1', '2', '2', '3']) {
      if (!copyKept(head).includes(`x: ${value}`)) connection.read(entry(value), head);
      expect(connection.read(block, head)).toBe(0);
      expect(copyKept(head)).toBe(`host: shop.example.com\r\nx: ${value}\r\n`);
    }
    expect(connection.read(Buffer.concat([hex('20'), block]), head)).toBe(-HPACK.BAD);
  });

  it('does not escape the limits', () => {
    const connection = new Connection();
    const head = new RequestHead(0);
    const bytes = blockOf([...GET, ...TAIL]);
    const cost = [...GET, ...TAIL].reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    for (let i = 0; i < 3; i++) {
      expect(connection.read(bytes, head)).toBe(0);
      expect(connection.read(bytes, head, false, cost)).toBe(0);
      expect(connection.read(bytes, head, false, cost - 1)).toBe(-HPACK.TOO_LARGE);
      expect(connection.read(bytes, head, false, MAX_BYTES, 4)).toBe(-HPACK.TOO_LARGE);
      expect(connection.read(bytes, head, false, MAX_BYTES, 5)).toBe(0);
    }
  });

  it('is read as a response, when it is asked for as one, like any other', () => {
    const connection = new Connection();
    const bytes = blockOf([...GET, ...TAIL]);
    connection.read(bytes, new RequestHead(0));
    expect(connection.decoder.decode(bytes, 0, bytes.length, connection.block, MAX_BYTES, MAX_FIELDS)).toBe(HPACK.OK);
    expect(readResponse(connection.block, new ResponseHead(0), 1, true)).toBeGreaterThan(0);
  });
});

const tails: Field[][] = [
  [],
  TAIL,
  [['accept', '*/*']],
  [['content-length', '5']],
  [
    ['te', 'trailers'],
    ['x', 'y'],
  ],
  [['expect', '100-continue']],
  [
    ['host', 'shop.example.com'],
    ['x', 'y'],
  ],
  [['X', 'y']],
  [['connection', 'close']],
  [[':path', '/']],
  [['x', `${'long'.repeat(70)}`]],
];
const step = fc.record({
  path: fc.constantFrom('/', '/a', '/b c', '/longer/than/the/others?a=b'),
  method: fc.constantFrom('GET', 'GET', 'PUT', 'CONNECT'),
  authority: fc.constantFrom('shop.example.com', 'shop.example.com', 'shop.example.org', ''),
  tail: fc.constantFrom(...tails, ...Array.from({ length: 10 }, () => TAIL)),
  first: fc.constantFrom(0, 0, 0, 0, 0, 0x40),
  /** Indexed fields at the end, which may or may not be there. */
  indices: fc.constantFrom<number[]>([], [], [], [], [62], [63]),
  prefix: fc.constantFrom('', '', '', '', '', '', '3fe11f', '20'),
  head: fc.nat(1),
  hasBody: fc.boolean(),
});

describe('any series of requests on one connection', () => {
  it('reads the same into heads that are used again and into fresh ones', () => {
    let folded = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 8, maxLength: 20 }), (steps) => {
        const [used, fresh] = [new Connection(), new Connection()];
        const heads = [new RequestHead(0), new RequestHead(0)];
        for (const { path, method, authority, tail, first, indices, prefix, head, hasBody } of steps) {
          const bytes = Buffer.concat([
            hex(prefix),
            blockOf(PATHS(path, method, authority)),
            blockOf(tail, first),
            ...indices.map((index) => integer(0x80, 0x7f, index)),
          ]);
          const mine = heads[head]!;
          const other = new RequestHead(0);
          const fault = used.read(bytes, mine, hasBody);
          expect(fault).toBe(fresh.read(bytes, other, hasBody));
          if (fault < 0) break;
          if (used.wasFolded) folded++;
          if (fault === 0) expect(seenOf(mine)).toEqual(seenOf(other));
          mine.drop.fill(1);
        }
      }),
      { numRuns: 2000 },
    );
    expect(folded).toBeGreaterThan(200);
  });
});

function seenOf(head: RequestHead): unknown[] {
  const { method, methodId, target, path, authority, host, port, isAbsolute, expectContinue, expectOther } = head;
  const { isExtendedConnect, minor, framing, length, keepAlive, upgrade, isH2, seen, repeated, count } = head;
  const lines = Array.from({ length: count }, (_, i) => [
    head.id[i],
    head.name(i),
    head.value(i),
    head.drop[i],
    head.plain[i],
  ]);
  return [
    ...[method, methodId, target, path, authority, host, port, isAbsolute, expectContinue, expectOther],
    ...[isExtendedConnect, minor, framing, length, keepAlive, upgrade, isH2, seen, repeated, lines, copyKept(head)],
  ];
}
