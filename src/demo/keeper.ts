// The demo's child process: keeps the origins (so that their timers feel nothing of the table and the traffic) and
// watches its parent. When the parent is gone, however it went, the channel closes, and the keeper ends the proxy,
// removes the temporary folder and goes too: nothing is left behind.
//
// It is told what to do over the IPC channel only; ToKeeper and FromKeeper below are the whole protocol.

import { rmSync } from 'node:fs';
import { Origin, type OriginState } from './origin.ts';
import type { OriginPlan } from './plan.ts';

export type ToKeeper =
  | { readonly do: 'start'; readonly edge: string; readonly origins: readonly OriginPlan[] }
  | { readonly do: 'go'; readonly id: number; readonly region: string; readonly state: OriginState }
  /** What to end and to remove should the parent vanish. */
  | { readonly do: 'guard'; readonly pid: number; readonly folder: string };

export type FromKeeper =
  | { readonly did: 'start'; readonly ports: Readonly<Record<string, number>> }
  | { readonly did: 'go'; readonly id: number; readonly problem: string | null };

/** How long an orphaned proxy may drain before it is killed. */
const ORPHAN_GRACE_MS = 3000;

const origins = new Map<string, Origin>();
let guarded: { pid: number; folder: string } | null = null;

process.on('message', (message: ToKeeper) => void obey(message));
process.on('disconnect', leave);
// Ctrl-C reaches the whole group of a terminal; the parent decides the order of ending.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => undefined);

async function obey(message: ToKeeper): Promise<void> {
  switch (message.do) {
    case 'start':
      for (const plan of message.origins) origins.set(plan.region, new Origin(plan, message.edge, Math.random));
      await Promise.all([...origins.values()].map((origin) => origin.go('up')));
      tell({ did: 'start', ports: Object.fromEntries([...origins].map(([region, { port }]) => [region, port])) });
      return;
    case 'go':
      tell({ did: 'go', id: message.id, problem: await move(message.region, message.state) });
      return;
    case 'guard':
      guarded = { pid: message.pid, folder: message.folder };
  }
}

async function move(region: string, state: OriginState): Promise<string | null> {
  try {
    await origins.get(region)?.go(state);
    return null;
  } catch (error) {
    return `${region}: ${(error as Error).message}`;
  }
}

function tell(message: FromKeeper): void {
  process.send?.(message, undefined, undefined, () => undefined); // a parent that is gone needs no answer
}

function leave(): void {
  if (!guarded) process.exit(0);
  const { pid, folder } = guarded;
  rmSync(folder, { recursive: true, force: true });
  if (!signal(pid, 'SIGTERM')) process.exit(0);
  const deadline = performance.now() + ORPHAN_GRACE_MS;
  setInterval(() => {
    const isAlive = signal(pid, 0);
    if (isAlive && performance.now() < deadline) return;
    if (isAlive) signal(pid, 'SIGKILL');
    process.exit(0);
  }, 50);
}

/** Whether there was such a process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
