// Recorded decisions over HTTP: many, as an array or as lines of a file, and one.

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { ControlApi } from '../types.ts';
import { json, problem, respond } from './answers.ts';

const MAX_DECISIONS = 1024;
const NDJSON = 'application/x-ndjson';

/** A JSON array, newest first; or, for a file, one a line and oldest first. */
export async function decided(api: ControlApi, c: Context<{ Bindings: HttpBindings }>): Promise<Response> {
  const { limit, pool, endpoint, format } = c.req.query();
  const most = limit === undefined ? undefined : Number(limit);
  if (most !== undefined && !(/^\d{1,4}$/.test(limit!) && most >= 1 && most <= MAX_DECISIONS)) {
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
  const accepted = (c.req.header('accept') ?? '').toLowerCase();
  const isLines = format === 'jsonl' || (format === undefined && accepted.includes(NDJSON));
  if (!isLines) return json(decisions);
  const lines = decisions.map((decision) => `${JSON.stringify(decision)}\n`).reverse();
  return respond(lines.join(''), 200, { 'content-type': NDJSON, 'cache-control': 'no-store' });
}

export function decision(api: ControlApi, c: Context<{ Bindings: HttpBindings }>): Response {
  const record = api.decision(c.req.param('id') ?? '');
  if (record !== null) return json(record);
  const gone = 'no decision of this id is kept: those of the last minutes are, at most 1,024';
  return problem({ status: 404, code: 'decision_gone', message: gone });
}
