// A real redis-server on loopback: without a disk, in a directory of its own, and with all that can befall one: it stops
// for a while (SIGSTOP), is killed and started again empty on the same port, is flushed, is filled with what is not ours.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { until, within } from './until.ts';

const START_TIMEOUT_MS = 10_000;

export class RedisServer {
  readonly port: number;
  readonly #directory = mkdtempSync(join(tmpdir(), 'fermat-redis-'));
  /** Of the command line, beside our own. */
  readonly args: readonly string[];
  #child: ChildProcess | null = null;
  #client: Redis | null = null;

  constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.args = args;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** The test's own connection; made when first asked for. */
  get client(): Redis {
    this.#client ??= new Redis(this.port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null });
    // It is told again when it is used; without anybody listening ioredis writes to the console.
    if (this.#client.listenerCount('error') === 0) this.#client.on('error', () => {});
    return this.#client;
  }

  /** Again on the same port after `kill`, and empty. Resolves when it answers. */
  async start(): Promise<this> {
    const { port } = this;
    const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'];
    const child = spawn('redis-server', [...args, '--dir', this.#directory, ...this.args], { stdio: 'ignore' });
    this.#child = child;
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    await Promise.race([failed, until(() => isAccepting(port), `redis-server at ${port}`, START_TIMEOUT_MS)]);
    return this;
  }

  /** Everybody waits: connections stay, and are accepted by the kernel, but nothing is answered. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** kill -9: connections are reset, new ones refused, and all it held is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await within(5000, 'the end of redis-server', gone);
  }

  /** One section of INFO by field: `commandstats`, `stats`, … */
  async info(section: string): Promise<ReadonlyMap<string, string>> {
    const lines = (await this.client.info(section)).split('\r\n').filter((line) => line.includes(':'));
    return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.disconnect();
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** On a free port of 127.0.0.1; `args` as on the command line of redis-server. Rejects when there is none to start. */
export async function startRedis(...args: string[]): Promise<RedisServer> {
  return new RedisServer(await freePort(), args).start();
}

/** The kernel does not give it to anybody else for a while. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

function isAccepting(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
