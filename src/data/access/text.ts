// What clients send, made fit for a line: nothing they say ends a line, closes a quote or breaks JSON. Texts are latin1, one
// char a byte, as the wire has them. Most need nothing done, and then cost one look at a table a char.

import { isUtf8 } from 'node:buffer';

/** Longer values are cut, so that one request cannot fill the buffer. */
export const MAX_CHARS = 4096;
const CUT = '...';

/** 1: cannot stand in a JSON string, or in a quoted part of a combined line, as it is. */
const ODD = new Uint8Array(256).fill(1);
for (let c = 32; c < 127; c++) ODD[c] = c === 34 || c === 92 ? 1 : 0;

const HEX = Array.from({ length: 256 }, (_, c) => c.toString(16).toUpperCase().padStart(2, '0'));

/** Whether text[at, end) can stand as it is. */
export function isPlain(text: string, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (ODD[text.charCodeAt(i)] !== 0) return false;
  return true;
}

/** What stands between the quotes of a JSON string. UTF-8 stays; bytes that are none are told one by one, as `\u00HH`. */
export function jsonText(text: string): string {
  if (text.length > MAX_CHARS) return escapeJson(text.slice(0, MAX_CHARS)) + CUT;
  return isPlain(text, 0, text.length) ? text : escapeJson(text);
}

/** The same for a combined line, in nginx's way: `\xHH`. */
export function combinedText(text: string): string {
  if (text.length > MAX_CHARS) return escapeCombined(text.slice(0, MAX_CHARS)) + CUT;
  return isPlain(text, 0, text.length) ? text : escapeCombined(text);
}

function escapeJson(text: string): string {
  const keepsHigh = isUtf8(Buffer.from(text, 'latin1'));
  let out = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (ODD[c] === 0 || (c > 127 && keepsHigh)) continue;
    out += text.slice(from, i);
    out += c === 34 || c === 92 ? `\\${text[i]}` : `\\u00${HEX[c]}`;
    from = i + 1;
  }
  return out + text.slice(from);
}

function escapeCombined(text: string): string {
  let out = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (ODD[c] === 0) continue;
    out += `${text.slice(from, i)}\\x${HEX[c]}`;
    from = i + 1;
  }
  return out + text.slice(from);
}

/** A name of ours (Unicode, from the configuration) as a JSON string, quotes and all; latin1. Not for every request. */
export function jsonName(name: string | null): string {
  return name === null ? 'null' : Buffer.from(JSON.stringify(name), 'utf8').toString('latin1');
}
