// The Huffman code of HPACK (RFC 7541 5.2, appendix B). It is canonical, so the lengths of its words are the whole table: words
// are numbered by length, then by symbol. Decoding takes a byte at a step through a table of states (256 inner nodes of the code
// tree x 256 bytes, 256 KiB a process): one load and two stores a byte, no branch but the loop's, and it judges what it yields
// on the way, so that nobody has to look at the bytes again.

import { TOKEN_LOWER, VALUE_BYTE } from '../chars.ts';

/**
 * What may be malformed, as bits: a byte in a name, a byte in a value, whitespace at the edge of a value, and where or how often a
 * pseudo-header stands. NAME and VALUE are found here.
 */
export const FLAW = { NAME: 1, VALUE: 2, EDGE: 4, PSEUDO: 8 } as const;

/** Bits of a word by symbol; 256 is EOS. */
// biome-ignore format: sixteen a line, as one looks a byte up
const LENGTHS = Uint8Array.from([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]);
const EOS = 256;
const LONGEST = 30;

/** The word of each symbol, in its low `HUFFMAN_LENGTHS[symbol]` bits. */
export const HUFFMAN_CODES: Uint32Array = wordsOf(LENGTHS);
/** Bits of each symbol's word. */
export const HUFFMAN_LENGTHS: Uint8Array = LENGTHS;

function wordsOf(lengths: Uint8Array): Uint32Array {
  const words = new Uint32Array(lengths.length);
  let next = 0;
  for (let length = 1; length <= LONGEST; length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++) if (lengths[symbol] === length) words[symbol] = next++;
    next *= 2;
  }
  return words;
}

// An entry of STEPS: first symbol | second symbol << 8 | count << 16 | next state << 18 | flaws << 26 | failed << 29.
const COUNT_AT = 16;
const STATE_AT = 18;
const FLAWS_AT = 26;
const FAILED = 1 << 29;

const { steps: STEPS, mayEnd: MAY_END } = compile();

/** Every inner node of the tree, from the root (state 0), walked with every byte. */
function compile(): { steps: Int32Array; mayEnd: Uint8Array } {
  // Children by node: > 0 an inner node, <= 0 a leaf (its symbol, negated); 1e6: none yet.
  const NONE = 1e6;
  const children: number[][] = [[NONE, NONE]];
  const mayEnd = new Uint8Array(256);
  mayEnd[0] = 1;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    const length = LENGTHS[symbol]!;
    for (let bit = length - 1; bit >= 0; bit--) {
      const side = (HUFFMAN_CODES[symbol]! >>> bit) & 1;
      if (bit === 0) children[node]![side] = -symbol;
      else {
        if (children[node]![side] === NONE) children[node]![side] = children.push([NONE, NONE]) - 1;
        node = children[node]![side]!;
        // Padding is the start of EOS, less than a byte of it (RFC 7541 5.2).
        if (symbol === EOS && length - bit <= 7) mayEnd[node] = 1;
      }
    }
  }
  // Half a byte ends one symbol at most (the shortest word has five bits), and two halves make a step.
  const halves = new Int32Array(256 * 16);
  for (let i = 0; i < halves.length; i++) halves[i] = halfOf(children, i >> 4, i & 15);
  const steps = new Int32Array(256 * 256);
  for (let i = 0; i < steps.length; i++) {
    const high = halves[i >> 4]!;
    const low = halves[(((high >> STATE_AT) & 255) << 4) | (i & 15)]!;
    steps[i] = join(high, low);
  }
  return { steps, mayEnd };
}

/** The entry of four bits from this state on. */
function halfOf(children: number[][], state: number, bits: number): number {
  let node = state;
  let entry = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node]![(bits >>> bit) & 1]!;
    node = child > 0 ? child : 0;
    if (child > 0) continue;
    if (child === -EOS) return FAILED;
    entry = -child | (flawsOf(-child) << FLAWS_AT) | (1 << COUNT_AT);
  }
  return entry | (node << STATE_AT);
}

/** One entry after the other. */
function join(high: number, low: number): number {
  if (((high | low) & FAILED) !== 0) return FAILED;
  const highCount = (high >> COUNT_AT) & 3;
  const symbols = (high & 255) | ((low & 255) << (8 * highCount));
  const count = highCount + ((low >> COUNT_AT) & 3);
  const flaws = (high | low) & (3 << FLAWS_AT);
  return symbols | (count << COUNT_AT) | (low & (255 << STATE_AT)) | flaws;
}

/** FLAW.NAME unless the byte may stand in a name of HTTP/2 (a token without upper case), FLAW.VALUE unless in a value. */
function flawsOf(byte: number): number {
  return (TOKEN_LOWER[byte] === byte && byte !== 0 ? 0 : FLAW.NAME) | (VALUE_BYTE[byte] === 1 ? 0 : FLAW.VALUE);
}

/** flawsOf every byte, for raw strings. */
export const BYTE_FLAWS: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => flawsOf(byte));

/** What FLAW bits the string decoded last has (NAME and VALUE); belongs to whoever called last. */
export let lastFlaws = 0;

/** Most bytes that `count` coded bytes decode to, and what the decoder may write past them. */
export function decodedBound(count: number): number {
  return ((count * 8) / 5 + 3) | 0;
}

/**
 * Decodes from[at, end) to to[toAt…), where decodedBound(end - at) bytes must be free. Gives where the result ends, or -1: EOS
 * in it, or padding that is not less than 8 ones. Sets `lastFlaws`.
 */
export function huffmanDecode(from: Uint8Array, at: number, end: number, to: Uint8Array, toAt: number): number {
  let out = toAt;
  let state = 0;
  let seen = 0;
  for (let p = at; p < end; p++) {
    const step = STEPS[(state << 8) | from[p]!]!;
    to[out] = step;
    to[out + 1] = step >> 8;
    out += (step >> COUNT_AT) & 3;
    state = (step >> STATE_AT) & 255;
    seen |= step;
  }
  if ((seen & FAILED) !== 0 || MAY_END[state] === 0) return -1;
  lastFlaws = (seen >> FLAWS_AT) & 3;
  return out;
}
