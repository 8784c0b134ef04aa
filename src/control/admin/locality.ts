// Directories of where data is, over HTTP: `GET /api/v1/locality/NAME?key=K` or `?cursor=C`, `POST /api/v1/locality/NAME` with
// changes. NAME `-` is the only one there is.

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { ChangeView, KeyView, ListView, LocalityApi } from '../locality/api.ts';
import type { Refusal } from '../types.ts';

/** The body is bounded before this is asked. */
export async function locatedBy(
  api: LocalityApi | undefined,
  c: Context<{ Bindings: HttpBindings }>,
): Promise<KeyView | ListView | ChangeView | Refusal> {
  if (api === undefined) return { status: 404, code: 'no_directory', message: 'this node has no directories' };
  const name = c.req.param('directory') ?? '-';
  if (c.req.method === 'POST') {
    const body = parsed(await c.req.text());
    return body === undefined ? { status: 400, code: 'bad_request', message: 'not JSON' } : api.change(name, body);
  }
  const { key, cursor = '0' } = c.req.query();
  return key === undefined ? api.list(name, cursor) : api.get(name, key);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
