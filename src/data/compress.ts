// Whether an answer is compressed on its way to the client, and with what (RFC 9110 8.4, 12.5.3). The rules are here; the header
// lines are made in compress/fields.ts, the bytes in compress/coder.ts. Routes that do not compress never come here.

import { CELL, COMPRESS_MISS } from '../core/cells.ts';
import type { RouteSpec } from '../core/snapshot.ts';
import { preferredCoding } from '../wire/accept.ts';
import { FRAMING } from '../wire/body.ts';
import { FIELD, type Fields } from '../wire/fields.ts';
import type { ResponseHead } from '../wire/response.ts';
import { type Codec, codecOf } from './compress/codecs.ts';
import { Coder, isBusy, WHOLE_BYTES } from './compress/coder.ts';
import {
  codedLines,
  coversEncoding,
  dropLength,
  forbidsTransform,
  saysNoTransform,
  varyLine,
  weakened,
} from './compress/fields.ts';
import { isCompressible } from './compress/types.ts';
import { type Exchange, STATE } from './exchange.ts';

/** Shorter bodies fit into one packet anyway, and cost more in header lines than compressing them gives. */
const MIN_BYTES = 1024;
/** METHODS index. */
const HEAD = 2;

/** What a route compresses with; made once for each Snapshot. */
export interface CompressPlan {
  /** In our order of preference. */
  readonly names: readonly string[];
  readonly codecs: readonly Codec[];
  /** The route itself says in Vary that the coding depends on the request. */
  readonly hasVary: boolean;
}

/** null = nothing is compressed on this route: it is not asked to, or what it sets in the header forbids it. */
export function compressPlanOf({ compress, responseHeaders }: RouteSpec): CompressPlan | null {
  if (compress.length === 0) return null;
  const setOf = (lower: string) => responseHeaders.set.find(([name]) => name.toLowerCase() === lower)?.[1] ?? '';
  if (setOf('content-encoding') !== '' || saysNoTransform(setOf('cache-control'))) return null;
  return { names: compress, codecs: compress.map(codecOf), hasVary: coversEncoding(setOf('vary')) };
}

/**
 * Begins the answer to the client: compressed, when the client wants that and it is worth it, else as it came. `extra`: our own
 * lines. Sets `ex.coder` when the body is to go through one.
 */
export function begin(ex: Exchange, plan: CompressPlan, answer: ResponseHead, extra: string): void {
  let lines = extra;
  if (isVariable(answer)) {
    if (!plan.hasVary) lines += varyLine(answer);
    const codec = codecFor(ex, plan);
    if (codec !== null && answer.status === 304) lines += revalidated(ex, answer);
    else if (codec !== null && isWorth(ex, answer) && !isTooBusy(ex, codec, answer)) {
      lines += codedLines(answer, codec.name);
      if (ex.head.methodId !== HEAD) {
        ex.coder = new Coder(ex, codec, answer, lines);
        return;
      }
    }
  }
  ex.down.head(answer.status, answer.reason, answer, lines, answer.framing, answer.length);
}

/** Another client, or this one on another day, may get it compressed: caches have to know. A 304 need not name its type. */
function isVariable(answer: ResponseHead): boolean {
  const { status } = answer;
  if (status >= 300 && status !== 304) return false;
  const at = answer.find(FIELD.CONTENT_TYPE);
  const isOfType = at >= 0 ? isCompressible(answer.value(at)) : status === 304;
  return isOfType && !forbidsTransform(answer);
}

function codecFor(ex: Exchange, plan: CompressPlan): Codec | null {
  const accept = valuesOf(ex.head, 'accept-encoding');
  if (accept === '') return null;
  const i = preferredCoding(accept, plan.names);
  return i < 0 ? null : plan.codecs[i]!;
}

function valuesOf(fields: Fields, lower: string): string {
  let value = '';
  for (let i = 0; i < fields.count; i++) {
    if (fields.nameIs(i, lower)) value = value === '' ? fields.value(i) : `${value}, ${fields.value(i)}`;
  }
  return value;
}

/** It has a body, all of it, that nobody has coded yet, of a size that pays. */
function isWorth(ex: Exchange, answer: ResponseHead): boolean {
  const { status, framing, length } = answer;
  if (status === 204 || status === 205 || status === 206 || status === 226) return false;
  if (answer.find(FIELD.CONTENT_ENCODING) >= 0 || answer.find(FIELD.CONTENT_RANGE) >= 0) return false;
  if (ex.owes100 || forbidsTransform(ex.head)) return false; // owes100: whether the connection lives on is told with the head
  if (ex.head.methodId === HEAD) return length >= MIN_BYTES;
  return framing === FRAMING.LENGTH ? length >= MIN_BYTES : framing !== FRAMING.NONE;
}

function isTooBusy(ex: Exchange, codec: Codec, { framing, length }: ResponseHead): boolean {
  if (!isBusy() || (framing === FRAMING.LENGTH && length <= WHOLE_BYTES)) return false;
  ex.plane.lane.count(CELL.COMPRESS_MISSES, ex.route!.spec.uid, codec.index, COMPRESS_MISS.BUSY);
  return true;
}

/** The client asked about the weak ETag that we had given it, so that is the one that has not changed (RFC 9111 4.3.4). */
function revalidated(ex: Exchange, answer: ResponseHead): string {
  const at = answer.findName('etag');
  if (at < 0 || !valuesOf(ex.head, 'if-none-match').includes(`W/${answer.value(at)}`)) return '';
  dropLength(answer);
  return weakened(answer);
}

/** The endpoint has given its whole answer, and is free; the client's end of it is still in the compressor. */
export function awaitCoder(ex: Exchange): void {
  if (ex.state === STATE.IDLE) return;
  ex.up = null;
  if (!ex.isRequestRead) ex.down.pause(); // nobody wants the rest of it
}

/** The exchange is over. */
export function endCoding(ex: Exchange, coder: Coder): void {
  if (!coder.holdsHead) ex.books.responseBytes = coder.bytesOut;
  coder.drop();
  ex.coder = null;
}
