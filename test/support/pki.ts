// Certificates as a user makes them, by the openssl command, in a directory that goes with the tests; and TLS clients that say
// exactly what a test wants said.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { RawClient } from './raw.ts';
import { PATIENCE_MS, within } from './until.ts';

export interface Issued {
  /** Paths. */
  readonly cert: string;
  readonly key: string;
  /** PEM texts. */
  readonly certPem: string;
  readonly keyPem: string;
}

export interface Wish {
  /** As openssl takes it; default: CN of the file's name. */
  readonly subject?: string;
  /** `DNS:a.example,IP:127.0.0.1`; none = no extension at all. */
  readonly san?: string;
  readonly key?: 'ec' | 'rsa';
  /** Days from now that it is valid; negative: it has expired. */
  readonly days?: number;
  /** Who signs; default: itself. */
  readonly by?: Issued;
}

export class Pki {
  readonly directory = mkdtempSync(join(tmpdir(), 'fermat-pki-'));

  file(name: string): string {
    return join(this.directory, name);
  }

  /** `name.pem` and `name.key`; an earlier one of the name is replaced. */
  issue(name: string, wish: Wish = {}): Issued {
    const { subject = `/CN=${name}`, san, key = 'ec', days = 2, by } = wish;
    const [cert, keyFile] = [this.file(`${name}.pem`), this.file(`${name}.key`)];
    const algorithm = key === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] : ['rsa:2048'];
    const made = ['req', '-new', '-newkey', ...algorithm, '-nodes', '-keyout', keyFile, '-subj', subject, '-utf8'];
    const names = san === undefined ? [] : ['-addext', `subjectAltName=${san}`];
    const request = this.file(`${name}.csr`);
    openssl([...made, ...names, '-out', request]);
    const signer = by === undefined ? ['-signkey', keyFile] : ['-CA', by.cert, '-CAkey', by.key];
    const extensions = this.file(`${name}.ext`);
    const lines = by === undefined ? ['basicConstraints=CA:TRUE'] : [];
    if (san !== undefined) lines.push(`subjectAltName=${san}`);
    writeFileSync(extensions, `${lines.join('\n')}\n`);
    const validity = ['-days', String(days)];
    openssl(['x509', '-req', '-in', request, ...signer, '-out', cert, ...validity, '-extfile', extensions]);
    return { cert, key: keyFile, certPem: readFileSync(cert, 'utf8'), keyPem: readFileSync(keyFile, 'utf8') };
  }

  /** The same key under a password; its path. */
  lock(name: string, { key }: Issued): string {
    const path = this.file(`${name}.key`);
    openssl(['pkcs8', '-topk8', '-in', key, '-out', path, '-passout', 'pass:secret']);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A listener `https` with these certificates; `more` is put beside them. */
export function tlsListener(
  certificates: readonly Issued[],
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  const tls = { certificates: certificates.map(({ cert, key }) => ({ cert, key })), alpn: ['http/1.1'], ...more };
  return { name: 'https', address: '127.0.0.1:0', tls };
}

/** A connection over TLS that believes any certificate; rejects when the handshake fails. */
export async function tlsConnect(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    ...options,
  });
  const secured = new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed in the handshake')));
  });
  try {
    await within(PATIENCE_MS, 'a TLS handshake', secured);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

/** The same as a client of raw bytes. */
export async function tlsClient(port: number, options: ConnectionOptions = {}): Promise<RawClient> {
  return new RawClient(await tlsConnect(port, { allowHalfOpen: true, ...options } as ConnectionOptions));
}
