// The PROXY protocol, versions 1 (a line of text) and 2 (binary with TLVs): what a balancer in front says first on a connection,
// about the client it carries. Reading is strict and in pieces; writing is for endpoints that want the same of us. Whom to
// believe is not decided here. Source: haproxy, doc/proxy-protocol.txt ("the specification" below).

import { isIpv4, isIpv6 } from './host.ts';

/** Of the bytes so far: part of a header, a whole one, none at all, or one that must not be believed. */
export const PROXY = { MORE: 0, DONE: 1, ABSENT: 2, BAD: 3 } as const;
export type ProxyVerdict = (typeof PROXY)[keyof typeof PROXY];

/** The ends of a client's connection. Addresses without brackets and zones; ports 0–65535. */
export interface ProxyEnds {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

const PREFIX_V1 = Buffer.from('PROXY ', 'latin1');
const SIGNATURE_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** With its CRLF (2.1): the longest UNKNOWN line. */
const MAX_LINE_BYTES = 107;
const FIXED_V2_BYTES = 16;
/** Addresses and TLVs of version 2. The field has room for 64 KiB; certificates' names and unique ids need some hundreds. */
const MAX_BLOCK_BYTES = 4096;

const CR = 13;
const LF = 10;
const COMMAND = { LOCAL: 0x20, PROXY: 0x21 } as const; // with the version in the upper half
const FAMILY = { UNSPEC: 0, INET: 1, INET6: 2, UNIX: 3 } as const;
const ADDRESS_BYTES = [0, 12, 36, 216] as const; // by family
const TRANSPORT_STREAM = 1;
const TRANSPORT_DGRAM = 2;
const TLV = { CRC32C: 0x03, UNIQUE_ID: 0x05, SSL: 0x20 } as const;
const MAX_UNIQUE_ID_BYTES = 128;
/** Of PP2_TYPE_SSL, before the TLVs in it: flags and result of the verification. */
const SSL_FIXED_BYTES = 5;

/** Reads the header of one connection, however it is cut. Holds at most 4 KiB and one chunk. Never throws. */
export class ProxyReader {
  /** What DONE told of the client; null = nothing: the sender speaks for itself (LOCAL), or does not know (UNKNOWN, AF_UNSPEC, AF_UNIX). */
  ends: ProxyEnds | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  /** First byte behind the header. */
  #end = 0;

  /** Takes the next bytes, and keeps no reference to them. After anything but MORE it is not to be called again. */
  take(chunk: Buffer): ProxyVerdict {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const bytes = this.#bytes;
    if (startsLike(bytes, PREFIX_V1)) return bytes.length < PREFIX_V1.length ? PROXY.MORE : this.#readV1(bytes);
    if (startsLike(bytes, SIGNATURE_V2)) return bytes.length < FIXED_V2_BYTES ? judgeStart(bytes) : this.#readV2(bytes);
    return PROXY.ABSENT;
  }

  /** Part of a header, or of what may become one, has come. */
  get hasBegun(): boolean {
    return this.#bytes.length > 0;
  }

  /** What was read behind the header; everything, when there was none. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#end);
  }

  #readV1(bytes: Buffer): ProxyVerdict {
    const lf = bytes.subarray(0, MAX_LINE_BYTES).indexOf(LF);
    if (lf < 0) return bytes.length < MAX_LINE_BYTES ? PROXY.MORE : PROXY.BAD;
    // Neither byte of the CRLF ends the line alone, nor stands within it.
    if (bytes[lf - 1] !== CR || bytes.indexOf(CR) !== lf - 1) return PROXY.BAD;
    this.#end = lf + 1;
    const line = bytes.toString('latin1', PREFIX_V1.length, lf - 1);
    if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return PROXY.DONE; // the rest of such a line is to be ignored
    this.ends = endsOfLine(line.split(' '));
    return this.ends === null ? PROXY.BAD : PROXY.DONE;
  }

  #readV2(bytes: Buffer): ProxyVerdict {
    if (judgeStart(bytes) === PROXY.BAD) return PROXY.BAD;
    const end = FIXED_V2_BYTES + bytes.readUInt16BE(14);
    if (bytes.length < end) return PROXY.MORE;
    this.#end = end;
    const family = bytes[13]! >> 4;
    const transport = bytes[13]! & 15;
    // Of these nothing is taken, so what stands in their block, checksum and all, does not matter (2.2).
    if (bytes[12] === COMMAND.LOCAL || family === FAMILY.UNSPEC || transport === 0) return PROXY.DONE;
    const header = bytes.subarray(0, end);
    if (!areGoodTlvs(header, FIXED_V2_BYTES + ADDRESS_BYTES[family]!)) return PROXY.BAD;
    if (family !== FAMILY.UNIX) this.ends = endsOfBlock(header, family === FAMILY.INET ? 4 : 16);
    return PROXY.DONE;
  }
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

// ── version 1 ────────────────────────────────────────────────────────────────────────────────────────────────────────

function endsOfLine(parts: readonly string[]): ProxyEnds | null {
  if (parts.length !== 5) return null;
  const [protocol, source, destination] = parts as [string, string, string];
  const isAddress = protocol === 'TCP4' ? isIpv4 : protocol === 'TCP6' ? isIpv6 : null;
  if (isAddress === null) return null;
  if (!isAddress(source, 0, source.length) || !isAddress(destination, 0, destination.length)) return null;
  const sourcePort = portOf(parts[3]!);
  const destinationPort = portOf(parts[4]!);
  return sourcePort < 0 || destinationPort < 0 ? null : { source, sourcePort, destination, destinationPort };
}

/** A decimal from 0 to 65535 as it is written; -1 for anything else. */
function portOf(text: string): number {
  const port = text.length > 0 && text.length <= 5 ? Number(text) : -1;
  return port <= 65535 && String(port) === text ? port : -1;
}

// ── version 2 ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the fixed part shows to be wrong, as far as it has come: a stranger is not waited for. BAD or MORE. */
function judgeStart(bytes: Buffer): ProxyVerdict {
  if (bytes.length > 12 && bytes[12] !== COMMAND.LOCAL && bytes[12] !== COMMAND.PROXY) return PROXY.BAD;
  if (bytes.length > 13 && bytes[12] === COMMAND.PROXY) {
    if (bytes[13]! >> 4 > FAMILY.UNIX || (bytes[13]! & 15) > TRANSPORT_DGRAM) return PROXY.BAD;
  }
  if (bytes.length < FIXED_V2_BYTES) return PROXY.MORE;
  const length = bytes.readUInt16BE(14);
  if (length > MAX_BLOCK_BYTES) return PROXY.BAD;
  const isAddressed = bytes[12] === COMMAND.PROXY && (bytes[13]! & 15) !== 0;
  return isAddressed && length < ADDRESS_BYTES[bytes[13]! >> 4]! ? PROXY.BAD : PROXY.MORE;
}

function endsOfBlock(header: Buffer, addressBytes: number): ProxyEnds {
  const at = FIXED_V2_BYTES;
  const portsAt = at + 2 * addressBytes;
  return {
    source: addressText(header, at, addressBytes),
    sourcePort: header.readUInt16BE(portsAt),
    destination: addressText(header, at + addressBytes, addressBytes),
    destinationPort: header.readUInt16BE(portsAt + 2),
  };
}

/** IPv6 as eight groups, not shortened. */
function addressText(header: Buffer, at: number, bytes: number): string {
  if (bytes === 4) return `${header[at]}.${header[at + 1]}.${header[at + 2]}.${header[at + 3]}`;
  let text = '';
  for (let p = at; p < at + 16; p += 2) text += `${p === at ? '' : ':'}${header.readUInt16BE(p).toString(16)}`;
  return text;
}

/** Whether the TLVs from `at` on fill the header exactly, and those that have a form have it. */
function areGoodTlvs(header: Buffer, at: number): boolean {
  let hasChecksum = false;
  let p = at;
  while (p < header.length) {
    const valueAt = p + 3;
    if (valueAt > header.length) return false;
    const next = valueAt + header.readUInt16BE(p + 1);
    if (next > header.length) return false;
    switch (header[p]) {
      case TLV.CRC32C:
        if (hasChecksum || next - valueAt !== 4 || header.readUInt32BE(valueAt) !== checksumOf(header, valueAt))
          return false;
        hasChecksum = true;
        break;
      case TLV.UNIQUE_ID:
        if (next - valueAt > MAX_UNIQUE_ID_BYTES) return false;
        break;
      case TLV.SSL:
        if (next - valueAt < SSL_FIXED_BYTES || !isFilled(header, valueAt + SSL_FIXED_BYTES, next)) return false;
        break;
    }
    p = next;
  }
  return true;
}

/** Whether TLVs fill [at, end) exactly. */
function isFilled(header: Buffer, at: number, end: number): boolean {
  let p = at;
  while (p + 3 <= end) p += 3 + header.readUInt16BE(p + 1);
  return p === end;
}

/** CRC-32C (Castagnoli, reflected) by table. Source: RFC 4960, appendix B. */
const CRC_TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** Of the whole header, with the four bytes from `zeroAt` on taken as zeros. */
function checksumOf(header: Buffer, zeroAt: number): number {
  let crc = -1;
  for (let p = 0; p < header.length; p++) {
    const byte = p >= zeroAt && p < zeroAt + 4 ? 0 : header[p]!;
    crc = CRC_TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The header that tells an endpoint who the client is, as latin1; null = it is not known. Addresses must be valid; where
 * one is IPv4 and the other IPv6, both are written as IPv6.
 */
export function proxyHeader(version: 1 | 2, ends: ProxyEnds | null): string {
  if (ends === null) return version === 1 ? 'PROXY UNKNOWN\r\n' : fixedV2(FAMILY.UNSPEC << 4, 0);
  const { source, sourcePort, destination, destinationPort } = ends;
  const isV4 = !source.includes(':') && !destination.includes(':');
  if (version === 1) {
    const addresses = isV4 ? `TCP4 ${source} ${destination}` : `TCP6 ${asIpv6(source)} ${asIpv6(destination)}`;
    return `PROXY ${addresses} ${sourcePort} ${destinationPort}\r\n`;
  }
  const family = isV4 ? FAMILY.INET : FAMILY.INET6;
  const addresses = isV4 ? ipv4Bytes(source) + ipv4Bytes(destination) : ipv6Bytes(source) + ipv6Bytes(destination);
  const fixed = fixedV2((family << 4) | TRANSPORT_STREAM, ADDRESS_BYTES[family]);
  return fixed + addresses + twoBytes(sourcePort) + twoBytes(destinationPort);
}

function fixedV2(familyAndTransport: number, length: number): string {
  return SIGNATURE_V2.toString('latin1') + String.fromCharCode(COMMAND.PROXY, familyAndTransport) + twoBytes(length);
}

function twoBytes(value: number): string {
  return String.fromCharCode(value >> 8, value & 255);
}

/** Version 1 knows hexadecimal groups only, no dotted tail. */
function asIpv6(address: string): string {
  if (address.includes(':')) return address;
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number];
  return `::ffff:${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function ipv4Bytes(address: string): string {
  return String.fromCharCode(...address.split('.').map(Number));
}

function ipv6Bytes(address: string): string {
  const text = asIpv6(address);
  const gap = text.indexOf('::');
  if (gap < 0) return groupBytes(text);
  const head = groupBytes(text.slice(0, gap));
  const tail = groupBytes(text.slice(gap + 2));
  return head + '\0'.repeat(16 - head.length - tail.length) + tail;
}

function groupBytes(text: string): string {
  return text === ''
    ? ''
    : text
        .split(':')
        .map((group) => twoBytes(Number.parseInt(group, 16)))
        .join('');
}
