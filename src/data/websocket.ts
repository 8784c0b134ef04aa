// The handshake of a WebSocket over HTTP/1.1 (RFC 6455, 4): a key, and what proves that the other side has read it. HTTP/2 knows
// neither (RFC 8441, 5), so where the two sides of a tunnel differ, Fermat is the one who asks or who proves.

import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key. */
export function webSocketProof(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}
