// The proof of a WebSocket handshake over HTTP/1.1, where the client speaks HTTP/2 and will not look at it itself.

import type { RequestHead } from '../../wire/request.ts';
import type { ResponseHead } from '../../wire/response.ts';
import { webSocketProof } from '../websocket.ts';

/** The Sec-WebSocket-Accept that must answer this request; '' = it asks for none. */
export function proofWanted(fields: RequestHead): string {
  const key = fields.findName('sec-websocket-key');
  return key < 0 ? '' : webSocketProof(fields.value(key));
}

export function isProven(head: ResponseHead, proof: string): boolean {
  const at = head.findName('sec-websocket-accept');
  return at >= 0 && head.value(at) === proof;
}
