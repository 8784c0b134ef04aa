// The admin listener: probes, metrics, the API of CONTRACT.md and the console, on an address of its own so that they answer
// when the data plane is full. Thin: every answer is asked of a ControlApi, and only how it is said in HTTP is decided
// here. Who may ask is admin/gate.ts. Hono routes; node:http is underneath, and its limits keep slow clients bounded.

import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { parseAddress, urlHost } from './admin/address.ts';
import { json, problem, respond, text } from './admin/answers.ts';
import { type Asset, loadAssets } from './admin/assets.ts';
import { createGate, isLoopback } from './admin/gate.ts';
import { locatedBy } from './admin/locality.ts';
import { registrationOf } from './admin/registration.ts';
import { createEventStreams, type EventStreams } from './admin/stream.ts';
import type { ControlApi, Refusal } from './types.ts';

export interface AdminOptions {
  readonly api: ControlApi;
  /** `host:port`, `[v6]:port` or `:port` (all addresses). Port 0 picks one. */
  readonly address: string;
  readonly token: string | null;
  /** A socket that listens there already; null = one is opened. */
  readonly fd?: number | null;
}

export interface AdminServer {
  /** Without a final slash; with the port that was picked. */
  readonly url: string;
  /** Of its listening socket. */
  readonly fd: number;
  /** Ends the event streams, lets running answers finish for at most a second, then cuts. */
  close(): Promise<void>;
  /** Another process accepts at this place: whoever is connected here is answered, and told to connect anew. */
  retire(): void;
}

type Env = { Bindings: HttpBindings };
type Handler = (c: Context<Env>) => Response | Promise<Response>;
type Method = 'GET' | 'POST';

/** No request here has a use for a body. */
const MAX_BODY_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 256;
/** Slow clients: head, whole request, silence of either side. ms */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000, silence: 60_000 } as const;
const CLOSE_GRACE_MS = 1_000;
const CHALLENGES = ['Bearer realm="fermat"', 'Basic realm="fermat", charset="UTF-8"'];

/** Everything from ourselves; nothing inline; nobody frames it. */
const CONSOLE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * Resolves when it accepts connections. Rejects when the address cannot be had, is no address, or would be open to the
 * network without a token.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, port } = parseAddress(options.address);
  if (!isLoopback(host) && !options.token) {
    throw new Error(
      `admin.address ${options.address} can be reached from other machines, so admin.token (or FERMAT_ADMIN_TOKEN) must be set; or use 127.0.0.1`,
    );
  }
  const assets = await loadAssets(new URL('../console/', import.meta.url));
  const streams = createEventStreams(options.api.events);
  const app = buildApp(options, host, assets, streams);
  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    hostname: 'localhost', // of HTTP/1.0 requests without Host
    overrideGlobalObjects: false,
    errorHandler: () => problem({ status: 400, code: 'bad_request', message: 'not a valid request' }),
  });
  const server = createServer({ ...LIMITS, connectionsCheckingInterval: 1_000 }, listener);
  let isRetired = false;
  server.prependListener('request', (_, response) => {
    if (isRetired) response.shouldKeepAlive = false;
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(LIMITS.silence);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const { fd } = options;
    server.listen(fd == null ? { port, ...(host === '' ? {} : { host }) } : { fd }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address() as AddressInfo;
  return {
    url: `http://${urlHost(host)}:${bound.port}`,
    fd: (server as unknown as { readonly _handle: { readonly fd: number } | null })._handle?.fd ?? -1,
    retire: () => {
      isRetired = true;
      streams.close();
      // That of node:net alone: node:http's own would also cut whoever is about to ask.
      NetServer.prototype.close.call(server);
    },
    close: () =>
      new Promise((resolve) => {
        streams.close();
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function buildApp(
  { api, token }: AdminOptions,
  host: string,
  assets: ReadonlyMap<string, Asset>,
  streams: EventStreams,
): Hono<Env> {
  const app = new Hono<Env>();
  const gate = createGate(host, token);

  app.use(async (c, next) => {
    const refused = gate.refuse(c.env.incoming, c.req.path) ?? tooLarge(c);
    if (refused === null) return next();
    // Two lines, so not through Headers, which joins them: browsers read one challenge a line, and ask for Basic's password.
    if (refused.status === 401) c.env.outgoing.setHeader('www-authenticate', CHALLENGES);
    return problem(refused);
  });

  /** One path with its methods; any other method is told which there are. */
  const on = (path: string, handlers: Partial<Record<Method, Handler>>) => {
    for (const [method, handler] of Object.entries(handlers)) app.on(method, path, handler);
    const allow = Object.keys(handlers)
      .flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
      .join(', ');
    app.all(path, () => problem({ status: 405, code: 'method_not_allowed', message: `only ${allow} here` }, { allow }));
  };
  const read = (path: string, give: () => unknown) => on(path, { GET: () => json(give()) });

  on('/livez', { GET: () => text('ok\n') });
  on('/readyz', { GET: () => readiness(api) });
  on('/metrics', { GET: async () => text(await api.metrics(), 'text/plain; version=0.0.4; charset=utf-8') });
  read('/api/v1/endpoints', () => api.endpoints());
  read('/api/v1/routes', () => api.routes());
  read('/api/v1/config', () => api.config());
  on('/api/v1/decisions', { GET: (c) => decided(api, c) });
  read('/api/v1/node', () => api.node());
  read('/api/v1/fleet', () => api.fleet());
  on('/api/v1/explain', { GET: (c) => explained(api, c) });
  on('/api/v1/events', { GET: (c) => (isForScripts(c) ? json(api.events.recent()) : streamed(streams, c)) });
  read('/api/v1/discovery', () => api.discovery());
  for (const action of ['register', 'deregister'] as const) {
    on(`/api/v1/${action}/:pool`, { POST: (c) => registered(api, c) });
  }
  read('/api/v1/locality', () => api.locality?.views() ?? []);
  const locality: Handler = (c) => located(api, c);
  on('/api/v1/locality/:directory', { GET: locality, POST: locality });
  on('/api/v1/reload', { POST: () => reloaded(api) });
  on('/api/v1/replace', { POST: () => replaced(api) });
  // An id may hold ':' and '/', encoded or not.
  on('/api/v1/endpoints/:id{.+}/drain', { POST: (c) => moved(api, c, (id) => api.drain(id)) });
  on('/api/v1/endpoints/:id{.+}/enable', { POST: (c) => moved(api, c, (id) => api.enable(id)) });
  for (const [path, asset] of assets) on(path, { GET: (c) => served(asset, c) });
  for (const path of ['/', '/ui']) on(path, { GET: () => respond(null, 302, { location: '/ui/' }) });

  app.notFound((c) => problem({ status: 404, code: 'not_found', message: `nothing at ${c.req.path}` }));
  app.onError((error) => {
    api.events.emit('error', 'admin.error', `admin request failed: ${error.message}`, { stack: error.stack });
    return problem({ status: 500, code: 'internal', message: 'the request failed; the log says why' });
  });
  return app;
}

function readiness(api: ControlApi): Response {
  const reason = api.notReadyBecause();
  return reason === null ? text('ready\n') : problem({ status: 503, code: 'not_ready', message: reason });
}

function explained(api: ControlApi, c: Context<Env>): Response {
  const client = c.req.query('client');
  if (!client) return problem({ status: 400, code: 'bad_request', message: 'client=IP is missing' });
  const answer = api.explain({
    client,
    host: c.req.query('host') || null,
    path: c.req.query('path') || '/',
    method: c.req.query('method') || 'GET',
    key: c.req.query('key') || null,
  });
  return 'status' in answer ? problem(answer) : json(answer);
}

const MAX_DECISIONS = 1024;

/** A JSON array, newest first; or, for a file, one a line and oldest first. */
async function decided(api: ControlApi, c: Context<Env>): Promise<Response> {
  const { limit, pool, endpoint, format } = c.req.query();
  const most = limit === undefined ? undefined : Number(limit);
  if (most !== undefined && !(Number.isInteger(most) && most >= 1 && most <= MAX_DECISIONS)) {
    return problem({ status: 400, code: 'bad_request', message: `limit: expected 1 to ${MAX_DECISIONS}` });
  }
  if (format !== undefined && format !== 'json' && format !== 'jsonl') {
    return problem({ status: 400, code: 'bad_request', message: 'format: expected json or jsonl' });
  }
  const decisions = await api.decisions({
    ...(most === undefined ? {} : { limit: most }),
    ...(pool === undefined ? {} : { pool }),
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  const isLines = format === 'jsonl' || (format === undefined && accepts(c, NDJSON));
  if (!isLines) return json(decisions);
  const lines = decisions.map((decision) => `${JSON.stringify(decision)}\n`).reverse();
  return respond(lines.join(''), 200, { 'content-type': NDJSON, 'cache-control': 'no-store' });
}

const NDJSON = 'application/x-ndjson';

function accepts(c: Context<Env>, type: string): boolean {
  return (c.req.header('accept') ?? '').toLowerCase().includes(type);
}

/** Who asks for JSON and nothing else gets the recent events as an array; everybody else follows them. */
function isForScripts(c: Context<Env>): boolean {
  return accepts(c, 'application/json') && !accepts(c, 'text/event-stream');
}

function streamed(streams: EventStreams, c: Context<Env>): Response {
  if (c.req.method === 'HEAD') return respond(null, 200, { 'content-type': 'text/event-stream' });
  if (streams.open(c.env.outgoing as ServerResponse)) return RESPONSE_ALREADY_SENT;
  const full = { status: 503, code: 'too_many_streams', message: 'too many clients follow the events' };
  return problem(full, { 'retry-after': '10' });
}

async function reloaded(api: ControlApi): Promise<Response> {
  const result = await api.reload('admin API');
  if (result.ok) return json(result);
  const error = { code: 'config_invalid', message: result.problems.join('\n') || 'the configuration was not taken' };
  return json({ error, ...result }, 422);
}

async function registered(api: ControlApi, c: Context<Env>): Promise<Response> {
  const answer = api.register(await registrationOf(c));
  return 'status' in answer ? problem(answer) : json(answer);
}

async function located(api: ControlApi, c: Context<Env>): Promise<Response> {
  const answer = await locatedBy(api.locality, c);
  return 'status' in answer ? problem(answer) : json(answer);
}

const REPLACE_STATUS = { replaced: 200, refused: 409, config_invalid: 422, failed: 500 } as const;

async function replaced(api: ControlApi): Promise<Response> {
  const result = await api.replace('admin API');
  const status = REPLACE_STATUS[result.code];
  if (result.ok) return json(result, status);
  return json({ error: { code: result.code, message: result.problems.join('\n') }, ...result }, status);
}

function moved(api: ControlApi, c: Context<Env>, move: (id: string) => Refusal | null): Response {
  const id = c.req.param('id') ?? '';
  const refused = move(id);
  if (refused !== null) return problem(refused);
  return json({ ok: true, endpoint: api.endpoints().find((endpoint) => endpoint.id === id) ?? null });
}

function served({ body, type, etag }: Asset, c: Context<Env>): Response {
  const headers = {
    etag,
    'content-type': type,
    'cache-control': 'no-cache', // ask again, by the etag
    'content-security-policy': CONSOLE_POLICY,
    'referrer-policy': 'no-referrer',
  };
  return c.req.header('if-none-match') === etag ? respond(null, 304, headers) : respond(body, 200, headers);
}

function tooLarge(c: Context<Env>): Refusal | null {
  const { headers } = c.env.incoming;
  const isLarge = Number(headers['content-length'] ?? 0) > MAX_BODY_BYTES || headers['transfer-encoding'] !== undefined;
  if (!isLarge) return null;
  c.env.outgoing.shouldKeepAlive = false;
  return { status: 413, code: 'too_large', message: 'requests here have no body' };
}
