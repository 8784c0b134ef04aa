// Values that only the overlay has: the address of another edge.

import { isIP } from 'node:net';

export interface PeerUrl {
  readonly scheme: 'http' | 'https';
  /** Name or address, no brackets around IPv6. */
  readonly host: string;
  readonly port: number;
}

/** null = not `http://HOST:PORT` or `https://HOST:PORT`, with nothing behind it. */
export function parsePeerUrl(text: string): PeerUrl | null {
  if (!/^https?:\/\/[^/?#@\s]+\/?$/i.test(text) || !URL.canParse(text)) return null;
  const { protocol, hostname, port } = new URL(text);
  const scheme = protocol === 'https:' ? 'https' : 'http';
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const isHost = isIP(bare) !== 0 || /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/.test(bare);
  return isHost ? { scheme, host: bare, port: port === '' ? (scheme === 'https' ? 443 : 80) : Number(port) } : null;
}
