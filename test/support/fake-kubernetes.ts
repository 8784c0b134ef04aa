// A Kubernetes API server as far as discovery asks it: EndpointSlices of one namespace, listed in pages and watched as chunked JSON
// from a resourceVersion on, with bookmarks, 410 Gone for versions that are forgotten, bearer tokens and their refusal.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Member {
  readonly address: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zone?: string;
  readonly pod?: string;
  readonly uid?: string;
}

type Type = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

interface Change {
  readonly version: number;
  readonly type: Type;
  readonly object: unknown;
}

interface Watcher {
  readonly response: ServerResponse;
  readonly selector: string | null;
}

export class FakeKubernetes {
  readonly url: string;
  readonly requests: { path: string; params: URLSearchParams; authorization: string | undefined }[] = [];
  /** What a request must carry; null = anything goes. */
  token: string | null = null;
  /** null = as it should be; else every answer has this status. */
  status: number | null = null;
  /** Bytes that each event is written in, one write each: TCP promises nothing. */
  splitBytes = 0;
  readonly #server: Server | SecureServer;
  #version = 100;
  #forgotten = 0;
  readonly #slices = new Map<string, Record<string, unknown>>();
  readonly #changes: Change[] = [];
  readonly #watchers = new Set<Watcher>();

  constructor(server: Server | SecureServer, scheme: 'http' | 'https') {
    this.#server = server;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => this.#answer(request, response));
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** How often everything was listed. */
  get lists(): number {
    return this.requests.filter(({ params }) => params.get('watch') !== 'true' && !params.has('continue')).length;
  }

  put(
    name: string,
    service: string,
    port: number,
    members: readonly Member[],
    more: Record<string, unknown> = {},
  ): void {
    const type = this.#slices.has(name) ? 'MODIFIED' : 'ADDED';
    const slice = { ...sliceOf(name, service, port, members, ++this.#version), ...more };
    this.#slices.set(name, slice);
    this.#happen(type, slice);
  }

  delete(name: string): void {
    const slice = this.#slices.get(name);
    if (slice === undefined) throw new Error(`no slice ${name}`);
    this.#slices.delete(name);
    const metadata = { ...(slice.metadata as object), resourceVersion: String(++this.#version) };
    this.#happen('DELETED', { ...slice, metadata });
  }

  /** Time goes on elsewhere in the cluster. */
  bookmark(): void {
    const metadata = { resourceVersion: String(++this.#version), creationTimestamp: null };
    this.#happen('BOOKMARK', {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata,
      endpoints: null,
      ports: null,
    });
  }

  /** Versions up to now cannot be watched from any more. */
  forget(): void {
    this.#forgotten = ++this.#version;
    this.#changes.length = 0;
  }

  /** Watches end in order, as at their timeout. */
  endWatches(): void {
    for (const { response } of this.#watchers) response.end();
  }

  /** The event that tells watchers that their version is gone. */
  expireWatches(): void {
    this.forget();
    for (const { response } of this.#watchers) {
      response.write(`${JSON.stringify({ type: 'ERROR', object: gone(this.#version) })}\n`);
      response.end();
    }
  }

  /** Connections break in the middle of an event. */
  cut(): void {
    for (const { response } of this.#watchers) response.write('{"type":"MODIFIED","object":{"metad');
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #happen(type: Type, object: unknown): void {
    const change = { version: this.#version, type, object };
    this.#changes.push(change);
    for (const watcher of this.#watchers) if (!watcher.response.writableEnded) this.#tell(watcher, change);
  }

  #tell({ response, selector }: Watcher, { type, object }: Change): void {
    if (type !== 'BOOKMARK' && !isSelected(object, selector)) return;
    const line = Buffer.from(`${JSON.stringify({ type, object })}\n`);
    const step = this.splitBytes || line.length;
    for (let at = 0; at < line.length; at += step) response.write(line.subarray(at, at + step));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    const { authorization } = request.headers;
    this.requests.push({ path: url.pathname, params: url.searchParams, authorization });
    if (this.token !== null && authorization !== `Bearer ${this.token}`) return refuse(response, 401, 'Unauthorized');
    if (this.status !== null)
      return refuse(response, this.status, 'the server is currently unable to handle the request');
    if (url.pathname !== '/apis/discovery.k8s.io/v1/namespaces/web/endpointslices') {
      return refuse(response, 404, 'the server could not find the requested resource');
    }
    if (url.searchParams.get('watch') === 'true') this.#watch(url, response);
    else this.#list(url, response);
  }

  /** Two slices a page, whatever limit says: servers may give fewer. */
  #list(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('continue') ?? 0);
    const all = [...this.#slices.values()].filter((slice) => isSelected(slice, url.searchParams.get('labelSelector')));
    const next = from + 2 < all.length ? String(from + 2) : '';
    const metadata = { resourceVersion: String(this.#version), ...(next === '' ? {} : { continue: next }) };
    send(response, 200, {
      kind: 'EndpointSliceList',
      apiVersion: 'discovery.k8s.io/v1',
      metadata,
      items: all.slice(from, from + 2),
    });
  }

  #watch(url: URL, response: ServerResponse): void {
    const version = Number(url.searchParams.get('resourceVersion'));
    if (version < this.#forgotten) return send(response, 410, gone(version));
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    const watcher = { response, selector: url.searchParams.get('labelSelector') };
    for (const change of this.#changes) if (change.version > version) this.#tell(watcher, change);
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }
}

function isSelected(object: unknown, selector: string | null): boolean {
  const labels = (object as { metadata?: { labels?: Record<string, string> } }).metadata?.labels ?? {};
  const [key = '', value] = (selector ?? '').split('=');
  return selector === null || labels[key] === value;
}

function gone(version: number) {
  const message = `too old resource version: ${version}`;
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason: 'Expired', code: 410 };
}

function refuse(response: ServerResponse, code: number, message: string): void {
  send(response, code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sliceOf(name: string, service: string, port: number, members: readonly Member[], version: number) {
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      name,
      namespace: 'web',
      resourceVersion: String(version),
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: members[0]?.address.includes(':') ? 'IPv6' : 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints: members.map(({ address, ready = true, serving = ready, terminating = false, zone, pod, uid }) => ({
      addresses: [address],
      conditions: { ready, serving, terminating },
      ...(zone === undefined ? {} : { zone }),
      ...(pod === undefined
        ? {}
        : { targetRef: { kind: 'Pod', namespace: 'web', name: pod, uid: uid ?? `uid-${pod}` } }),
    })),
  };
}

/** A kubeconfig for it. `ca`: PEM; without it no certificate is checked, which the official client wants for `http:`, too. */
export function kubeconfigFor(url: string, token: string | null, ca: string | null = null): string {
  const user = token === null ? {} : { token };
  const trust = ca === null ? { 'insecure-skip-tls-verify': true } : { 'certificate-authority-data': btoa(ca) };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server: url, ...trust } }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'web' } }],
  });
}

/** `tls`: its certificate and key, PEM; null = plain text. */
export async function startKubernetes(
  tls: { readonly cert: string; readonly key: string } | null = null,
): Promise<FakeKubernetes> {
  const server = tls === null ? createServer() : createSecureServer(tls);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new FakeKubernetes(server, tls === null ? 'http' : 'https');
}
