// A request's head as an endpoint gets it over HTTP/1.1. Framing is ours: nothing of the client's is passed on.

import { FRAMING } from '../../wire/body.ts';
import { copyKept } from '../../wire/fields.ts';
import type { RequestHead } from '../../wire/request.ts';
import { lengthLine } from '../../wire/write.ts';

/** latin1, the empty line included. `extra`: whole lines. */
export function headText(
  method: string,
  path: string,
  fields: RequestHead,
  extra: string,
  framing: number,
  length: number,
): string {
  const isChunked = framing === FRAMING.CHUNKED;
  const body = framing === FRAMING.LENGTH ? lengthLine(length) : isChunked ? 'Transfer-Encoding: chunked\r\n' : '';
  return `${method} ${path} HTTP/1.1\r\n${copyKept(fields)}${extra}${body}\r\n`;
}
