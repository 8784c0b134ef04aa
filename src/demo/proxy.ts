// The real proxy as the demo's child process: `bin/fermat run -c FILE`, just as a person would start it. Its addresses are
// read from the lines it prints, so that port 0 works; its log is kept for the case that it ends.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export interface RunningProxy {
  readonly pid: number;
  /** Base URLs without a slash at the end. */
  readonly url: string;
  readonly adminUrl: string;
  /** Resolves with the exit code (or signal name) whenever it ends. */
  readonly ended: Promise<number | string>;
  /** The last lines of its log. */
  log(): readonly string[];
  /** Asks it to end, and insists after some seconds; resolves when it is gone. */
  stop(): Promise<void>;
}

const LAUNCHER = fileURLToPath(new URL('../../bin/fermat', import.meta.url));
const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url));
const START_MS = 20_000;
const STOP_MS = 5000;
const KEPT_LINES = 30;

type Child = ChildProcessByStdio<null, Readable, Readable>;

/**
 * Resolves when it accepts connections; rejects with what it said when it does not, or when `signal` says to give up.
 * `started` gets the pid at once, so that somebody can watch over it from its first moment.
 */
export async function startProxy(
  configPath: string,
  signal: AbortSignal,
  started: (pid: number) => void,
): Promise<RunningProxy> {
  const args = ['run', '-c', configPath];
  // The launcher is a shell script; where there is no sh, its one line is done here.
  const [command, ...first] = process.platform === 'win32' ? [process.execPath, CLI] : [LAUNCHER];
  const child: Child = spawn(command!, [...first, ...args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  if (child.pid !== undefined) started(child.pid);

  const lines: string[] = [];
  const keep = (line: string) => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  };
  createInterface({ input: child.stderr }).on('line', keep);
  try {
    const { url, adminUrl } = await addressesOf(child, keep, ended, signal);
    return { pid: child.pid!, url, adminUrl, ended, log: () => lines, stop: () => stop(child, ended) };
  } catch (error) {
    await stop(child, ended);
    throw new Error([(error as Error).message, ...lines].join('\n  '));
  }
}

/** Reads `listening NAME on URL` and `admin on URL` from stdout. */
async function addressesOf(
  child: Child,
  keep: (line: string) => void,
  ended: Promise<number | string>,
  signal: AbortSignal,
): Promise<{ url: string; adminUrl: string }> {
  let url: string | null = null;
  let adminUrl: string | null = null;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the proxy did not start in time')), START_MS);
    signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
    void ended.then((how) => {
      clearTimeout(timer);
      reject(new Error(`the proxy ended with ${how}`));
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      keep(line);
      const [, what, address] = /^(listening|admin)\b.* on (http:\S+)/.exec(line) ?? [];
      if (what === 'listening') url ??= trimmed(address!);
      if (what === 'admin') adminUrl ??= trimmed(address!);
      if (url === null || adminUrl === null) return;
      clearTimeout(timer);
      resolve({ url, adminUrl });
    });
  });
}

async function stop(child: Child, ended: Promise<number | string>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, '');
}
