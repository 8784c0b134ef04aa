// Real files by the openssl command, through loadConfig: what is wrong with a certificate is said at its place.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/control/config/load.ts';
import type { TlsListenerSpec } from '../../../src/core/snapshot.ts';
import { type Issued, Pki } from '../../support/pki.ts';

const pki = new Pki();
const AT = 'listeners[0].tls.certificates[0]';
let site: Issued;

beforeAll(() => {
  site = pki.issue('site', {
    san: 'DNS:Site.test,DNS:*.site.test,IP:127.0.0.1,IP:::1,email:a@b.test,URI:spiffe://x/y',
  });
});
afterAll(() => pki[Symbol.dispose]());

function load(tls: Record<string, unknown>) {
  const file = pki.file('fermat.json');
  writeFileSync(file, JSON.stringify({ listeners: [{ address: ':1', tls }], routes: [{ respond: { status: 200 } }] }));
  return loadConfig(file, {}, {});
}

function good(tls: Record<string, unknown>): {
  tls: TlsListenerSpec;
  warnings: readonly string[];
  files: readonly string[];
} {
  const loaded = load(tls);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return { tls: loaded.config.listeners[0]!.tls!, warnings: loaded.config.warnings, files: loaded.files };
}

function problems(tls: Record<string, unknown>): string[] {
  const loaded = load(tls);
  return loaded.ok ? [] : loaded.problems.map((line) => line.slice(line.indexOf(' ') + 1));
}

const of = ({ cert, key }: { cert: string; key: string }, more: Record<string, unknown> = {}) => ({
  certificates: [{ cert, key }],
  ...more,
});

describe('a certificate', () => {
  it('is read with its names, lower case, addresses canonical, and watched', () => {
    const { tls, warnings, files } = good(of(site));
    expect(tls).toEqual({
      certificates: [
        {
          cert: site.certPem,
          key: site.keyPem,
          names: ['site.test', '*.site.test', '127.0.0.1', '::1'],
          expiresAtMs: expect.any(Number),
        },
      ],
      minVersion: '1.2',
      clientCa: null,
      alpn: ['h2', 'http/1.1'],
    });
    expect(warnings).toEqual([]);
    const days = (tls.certificates[0]!.expiresAtMs - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(1.9);
    expect(days).toBeLessThan(2.1);
    expect(files).toEqual([pki.file('fermat.json'), site.cert, site.key]);
  });

  it('is found from the directory of the file', () => {
    expect(good(of({ cert: 'site.pem', key: './site.key' })).files).toContain(site.cert);
  });

  it('has the name of its subject when it has no subjectAltName', () => {
    const old = pki.issue('old', { subject: '/O=Somebody/CN=Old.Test' });
    expect(good(of(old)).tls.certificates[0]!.names).toEqual(['old.test']);
  });

  it('that has expired is taken with a warning', () => {
    const late = pki.issue('late', { san: 'DNS:late.test', days: -1 });
    expect(good(of(late)).warnings).toEqual([expect.stringMatching(/^certificate .*late\.pem expired on .* GMT$/)]);
  });

  it('that is not there is a problem, and so is its key', () => {
    expect(problems(of({ cert: 'no.pem', key: 'no.key' }))).toEqual([
      `${AT}.cert: cannot be read (ENOENT), expected a PEM file, got "no.pem"`,
      `${AT}.key: cannot be read (ENOENT), expected a PEM file, got "no.key"`,
    ]);
  });

  // A reload would have waited for ever, or read until there was no memory left.
  it('that is a pipe or a device is a problem, told at once', () => {
    execFileSync('mkfifo', [pki.file('pipe.pem')]);
    expect(problems(of({ cert: 'pipe.pem', key: '/dev/zero' }))).toEqual([
      `${AT}.cert: cannot be read (expected a regular file, got something else), expected a PEM file, got "pipe.pem"`,
      `${AT}.key: cannot be read (expected a regular file, got something else), expected a PEM file, got "/dev/zero"`,
    ]);
  });

  it('with a version of TLS that YAML takes for a number is told to be quoted', () => {
    expect(problems(of(site, { minVersion: 1.2 }))).toEqual([
      'listeners[0].tls.minVersion: unknown value (a number: it needs quotes), expected one of 1.2, 1.3, got 1.2',
    ]);
  });

  it('that is none is a problem, and so is a key that is none', () => {
    writeFileSync(pki.file('junk.pem'), 'junk');
    const [cert, key] = problems(of({ cert: 'junk.pem', key: 'junk.pem' }));
    expect(cert).toMatch(
      /^listeners\[0\]\.tls\.certificates\[0\]\.cert: holds no certificate \(.+\), expected a PEM file/,
    );
    expect(key).toMatch(/^listeners\[0\]\.tls\.certificates\[0\]\.key: holds no private key \(.+\), expected/);
    writeFileSync(pki.file('half.pem'), site.certPem.slice(0, 300));
    expect(problems(of({ cert: 'half.pem', key: site.key }))).toHaveLength(1);
  });

  it('whose chain is broken is a problem', () => {
    writeFileSync(
      pki.file('chain.pem'),
      `${site.certPem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    );
    expect(problems(of({ cert: 'chain.pem', key: site.key }))).toEqual([
      expect.stringMatching(/cert: OpenSSL does not take it \(.+\), expected a PEM file/),
    ]);
  });

  it('with the key of another is a problem', () => {
    const other = pki.issue('other', { san: 'DNS:other.test' });
    expect(problems(of({ cert: site.cert, key: other.key }))).toEqual([
      `${AT}.cert: certificate and key do not belong together, expected the key of this certificate beside it, got ${JSON.stringify(site.cert)}`,
    ]);
  });

  it('with an encrypted key is a problem that says so', () => {
    const locked = pki.lock('locked', site);
    expect(problems(of({ cert: site.cert, key: locked }))).toEqual([
      expect.stringContaining(`${AT}.key: the key is encrypted, expected a PEM file with an unencrypted key`),
    ]);
  });

  it('that names no host is a problem', () => {
    const nameless = pki.issue('nameless', { subject: '/CN=My Server', san: 'email:a@b.test' });
    expect(problems(of(nameless))).toEqual([expect.stringContaining(`${AT}.cert: the certificate names no host`)]);
  });
});

describe('clientCa', () => {
  it('is read and watched', () => {
    const { tls, files } = good(of(site, { clientCa: site.cert, minVersion: '1.3', alpn: ['http/1.1', 'http/1.1'] }));
    expect(tls).toMatchObject({ clientCa: site.certPem, minVersion: '1.3', alpn: ['http/1.1'] });
    expect(files).toHaveLength(4);
  });

  it('without a certificate in it is a problem', () => {
    expect(problems(of(site, { clientCa: site.key }))).toEqual([
      expect.stringMatching(/^listeners\[0\]\.tls\.clientCa: holds no certificate \(.+\), expected a PEM file/),
    ]);
  });
});
