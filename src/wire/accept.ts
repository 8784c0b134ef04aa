// Which content coding a client wants (RFC 9110 12.5.3). Pure: the field's value in, an index into our codings out. What is
// malformed asks for nothing: an answer that is not compressed is never wrong.

import { tokenIs } from './chars.ts';
import { skipSpace, tokenEnd } from './framing.ts';

/** No coding: the content as it is. */
export const IDENTITY = -1;

const SEMICOLON = 59;
const EQUALS = 61;
const DOT = 46;
const STAR = '*';
/** Weights are counted in thousandths, which is all that the grammar allows. */
const ONE = 1000;
const UNNAMED = -1;
const MAX_CODINGS = 8;

/** Weight of each of our codings in the value being read; one value at a time is. */
const weights = new Int16Array(MAX_CODINGS);

/**
 * The coding to use for `value` (all Accept-Encoding lines as one list): an index into `ours`, or IDENTITY. The client's weights
 * decide, among equals the order of `ours`; identity wins only when it weighs more. `ours`: lower case, at most 8. Never throws.
 */
export function preferredCoding(value: string, ours: readonly string[]): number {
  weights.fill(UNNAMED);
  let star = UNNAMED;
  let identity = UNNAMED;
  const end = value.length;
  for (let p = 0; p < end; ) {
    p = skipSpace(value, p, end);
    const at = p;
    p = tokenEnd(value, p, end);
    const nameEnd = p;
    let comma = value.indexOf(',', p);
    if (comma < 0) comma = end;
    const weight = nameEnd === at ? UNNAMED : weightOf(value, p, comma);
    p = comma + 1;
    if (weight === UNNAMED) continue;
    if (tokenIs(value, at, nameEnd, STAR)) star = lower(star, weight);
    else if (tokenIs(value, at, nameEnd, 'identity')) identity = lower(identity, weight);
    else {
      const i = indexOf(value, at, nameEnd, ours);
      if (i >= 0) weights[i] = lower(weights[i]!, weight);
    }
  }
  return best(ours.length, star, identity);
}

/** Of what is named twice the lesser counts: nothing is sent that was refused somewhere. */
function lower(known: number, weight: number): number {
  return known === UNNAMED || weight < known ? weight : known;
}

/** `*` stands for whatever is not named, identity too; else identity is what is left when nothing better is. */
function best(count: number, star: number, identity: number): number {
  let chosen = IDENTITY;
  let most = identity !== UNNAMED ? identity : star !== UNNAMED ? star : 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i] === UNNAMED ? star : weights[i]!;
    if (weight > most || (weight === most && weight > 0 && chosen === IDENTITY)) {
      chosen = i;
      most = weight;
    }
  }
  return chosen;
}

/** `x-gzip` is the same as `gzip` (RFC 9110 8.4.1.3). */
function indexOf(value: string, at: number, end: number, ours: readonly string[]): number {
  for (let i = 0; i < ours.length; i++) {
    const name = ours[i]!;
    if (tokenIs(value, at, end, name) || (name === 'gzip' && tokenIs(value, at, end, 'x-gzip'))) return i;
  }
  return -1;
}

/** Of what stands between a coding and the next comma: the weight in thousandths, UNNAMED when it is not one. */
function weightOf(value: string, from: number, end: number): number {
  let p = skipSpace(value, from, end);
  if (p === end) return ONE;
  if (value.charCodeAt(p) !== SEMICOLON) return UNNAMED;
  p = skipSpace(value, p + 1, end);
  if ((value.charCodeAt(p) | 32) !== 113 || value.charCodeAt(p + 1) !== EQUALS) return UNNAMED; // q=
  p += 2;
  const first = value.charCodeAt(p) - 48;
  if (p >= end || (first !== 0 && first !== 1)) return UNNAMED;
  p++;
  let weight = first * ONE;
  if (p < end && value.charCodeAt(p) === DOT) {
    p++;
    for (let unit = ONE / 10; unit >= 1 && p < end; unit /= 10, p++) {
      const digit = value.charCodeAt(p) - 48;
      if (digit < 0 || digit > 9) break;
      weight += digit * unit;
    }
  }
  return skipSpace(value, p, end) === end && weight <= ONE ? weight : UNNAMED;
}
