// The real process, as a user starts it: bin/fermat run -c FILE in a directory of its own, every port picked by the system.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PATIENCE_MS, until, within } from './until.ts';

export const BIN = resolve(import.meta.dirname, '../../bin/fermat');
const START_TIMEOUT_MS = 40_000;
const STOP_TIMEOUT_MS = 20_000;

export type Config = Record<string, unknown>;

export interface StartOptions {
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
  /** Runs `sh -c 'PRELUDE; exec …'`: resource limits. */
  readonly prelude?: string;
  /** Do not wait for /readyz (a node without a healthy endpoint, without an admin listener, …). */
  readonly isUnready?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A configuration with ports picked by the system and a shutdown that does not make tests wait; `config` wins key by key. */
export function withDefaults(config: Config): Config {
  return {
    node: { id: 'test' },
    workers: 1,
    listeners: [{ name: 'http', address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0' },
    shutdown: { drainDelay: '0s', timeout: '1s' },
    ...config,
  };
}

/** A pool whose probes leave no trace at the origin: one bare TCP connect at the start. Never ejected. Ids: e0, e1, … */
export function poolOf(urls: readonly string[], more: Config = {}, idPrefix = 'e'): Config {
  return {
    endpoints: urls.map((url, i) => ({ url, id: `${idPrefix}${i}` })),
    probe: { type: 'tcp', interval: '1h', timeout: '1s' },
    outlier: { consecutive: 1_000_000 },
    ...more,
  };
}

/** One pool `main` behind one route for everything. */
export function simpleConfig(urls: readonly string[], pool: Config = {}, more: Config = {}): Config {
  return { pools: { main: poolOf(urls, pool) }, routes: [{ pool: 'main' }], ...more };
}

export class Fermat {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly file: string;
  /** Ports by listener name; `admin` is the admin API's. */
  readonly ports: Record<string, number> = {};
  stdout = '';
  stderr = '';
  exit: Exit | null = null;

  constructor(child: ChildProcess, directory: string, file: string) {
    this.child = child;
    this.directory = directory;
    this.file = file;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#readPorts();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    child.on('exit', (code, signal) => {
      this.exit = { code, signal };
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The first listener's port. */
  get port(): number {
    return this.ports.http ?? Object.values(this.ports)[0]!;
  }

  get adminPort(): number {
    return this.ports.admin!;
  }

  /** The event log so far. */
  get events(): Record<string, unknown>[] {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Bytes of resident memory of the whole process. */
  get rssBytes(): number {
    const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0) * 1024;
  }

  get openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Text and status of an answer of the admin API. */
  async admin(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}${path}`, {
      ...init,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: response.status, text: await response.text() };
  }

  async json<T = Record<string, unknown>>(path: string, init: RequestInit = {}): Promise<T> {
    return JSON.parse((await this.admin(path, init)).text) as T;
  }

  /** Sum of all series of a metric whose labels contain every string of `labels`. */
  async metric(name: string, ...labels: string[]): Promise<number> {
    const { text } = await this.admin('/metrics');
    let sum = 0;
    for (const line of text.split('\n')) {
      if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue;
      if (labels.every((label) => line.includes(label))) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
    return sum;
  }

  writeConfig(config: Config | string): void {
    writeFileSync(this.file, typeof config === 'string' ? config : JSON.stringify(withDefaults(config), null, 2));
  }

  async ended(timeoutMs = STOP_TIMEOUT_MS): Promise<Exit> {
    return until(() => this.exit, 'the end of the process', timeoutMs);
  }

  /** SIGTERM, then the exit. */
  async stop(): Promise<Exit> {
    if (this.exit === null) this.child.kill('SIGTERM');
    const exit = await this.ended().catch(() => null);
    if (exit === null) await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
    if (exit === null) throw new Error(`fermat did not end on SIGTERM; stderr:\n${this.stderr.slice(-2000)}`);
    return exit;
  }

  async kill(): Promise<Exit> {
    if (this.exit === null) this.child.kill('SIGKILL');
    const exit = await this.ended();
    rmSync(this.directory, { recursive: true, force: true });
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** `listening NAME on http://127.0.0.1:PORT` and `admin on http://127.0.0.1:PORT`. */
  #readPorts(): void {
    for (const line of this.stdout.split('\n').slice(0, -1)) {
      const match = /^(?:listening (\S+)|(admin)) on [a-z]+:\/\/\S*?:(\d+)\/?(?:\s|$)/.exec(line);
      if (match) this.ports[match[1] ?? match[2]!] = Number(match[3]);
    }
  }
}

/** Spawns without waiting for anything: for starts that are to fail. */
export function spawnFermat(config: Config | string, options: StartOptions = {}): Fermat {
  const directory = mkdtempSync(join(tmpdir(), 'fermat-'));
  const file = join(directory, 'fermat.yaml');
  const args = options.args ?? ['run', '-c', file];
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(withDefaults(config), null, 2));
  const command = options.prelude === undefined ? [BIN] : ['/bin/sh', '-c', `${options.prelude}; exec "$0" "$@"`, BIN];
  const child = spawn(command[0]!, [...command.slice(1), ...args], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: directory,
  });
  return new Fermat(child, directory, file);
}

/** Resolves when every listener has been announced and the node is ready; rejects with stderr when it ends before. */
export async function startFermat(config: Config | string, options: StartOptions = {}): Promise<Fermat> {
  const fermat = spawnFermat(config, options);
  const failed = () => {
    if (fermat.exit !== null)
      throw new Error(`fermat ended with ${JSON.stringify(fermat.exit)}:\n${fermat.stderr.slice(-3000)}`);
  };
  const expected = typeof config === 'string' ? [] : expectedPorts(withDefaults(config));
  try {
    await until(
      () => {
        failed();
        return expected.every((name) => name in fermat.ports) && Object.keys(fermat.ports).length > 0;
      },
      `the announcement of ${expected.join(', ')}`,
      START_TIMEOUT_MS,
    );
    if (options.isUnready !== true && 'admin' in fermat.ports) {
      await until(async () => (await fermat.admin('/readyz')).status === 200, '/readyz', START_TIMEOUT_MS);
    }
  } catch (error) {
    await fermat.kill();
    throw new Error(`${error}\nstdout: ${fermat.stdout.slice(-1000)}\nstderr: ${fermat.stderr.slice(-2000)}`);
  }
  return fermat;
}

function expectedPorts(config: Config): string[] {
  const listeners = config.listeners as { name?: string; address: string }[];
  const names = listeners
    .filter(({ address }) => !address.startsWith('unix:'))
    .map(({ name, address }) => name ?? address);
  const admin = config.admin as { address: string };
  return admin.address === '' ? names : [...names, 'admin'];
}

/** One run of a command to its end. */
export async function runFermat(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Exit & { stdout: string; stderr: string }> {
  const child = spawn(BIN, args, {
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exit = new Promise<Exit>((done) => child.on('close', (code, signal) => done({ code, signal })));
  try {
    return { ...(await within(START_TIMEOUT_MS, `the end of fermat ${args.join(' ')}`, exit)), stdout, stderr };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}
