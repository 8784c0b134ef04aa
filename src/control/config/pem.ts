// PEM files that a configuration names: read when it is built, so that a bad one is found before it is needed.

import { resolve } from 'node:path';
import type { Path, Problem } from './problems.ts';
import { codeOf, readRegular, Unreadable } from './read.ts';

/** All authorities that a system trusts take about 250 KiB. */
const MAX_PEM_BYTES = 8 * 1024 * 1024;

/** Problems, and absolute paths of what was read, are added to. */
export interface PemFindings {
  readonly problems: Problem[];
  readonly files: string[];
}

/** The text of `file`, relative to `base`; null, and a problem at `path`, when it cannot be read. */
export function readPem(file: string, path: Path, base: string, { problems, files }: PemFindings): string | null {
  const absolute = resolve(base, file);
  files.push(absolute);
  try {
    return readRegular(absolute, MAX_PEM_BYTES).toString('utf8');
  } catch (error) {
    const why = error instanceof Unreadable ? `expected ${error.expected}, got ${error.got}` : codeOf(error);
    problems.push({ path, what: `cannot be read (${why})`, expected: 'a PEM file' });
    return null;
  }
}

/** Says at `path` why OpenSSL does not take what `check` gives it. */
export function complain(check: () => unknown, path: Path, problems: Problem[], expected = 'a PEM file'): void {
  try {
    check();
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error:[0-9A-F]+:/, '') : String(error);
    problems.push({ path, what: `OpenSSL does not take it (${why})`, expected });
  }
}
