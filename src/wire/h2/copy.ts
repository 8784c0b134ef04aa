// Copies of a line or a few: most are too short for a call into the engine to pay off.

/** Copies up to so many bytes are cheaper as a loop. */
const SHORT_COPY = 24;

/** from[at, end) to to[toAt…); the two do not overlap, and there is room. */
export function copyBytes(from: Buffer, at: number, end: number, to: Buffer, toAt: number): void {
  if (end - at > SHORT_COPY) {
    from.copy(to, toAt, at, end);
    return;
  }
  for (let p = at, q = toAt; p < end; p++, q++) to[q] = from[p]!;
}
