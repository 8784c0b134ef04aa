// Where and with what a figure was measured: every result states it, since a figure without it is a rumour.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly commit: string;
  /** Of the last minute, when the bench began: above a few tenths somebody else was at work. */
  readonly loadAverage: number;
}

export function machineOf(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${arch()}`,
    node: process.version,
    commit: commitOf(),
    loadAverage: loadAverage(),
  };
}

/** Of the work tree; `…+` when sources differ from it. */
function commitOf(): string {
  const commit = firstLineOf('git', ['rev-parse', '--short', 'HEAD']);
  if (commit === null) return 'unknown';
  return firstLineOf('git', ['status', '--porcelain', '--', 'src']) === null ? commit : `${commit}+`;
}

/** Of the last minute, two decimals. */
export function loadAverage(): number {
  return Number(loadavg()[0]!.toFixed(2));
}

/** How this bench was called. */
export function commandOf(script: string): string {
  return ['node', script, ...process.argv.slice(2)].join(' ');
}

/** First line that a program prints, on whichever stream; null when there is no such program. Never throws. */
export function firstLineOf(command: string, args: readonly string[]): string | null {
  try {
    // Some (nginx -v, wrk -v) speak on stderr or end with an error although all is well.
    const text = execFileSync('sh', [
      '-c',
      'command -v "$0" >/dev/null || exit 0; "$0" "$@" 2>&1 || true',
      command,
      ...args,
    ]);
    return String(text).trim().split('\n')[0] || null;
  } catch {
    return null;
  }
}

/** Version of an installed npm package; null when it is not there. */
export function packageVersion(name: string): string | null {
  try {
    return JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8'))
      .version;
  } catch {
    return null;
  }
}
