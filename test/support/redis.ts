// Redis as it stands in larger houses: three servers as a Cluster, and one behind a Sentinel. One alone is redis-server.ts's.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type RedisServer, startRedis } from './redis-server.ts';
import { until, within } from './until.ts';

const START_TIMEOUT_MS = 15_000;

export interface RedisCluster extends AsyncDisposable {
  readonly ports: readonly number[];
}

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const start = async () => {
    const busPort = await freePort();
    return startRedis('--cluster-enabled', 'yes', '--cluster-port', String(busPort));
  };
  const servers = await Promise.all([start(), start(), start()]);
  const ports = servers.map(({ port }) => port);
  const buses = servers.map((server) => server.args.at(-1)!);
  const slots = [0, 5461, 10923, 16384];
  for (const [i, port] of ports.entries()) {
    cli(port, 'cluster', 'addslotsrange', `${slots[i]}`, `${slots[i + 1]! - 1}`);
    cli(port, 'cluster', 'set-config-epoch', String(i + 1));
    if (i > 0) cli(port, 'cluster', 'meet', '127.0.0.1', String(ports[0]), buses[0]!);
  }
  const isOk = () => ports.every((port) => cli(port, 'cluster', 'info').includes('cluster_state:ok'));
  await until(isOk, 'the Redis Cluster', START_TIMEOUT_MS);
  return {
    ports,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

export interface Sentinel extends AsyncDisposable {
  readonly port: number;
}

/** Watches `master` under the name `main`. */
export async function startSentinel(master: RedisServer): Promise<Sentinel> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'fermat-sentinel-'));
  const file = join(dir, 'sentinel.conf');
  writeFileSync(file, `port ${port}\nbind 127.0.0.1\ndir ${dir}\nsentinel monitor main 127.0.0.1 ${master.port} 1\n`);
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  await until(() => cli(port, 'ping') === 'PONG', 'the Sentinel', START_TIMEOUT_MS);
  return {
    port,
    async [Symbol.asyncDispose]() {
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

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await within(5000, 'the end of the Sentinel', exit);
}
