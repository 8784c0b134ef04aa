// The console's rig, running: origins in one process, a real fermat before them, clients in another. Started in order, each
// ended with this process at the latest.

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, start } from '../support/process.ts';
import type { ClientPlan, ClientsCount, ClientsOrder } from './clients.ts';
import { CLIENTS, configOf, DRAINED, type EndpointPlan, endpoints } from './world.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/fermat', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const CONNECTIONS = 64;

export interface RigOptions {
  readonly endpoints: number;
  readonly isSound: boolean;
  /** Requests per second. */
  readonly rate: number;
  /** Where the proxy runs; null = anywhere. */
  readonly core: number | string | null;
  /** Left out = clients in some thirty countries. */
  readonly clients?: readonly ClientPlan[];
  /** Origins that are there already, at this port of every endpoint's address; left out = as far away as their regions. */
  readonly originPort?: number;
}

export class Rig implements AsyncDisposable {
  readonly plans: readonly EndpointPlan[];
  readonly proxy: Running;
  readonly port: number;
  /** `http://127.0.0.1:PORT` of the admin API. */
  readonly admin: string;
  readonly #children: readonly ChildProcess[];
  readonly #folder: string;

  private constructor(
    plans: readonly EndpointPlan[],
    proxy: Running,
    ports: { readonly http: number; readonly admin: number },
    children: readonly ChildProcess[],
    folder: string,
  ) {
    this.plans = plans;
    this.proxy = proxy;
    this.port = ports.http;
    this.admin = `http://127.0.0.1:${ports.admin}`;
    this.#children = children;
    this.#folder = folder;
  }

  /** Ready, drained where it shall be, under traffic. */
  static async start(options: RigOptions): Promise<Rig> {
    const plans = endpoints(options.endpoints, options.isSound);
    const folder = mkdtempSync(join(tmpdir(), 'fermat-console-'));
    const children: ChildProcess[] = [];
    let port = options.originPort ?? 0;
    if (port === 0) {
      const origins = child('./origins.ts');
      children.push(origins);
      ({ port } = await asked<{ port: number }>(origins, plans));
    }
    const file = join(folder, 'fermat.yaml');
    writeFileSync(file, JSON.stringify(configOf(plans, port))); // JSON is YAML
    const proxy = start(options.core, LAUNCHER, ['run', '-c', file]);
    const ports = await portsOf(proxy);
    const clients = child('./clients.ts');
    children.push(clients);
    const rig = new Rig(plans, proxy, ports, children, folder);
    await until(async () => (await fetch(`${rig.admin}/readyz`)).ok, 'readiness', proxy);
    const { rate, clients: who = CLIENTS } = options;
    clients.send({ port: rig.port, rate, connections: CONNECTIONS, clients: who } satisfies ClientsOrder);
    if (!options.isSound) for (const id of DRAINED) await rig.post(`/api/v1/endpoints/${id}/drain`);
    return rig;
  }

  async json<T>(path: string): Promise<T> {
    return (await (await fetch(this.admin + path)).json()) as T;
  }

  async post(path: string): Promise<void> {
    const answer = await fetch(this.admin + path, { method: 'POST' });
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
  }

  /** Requests per second from here on. */
  setRate(rate: number): void {
    this.#children.at(-1)!.send({ rate });
  }

  /** Requests that the clients have had answered since the start. */
  count(): Promise<ClientsCount> {
    return asked(this.#children.at(-1)!, 'count');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.stop();
    for (const one of this.#children) one.disconnect();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function child(file: string): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

/** Its answer to a message. Rejects when it ends or says that it failed. */
function asked<T>(process: ChildProcess, message: object | string): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a process of the rig ended with ${code}`));
    process.once('exit', ended);
    process.once('message', (answer: T & { error?: string }) => {
      process.off('exit', ended);
      if (answer.error === undefined) resolve(answer);
      else reject(new Error(answer.error));
    });
    process.send(message);
  });
}

/** From the lines that it prints when it listens. */
async function portsOf(proxy: Running): Promise<{ http: number; admin: number }> {
  const portAfter = (name: string) =>
    Number(new RegExp(`^${name} on [a-z]+://\\S*?:(\\d+)`, 'm').exec(proxy.said())?.[1]);
  await until(() => portAfter('listening http') > 0 && portAfter('admin') > 0, 'ports', proxy);
  return { http: portAfter('listening http'), admin: portAfter('admin') };
}

async function until(isSo: () => boolean | Promise<boolean>, what: string, proxy: Running): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await isSo())) {
    if (proxy.child.exitCode !== null || performance.now() > deadlineMs) {
      throw new Error(`no ${what} of the proxy; it said:\n${proxy.said()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
