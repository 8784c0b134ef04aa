// Self-signed certificates by openssl, made where a test needs one.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly certFile: string;
  readonly keyFile: string;
}

/** For 127.0.0.1, localhost and `name`; files `name.pem` and `name.key` in `directory`. */
export function makeCertificate(directory: string, name = 'localhost', days = 2): Certificate {
  const certFile = join(directory, `${name}.pem`);
  const keyFile = join(directory, `${name}.key`);
  const names = `subjectAltName=DNS:${name},DNS:localhost,IP:127.0.0.1`;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const subject = ['-subj', `/CN=${name}`, '-addext', names, '-addext', 'basicConstraints=critical,CA:TRUE'];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', certFile, '-days', `${days}`, ...subject], {
    stdio: 'ignore',
  });
  return { cert: readFileSync(certFile), key: readFileSync(keyFile), certFile, keyFile };
}
