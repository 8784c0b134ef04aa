import { describe, expect, it } from 'vitest';
import { copyKept, Fields } from '../../../src/wire/fields.ts';
import { HeaderBlock } from '../../../src/wire/h2/block.ts';
import { HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { readTrailers } from '../../../src/wire/h2/trailers.ts';
import { blockOf, type Field } from './support.ts';

function read(fields: readonly Field[], trailers = new Fields(0)) {
  const block = new HeaderBlock();
  const bytes = blockOf(fields);
  expect(new HpackDecoder().decode(bytes, 0, bytes.length, block, 65536, 100)).toBe(0);
  return { fault: readTrailers(block, trailers), trailers };
}

describe('trailers over HTTP/2', () => {
  it('are taken as they are', () => {
    const { fault, trailers } = read([
      ['grpc-status', '0'],
      ['grpc-message', ''],
    ]);
    expect(fault).toBe(0);
    expect(copyKept(trailers)).toBe('grpc-status: 0\r\ngrpc-message: \r\n');
    expect(read([]).trailers.count).toBe(0);
  });

  it('lose what may not be said there', () => {
    const names = ['host', 'set-cookie', 'authorization', 'x-forwarded-for', 'if-match', 'content-type', 'cookie'];
    const { fault, trailers } = read([...names.map((name): Field => [name, 'a']), ['x-ok', 'b']]);
    expect(fault).toBe(0);
    expect(copyKept(trailers)).toBe('x-ok: b\r\n');
  });

  it.each([
    ['a pseudo-header', [[':status', '200']]],
    ['an unknown one', [[':a', 'b']]],
    ['an :authority', [[':authority', 'b']]],
    ['an upper-case name', [['Grpc-Status', '0']]],
    ['a control byte', [['a', 'b\0']]],
    ['whitespace at an edge', [['a', 'b ']]],
    ['a length', [['content-length', '0']]],
    ['a field about the connection', [['connection', 'x']]],
  ] as [string, Field[]][])('are refused for %s', (_, fields) => {
    expect(read(fields).fault).not.toBe(0);
  });

  it('can be read into the same lines again', () => {
    const trailers = new Fields(0);
    read(
      Array.from({ length: 50 }, (_, i): Field => [`a${i}`, 'b']),
      trailers,
    );
    read(
      [
        ['c', 'd'],
        ['date', 'e'],
      ],
      trailers,
    );
    expect(copyKept(trailers)).toBe('c: d\r\n');
  });
});
