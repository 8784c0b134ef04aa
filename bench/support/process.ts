// Child processes under measurement: started on a core of their own, waited for until they accept, and read through /proc:
// CPU time and resident memory of a process with everything below it. Linux only, as taskset is.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { firstLineOf } from './machine.ts';

/** Clock ticks of /proc/PID/stat, per second; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const STOP_TIMEOUT_MS = 5000;
/** Longer than any window. */
const RUN_TIMEOUT_S = 300;

const hasTaskset = firstLineOf('taskset', ['--version']) !== null;

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Last of what it said, for when it fails. */
  said(): string;
  stop(): Promise<void>;
}

/** Whoever has not ended yet. A bench that dies must not leave proxies under load behind. */
const alive = new Set<Running>();
let isGuarded = false;

/**
 * Starts a command on one core, or on several (`'0,1'`); without `taskset` on any. `cores` null = wherever the system likes.
 * It ends with this process, whatever ends that: a signal, an error, or being through.
 */
export function start(cores: number | string | null, command: string, args: readonly string[]): Running {
  guard();
  const pinned = cores !== null && hasTaskset;
  const child = pinned
    ? spawn('taskset', ['-c', String(cores), command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    : spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const keep = (bytes: Buffer) => {
    text = (text + bytes).slice(-16_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const running: Running = {
    child,
    pid: child.pid ?? -1,
    said: () => text,
    async stop() {
      if (!alive.has(running)) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => killTree(running.pid), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
  alive.add(running);
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      alive.delete(running);
      resolve();
    };
    child.once('exit', end);
    child.once('error', (error) => {
      text += error.message;
      end();
    });
  });
  return running;
}

/**
 * Runs a command to its end; gives all that it said, and its exit code (null = ended by a signal). One that does not
 * come to its end is killed after `timeoutS`.
 */
export async function outputOf(
  cores: number | string | null,
  command: string,
  args: readonly string[],
  timeoutS = RUN_TIMEOUT_S,
): Promise<{ text: string; code: number | null }> {
  const { child, pid } = start(cores, command, args);
  const pieces: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => pieces.push(bytes));
  const timer = setTimeout(() => killTree(pid), timeoutS * 1000);
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
  clearTimeout(timer);
  return { text: Buffer.concat(pieces).toString(), code: child.exitCode };
}

/** Once: signals stop everybody and then us; the last resort, at any exit, is SIGKILL for each tree by its ids. */
function guard(): void {
  if (isGuarded) return;
  isGuarded = true;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      void Promise.all([...alive].map((running) => running.stop())).then(() => process.exit(code));
    });
  }
  process.once('exit', () => {
    for (const running of alive) killTree(running.pid);
  });
}

/** A master that is killed leaves its workers behind, so the whole tree is. */
function killTree(pid: number): void {
  if (pid <= 0) return;
  for (const id of treeOf(pid).reverse()) {
    try {
      process.kill(id, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
}

/** Resolves when the port accepts; rejects after `timeoutMs`, or when the process has ended, with what it said. */
export async function accepting(port: number, running: Running, timeoutMs = 20_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await accepts(port))) {
    if (running.child.exitCode !== null || performance.now() > deadlineMs) {
      throw new Error(`nobody accepts on port ${port}; the process said:\n${running.said()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** A process and all below it. */
export function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const fields = /^\d+$/.test(name) ? statOf(Number(name)) : null;
    if (!fields) continue;
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [pid];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]!) ?? []));
  return tree;
}

/** CPU time (user + system, all threads) that processes have used since they started, ms. Gone ones count nothing. */
export function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (scheduledMs(pid) ?? tickedMs(pid)), 0);
}

/** To the nanosecond, thread by thread; null where the kernel does not tell. A thread that has ended is missing. */
function scheduledMs(pid: number): number | null {
  try {
    let ns = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0]);
    }
    return ns / 1e6;
  } catch {
    return null;
  }
}

/** In steps of 10 ms. */
function tickedMs(pid: number): number {
  const fields = statOf(pid);
  return fields ? ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND : 0;
}

/** CPU time of this process and of the children it has waited for, ms. */
export function ownCpuMs(): number {
  const fields = statOf(process.pid)!;
  return ([11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0) * 1000) / TICKS_PER_SECOND;
}

/** CPU time that the whole machine has spent on anything but idling, ms. */
export function machineCpuMs(): number {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/)
    .slice(1);
  const ticks = [user, nice, system, irq, softirq].reduce((sum, field) => sum + Number(field), 0);
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** Resident memory of processes, bytes. */
export function rssBytes(pids: readonly number[]): number {
  let kibibytes = 0;
  for (const pid of pids) {
    try {
      kibibytes += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It has ended.
    }
  }
  return kibibytes * 1024;
}

/** Fields of /proc/PID/stat after the name, which may hold anything: [0] state, [1] parent, [11] utime, [12] stime, … */
function statOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}
