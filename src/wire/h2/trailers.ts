// A trailer section out of a decoded block (RFC 9113 8.1): fields without pseudo-headers, and marked as trailers.ts marks them.

import { type Fault, NO_FAULT } from '../fault.ts';
import type { Fields } from '../fields.ts';
import { judgeTrailers } from '../trailers.ts';
import type { HeaderBlock } from './block.ts';
import { flawOf, takeLines } from './lines.ts';

/** Reads the trailers that `block` holds. Gives NO_FAULT, or why the stream is malformed. Never throws. */
export function readTrailers(block: HeaderBlock, trailers: Fields): Fault {
  const flaw = flawOf(block);
  if (flaw !== NO_FAULT) return flaw;
  trailers.clear();
  const fault = takeLines(block, 0, 0, trailers);
  if (fault !== NO_FAULT) return fault;
  trailers.text = block.bytes.toString('latin1', 0, block.end);
  return judgeTrailers(trailers);
}
