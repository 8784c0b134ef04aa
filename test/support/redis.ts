// A real redis-server on a free port of the loopback, with nothing on disk; killed, paused and started again by the tests. Also
// three of them as a Cluster, and one behind a Sentinel.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** At once, as by SIGKILL. */
  kill(): Promise<void>;
  /** On the same port, empty. */
  start(): Promise<void>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** `args`: further options of redis-server. */
export async function startRedis(...args: readonly string[]): Promise<RedisServer> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'fermat-redis-'));
  let child: ChildProcess | null = null;
  const server: RedisServer = {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child?.pid ?? 0;
    },
    async start() {
      child = await started(['--port', String(port), '--dir', dir, '--save', '', '--appendonly', 'no', ...args], port);
    },
    async kill() {
      await ended(child);
      child = null;
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async stop() {
      await server.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

/** Three masters that share the slots. */
export async function startCluster(): Promise<{ readonly ports: readonly number[]; stop(): Promise<void> }> {
  const servers = await Promise.all([0, 1, 2].map(() => startRedis('--cluster-enabled', 'yes')));
  const ports = servers.map(({ port }) => port);
  const slots = [0, 5461, 10923, 16384];
  for (const [i, port] of ports.entries()) cli(port, 'cluster', 'addslotsrange', `${slots[i]}`, `${slots[i + 1]! - 1}`);
  for (const [i, port] of ports.entries()) cli(port, 'cluster', 'set-config-epoch', String(i + 1));
  for (const port of ports.slice(1)) cli(port, 'cluster', 'meet', '127.0.0.1', String(ports[0]));
  const isOk = () => ports.every((port) => cli(port, 'cluster', 'info').includes('cluster_state:ok'));
  for (let i = 0; i < 200 && !isOk(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  return { ports, stop: async () => void (await Promise.all(servers.map((server) => server.stop()))) };
}

/** Watches `master` under the name `main`. */
export async function startSentinel(master: RedisServer): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'fermat-sentinel-'));
  const file = join(dir, 'sentinel.conf');
  writeFileSync(file, `port ${port}\ndir ${dir}\nsentinel monitor main 127.0.0.1 ${master.port} 1\n`);
  const child = await started([file, '--sentinel'], port);
  return {
    port,
    async stop() {
      await ended(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** What redis-cli prints. */
export function cli(port: number, ...args: readonly string[]): string {
  const { stdout } = spawnSync('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...args], { timeout: 10_000 });
  return stdout.toString().trim();
}

async function started(args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn('redis-server', [...args, '--bind', '127.0.0.1'], { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
  });
  failed.catch(() => {});
  const answers = async () => {
    for (let i = 0; i < 400 && !/^(PONG|NOAUTH)/.test(cli(port, 'ping')); i++)
      await new Promise((resolve) => setTimeout(resolve, 25));
  };
  await Promise.race([answers(), failed]);
  return child;
}

async function ended(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    // A Cluster's bus is on the port + 10,000.
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => (port > 55_000 ? freePort().then(resolve, reject) : resolve(port)));
    });
  });
}
