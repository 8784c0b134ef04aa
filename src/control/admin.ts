// The admin listener: probes, metrics, the API of CONTRACT.md and the console, on an address of its own so that they answer
// when the data plane is full. Thin: every answer is asked of a ControlApi, and only how it is said in HTTP is decided
// here. Who may ask is admin/gate.ts. Hono routes; node:http is underneath, and its limits keep slow clients bounded.

import { createServer } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { parseAddress, urlHost } from './admin/address.ts';
import { json, problem, respond } from './admin/answers.ts';
import { type Asset, loadAssets } from './admin/assets.ts';
import { isConsole, served } from './admin/console.ts';
import { Crowd } from './admin/crowd.ts';
import { challengesOf, createGate, isLoopback } from './admin/gate.ts';
import { createLogin, loginPage } from './admin/login.ts';
import { addApi, type Env, type Handler, routerOf } from './admin/routes.ts';
import { createSessions } from './admin/session.ts';
import { createEventStreams, createLiveStreams, type Streams } from './admin/stream.ts';
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

interface AllStreams {
  readonly events: Streams;
  readonly live: Streams;
}

/** No request here has a use for a body. */
const MAX_BODY_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 256;
/** Those that were cut are there until their turn of the event loop is over, and as many again may come in one. */
const MAX_SOCKETS = MAX_CONNECTIONS * 4;
/** Slow clients: head, whole request, silence of either side. ms */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000, silence: 60_000 } as const;
const CLOSE_GRACE_MS = 1_000;

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
  const streams: AllStreams = {
    events: createEventStreams(options.api.events),
    live: createLiveStreams(options.api.live),
  };
  const endStreams = () => {
    streams.events.close();
    streams.live.close();
  };
  const app = buildApp(options, host, assets, streams);
  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    hostname: 'localhost', // of HTTP/1.0 requests without Host
    overrideGlobalObjects: false,
    errorHandler: () => problem({ status: 400, code: 'bad_request', message: 'not a valid request' }),
  });
  const server = createServer({ ...LIMITS, connectionsCheckingInterval: 1_000 }, listener);
  let isRetired = false;
  const crowd = new Crowd(MAX_CONNECTIONS);
  server.on('connection', (socket) => crowd.come(socket));
  server.prependListener('request', (request, response) => {
    if (isRetired) response.shouldKeepAlive = false;
    crowd.ask(request, response);
  });
  server.maxConnections = MAX_SOCKETS;
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
      endStreams();
      // That of node:net alone: node:http's own would also cut whoever is about to ask.
      NetServer.prototype.close.call(server);
    },
    close: () =>
      new Promise((resolve) => {
        endStreams();
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
  { events, live }: AllStreams,
): Hono<Env> {
  const app = new Hono<Env>();
  const sessions = token === null ? null : createSessions(token);
  const gate = createGate(host, token, sessions);
  const login = createLogin(token, sessions, api.events);

  app.use(async (c, next) => {
    const { path } = c.req;
    const refused = gate.refuse(c.env.incoming, path) ?? tooLarge(c);
    if (refused === null) return next();
    if (refused.status !== 401) return problem(refused);
    // Two lines, so not through Headers, which joins them: browsers read one challenge a line, and ask for Basic's password.
    c.env.outgoing.setHeader('www-authenticate', challengesOf(c.env.incoming, path));
    const isPage = isConsole(path) && (c.req.header('accept') ?? '').includes('text/html');
    return isPage ? loginPage(null) : problem(refused);
  });

  const on = routerOf(app);
  addApi(on, api, events, live);
  const sessionView = (cookie: string | undefined) => {
    const untilMs = sessions?.expiryOf(cookie, Date.now()) ?? null;
    return untilMs === null ? { session: false } : { session: true, until: new Date(untilMs).toISOString() };
  };
  on('/api/v1/session', { GET: (c) => json(sessionView(c.req.header('cookie'))) });
  const home = () => respond(null, 302, { location: '/ui/' });
  const enter: Handler = async (c) =>
    login.take(await c.req.text(), c.env.incoming.socket.remoteAddress ?? 'an unknown address');
  on('/ui/login', { GET: home, POST: enter });
  on('/ui/logout', { POST: () => login.leave() });
  for (const [path, asset] of assets) {
    const get: Handler = (c) => served(asset, c);
    on(path, isConsole(path) ? { GET: get, POST: enter } : { GET: get });
  }
  for (const path of ['/', '/ui']) on(path, { GET: home, POST: enter });

  app.notFound((c) => problem({ status: 404, code: 'not_found', message: `nothing at ${c.req.path}` }));
  app.onError((error) => {
    api.events.emit('error', 'admin.error', `admin request failed: ${error.message}`, { stack: error.stack });
    return problem({ status: 500, code: 'internal', message: 'the request failed; the log says why' });
  });
  return app;
}

function tooLarge(c: Context<Env>): Refusal | null {
  const { headers } = c.env.incoming;
  const isLarge = Number(headers['content-length'] ?? 0) > MAX_BODY_BYTES || headers['transfer-encoding'] !== undefined;
  if (!isLarge) return null;
  c.env.outgoing.shouldKeepAlive = false;
  return { status: 413, code: 'too_large', message: 'requests here have no body' };
}
