// The demo's control port, so that a script can do what the keys do: POST /degrade, /kill or /revive[?region=NAME], and
// GET /state. Loopback only, and deaf to web pages: a foreign Origin or Host is refused.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ACTIONS, type Action, type Deed } from './fleet.ts';

export interface ControlPort {
  readonly url: string;
  close(): void;
}

export interface ControlHooks {
  act(action: Action, region: string | null): Promise<Deed>;
  state(): Promise<object>;
}

/** Listens on `port`, or on a free one when that is taken or 0: the address is printed anyway. */
export async function openControlPort(port: number, hooks: ControlHooks): Promise<ControlPort> {
  const server = createServer((req, res) => void answer(req, res, hooks));
  try {
    await listen(server, port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    await listen(server, 0);
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

async function answer(req: IncomingMessage, res: ServerResponse, hooks: ControlHooks): Promise<void> {
  req.resume();
  const url = new URL(req.url ?? '/', 'http://demo');
  const action = url.pathname.slice(1);
  if (isForeign(req)) return send(res, 403, { error: { code: 'foreign', message: 'loopback only, no web pages' } });
  if (req.method === 'GET' && action === 'state') return send(res, 200, await hooks.state());
  if (!isAction(action)) return send(res, 404, { error: { code: 'not_found', message: USAGE } });
  if (req.method !== 'POST') return send(res, 405, { error: { code: 'method', message: USAGE } });
  const deed = await hooks.act(action, url.searchParams.get('region'));
  if (deed.problem !== null) return send(res, 409, { error: { code: 'not_done', message: deed.problem } });
  send(res, 200, { action, region: deed.region });
}

const USAGE = 'POST /degrade, /kill or /revive, with ?region=NAME or the best one; GET /state';

function isAction(name: string): name is Action {
  return Object.hasOwn(ACTIONS, name);
}

function isForeign(req: IncomingMessage): boolean {
  const isLocal = (authority: string) => /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(authority);
  const { origin, host } = req.headers;
  return (origin !== undefined && !isLocal(origin.replace(/^http:\/\//, ''))) || !isLocal(host ?? '');
}

function send(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
