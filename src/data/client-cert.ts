// Who a client is by its certificate, as endpoints are told: X-Forwarded-Client-Cert in Envoy's form, `Hash=…;Subject="…"`.
// The certificate was verified before; here it only becomes text that no name in it can break out of.

import type { X509Certificate } from 'node:crypto';
import { latin1Of } from './generation.ts';

/** A head must not grow past what endpoints take. Longer subjects, which nobody signs, are left out: the hash says who. */
const MAX_SUBJECT_BYTES = 2048;

/**
 * Value of X-Forwarded-Client-Cert: SHA-256 of the DER in lower-case hex, and the subject as RFC 4514 has it (last name
 * first), UTF-8 bytes as latin1. Holds no control character, and quotes nowhere but around the subject.
 */
export function clientCertOf(certificate: X509Certificate): string {
  const hash = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return `Hash=${hash};Subject="${subjectOf(certificate.subject)}"`;
}

/** As above, '' if it is too long. `subject`: as Node gives it, one name a line, first to last, escaped as RFC 2253 has it, control characters too. */
export function subjectOf(subject: string | undefined): string {
  const names = (subject ?? '').split('\n').filter((line) => line !== '');
  // `\"` becomes `\22`, which says the same and can end no quoted string, however its reader treats backslashes.
  const text = latin1Of(names.reverse().join(',').replaceAll('\\"', '\\22').replaceAll('"', '\\22'));
  return text.length > MAX_SUBJECT_BYTES ? '' : text.replace(/[\x00-\x1f\x7f]/g, '?');
}

/**
 * DNS names of a subjectAltName as Node gives it, lower case, wildcards as they stand. What holds a quote or a comma is quoted as a
 * whole by Node, and is no name of a host.
 */
export function dnsNamesOf(subjectAltName: string | undefined): readonly string[] {
  const names: string[] = [];
  for (const entry of (subjectAltName ?? '').match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []) {
    const [, name] = /^\s*DNS:([\w.*-]+)$/.exec(entry) ?? [];
    if (name !== undefined) names.push(name.toLowerCase());
  }
  return names;
}
