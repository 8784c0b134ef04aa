// The grammar of `host [":" port]` as it stands in Host and in absolute-form (RFC 9112 3.2, RFC 3986 3.2.2). No DNS, no
// normalising beyond lower case: a trailing dot is kept, percent-encoding and IPv6 zones are refused.

import { COLON, HEX_VALUE, HOST_LOWER } from './chars.ts';

const LEFT_BRACKET = 91;
const RIGHT_BRACKET = 93;
const DOT = 46;

/** A parsed authority; one object a reader, since the authority rarely changes on a connection. */
export class Authority {
  /** As sent. */
  text = '';
  /** Without port, lower case, IPv6 in brackets. */
  host = '';
  /** 0 if none. */
  port = 0;

  /** Parses text[at, end); false, and nothing changed, if it is no valid non-empty authority. Cheap for the one seen last. */
  parse(text: string, at: number, end: number): boolean {
    if (end - at === this.text.length && end > at && text.startsWith(this.text, at)) return true;
    const hostEnd = hostEndOf(text, at, end);
    if (hostEnd <= at) return false;
    let port = 0;
    if (hostEnd < end) {
      if (text.charCodeAt(hostEnd) !== COLON || end - hostEnd > 6) return false;
      for (let p = hostEnd + 1; p < end; p++) {
        const digit = text.charCodeAt(p) - 48;
        if (digit < 0 || digit > 9) return false;
        port = port * 10 + digit;
      }
      if (port > 65535) return false;
    }
    this.text = text.slice(at, end);
    this.host = text.slice(at, hostEnd).toLowerCase();
    this.port = port;
    return true;
  }
}

/** Where the host that starts at `at` ends, or -1. */
function hostEndOf(text: string, at: number, end: number): number {
  if (at < end && text.charCodeAt(at) === LEFT_BRACKET) {
    const close = text.indexOf(']', at);
    if (close < 0 || close >= end || text.charCodeAt(close) !== RIGHT_BRACKET) return -1;
    return isIpv6(text, at + 1, close) ? close + 1 : -1;
  }
  let p = at;
  while (p < end) {
    const code = text.charCodeAt(p);
    if (code > 255 || HOST_LOWER[code] === 0) break;
    p++;
  }
  return p;
}

/** RFC 3986 IPv6address: eight groups, at most one `::`, the last two perhaps as IPv4. */
export function isIpv6(text: string, at: number, end: number): boolean {
  let groups = 0;
  let hasGap = false;
  let p = at;
  if (text.charCodeAt(p) === COLON) {
    if (text.charCodeAt(p + 1) !== COLON) return false;
    hasGap = true;
    p += 2;
  }
  while (p < end) {
    const groupAt = p;
    while (p < end && HEX_VALUE[text.charCodeAt(p) & 255] !== 255) p++;
    if (p < end && text.charCodeAt(p) === DOT) {
      groups += 2;
      return isIpv4(text, groupAt, end) && (hasGap ? groups < 8 : groups === 8);
    }
    if (p === groupAt || p - groupAt > 4 || ++groups > 8) return false;
    if (p === end) break;
    if (text.charCodeAt(p++) !== COLON || p === end) return false;
    if (text.charCodeAt(p) === COLON) {
      if (hasGap) return false;
      hasGap = true;
      p++;
    }
  }
  return hasGap ? groups < 8 : groups === 8;
}

/** Four decimals of 0-255 without leading zeros. */
export function isIpv4(text: string, at: number, end: number): boolean {
  let octets = 0;
  let p = at;
  for (;;) {
    const octetAt = p;
    let value = 0;
    while (p < end && p - octetAt < 3) {
      const digit = text.charCodeAt(p) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      p++;
    }
    if (p === octetAt || value > 255 || (p - octetAt > 1 && text.charCodeAt(octetAt) === 48)) return false;
    octets++;
    if (p === end) return octets === 4;
    if (octets === 4 || text.charCodeAt(p) !== DOT) return false;
    p++;
  }
}
