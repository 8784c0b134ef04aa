// A trailer section out of a decoded block (RFC 9113 8.1): fields without pseudo-headers, and marked as trailers.ts marks them.

import { FAULT, type Fault, NO_FAULT } from '../fault.ts';
import type { Fields } from '../fields.ts';
import { judgeTrailers } from '../trailers.ts';
import type { HeaderBlock } from './block.ts';
import { flawOf, hasPseudo, takeLines } from './lines.ts';

/** Reads the trailers that `block` holds. Gives NO_FAULT, or why the stream is malformed. Never throws. */
export function readTrailers(block: HeaderBlock, trailers: Fields): Fault {
  const flaw = flawOf(block);
  if (flaw !== NO_FAULT) return flaw;
  if (hasPseudo(block)) return FAULT.BAD_PSEUDO;
  const fault = takeLines(block, trailers);
  if (fault !== NO_FAULT) return fault;
  return judgeTrailers(trailers);
}
