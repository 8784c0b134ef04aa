// What holds for any header list and for any bytes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fields } from '../../../src/wire/fields.ts';
import { HeaderBlock } from '../../../src/wire/h2/block.ts';
import { HPACK, HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { HpackEncoder } from '../../../src/wire/h2/encoder.ts';
import { Out } from '../../../src/wire/h2/out.ts';
import { readRequest } from '../../../src/wire/h2/request.ts';
import { readResponse } from '../../../src/wire/h2/response.ts';
import { readTrailers } from '../../../src/wire/h2/trailers.ts';
import { RequestHead } from '../../../src/wire/request.ts';
import { ResponseHead } from '../../../src/wire/response.ts';
import { type Field, fieldsOf, integer, literal, MAX_BYTES, MAX_FIELDS } from './support.ts';

const name = fc.oneof(
  fc.constantFrom('server', 'date', 'etag', 'x-a', 'x-b', 'cookie', 'set-cookie', 'content-type', 'accept-language'),
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9a-z-]{1,20}$/),
);
const value = fc.oneof(
  fc.constantFrom('', 'a', 'nginx', 'application/json', 'x'.repeat(200)),
  fc.stringMatching(/^[!-~\u0080-\u00ff]([\t -~\u0080-\u00ff]{0,60}[!-~\u0080-\u00ff])?$/),
);
const field: fc.Arbitrary<Field> = fc.tuple(name, value);
const list = fc.array(field, { maxLength: 30 });

describe('any header list', () => {
  it('comes out as it went in, many on one connection', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(list, fc.boolean()), { minLength: 1, maxLength: 20 }),
        fc.nat(5000),
        (lists, size) => {
          const encoder = new HpackEncoder();
          const decoder = new HpackDecoder();
          const block = new HeaderBlock();
          for (const [i, [fields, isText]] of lists.entries()) {
            if (i === 3) encoder.tableSize(size);
            const out = new Out();
            if (isText) encoder.lines(out, fields.map(([n, v]) => `${n}: ${v}\r\n`).join(''));
            else for (const [n, v] of fields) encoder.field(out, n, v);
            expect(decoder.decode(out.bytes, 0, out.at, block, 1 << 20, 1000)).toBe(HPACK.OK);
            expect(fieldsOf(block).regular).toEqual(fields);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is decoded the same in each representation', () => {
    const kinds = fc.array(fc.tuple(field, fc.constantFrom(0, 0x10, 0x40), fc.boolean()), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(kinds, { maxLength: 6 }), fc.constantFrom(0, 100, 512, 4096), (blocks, tableBytes) => {
        const decoder = new HpackDecoder(tableBytes);
        const block = new HeaderBlock();
        // The table as RFC 7541 4 has it, newest first.
        let table: Field[] = [];
        const sizeOf = (): number => table.reduce((sum, [n, v]) => sum + n.length + v.length + 32, 0);
        for (const fields of blocks) {
          const parts: Buffer[] = [];
          for (const [one, first, isHuffman] of fields) {
            const known = table.findIndex(([n, v]) => n === one[0] && v === one[1]);
            if (known >= 0) {
              parts.push(integer(0x80, 0x7f, 62 + known));
              continue;
            }
            parts.push(literal(one, first, isHuffman));
            if (first !== 0x40) continue;
            table.unshift(one);
            while (sizeOf() > tableBytes) table = table.slice(0, -1);
          }
          const bytes = Buffer.concat(parts);
          expect(decoder.decode(bytes, 0, bytes.length, block, 1 << 20, 1000)).toBe(HPACK.OK);
          expect(fieldsOf(block).regular).toEqual(fields.map(([one]) => one));
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** Bytes that get past the first look more often than chance does. */
const piece = fc.oneof(
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 1, max: 80 }).map((index) => integer(0x80, 0x7f, index)),
  fc
    .tuple(field, fc.constantFrom(0, 0x10, 0x40), fc.boolean())
    .map(([one, first, isHuffman]) => literal(one, first, isHuffman)),
  fc.nat(5000).map((size) => integer(0x20, 0x1f, size)),
  fc
    .tuple(fc.constantFrom(':path', ':authority', ':status', ':method', ':scheme', 'te', 'host'), value)
    .map((one) => literal(one)),
  fc.constantFrom('82878441016100', '8287840161').map((text) => Buffer.from(text, 'hex')),
);
const bytes = fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.concat(pieces));

describe('any bytes', () => {
  it('never throw, never read beyond their end, and give numbers that lie within the lines', () => {
    const block = new HeaderBlock();
    const heads = { request: new RequestHead(0), response: new ResponseHead(0), trailers: new Fields(0) };
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), fc.boolean(), (blocks, hasBody) => {
        const decoder = new HpackDecoder();
        const twin = new HpackDecoder();
        for (const one of blocks) {
          // The same bytes with others behind them: what is there may not matter.
          const longer = Buffer.concat([Buffer.from([0xbe]), one, Buffer.alloc(40, 0xff)]);
          const other = new HeaderBlock();
          const code = decoder.decode(one, 0, one.length, block, MAX_BYTES, MAX_FIELDS);
          expect(twin.decode(longer, 1, 1 + one.length, other, MAX_BYTES, MAX_FIELDS)).toBe(code);
          if (code === HPACK.BAD) break;
          expect(other.bytes.subarray(0, other.end)).toEqual(block.bytes.subarray(0, block.end));
          const all = fieldsOf(block);
          for (const [n, v] of all.regular) expect(block.bytes.includes(`${n}: ${v}\r\n`, 0, 'latin1')).toBe(true);
          const faults = [
            readRequest(copyOf(block), heads.request, hasBody),
            readResponse(copyOf(block), heads.response, 1, hasBody),
            readTrailers(copyOf(block), heads.trailers),
          ];
          // Nothing is a message of two kinds.
          expect(faults.slice(0, 2)).not.toEqual([0, 0]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('are taken as a request only when they are safe to write as HTTP/1.1', () => {
    const head = new RequestHead(0);
    const block = new HeaderBlock();
    const pseudo = (n: string, usual: string): fc.Arbitrary<Field> =>
      fc
        .oneof({ weight: 4, arbitrary: fc.constant(usual) }, fc.string({ maxLength: 8, unit: 'binary-ascii' }))
        .map((v): Field => [n, v]);
    const requests = fc.tuple(
      pseudo(':method', 'GET'),
      pseudo(':scheme', 'https'),
      pseudo(':authority', 'a.example'),
      pseudo(':path', '/'),
      fc.tuple(fc.string({ maxLength: 5, unit: 'binary-ascii' }), fc.string({ maxLength: 8, unit: 'binary-ascii' })),
    );
    fc.assert(
      fc.property(requests, (fields) => {
        const bytes = Buffer.concat(fields.map((one) => literal(one)));
        if (new HpackDecoder().decode(bytes, 0, bytes.length, block, MAX_BYTES, MAX_FIELDS) !== HPACK.OK) return;
        if (readRequest(block, head, false) !== 0) return;
        expect(head.path).toMatch(/^\/[!-~]*$/);
        expect(head.method).toMatch(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
        for (let i = 0; i < head.count; i++) {
          expect(head.name(i)).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
          expect(head.value(i)).toMatch(/^([!-~\u0080-\u00ff]([\t -~\u0080-\u00ff]*[!-~\u0080-\u00ff])?)?$/);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

/** A block is read once; this is one of its own with the same in it. */
function copyOf(block: HeaderBlock): HeaderBlock {
  const copy = new HeaderBlock();
  copy.bytes = Buffer.from(block.bytes);
  copy.end = block.end;
  copy.count = block.count;
  copy.hosts = block.hosts;
  copy.id = block.id.slice();
  copy.nameAt = block.nameAt.slice();
  copy.nameEnd = block.nameEnd.slice();
  copy.valueAt = block.valueAt.slice();
  copy.valueEnd = block.valueEnd.slice();
  copy.seen = block.seen;
  copy.repeated = block.repeated;
  copy.pseudoAt.set(block.pseudoAt);
  copy.pseudoEnd.set(block.pseudoEnd);
  copy.flaws = block.flaws;
  return copy;
}
