// A configuration file as text, or one key of it for the commands that only need to know where the admin API is.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Environment } from './environment.ts';
import { type Path, valueAt } from './problems.ts';
import { parseSource } from './source.ts';

/** Room for the 4,096 endpoints a node can have, ten times over. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

/** What stands at a path of a file, however wrong the rest of it is; null when it cannot be read. Never throws. */
export function peek(file: string, env: Environment, path: Path): unknown {
  const read = readText(file);
  return read.ok ? valueAt(parseSource(read.text, env).source.tree, path) : null;
}

export type Text = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly problem: string };

/** The text of a configuration file, or in words why there is none. Never throws, never waits for ever. */
export function readText(file: string): Text {
  try {
    return textOf(readRegular(file, MAX_FILE_BYTES));
  } catch (error) {
    if (error instanceof Unreadable) return refusal(error.message, error.expected, error.got);
    return refusal('cannot be read', 'a readable file', codeOf(error));
  }
}

/** Why a file that can be opened is not read. */
export class Unreadable extends Error {
  readonly expected: string;
  readonly got: string;

  constructor(what: string, expected: string, got: string) {
    super(what);
    this.expected = expected;
    this.got = got;
  }
}

/** A pipe or a device could keep a running proxy waiting for ever at its next reload. Throws Unreadable, or the system's error. */
export function readRegular(file: string, maxBytes: number): Buffer {
  // To open a pipe that nobody writes to would be to wait, too.
  const fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      throw new Unreadable('cannot be read', 'a regular file', stat.isDirectory() ? 'a directory' : 'something else');
    }
    if (stat.size > maxBytes) throw new Unreadable('too large', `at most ${maxBytes} bytes`, String(stat.size));
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function textOf(bytes: Buffer): Text {
  if (bytes.includes(0)) return refusal('not text', 'YAML or JSON in UTF-8', 'binary data');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (text.trim() === '') return refusal('empty', 'a configuration with listeners and routes', 'nothing');
    return { ok: true, text };
  } catch {
    return refusal('not text', 'YAML or JSON in UTF-8', 'bytes that are not UTF-8');
  }
}

function refusal(what: string, expected: string, got: string): Text {
  return { ok: false, problem: `${what}, expected ${expected}, got ${got}` };
}

/** `ENOENT` and the like, for a problem line. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : String(error);
}
