// Certificates of listeners: PEM files read, their names taken from them, and whatever a handshake would stumble over found
// before it is needed. OpenSSL has the last word on what it takes. Choosing among certificates is core/certificate.ts's.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { canonicalIp } from '../../core/ip.ts';
import type { CertificateSpec, TlsListenerSpec } from '../../core/snapshot.ts';
import { readPem } from './pem.ts';
import type { Path, Problem } from './problems.ts';
import type { FileConfig } from './schema.ts';

type FileTls = NonNullable<FileConfig['listeners'][number]['tls']>;

/** What the reading of files leaves behind besides what was read. */
export interface Findings {
  readonly problems: Problem[];
  /** What does not keep the configuration from being used. */
  readonly warnings: string[];
  /** Absolute paths of what was read, or was to be. */
  readonly files: string[];
}

/** `at`: where the listener's `tls` stands in the file; `base`: where relative paths start; `nowMs`: wall clock. Never throws. */
export function readListenerTls(tls: FileTls, at: Path, base: string, nowMs: number, found: Findings): TlsListenerSpec {
  const { minVersion, alpn } = tls;
  const certificates = tls.certificates.map((files, i) =>
    readCertificate(files, [...at, 'certificates', i], base, nowMs, found),
  );
  const clientCa = tls.clientCa === null ? null : readPem(tls.clientCa, [...at, 'clientCa'], base, found);
  if (clientCa !== null) judgeCa(clientCa, [...at, 'clientCa'], found);
  return { certificates, minVersion, clientCa, alpn: [...new Set(alpn)] };
}

function readCertificate(
  files: FileTls['certificates'][number],
  at: Path,
  base: string,
  nowMs: number,
  found: Findings,
): CertificateSpec {
  const cert = readPem(files.cert, [...at, 'cert'], base, found);
  const key = readPem(files.key, [...at, 'key'], base, found);
  const leaf = cert === null ? null : parsed(() => new X509Certificate(cert));
  if (leaf instanceof Error) {
    found.problems.push({
      path: [...at, 'cert'],
      what: `holds no certificate (${leaf.message})`,
      expected: 'a PEM file',
    });
  }
  const privateKey = key === null ? null : parsed(() => createPrivateKey(key));
  if (privateKey instanceof Error) {
    const isLocked = key?.includes('ENCRYPTED') === true;
    const what = isLocked ? 'the key is encrypted' : `holds no private key (${privateKey.message})`;
    found.problems.push({ path: [...at, 'key'], what, expected: 'a PEM file with an unencrypted key' });
  }
  const names = leaf instanceof X509Certificate ? namesOf(leaf) : [];
  if (leaf instanceof X509Certificate) {
    judgeDates(leaf, files.cert, nowMs, found);
    if (names.length === 0) {
      const expected = 'DNS names or addresses in its subjectAltName';
      found.problems.push({ path: [...at, 'cert'], what: 'the certificate names no host', expected });
    }
    if (privateKey !== null && !(privateKey instanceof Error)) {
      if (!leaf.checkPrivateKey(privateKey)) {
        const expected = 'the key of this certificate beside it';
        found.problems.push({ path: [...at, 'cert'], what: 'certificate and key do not belong together', expected });
      } else judgePair(cert ?? '', key ?? '', [...at, 'cert'], found);
    }
  }
  const expiresAtMs = leaf instanceof X509Certificate ? leaf.validToDate.getTime() : 0;
  return { cert: cert ?? '', key: key ?? '', names, expiresAtMs };
}

/** DNS names and addresses of the subjectAltName, or the common name where there is none (RFC 6125, 6.4.4). Lower case. */
export function namesOf(certificate: X509Certificate): string[] {
  const { subjectAltName } = certificate;
  if (subjectAltName === undefined) {
    const common = /^CN=(.*)$/m.exec(certificate.subject)?.[1]?.toLowerCase() ?? '';
    const address = canonicalIp(common);
    return address !== null ? [address] : isDnsName(common) ? [common] : [];
  }
  const names: string[] = [];
  // What holds a comma or a quote is quoted by Node as a whole, and is no host name.
  for (const entry of subjectAltName.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []) {
    const [, kind, value] = /^\s*(DNS|IP Address):(.*)$/.exec(entry) ?? [];
    if (value === undefined) continue;
    const name = kind === 'DNS' ? value.toLowerCase() : canonicalIp(value);
    if (name !== null && (kind !== 'DNS' || isDnsName(name))) names.push(name);
  }
  return [...new Set(names)];
}

function isDnsName(name: string): boolean {
  return name.length <= 253 && /^(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(name);
}

/** An edge that cannot renew must not go down with its certificate: that is for its clients to judge. */
function judgeDates(leaf: X509Certificate, file: string, nowMs: number, { warnings }: Findings): void {
  if (nowMs > leaf.validToDate.getTime()) warnings.push(`certificate ${file} expired on ${leaf.validTo}`);
  else if (nowMs < leaf.validFromDate.getTime())
    warnings.push(`certificate ${file} is not valid before ${leaf.validFrom}`);
}

/** The rest of the chain, and what OpenSSL thinks of the strength of it all. */
function judgePair(cert: string, key: string, path: Path, { problems }: Findings): void {
  const context = parsed(() => createSecureContext({ cert, key }));
  if (!(context instanceof Error)) return;
  problems.push({ path, what: `OpenSSL does not take it (${context.message})`, expected: 'a PEM file' });
}

function judgeCa(pem: string, path: Path, { problems }: Findings): void {
  const first = parsed(() => new X509Certificate(pem));
  const all = first instanceof Error ? first : parsed(() => createSecureContext({ ca: pem }));
  if (!(all instanceof Error)) return;
  problems.push({ path, what: `holds no certificate (${all.message})`, expected: 'a PEM file' });
}

/** The value, or the error with OpenSSL's number taken off its message. */
function parsed<T>(parse: () => T): T | Error {
  try {
    return parse();
  } catch (error) {
    const caught = error instanceof Error ? error : new Error(String(error));
    caught.message = caught.message.replace(/^error:[0-9A-F]+:/, '');
    return caught;
  }
}
