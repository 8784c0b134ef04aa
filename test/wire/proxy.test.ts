// The PROXY protocol's headers: what is taken, what is refused, and that neither depends on how the bytes are cut.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalIp } from '../../src/core/ip.ts';
import { PROXY, type ProxyEnds, ProxyReader, type ProxyVerdict, proxyHeader } from '../../src/wire/proxy.ts';

interface Outcome {
  readonly verdict: ProxyVerdict;
  readonly ends: ProxyEnds | null;
  /** latin1. */
  readonly rest: string;
}

/** Reads `bytes` cut at the places given; what comes behind the verdict is counted to the rest, as a socket would keep it. */
function read(bytes: Buffer, cuts: readonly number[] = []): Outcome {
  const reader = new ProxyReader();
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  let verdict: ProxyVerdict = PROXY.MORE;
  let at = 0;
  for (let i = 1; i < places.length && verdict === PROXY.MORE; i++) {
    at = places[i]!;
    verdict = reader.take(bytes.subarray(places[i - 1]!, at));
  }
  const isOver = verdict === PROXY.DONE || verdict === PROXY.ABSENT;
  return {
    verdict,
    ends: reader.ends,
    rest: isOver ? Buffer.concat([reader.rest, bytes.subarray(at)]).toString('latin1') : '',
  };
}

const line = (text: string): Outcome => read(Buffer.from(text, 'latin1'));

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const ADDRESSES_V4 = Buffer.from([192, 0, 2, 1, 198, 51, 100, 7, 0xdb, 0xfc, 0x01, 0xbb]);
const ADDRESSES_V6 = Buffer.from(`20010db8${'0'.repeat(22)}01${'20010db8'}${'0'.repeat(22)}02${'c350'}01bb`, 'hex');

function v2(command: number, family: number, block: Buffer, length = block.length): Buffer {
  return Buffer.concat([SIGNATURE, Buffer.from([command, family, length >> 8, length & 255]), block]);
}

function tlv(type: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 255]), bytes]);
}

const withTlvs = (...tlvs: Buffer[]): Buffer => v2(0x21, 0x11, Buffer.concat([ADDRESSES_V4, ...tlvs]));

/** CRC-32C bit by bit, apart from the table that is tested. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function withChecksum(...others: Buffer[]): Buffer {
  const header = withTlvs(tlv(3, Buffer.alloc(4)), ...others);
  header.writeUInt32BE(crc32c(header), 16 + 12 + 3);
  return header;
}

const V4_ENDS = { source: '192.0.2.1', sourcePort: 56316, destination: '198.51.100.7', destinationPort: 443 };

describe('a PROXY header of version 1', () => {
  it('names the two ends of an IPv4 connection', () => {
    expect(line('PROXY TCP4 192.0.2.1 198.51.100.7 56316 443\r\nGET / HTTP/1.1\r\n')).toEqual({
      verdict: PROXY.DONE,
      ends: V4_ENDS,
      rest: 'GET / HTTP/1.1\r\n',
    });
  });

  it('names the two ends of an IPv6 connection, in either case and with a dotted tail', () => {
    for (const source of ['2001:db8::1', '2001:DB8:0:0:0:0:0:1', '::ffff:192.0.2.1', '::'])
      expect(line(`PROXY TCP6 ${source} ::1 0 65535\r\n`)).toEqual({
        verdict: PROXY.DONE,
        ends: { source, sourcePort: 0, destination: '::1', destinationPort: 65535 },
        rest: '',
      });
  });

  it('says nothing of the client with UNKNOWN, whatever else stands in its line', () => {
    for (const text of [
      'PROXY UNKNOWN\r\n',
      'PROXY UNKNOWN \xff\x00 any thing \r\n',
      `PROXY UNKNOWN ${'f'.repeat(91)}\r\n`,
    ])
      expect(line(`${text}rest`), text).toEqual({ verdict: PROXY.DONE, ends: null, rest: 'rest' });
  });

  it.each([
    'PROXY TCP4 192.0.2.1 198.51.100.7 56316 443\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 56316 443\r\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 56316\r443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 56316 443 \r\n',
    'PROXY TCP4  192.0.2.1 198.51.100.7 56316 443\r\n',
    'PROXY  TCP4 192.0.2.1 198.51.100.7 56316 443\r\n',
    'PROXY TCP4\t192.0.2.1 198.51.100.7 56316 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 56316\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 56316 443 1\r\n',
    'PROXY TCP4 192.0.2.01 198.51.100.7 56316 443\r\n',
    'PROXY TCP4 192.0.2.256 198.51.100.7 56316 443\r\n',
    'PROXY TCP4 192.0.2 198.51.100.7 56316 443\r\n',
    'PROXY TCP4 ::1 ::1 56316 443\r\n',
    'PROXY TCP4  198.51.100.7 56316 443\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.7 56316 443\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 56316 443\r\n',
    'PROXY TCP6 [::1] ::1 56316 443\r\n',
    'PROXY TCP6 1::2::3 ::1 56316 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 056316 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 -1 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 1e3 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 0x50 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 00 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7  443\r\n',
    'PROXY tcp4 192.0.2.1 198.51.100.7 56316 443\r\n',
    'PROXY UDP4 192.0.2.1 198.51.100.7 56316 443\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY \r\n',
    `PROXY UNKNOWN ${'f'.repeat(92)}\r\n`,
    'PROXY / HTTP/1.1\r\n',
  ])('is refused when it is %j', (text) => {
    expect(line(text)).toMatchObject({ verdict: PROXY.BAD, ends: null });
  });
});

describe('a PROXY header of version 2', () => {
  it('names the two ends, for TCP and UDP, IPv4 and IPv6', () => {
    for (const transport of [1, 2]) {
      expect(read(v2(0x21, 0x10 | transport, ADDRESSES_V4))).toEqual({ verdict: PROXY.DONE, ends: V4_ENDS, rest: '' });
      const { ends } = read(v2(0x21, 0x20 | transport, ADDRESSES_V6));
      expect([canonicalIp(ends!.source), ends!.sourcePort]).toEqual(['2001:db8::1', 50_000]);
      expect([canonicalIp(ends!.destination), ends!.destinationPort]).toEqual(['2001:db8::2', 443]);
    }
  });

  it('says nothing of the client when it is LOCAL, UNSPEC or of a UNIX socket', () => {
    const headers = [
      v2(0x20, 0x00, Buffer.alloc(0)),
      v2(0x20, 0x11, ADDRESSES_V4),
      v2(0x20, 0xff, Buffer.from('anything')),
      v2(0x21, 0x00, Buffer.alloc(0)),
      v2(0x21, 0x00, Buffer.from('anything')),
      v2(0x21, 0x10, ADDRESSES_V4),
      v2(0x21, 0x31, Buffer.alloc(216)),
    ];
    for (const header of headers) {
      const outcome = read(Buffer.concat([header, Buffer.from('rest')]));
      expect(outcome, header.toString('hex')).toEqual({ verdict: PROXY.DONE, ends: null, rest: 'rest' });
    }
  });

  it('is taken with TLVs, known and unknown', () => {
    const ssl = tlv(0x20, Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), tlv(0x21, 'TLSv1.3'), tlv(0x22, 'someone')]));
    const header = withTlvs(
      tlv(1, 'h2'),
      tlv(2, 'example.com'),
      tlv(4, ''),
      tlv(5, 'u'.repeat(128)),
      ssl,
      tlv(0xea, 'aws'),
    );
    expect(read(header)).toEqual({ verdict: PROXY.DONE, ends: V4_ENDS, rest: '' });
    expect(read(withChecksum(tlv(2, 'example.com')))).toMatchObject({ verdict: PROXY.DONE, ends: V4_ENDS });
  });

  it('is refused when its checksum is not that of its bytes', () => {
    const good = withChecksum(tlv(2, 'example.com'));
    for (let at = 16; at < good.length; at++) {
      if (at === 28 || at === 29) continue; // another type or length: another TLV
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      expect(read(bad).verdict, `byte ${at}`).not.toBe(PROXY.DONE);
    }
  });

  it.each([
    ['another version', v2(0x11, 0x11, ADDRESSES_V4)],
    ['another command', v2(0x22, 0x11, ADDRESSES_V4)],
    ['another family', v2(0x21, 0x41, ADDRESSES_V4)],
    ['another transport', v2(0x21, 0x13, ADDRESSES_V4)],
    ['less than its addresses', v2(0x21, 0x11, ADDRESSES_V4.subarray(1))],
    ['IPv6 with IPv4 addresses', v2(0x21, 0x21, ADDRESSES_V4)],
    ['a UNIX path that is cut', v2(0x21, 0x31, Buffer.alloc(215))],
    ['more than 4 KiB', v2(0x21, 0x11, Buffer.alloc(0), 4097)],
    ['a TLV cut in its head', withTlvs(Buffer.from([4, 0]))],
    ['a TLV longer than the header', withTlvs(Buffer.from([4, 0, 1]))],
    ['a checksum of two bytes', withTlvs(tlv(3, '12'))],
    ['two checksums', withTlvs(tlv(3, Buffer.alloc(4)), tlv(3, Buffer.alloc(4)))],
    ['a unique id of 129 bytes', withTlvs(tlv(5, 'u'.repeat(129)))],
    ['an SSL TLV without its flags', withTlvs(tlv(0x20, '1234'))],
    ['an SSL TLV whose TLVs do not fit', withTlvs(tlv(0x20, Buffer.from([1, 0, 0, 0, 0, 0x21, 0, 2, 65])))],
  ])('is refused with %s', (_, bytes) => {
    expect(read(bytes)).toMatchObject({ verdict: PROXY.BAD, ends: null });
  });

  it('is refused as soon as its fixed part shows it, not when the rest has come', () => {
    expect(read(v2(0x31, 0x11, ADDRESSES_V4).subarray(0, 13)).verdict).toBe(PROXY.BAD);
    expect(read(v2(0x21, 0x51, ADDRESSES_V4).subarray(0, 14)).verdict).toBe(PROXY.BAD);
    expect(read(v2(0x21, 0x11, Buffer.alloc(0), 5000)).verdict).toBe(PROXY.BAD);
  });
});

describe('what is no PROXY header', () => {
  it.each([
    'GET / HTTP/1.1\r\n',
    'PROPFIND / HTTP/1.1\r\n',
    'PROXYING / HTTP/1.1\r\n',
    '\r\nGET / HTTP/1.1\r\n',
    '\x16\x03\x01',
  ])('is left as it is: %j', (text) => {
    expect(line(text)).toEqual({ verdict: PROXY.ABSENT, ends: null, rest: text });
  });
});

const header = fc.oneof(
  fc.constantFrom(
    Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 56316 443\r\n'),
    Buffer.from('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'),
    Buffer.from('PROXY UNKNOWN\r\n'),
    v2(0x21, 0x21, ADDRESSES_V6),
    v2(0x20, 0, Buffer.alloc(0)),
    withChecksum(tlv(2, 'example.com')),
  ),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => withTlvs(Buffer.from(bytes))),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.concat([SIGNATURE, bytes])),
  fc
    .string({ unit: fc.constantFrom(...'TCP46UNKNOWN :.0123456789f\r\n'), maxLength: 120 })
    .map((s) => Buffer.from(`PROXY ${s}`)),
);

/** One byte of a header changed, or none. */
const damaged = fc.tuple(header, fc.nat(), fc.nat(255), fc.boolean()).map(([bytes, at, value, isDamaged]) => {
  const copy = Buffer.from(bytes);
  if (isDamaged && copy.length > 0) copy[at % copy.length] = value;
  return copy;
});

describe('any bytes', () => {
  it('read the same however they are cut, and never throw', () => {
    fc.assert(
      fc.property(
        damaged,
        fc.uint8Array({ maxLength: 20 }),
        fc.array(fc.nat(300), { maxLength: 8 }),
        (start, behind, cuts) => {
          const bytes = Buffer.concat([start, behind]);
          const whole = read(bytes);
          expect(
            read(
              bytes,
              cuts.map((cut) => Math.min(cut, bytes.length)),
            ),
          ).toEqual(whole);
          expect(read(bytes, [...bytes.keys()])).toEqual(whole);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => canonicalIp(text)!);
const port = fc.integer({ min: 0, max: 65535 });

describe('a header that is written', () => {
  it('reads back as what it was made of', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<1 | 2>(1, 2),
        address,
        port,
        address,
        port,
        (version, source, sourcePort, destination, destinationPort) => {
          const text = proxyHeader(version, { source, sourcePort, destination, destinationPort });
          const { verdict, ends, rest } = line(`${text}behind`);
          expect([verdict, rest]).toEqual([PROXY.DONE, 'behind']);
          expect([canonicalIp(ends!.source), ends!.sourcePort]).toEqual([source, sourcePort]);
          expect([canonicalIp(ends!.destination), ends!.destinationPort]).toEqual([destination, destinationPort]);
        },
      ),
    );
  });

  it('says so when the client is not known', () => {
    expect(proxyHeader(1, null)).toBe('PROXY UNKNOWN\r\n');
    expect(Buffer.from(proxyHeader(2, null), 'latin1')).toEqual(v2(0x21, 0, Buffer.alloc(0)));
  });

  it('stays within one segment, and a line of version 1 within its 107 bytes', () => {
    const long = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
    const ends = { source: long, sourcePort: 65535, destination: long, destinationPort: 65535 };
    expect(proxyHeader(1, ends).length).toBe(104);
    expect(proxyHeader(2, ends).length).toBe(52);
  });
});
