// The paths of the admin API and what each asks of the node. Who may ask is gate.ts; the longer answers have files of their own.

import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context, Hono } from 'hono';
import type { ControlApi, Refusal } from '../types.ts';
import { json, problem, respond, text } from './answers.ts';
import { decided, decision } from './decisions.ts';
import { locatedBy } from './locality.ts';
import { metricsAnswer } from './metrics.ts';
import { registrationOf } from './registration.ts';
import type { Streams } from './stream.ts';

export type Env = { Bindings: HttpBindings };
export type Handler = (c: Context<Env>) => Response | Promise<Response>;
/** One path with its methods; any other method is told which there are. */
export type On = (path: string, handlers: Partial<Record<'GET' | 'POST', Handler>>) => void;

export function routerOf(app: Hono<Env>): On {
  return (path, handlers) => {
    for (const [method, handler] of Object.entries(handlers)) app.on(method, path, handler);
    const allow = Object.keys(handlers)
      .flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
      .join(', ');
    app.all(path, () => problem({ status: 405, code: 'method_not_allowed', message: `only ${allow} here` }, { allow }));
  };
}

export function addApi(on: On, api: ControlApi, events: Streams, live: Streams): void {
  const read = (path: string, give: () => unknown) => on(path, { GET: () => json(give()) });

  on('/livez', { GET: () => text('ok\n') });
  on('/readyz', { GET: () => readiness(api) });
  on('/metrics', {
    GET: (c) => metricsAnswer(api, c.req.header('accept'), c.req.header('accept-encoding')),
  });
  read('/api/v1/endpoints', () => api.endpoints());
  read('/api/v1/pools', () => api.pools());
  read('/api/v1/routes', () => api.routes());
  read('/api/v1/config', () => api.config());
  on('/api/v1/decisions', { GET: (c) => decided(api, c) });
  on('/api/v1/decisions/:id', { GET: (c) => decision(api, c) });
  read('/api/v1/node', () => api.node());
  read('/api/v1/fleet', () => api.fleet());
  on('/api/v1/explain', { GET: (c) => explained(api, c) });
  on('/api/v1/evacuation', { GET: (c) => evacuated(api, c) });
  on('/api/v1/events', { GET: (c) => (isForScripts(c) ? json(api.events.recent()) : streamed(events, c)) });
  on('/api/v1/live', { GET: (c) => streamed(live, c) });
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

async function evacuated(api: ControlApi, c: Context<Env>): Promise<Response> {
  const regions = (c.req.queries('region') ?? []).filter((name) => name !== '');
  const endpoints = (c.req.queries('endpoint') ?? []).filter((id) => id !== '');
  if (regions.length + endpoints.length === 0) {
    return problem({ status: 400, code: 'bad_request', message: 'region=NAME or endpoint=ID is missing' });
  }
  const answer = await api.evacuation({ regions, endpoints, pool: c.req.query('pool') || null });
  return 'status' in answer ? problem(answer) : json(answer);
}

/** Who asks for JSON and nothing else gets the recent events as an array; everybody else follows them. */
function isForScripts(c: Context<Env>): boolean {
  const accepted = (c.req.header('accept') ?? '').toLowerCase();
  return accepted.includes('application/json') && !accepted.includes('text/event-stream');
}

function streamed(streams: Streams, c: Context<Env>): Response {
  if (c.req.method === 'HEAD') return respond(null, 200, { 'content-type': 'text/event-stream' });
  if (streams.open(c.env.outgoing as Parameters<Streams['open']>[0])) return RESPONSE_ALREADY_SENT;
  const full = { status: 503, code: 'too_many_streams', message: 'too many clients follow already' };
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
