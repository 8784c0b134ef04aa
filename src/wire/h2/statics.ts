// The static table of HPACK (RFC 7541 appendix A), as lines and numbers: `name: value CRLF` one after the other in one buffer, and
// four numbers an entry, the same shape as an entry of the dynamic table has (table.ts). And the numbers of the pseudo-headers.

import { fieldIdOfName } from '../fields.ts';

/** Ids of the pseudo-headers, beside those of FIELD; anything from METHOD on is a pseudo-header. */
export const PSEUDO = {
  METHOD: 200,
  SCHEME: 201,
  AUTHORITY: 202,
  PATH: 203,
  STATUS: 204,
  PROTOCOL: 205,
  UNKNOWN: 206,
} as const;

const PSEUDO_NAMES = new Map<string, number>([
  [':method', PSEUDO.METHOD],
  [':scheme', PSEUDO.SCHEME],
  [':authority', PSEUDO.AUTHORITY],
  [':path', PSEUDO.PATH],
  [':status', PSEUDO.STATUS],
  [':protocol', PSEUDO.PROTOCOL],
]);

/** The static table; [0] is no entry. */
export const STATIC_TABLE: readonly (readonly [name: string, value: string])[] = [
  ['', ''],
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];
/** Entries of the static table; the dynamic one is numbered from here on + 1. */
export const STATIC_COUNT = STATIC_TABLE.length - 1;

/** Numbers of an entry: where its line starts, bytes of its name, bytes of its value, id | flaws << 8. */
export const ENTRY_NUMBERS = 4;

/** `name: value CRLF` of every static entry. */
export const STATIC_BYTES: Buffer = Buffer.from(
  STATIC_TABLE.slice(1)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join(''),
  'latin1',
);
/** ENTRY_NUMBERS of each, from [ENTRY_NUMBERS] on. */
export const STATIC_NUMBERS: Int32Array = new Int32Array(STATIC_TABLE.length * ENTRY_NUMBERS);

let at = 0;
for (let i = 1; i < STATIC_TABLE.length; i++) {
  const [name, value] = STATIC_TABLE[i]!;
  const id = PSEUDO_NAMES.get(name) ?? fieldIdOfName(name);
  STATIC_NUMBERS.set([at, name.length, value.length, id], i * ENTRY_NUMBERS);
  at += name.length + value.length + 4;
}

/** The id of the pseudo-header that bytes[at, end) names, which starts with a colon. */
export function pseudoIdOf(bytes: Buffer, at: number, end: number): number {
  return PSEUDO_NAMES.get(bytes.toString('latin1', at, end)) ?? PSEUDO.UNKNOWN;
}
