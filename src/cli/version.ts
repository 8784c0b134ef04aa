// `version`: of Fermat, of Node, and how old the bundled GeoIP database is. The build date is read from the database's
// tail alone: opening it would mean reading 70 MB to print a line.

import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { EXIT, type ExitCode, print, printJson } from './exit.ts';

/** The package's version. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

export async function version(flags: { readonly json?: boolean }): Promise<ExitCode> {
  const { bundledFiles } = await import('../../geoip/load.ts');
  const built =
    bundledFiles()
      .map(buildDateOf)
      .find((date) => date !== null) ?? null;
  const info = { version: ownVersion(), node: process.versions.node, geoip: built };
  if (flags.json) printJson(info);
  else {
    print(`fermat ${info.version}`);
    print(`node   ${info.node}`);
    print(`geoip  ${built === null ? 'not installed' : `bundled DB-IP Lite, built ${built.slice(0, 10)}`}`);
  }
  return EXIT.OK;
}

/** The metadata stands in the last 128 KiB. Source: MaxMind DB file format 2.0. */
const TAIL_BYTES = 128 * 1024;
const KEY = 'build_epoch';

/** ISO 8601; null when it is no such file. Never throws. */
export function buildDateOf(path: string): string | null {
  let fd: number | null = null;
  try {
    fd = openSync(path, 'r');
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    return epochIn(tail);
  } catch {
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** An unsigned integer of up to 64 bits follows its key: a control byte with its length, for 64 bits another for the type. */
function epochIn(tail: Buffer): string | null {
  const key = tail.lastIndexOf(KEY);
  if (key < 0) return null;
  const at = key + KEY.length;
  const control = tail[at]!;
  const length = control & 0x1f;
  const isExtended = control >> 5 === 0;
  const from = at + (isExtended ? 2 : 1);
  if (length < 1 || length > 6) return null;
  return new Date(tail.readUIntBE(from, length) * 1000).toISOString();
}
