// Hot restarts of a real process: its successors are nobody's children, so they are found, waited for and ended by other means.

import { execFileSync } from 'node:child_process';
import type { Fermat } from './fermat.ts';
import { until } from './until.ts';

const TAKEN_OVER_MS = 30_000;

/** Of the process that serves now. */
export async function pidOf(fermat: Fermat): Promise<number> {
  return (await fermat.json<{ pid: number }>('/api/v1/node')).pid;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What POST /api/v1/replace answers. */
export async function askToReplace(fermat: Fermat): Promise<{ status: number; text: string }> {
  const url = `http://127.0.0.1:${fermat.adminPort}/api/v1/replace`;
  const answer = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(TAKEN_OVER_MS) });
  return { status: answer.status, text: await answer.text() };
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
