// Methods by number: those that everybody uses have one, so that a request's is compared once and counted by index. Any token is
// a method, and is passed on as it came (RFC 9110, 9.1).

/** Method names by `methodId`; 0 is any other token. */
export const METHODS = [
  'other',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'CONNECT',
] as const;
/** Indices of METHODS. */
export const METHOD = {
  OTHER: 0,
  GET: 1,
  HEAD: 2,
  POST: 3,
  PUT: 4,
  DELETE: 5,
  PATCH: 6,
  OPTIONS: 7,
  TRACE: 8,
  CONNECT: 9,
} as const;

/** Index in METHODS of the name in buf[at, end), a token; 0 if it is none of them. */
export function methodIdOf(buf: Buffer, at: number, end: number): number {
  const first = buf[at]!;
  for (let id = 1; id < METHODS.length; id++) {
    const name = METHODS[id]!;
    if (name.charCodeAt(0) !== first || name.length !== end - at) continue;
    let k = 1;
    while (k < name.length && buf[at + k] === name.charCodeAt(k)) k++;
    if (k === name.length) return id;
  }
  return METHOD.OTHER;
}
