import { describe, expect, it } from 'vitest';
import { HPACK, HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { blockOf, decode, fieldsOf, hex, huffman, integer, literal, string } from './support.ts';

const code = (bytes: Buffer, tableBytes = 4096): number => decode(new HpackDecoder(tableBytes), bytes).code;

describe('what is no HPACK', () => {
  it.each([
    ['index 0', hex('80')],
    ['an index beyond the static table while the dynamic one is empty', hex('be')],
    ['a name of such an index', hex('7e0161')],
    ['an integer that is cut off', hex('ff')],
    ['an integer above 2^31', Buffer.concat([hex('ff'), hex('8080808008')])],
    ['an integer with idle zeros that never ends', hex('ff808080808080808000')],
    ['a name length that is cut off', hex('007f')],
    ['a name that is cut off', hex('000561')],
    ['a value that is missing', hex('000161')],
    ['a value that is cut off', hex('0001610562')],
    ['a size update after a field', hex('8220')],
    ['a size update above the limit', integer(0x20, 0x1f, 4097)],
    ['padding of eight bits', Buffer.concat([hex('000161'), hex('82'), hex('1fff')])],
    ['padding that is not all ones', Buffer.concat([hex('000161'), hex('81'), hex('18')])],
    ['EOS in a string', Buffer.concat([hex('000161'), hex('84'), hex('ffffffff')])],
    ['EOS in a name', Buffer.concat([hex('0084'), hex('ffffffff'), hex('0161')])],
  ])('refuses %s', (_, bytes) => {
    expect(code(bytes)).toBe(HPACK.BAD);
  });

  it.each([
    ['the largest integer, which is no index', Buffer.concat([hex('ff'), hex('80ffffff07')])],
    ['a length of 2^31 - 1', Buffer.concat([hex('00'), integer(0, 0x7f, 0x7fffffff)])],
  ])('refuses %s without making room for it', (_, bytes) => {
    expect(code(bytes)).toBe(HPACK.BAD);
  });

  it('takes size updates at the start of a block, also two, up to the limit', () => {
    expect(code(Buffer.concat([hex('20'), integer(0x20, 0x1f, 4096), hex('82')]))).toBe(HPACK.OK);
    expect(code(integer(0x20, 0x1f, 8192), 8192)).toBe(HPACK.OK);
    expect(code(integer(0x20, 0x1f, 300), 256)).toBe(HPACK.BAD);
  });

  it('takes padding of up to seven ones', () => {
    for (const text of ['', 'a', 'ab', 'abc', 'abcd', '&', '!', 'X', '0e']) {
      const bytes = Buffer.concat([hex('000161'), string(text, true)]);
      expect(decode(new HpackDecoder(), bytes)).toMatchObject({ code: HPACK.OK, lines: [`a: ${text}`] });
    }
  });
});

describe('Huffman', () => {
  it('decodes every byte, alone and after each other', () => {
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    for (const text of [...all, all.join(''), all.toReversed().join('')]) {
      const { block } = decode(new HpackDecoder(), Buffer.concat([hex('000161'), string(text, true)]));
      expect(fieldsOf(block).regular).toEqual([['a', text]]);
    }
  });

  it('refuses a string that stops in the middle of a long word', () => {
    const coded = huffman('\u0001');
    for (let length = 1; length < coded.length; length++) {
      const bytes = Buffer.concat([hex('000161'), integer(0x80, 0x7f, length), coded.subarray(0, length)]);
      expect(code(bytes)).toBe(HPACK.BAD);
    }
  });
});

describe('the dynamic table', () => {
  it('drops the oldest entry to make room, and empties itself for one that is too large', () => {
    const decoder = new HpackDecoder();
    decode(
      decoder,
      blockOf(
        Array.from({ length: 200 }, (_, i) => [`n${i}`, 'v'.repeat(40)]),
        0x40,
      ),
      MAX,
      1000,
    );
    // 4 or 3 bytes of name, 40 of value, 32 on top: 53 of them in 4,096.
    expect(decode(decoder, integer(0x80, 0x7f, 62 + 52)).lines).toEqual([`n147: ${'v'.repeat(40)}`]);
    expect(decode(decoder, integer(0x80, 0x7f, 62 + 53)).code).toBe(HPACK.BAD);
    const other = new HpackDecoder();
    decode(other, blockOf([['a', 'b']], 0x40));
    expect(decode(other, hex('be')).code).toBe(HPACK.OK);
    decode(other, blockOf([['a', 'b'.repeat(4096)]], 0x40));
    expect(decode(other, hex('be')).code).toBe(HPACK.BAD);
  });

  it('holds an entry that fills it to the byte', () => {
    const decoder = new HpackDecoder();
    const value = 'x'.repeat(4096 - 32 - 1);
    decode(decoder, blockOf([['b', 'c']], 0x40));
    decode(decoder, blockOf([['a', value]], 0x40));
    expect(decode(decoder, hex('be')).lines).toEqual([`a: ${value}`]);
    expect(decode(decoder, hex('bf')).code).toBe(HPACK.BAD);
  });

  it('may be named by an entry that it pushes out', () => {
    const decoder = new HpackDecoder();
    decode(decoder, blockOf([['name', 'x'.repeat(4000)]], 0x40));
    const { lines } = decode(decoder, Buffer.concat([hex('7e'), string('y'.repeat(200))]));
    expect(lines).toEqual([`name: ${'y'.repeat(200)}`]);
    expect(decode(decoder, hex('be')).lines).toEqual([`name: ${'y'.repeat(200)}`]);
    expect(decode(decoder, hex('bf')).code).toBe(HPACK.BAD);
  });

  it('shrinks and grows by size updates', () => {
    const decoder = new HpackDecoder();
    decode(
      decoder,
      blockOf(
        [
          ['a', '1'],
          ['b', '2'],
          ['c', '3'],
        ],
        0x40,
      ),
    );
    expect(decode(decoder, Buffer.concat([integer(0x20, 0x1f, 68), hex('bebf')])).lines).toEqual(['c: 3', 'b: 2']);
    expect(decode(decoder, hex('c0')).code).toBe(HPACK.BAD);
    decode(decoder, hex('20'));
    expect(decode(decoder, hex('be')).code).toBe(HPACK.BAD);
    decode(decoder, Buffer.concat([integer(0x20, 0x1f, 4096), blockOf([['d', '4']], 0x40)]));
    expect(decode(decoder, hex('be')).lines).toEqual(['d: 4']);
  });

  it('copies neighbours and strangers alike', () => {
    const decoder = new HpackDecoder();
    const fields = Array.from({ length: 20 }, (_, i) => [`name-${i}`, `value-${i}`.repeat(i)] as const);
    decode(decoder, blockOf(fields, 0x40));
    const order = [19, 18, 17, 3, 4, 5, 0, 1, 0, 0, 12, 11];
    const bytes = Buffer.concat([hex('82'), Buffer.from(order.map((i) => 0x80 | (62 + 19 - i))), hex('84')]);
    const { lines } = decode(decoder, bytes);
    expect(lines).toEqual([':method: GET', ...order.map((i) => `name-${i}: ${fields[i]![1]}`), ':path: /']);
  });
});

describe('limits', () => {
  const field = ['abcd', 'efghij'] as const; // 42 as RFC 9113 counts

  it('counts 32 bytes a field on top', () => {
    const bytes = blockOf([field, field]);
    expect(decode(new HpackDecoder(), bytes, 84).code).toBe(HPACK.OK);
    expect(decode(new HpackDecoder(), bytes, 83)).toMatchObject({ code: HPACK.TOO_LARGE, lines: [] });
    const decoder = new HpackDecoder();
    decode(decoder, literal(field, 0x40));
    expect(decode(decoder, hex('bebe'), 84).code).toBe(HPACK.OK);
    expect(decode(decoder, hex('bebe'), 83).code).toBe(HPACK.TOO_LARGE);
  });

  it('counts regular lines', () => {
    const bytes = blockOf([[':method', 'GET'], field, field]);
    expect(decode(new HpackDecoder(), bytes, MAX, 2).code).toBe(HPACK.OK);
    expect(decode(new HpackDecoder(), bytes, MAX, 1).code).toBe(HPACK.TOO_LARGE);
    expect(decode(new HpackDecoder(), hex('829090'), MAX, 2).code).toBe(HPACK.OK);
    expect(decode(new HpackDecoder(), hex('829090'), MAX, 1).code).toBe(HPACK.TOO_LARGE);
  });

  it('keeps the table in step with a list that it does not take', () => {
    const decoder = new HpackDecoder();
    const list = Array.from({ length: 60 }, (_, i) => [`n${i}`, `v${i}`] as const);
    expect(decode(decoder, blockOf(list, 0x40, true), 300).code).toBe(HPACK.TOO_LARGE);
    expect(decode(decoder, hex('bebf')).lines).toEqual(['n59: v59', 'n58: v58']);
    expect(decode(decoder, blockOf(list, 0x40), MAX, 3).code).toBe(HPACK.TOO_LARGE);
    expect(decode(decoder, hex('bebf')).lines).toEqual(['n59: v59', 'n58: v58']);
  });

  it('still refuses what is broken behind the limit', () => {
    expect(decode(new HpackDecoder(), Buffer.concat([blockOf([field, field]), hex('80')]), 42).code).toBe(HPACK.BAD);
  });

  it('makes little work of a bomb', () => {
    const decoder = new HpackDecoder();
    decode(decoder, literal(['a', 'x'.repeat(4000)], 0x40));
    const bomb = Buffer.alloc(1 << 20, 0xbe);
    const { code: got, block } = decode(decoder, bomb, MAX, 100);
    expect(got).toBe(HPACK.TOO_LARGE);
    expect(block.bytes.length).toBeLessThanOrEqual(2 * MAX);
  });
});

const MAX = 65536;
