// Cohorts by name: a client belongs to a prefix, the prefix to an ASN, that to a country, and everybody to the edge. Each is a
// number, so that a sample can carry it and a table can be searched for it; this file makes the numbers and reads them back.
// What is learned of a cohort is in cohorts.ts; which of them have a row of their own, in directory.ts.

import { canonicalIp, parseCidr } from './ip.ts';

/** From the widest to the narrowest. */
export const LEVEL = { EDGE: 0, COUNTRY: 1, ASN: 2, PREFIX: 3 } as const;
export type Level = (typeof LEVEL)[keyof typeof LEVEL];

/** Everybody: the key of no cohort in particular. */
export const EDGE_COHORT = 0;

/** Where the keys of each level begin. The highest is below 2^49: exact as doubles, which samples and tables hold. */
const ASN = 2 ** 32;
const PREFIX_V4 = 2 ** 33;
const PREFIX_V6 = 2 ** 48;

/**
 * The cohorts a client is of, narrowest last; EDGE_COHORT where its place is not known at that level. The last fields are
 * what the directory answered for it, so that the next request need not ask again (directory.ts).
 */
export interface CohortPath {
  readonly countryKey: number;
  readonly asnKey: number;
  readonly prefixKey: number;
  /** Generation of the directory that answered, the root row it was asked for, and its answer. */
  seenGeneration: number;
  seenRoot: number;
  seenRow: number;
  seenKey: number;
}

/** A client of these cohorts; nothing was looked up for it yet. */
export function cohortPath(countryKey: number, asnKey: number, prefixKey: number): CohortPath {
  return { countryKey, asnKey, prefixKey, seenGeneration: 0, seenRoot: 0, seenRow: 0, seenKey: 0 };
}

/** Two letters as a number, ≥ 1; EDGE_COHORT for null. */
export function countryKeyOf(country: string | null): number {
  return country === null || country.length !== 2 ? EDGE_COHORT : (country.charCodeAt(0) << 8) | country.charCodeAt(1);
}

/** EDGE_COHORT for null. */
export function asnKeyOf(asn: number | null): number {
  return asn === null || !(asn > 0 && asn < 2 ** 32) ? EDGE_COHORT : ASN + asn;
}

/**
 * IPv4 /24, IPv6 /48: what is routed as one in practice, and what a site gets. EDGE_COHORT for what is no address. Takes some
 * µs: not for the request path.
 */
export function prefixKeyOf(address: string): number {
  const canonical = canonicalIp(address);
  if (canonical === null) return EDGE_COHORT;
  const isV6 = canonical.includes(':');
  const groups = parseCidr(`${canonical}/${isV6 ? 48 : 24}`)!.groups as readonly number[];
  if (!isV6) return PREFIX_V4 + groups[6]! * 256 + (groups[7]! >> 8);
  return PREFIX_V6 + groups[0]! * 2 ** 32 + groups[1]! * 65_536 + groups[2]!;
}

/** The client's keys from what the GeoIP database says of its address. */
export function pathOf(address: string, country: string | null, asn: number | null): CohortPath {
  return cohortPath(countryKeyOf(country), asnKeyOf(asn), prefixKeyOf(address));
}

export function levelOf(key: number): Level {
  if (key === EDGE_COHORT) return LEVEL.EDGE;
  if (key < ASN) return LEVEL.COUNTRY;
  return key < PREFIX_V4 ? LEVEL.ASN : LEVEL.PREFIX;
}

/** For people: `edge`, `country:DE`, `asn:3320`, `prefix:203.0.113.0/24`, `prefix:2001:db8:1::/48`. */
export function cohortName(key: number): string {
  switch (levelOf(key)) {
    case LEVEL.EDGE:
      return 'edge';
    case LEVEL.COUNTRY:
      return `country:${String.fromCharCode(key >> 8, key & 0xff)}`;
    case LEVEL.ASN:
      return `asn:${key - ASN}`;
    case LEVEL.PREFIX:
      return `prefix:${prefixText(key)}`;
  }
}

function prefixText(key: number): string {
  if (key < PREFIX_V6) {
    const bits = key - PREFIX_V4;
    return `${bits >>> 16}.${(bits >>> 8) & 255}.${bits & 255}.0/24`;
  }
  const bits = key - PREFIX_V6;
  const hex = (value: number) => (value & 0xffff).toString(16);
  const high = Math.floor(bits / 2 ** 32);
  const low = bits % 2 ** 32;
  return parseCidr(`${hex(high)}:${hex(Math.floor(low / 65_536))}:${hex(low % 65_536)}::/48`)!.text;
}
