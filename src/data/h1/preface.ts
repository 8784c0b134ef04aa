// HTTP/2 by prior knowledge begins with a preface that is no HTTP/1.1 request (RFC 9113, 3.3). It may come in pieces.

import { PREFACE } from '../../wire/h2/frames.ts';

/** Takes over a connection whose first bytes, all given, are HTTP/2's. */
export type Preface = (bytes: Buffer) => void;

/** Whether what a connection begins with is HTTP/2's preface. */
export const BEGINS = { ELSE: 0, MAYBE: 1, H2: 2 } as const;

/** MAYBE = as far as it goes, and it does not go far enough. */
export function beginningOf(bytes: Buffer): number {
  const isShort = bytes.length < PREFACE.length;
  const length = isShort ? bytes.length : PREFACE.length;
  if (PREFACE.compare(bytes, 0, length, 0, length) !== 0) return BEGINS.ELSE;
  return isShort ? BEGINS.MAYBE : BEGINS.H2;
}
