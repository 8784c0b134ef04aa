// Hot restarts of a real process: its successors are nobody's children, so they are found, waited for and ended by other means.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { request } from 'node:http';
import type { Fermat } from './fermat.ts';
import { until } from './until.ts';

const TAKEN_OVER_MS = 30_000;

/** Over a connection of its own: the process that was replaced still answers on those it has. */
export function askAnew(fermat: Fermat, path: string, method = 'GET'): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TAKEN_OVER_MS);
    const asked = request(
      { port: fermat.adminPort, host: '127.0.0.1', path, method, agent: false, signal },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('error', reject).on('end', () => resolve({ status: answer.statusCode!, text }));
      },
    );
    asked.on('error', reject).end();
  });
}

/** Of the process that serves now. */
export async function pidOf(fermat: Fermat): Promise<number> {
  return (JSON.parse((await askAnew(fermat, '/api/v1/node')).text) as { pid: number }).pid;
}

/** A process that has ended but was not yet taken note of (orphans are init's, which may take its time) is not alive. Linux. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** What POST /api/v1/replace answers. */
export function askToReplace(fermat: Fermat): Promise<{ status: number; text: string }> {
  return askAnew(fermat, '/api/v1/replace', 'POST');
}

/** By the admin API, or by SIGUSR2. Gives the successor's pid. */
export async function hotRestart(fermat: Fermat, how: 'api' | 'signal' = 'api'): Promise<number> {
  const before = await pidOf(fermat);
  if (how === 'signal') process.kill(before, 'SIGUSR2');
  else {
    const { status, text } = await askToReplace(fermat);
    if (status !== 200) throw new Error(`not replaced: ${status} ${text}`);
  }
  let pid = before;
  await until(
    async () => {
      pid = await pidOf(fermat);
      return pid !== before;
    },
    'the successor',
    TAKEN_OVER_MS,
  );
  return pid;
}

/** Everybody who runs with the configuration of this one. */
export async function endAll(fermat: Fermat): Promise<void> {
  let pids: number[] = [];
  try {
    pids = execFileSync('pgrep', ['-f', '--', fermat.file], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
      .map(Number);
  } catch {
    // none is left
  }
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  await until(() => pids.every((pid) => !isAlive(pid)), 'the end of all of them');
  await fermat.kill();
}

const LISTEN = '0A';

/** How many sockets of the process listen on a port of IPv4. */
export function listeningSockets(pid: number, port: number): number {
  const held = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  const [, ...lines] = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trimEnd().split('\n');
  return lines.filter((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === LISTEN && Number.parseInt(local!.split(':')[1]!, 16) === port && held.has(`socket:[${inode}]`);
  }).length;
}

/** '' = closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
