// A place of one's own for what a page does: namespaces for the network, the processes and the mounts. 127.0.0.1:8080 is free
// there whatever else runs on the machine, any address can be had, nothing outside can be reached, and when the first process
// ends so does everything that was started. Pages run side by side.

import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './markdown.ts';

const NODE = join(ROOT, 'node_modules/.bin/node');

/** Copied, so that what a command writes there stays in the page's folder; the rest is linked. */
const COPIED = ['bin', 'deploy', 'docs'];
/** Not part of what a reader has. */
const LEFT_OUT = ['.git', '.ci'];

export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'fermat-docs-'));

  /** Looks like the repository. */
  constructor() {
    for (const entry of readdirSync(ROOT, { withFileTypes: true })) {
      const [from, to] = [join(ROOT, entry.name), join(this.path, entry.name)];
      if (LEFT_OUT.includes(entry.name)) continue;
      if (entry.isFile() || COPIED.includes(entry.name)) cpSync(from, to, { recursive: true });
      else symlinkSync(from, to);
    }
    mkdirSync(join(this.path, '.home'));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * Runs a program of ours in namespaces of its own: `input` goes in as JSON, what it prints comes out as JSON. Rejects when
 * it fails, takes longer than `timeoutMs`, or there can be no namespaces here. Nothing that it started is left.
 */
export async function onStage<T>(program: string, input: unknown, timeoutMs: number): Promise<T> {
  // Root has no need of a namespace of users, in which daemons could not become anybody else.
  const user = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const spaces = [...user, '--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc'];
  const begin = 'ip link set lo up && exec "$0" "$@"';
  const child = spawn('unshare', [...spaces, 'sh', '-c', begin, NODE, join(import.meta.dirname, program)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: environment(),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => {}); // it has ended before it read: its exit code says why
  child.stdin.end(JSON.stringify(input));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`the docs test needs unshare (util-linux): ${error.message}`)));
    child.on('close', resolve);
  }).finally(() => clearTimeout(timer));
  if (code === 0) return JSON.parse(stdout) as T;
  const why = /unshare|Operation not permitted|ip: not found/.test(stderr)
    ? 'namespaces cannot be had here: the docs test needs root or unprivileged user namespaces, and iproute2'
    : `${program} ended with ${code ?? `SIGKILL after ${timeoutMs} ms`}`;
  throw new Error(`${why}\n${stderr.slice(-3000)}\n${stdout.slice(-1000)}`);
}

function environment(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE, TMPDIR, LANG } = process.env;
  return { PATH: `${PATH}:/usr/sbin:/sbin`, NODE_COMPILE_CACHE, TMPDIR, LANG, NO_COLOR: '1' };
}
