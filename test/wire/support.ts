// Feeding readers from text: whole, or in pieces of a given size.

import { faultOf } from '../../src/wire/fault.ts';
import { type RequestHead, RequestReader } from '../../src/wire/request.ts';
import { type ResponseHead, ResponseReader } from '../../src/wire/response.ts';

export const LIMITS = { requestLineBytes: 8192, headBytes: 32768, headers: 100 };

export interface Feeder {
  readonly fault: number;
  feed(chunk: Buffer, from: number): number;
}

/** What `feed` gave at last, with a position counted from the start of `text`. */
export function feedAll(reader: Feeder, text: string, pieceBytes: number): number {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const next = reader.feed(bytes.subarray(at, at + pieceBytes), 0);
    if (next !== -1) return next < 0 ? next : at + next;
  }
  return -1;
}

export interface Parsed<H> {
  readonly next: number;
  /** Status of the fault, 0 for none. */
  readonly status: number;
  readonly detail: string;
  readonly head: H;
}

export function parseRequest(text: string, pieceBytes = 1 << 20): Parsed<RequestHead> {
  const reader = new RequestReader(LIMITS);
  const next = feedAll(reader, text, pieceBytes);
  const { status, detail } = reader.fault === 0 ? { status: 0, detail: '' } : faultOf(reader.fault);
  return { next, status, detail, head: reader.head };
}

export function parseResponse(text: string, methodId = 1, pieceBytes = 1 << 20): Parsed<ResponseHead> {
  const reader = new ResponseReader(LIMITS);
  reader.expect(methodId);
  const next = feedAll(reader, text, pieceBytes);
  const { status, detail } = reader.fault === 0 ? { status: 0, detail: '' } : faultOf(reader.fault);
  return { next, status, detail, head: reader.head };
}
