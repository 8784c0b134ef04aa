// The one certificate that every proxy shows: ECDSA P-256, made by openssl for this run, for localhost and *.bench.test.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Both in one file, as HAProxy wants them. */
  readonly both: string;
}

/** Paths below `folder`. Throws when there is no openssl. */
export function makeCertificate(folder: string): Certificate {
  const [cert, key, both] = ['bench.pem', 'bench.key', 'bench-both.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const names = 'subjectAltName=DNS:localhost,DNS:bench.test,DNS:*.bench.test,IP:127.0.0.1';
  const args =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -sha256 -nodes -days 2 -subj /CN=localhost'.split(' ');
  execFileSync('openssl', [...args, '-addext', names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  writeFileSync(both, readFileSync(cert, 'latin1') + readFileSync(key, 'latin1'));
  return { cert, key, both };
}
