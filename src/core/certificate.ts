// Which hosts a certificate covers, and which of several certificates is shown for a name (RFC 6125, 6.4; RFC 9525, 6.3).
// Names are those of the certificates themselves. No parsing of certificates here, and no TLS: that is control/config's and
// data/tls.ts's.

import { canonicalIp } from './ip.ts';
import { NONE } from './snapshot.ts';

/**
 * Whether a certificate with these `names` (lower case, addresses canonical; `*.` stands for exactly one label) is good for
 * `host`: a DNS name in any case, with or without a final dot, or an IP address, with or without brackets. O(names). Never
 * throws.
 */
export function coversHost(names: readonly string[], host: string): boolean {
  const wanted = hostOf(host);
  if (names.includes(wanted)) return true;
  const wildcard = wildcardOf(wanted);
  return wildcard !== '' && names.includes(wildcard);
}

/** What is looked up by SNI: names of many certificates, the first certificate with a name wins it. */
export class CertificateIndex {
  readonly #byName = new Map<string, number>();

  /** `names`: of each certificate, as in `coversHost`. */
  constructor(names: readonly (readonly string[])[]) {
    names.forEach((ofOne, index) => {
      for (const name of ofOne) if (!this.#byName.has(name)) this.#byName.set(name, index);
    });
  }

  /** Index of the certificate for a name from a client: exact before wildcard; NONE if there is none. O(1), never throws. */
  find(serverName: string): number {
    const wanted = hostOf(serverName);
    return this.#byName.get(wanted) ?? this.#byName.get(wildcardOf(wanted)) ?? NONE;
  }
}

/** As names are written: lower case, no final dot, addresses canonical and without brackets. */
function hostOf(host: string): string {
  const lower = host.toLowerCase();
  if (lower.includes(':')) {
    const address = lower.startsWith('[') && lower.endsWith(']') ? lower.slice(1, -1) : lower;
    return canonicalIp(address) ?? address;
  }
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** `*.example.com` for `www.example.com`; '' where a wildcard cannot stand: addresses, and names of one label. */
function wildcardOf(host: string): string {
  const dot = host.indexOf('.');
  if (dot <= 0 || host.includes(':') || endsInDigit(host)) return '';
  return `*${host.slice(dot)}`;
}

/** No top-level domain ends in a digit (RFC 3696, 2), every IPv4 address does. */
function endsInDigit(host: string): boolean {
  const code = host.charCodeAt(host.length - 1);
  return code >= 48 && code <= 57;
}
