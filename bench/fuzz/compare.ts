// The judgement: whatever we accept, Node accepts, as the same message with the same end. That we refuse more is by design.

import { METHODS as NODE_METHODS } from 'node:http';
import type { Reading, Seen } from './seen.ts';

const KNOWN = new Set(NODE_METHODS);

/** What Node says when the bytes simply stop, and of framing fields in trailers, which we judge when the section is whole. */
const NOT_YET = new Set([
  'HPE_INVALID_EOF_STATE',
  'ECONNRESET',
  'HPE_INVALID_CONTENT_LENGTH',
  'HPE_INVALID_TRANSFER_ENCODING',
]);

/** Where the two differ, in words; '' if they agree or we are stricter. */
export function disagreement(kind: 'request' | 'response', ours: Reading, theirs: Reading): string {
  for (let i = 0; i < ours.messages.length; i++) {
    const mine = ours.messages[i]!;
    // Any token is a method to a proxy (RFC 9110 9.1), llhttp has a list.
    if (kind === 'request' && !KNOWN.has(mine.start)) return '';
    const other = theirs.messages[i];
    if (other === undefined) return `message ${i}: we accept, Node refuses (${theirs.why || theirs.stop})`;
    const difference = messageDifference(mine, other, ours, theirs);
    if (difference !== '') return `message ${i}: ${difference}`;
    // llhttp takes Proxy-Connection for Connection, and so may see an end or an upgrade that is none.
    if (mine.fields.some((name) => name.toLowerCase() === 'proxy-connection')) return '';
  }
  if (ours.stop === 'need' && theirs.messages.length > ours.messages.length)
    return 'Node sees a message where we see none yet';
  return '';
}

function messageDifference(mine: Seen, other: Seen, ours: Reading, theirs: Reading): string {
  if (mine.start !== other.start) return `start ${mine.start} / ${other.start}`;
  if (mine.detail !== other.detail) return `target or reason ${JSON.stringify([mine.detail, other.detail])}`;
  if (mine.minor !== other.minor) return `version 1.${mine.minor} / 1.${other.minor}`;
  if (!isSame(mine.fields, other.fields)) return `fields ${JSON.stringify([mine.fields, other.fields])}`;
  if (mine.isComplete) {
    if (!other.isComplete) return `we see its end, Node does not (${theirs.why || theirs.stop})`;
    if (mine.body !== other.body) return `body ${JSON.stringify([mine.body, other.body])}`;
    return isSame(mine.trailers, other.trailers) ? '' : `trailers ${JSON.stringify([mine.trailers, other.trailers])}`;
  }
  if (!other.body.startsWith(mine.body)) return `part of the body ${JSON.stringify([mine.body, other.body])}`;
  if (ours.stop === 'bad') return '';
  if (other.isComplete) return 'Node sees its end, we do not';
  if (mine.body !== other.body) return `part of the body ${JSON.stringify([mine.body, other.body])}`;
  return theirs.stop === 'bad' && !NOT_YET.has(theirs.why)
    ? `we wait for more of what Node refuses (${theirs.why})`
    : '';
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
