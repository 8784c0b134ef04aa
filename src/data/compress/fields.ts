// What the header says of a content that is, or may be, compressed on its way (RFC 9110 8.4, 8.8.3, 12.5.5). Lines of the
// endpoint are marked as dropped, lines of ours are given back; nothing is rewritten in place.

import { FIELD, Fields } from '../../wire/fields.ts';
import { dropNamed, joined } from '../headers.ts';

/** Sums over the bytes that the endpoint sent, and byte ranges of them: nobody gets those bytes. */
const OF_THE_BYTES = ['accept-ranges', 'content-md5', 'digest', 'content-digest', 'repr-digest'];

/** Sums that come behind a body which was compressed. */
export function dropSums(trailers: Fields): void {
  for (const name of OF_THE_BYTES) dropNamed(trailers, name);
}

/** The line that tells caches what the answer depends on; '' when they know. Lines it stands for are marked as dropped. */
export function varyLine(answer: Fields): string {
  let value = '';
  for (let i = 0; i < answer.count; i++) {
    if (answer.id[i] !== FIELD.VARY || answer.drop[i] === 1) continue;
    value = value === '' ? answer.value(i) : `${value}, ${answer.value(i)}`;
  }
  if (value === '') return 'Vary: Accept-Encoding\r\n';
  if (coversEncoding(value)) return '';
  dropNamed(answer, 'vary');
  return `Vary: ${value}, Accept-Encoding\r\n`;
}

/** Whether a Vary value says that the coding depends on the request. */
export function coversEncoding(vary: string): boolean {
  return vary.split(',').some((name) => /^(?:\*|accept-encoding)$/i.test(name.trim()));
}

/** Two codings of one content are the same by meaning, not by byte. Gives the line instead; '' when there is no strong ETag. */
export function weakened(answer: Fields): string {
  const at = answer.findName('etag');
  if (at < 0 || answer.drop[at] === 1) return '';
  const value = answer.value(at);
  if (!value.startsWith('"')) return '';
  answer.drop[at] = 1;
  return `ETag: W/${value}\r\n`;
}

/** The lines of a compressed answer; those that are not true of it any more are marked as dropped. */
export function codedLines(answer: Fields, coding: string): string {
  for (const name of OF_THE_BYTES) dropNamed(answer, name);
  dropLength(answer);
  return `Content-Encoding: ${coding}\r\n${weakened(answer)}`;
}

export function dropLength(answer: Fields): void {
  const at = answer.find(FIELD.CONTENT_LENGTH);
  if (at >= 0) answer.drop[at] = 1;
}

/** Of a request or an answer: nobody on the way may change the content (RFC 9111 5.2.1.6, 5.2.2.6). */
export function forbidsTransform(fields: Fields): boolean {
  return fields.find(FIELD.CACHE_CONTROL) >= 0 && saysNoTransform(joined(fields, FIELD.CACHE_CONTROL));
}

export function saysNoTransform(cacheControl: string): boolean {
  return cacheControl.split(',').some((directive) => directive.trim().toLowerCase() === 'no-transform');
}

/** A block of its own, for when the reader of `fields` goes on. */
export function copyOf(fields: Fields): Fields {
  const { count } = fields;
  const copy = new Fields(count);
  copy.text = fields.text;
  copy.count = count;
  copy.seen = fields.seen;
  copy.repeated = fields.repeated;
  copy.id.set(fields.id.subarray(0, count));
  copy.nameAt.set(fields.nameAt.subarray(0, count));
  copy.nameEnd.set(fields.nameEnd.subarray(0, count));
  copy.valueAt.set(fields.valueAt.subarray(0, count));
  copy.valueEnd.set(fields.valueEnd.subarray(0, count));
  copy.plain.set(fields.plain.subarray(0, count));
  copy.drop.set(fields.drop.subarray(0, count));
  return copy;
}
