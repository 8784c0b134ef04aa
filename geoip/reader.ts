// Addresses to places, over database bytes that all threads share. Two layouts of record are understood, DB-IP's flat one
// and MaxMind's nested one, and several files make one answer. No files are opened here (load.ts), none judged (check.ts).
// The reading is mmdb-lib's (by way of `maxmind`): it works on a Buffer that views the shared bytes, without a copy.

import { LRUCache } from 'lru-cache';
import { Reader, type Response } from 'maxmind';
import { canonicalIp, parseCidr } from '../src/core/ip.ts';

/** A database in shared memory. */
export interface GeoFile {
  readonly path: string;
  readonly bytes: SharedArrayBuffer;
}

/** What is known of an address. A field that no database has is null. */
export interface Place {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string | null;
  readonly city: string | null;
  /** First-level subdivision, in English: `California`. */
  readonly region: string | null;
  /** Both or neither. Good to some kilometres at best; rounded to 4 decimals. */
  readonly latDeg: number | null;
  readonly lonDeg: number | null;
  readonly asn: number | null;
  readonly isp: string | null;
  /** CIDR of which all of this is true. */
  readonly network: string | null;
}

export interface GeoFileInfo {
  readonly path: string;
  /** As the file calls itself: `GeoLite2-City`, `city ipv4`. */
  readonly type: string;
  /** ISO 8601; null when the file does not say. */
  readonly built: string | null;
  readonly ipVersion: 4 | 6;
  readonly sizeBytes: number;
}

export interface GeoReader {
  readonly files: readonly GeoFileInfo[];
  /** null when no database knows the address, or it is none. Any spelling; IPv4-mapped is IPv4. Never throws. */
  lookup(ip: string): Place | null;
}

type Fields = { -readonly [K in keyof Place]: Place[K] };

/** Decoded values kept per file: mostly the names that many records point to. Small, since every worker has its own. */
const CACHED_VALUES = 512;

/** Opens what was checked. Throws when a file cannot be read at all; checkGeoFile says why in words. */
export function openGeo(files: readonly GeoFile[]): GeoReader {
  const opened = files.map(openFile);
  return {
    files: opened.map((file) => file.info),
    lookup(ip) {
      const address = canonicalIp(ip);
      if (address === null) return null;
      return placeOf(opened, address);
    },
  };
}

interface OpenFile {
  readonly info: GeoFileInfo;
  readonly reader: Reader<Response>;
}

/** Throws what mmdb-lib throws. */
export function openFile(file: GeoFile): OpenFile {
  const cache = new LRUCache<string | number, object>({ max: CACHED_VALUES });
  const reader = new Reader<Response>(Buffer.from(file.bytes), { cache });
  const { databaseType, buildEpoch, ipVersion } = reader.metadata;
  const isDated = buildEpoch instanceof Date && buildEpoch.getTime() > 0;
  return {
    info: {
      path: file.path,
      type: String(databaseType),
      built: isDated ? buildEpoch.toISOString() : null,
      ipVersion: ipVersion === 4 ? 4 : 6,
      sizeBytes: file.bytes.byteLength,
    },
    reader,
  };
}

function placeOf(files: readonly OpenFile[], address: string): Place | null {
  const isV6 = address.includes(':');
  const fields: Fields = {
    country: null,
    city: null,
    region: null,
    latDeg: null,
    lonDeg: null,
    asn: null,
    isp: null,
    network: null,
  };
  let bits = -1;
  for (const { reader } of files) {
    // mmdb-lib would walk the first 32 bits of an IPv6 address through an IPv4 tree, and find somebody else.
    if (isV6 && reader.metadata.ipVersion === 4) continue;
    try {
      const [record, prefix] = reader.getWithPrefixLength(address);
      if (typeof record !== 'object' || record === null) continue;
      fill(fields, record as Readonly<Record<string, unknown>>);
      // Networks that hold one address are nested: the longest prefix is where all of them hold.
      if (prefix > bits) bits = prefix;
    } catch {
      // A damaged record: the other files may still know.
    }
  }
  if (bits < 0) return null;
  fields.network = parseCidr(`${address}/${bits}`)?.text ?? null;
  return fields;
}

/** Takes from a record what is still missing: earlier files win. */
function fill(to: Fields, record: Readonly<Record<string, unknown>>): void {
  const traits = mapOf(record.traits);
  to.country ??= textOf(record.country_code) ?? textOf(mapOf(record.country).iso_code);
  to.city ??= textOf(record.city) ?? nameOf(record.city);
  to.region ??= textOf(record.state1) ?? nameOf(firstOf(record.subdivisions));
  to.asn ??= countOf(record.autonomous_system_number ?? traits.autonomous_system_number);
  to.isp ??=
    textOf(record.isp ?? traits.isp) ??
    textOf(record.autonomous_system_organization ?? traits.autonomous_system_organization);
  if (to.latDeg !== null) return;
  const location = mapOf(record.location);
  const latDeg = degreesOf(record.latitude ?? location.latitude, 90);
  const lonDeg = degreesOf(record.longitude ?? location.longitude, 180);
  // One without the other is no place.
  if (latDeg === null || lonDeg === null) return;
  to.latDeg = latDeg;
  to.lonDeg = lonDeg;
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze({});

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : NOTHING;
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : null;
}

/** MaxMind names a thing in many languages. */
function nameOf(value: unknown): string | null {
  return textOf(mapOf(mapOf(value).names).en);
}

/** DB-IP writes what it does not know as ''. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null;
}

/** Four decimals are 11 m; what follows is noise of 32-bit floats. */
function degreesOf(value: unknown, limit: number): number | null {
  if (typeof value !== 'number' || !(Math.abs(value) <= limit)) return null;
  return Math.round(value * 1e4) / 1e4;
}
