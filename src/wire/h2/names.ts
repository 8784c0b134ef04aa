// What the encoder knows of a field name: its place in the static table, whether it may travel in HTTP/2 at all, and whether its
// value may be remembered. Found by a perfect hash over the characters of a name in a latin1 string, as fields.ts has it for bytes.

import { TOKEN_LOWER } from '../chars.ts';
import { FIELD_NAMES, fieldIdOfName } from '../fields.ts';
import { STATIC_TABLE } from './statics.ts';

/** What `nameOf` and NAME_OF_FIELD give: place in the static table (0: none) in the low six bits, and these. */
export const NAME = { INDEX: 63, LEFT_OUT: 64, SENSITIVE: 128, VARIES: 256 } as const;

/** What HTTP/2 does not have, or says in another way (RFC 9113 8.2.2, 8.3.1). */
const LEFT_OUT = [
  'host',
  'connection',
  'upgrade',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'http2-settings',
] as const;
/** Never in a table, here or at any later hop: a connection to an endpoint carries what several clients know (RFC 7541 7.1.3). */
const SENSITIVE = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'api-key',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
  'x-xsrf-token',
] as const;

/** Belongs to one resource or one moment: in a table it would only push out what does come again. */
const VARIES = [
  'age',
  'content-length',
  'content-range',
  'etag',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'range',
  'retry-after',
  'traceparent',
  'x-request-id',
] as const;

const NAMES: readonly string[] = [
  ...new Set([...STATIC_TABLE.slice(1).map(([name]) => name), ...LEFT_OUT, ...SENSITIVE, ...VARIES]),
].filter((name) => !name.startsWith(':'));
const INFO = NAMES.map(infoOf);

function infoOf(name: string): number {
  const index = Math.max(
    STATIC_TABLE.findIndex(([known]) => known === name),
    0,
  );
  const isLeftOut = (LEFT_OUT as readonly string[]).includes(name);
  const isSensitive = (SENSITIVE as readonly string[]).includes(name);
  const varies = (VARIES as readonly string[]).includes(name);
  return index | (isLeftOut ? NAME.LEFT_OUT : 0) | (isSensitive ? NAME.SENSITIVE : 0) | (varies ? NAME.VARIES : 0);
}

/** By FIELD id; that of OTHER is 0. */
export const NAME_OF_FIELD: Uint16Array = new Uint16Array(FIELD_NAMES.length);
for (let i = 0; i < NAMES.length; i++) {
  const id = fieldIdOfName(NAMES[i]!);
  if (id > 0) NAME_OF_FIELD[id] = INFO[i]!;
}

const SLOTS = 4096;
const { slots: SLOT_OF, a: HASH_A, b: HASH_B, c: HASH_C } = perfectHash();

/** A slot holds the place in NAMES + 1. */
function perfectHash(): { slots: Uint8Array; a: number; b: number; c: number } {
  for (let seed = 1; seed < 100_000; seed++) {
    const a = ((seed * 7) % 4093) | 1;
    const b = ((seed * 131) % 4093) | 1;
    const c = ((seed * 37) % 4093) | 1;
    const slots = new Uint8Array(SLOTS);
    const isFree = NAMES.every((name, i) => {
      const n = name.length;
      const slot =
        (name.charCodeAt(0) * a + name.charCodeAt(n > 2 ? 2 : 0) * b + name.charCodeAt(n - 1) * c + n) & (SLOTS - 1);
      if (slots[slot] !== 0) return false;
      slots[slot] = i + 1;
      return true;
    });
    if (isFree) return { slots, a, b, c };
  }
  throw new Error('names: no perfect hash found; two names share length, first, third and last character');
}

/** What is known of the name text[at, end), a token in any case; 0 if nothing is. */
export function nameOf(text: string, at: number, end: number): number {
  const n = end - at;
  if (n === 0) return 0;
  const slot =
    TOKEN_LOWER[text.charCodeAt(at)]! * HASH_A +
    TOKEN_LOWER[text.charCodeAt(n > 2 ? at + 2 : at)]! * HASH_B +
    TOKEN_LOWER[text.charCodeAt(end - 1)]! * HASH_C +
    n;
  const i = SLOT_OF[slot & (SLOTS - 1)]! - 1;
  if (i < 0) return 0;
  const known = NAMES[i]!;
  if (known.length !== n) return 0;
  for (let k = 0; k < n; k++) {
    if (TOKEN_LOWER[text.charCodeAt(at + k)] !== known.charCodeAt(k)) return 0;
  }
  return INFO[i]!;
}
