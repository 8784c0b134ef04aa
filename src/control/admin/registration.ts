// A registration as it came over HTTP. What it is worth is judged in discovery/registrar.ts.

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Registration } from '../discovery/registrar.ts';
import { SIGNATURE_FIELD, TIMESTAMP_FIELD } from '../discovery/signing.ts';

/** The body is bounded before this is asked. */
export async function registrationOf(c: Context<{ Bindings: HttpBindings }>): Promise<Registration> {
  return {
    method: c.req.method,
    path: c.env.incoming.url ?? '',
    timestamp: c.req.header(TIMESTAMP_FIELD) ?? null,
    signature: c.req.header(SIGNATURE_FIELD) ?? null,
    body: await c.req.text(),
  };
}
