// A Consul server as far as discovery asks it: GET /v1/health/service/NAME with real blocking queries. A query waits until the
// index of the catalogue is above its own or its time is over; what the test changes wakes it up.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Instance {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly node?: string;
  readonly status?: 'passing' | 'warning' | 'critical';
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly nodeMeta?: Readonly<Record<string, string>>;
  readonly weights?: { readonly Passing: number; readonly Warning: number };
}

export interface ConsulQuery {
  readonly path: string;
  readonly params: URLSearchParams;
  readonly token: string | undefined;
}

export class FakeConsul {
  readonly queries: ConsulQuery[] = [];
  readonly url: string;
  /** null = what the catalogue says; else every answer has this status. */
  status: number | null = null;
  #index = 10;
  #instances: readonly Instance[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => this.#answer(request, response));
  }

  get index(): number {
    return this.#index;
  }

  /** Queries that wait for a change now. */
  get blocked(): number {
    return this.#waiting.size;
  }

  /** `index`: of the change; lower than before = other servers. */
  set(instances: readonly Instance[], index = this.#index + 1): void {
    this.#instances = instances;
    this.#index = index;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Wakes who waits, though nothing has changed: Consul does so, too. */
  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Connections are cut, those of waiting queries as well. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#waiting.clear();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    const token = request.headers['x-consul-token'];
    this.queries.push({ path: url.pathname, params: url.searchParams, token: [token].flat()[0] });
    const index = Number(url.searchParams.get('index') ?? 0);
    if (this.status !== null || index === 0 || index !== this.#index) return this.#give(url, response);
    const waitMs = Number.parseFloat(url.searchParams.get('wait') ?? '300') * 1000;
    const timer = setTimeout(() => wake(), waitMs);
    const wake = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(wake);
      this.#give(url, response);
    };
    this.#waiting.add(wake);
    response.on('close', () => {
      clearTimeout(timer);
      this.#waiting.delete(wake);
    });
  }

  #give(url: URL, response: ServerResponse): void {
    if (this.status !== null) {
      response.writeHead(this.status, { 'content-type': 'text/plain' }).end('rpc error: No cluster leader');
      return;
    }
    const tag = url.searchParams.get('tag');
    const isPassing = url.searchParams.has('passing');
    const rows = this.#instances
      .filter(({ tags = [] }) => tag === null || tags.includes(tag))
      .filter(({ status = 'passing' }) => !isPassing || status === 'passing')
      .map(rowOf);
    response.writeHead(200, {
      'content-type': 'application/json',
      'x-consul-index': String(this.#index),
      'x-consul-knownleader': 'true',
      'x-consul-lastcontact': '0',
    });
    response.end(JSON.stringify(rows));
  }
}

function rowOf({
  id,
  address,
  port,
  node = 'node-1',
  status = 'passing',
  tags = [],
  meta = {},
  nodeMeta = {},
  weights,
}: Instance) {
  return {
    Node: {
      ID: 'c0ffee',
      Node: node,
      Address: '127.0.0.1',
      Datacenter: 'dc1',
      TaggedAddresses: null,
      Meta: nodeMeta,
      CreateIndex: 1,
      ModifyIndex: 1,
    },
    Service: {
      ID: id,
      Service: 'shop',
      Tags: tags,
      Address: address,
      Meta: meta,
      Port: port,
      Weights: weights ?? { Passing: 1, Warning: 1 },
    },
    Checks: [
      { Node: node, CheckID: 'serfHealth', Name: 'Serf Health Status', Status: 'passing', ServiceID: '' },
      { Node: node, CheckID: `service:${id}`, Name: 'Service check', Status: status, ServiceID: id },
    ],
  };
}

export async function startConsul(): Promise<FakeConsul> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new FakeConsul(server);
}
