// The console over HTTP: its files, and its door.

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { respond } from './answers.ts';
import { type Asset, codingOf } from './assets.ts';

/** Everything from ourselves; nothing inline; nobody frames it. */
const CONSOLE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** Whoever opens these with a browser wants to see the console: those are shown the login where they may not. */
export function isConsole(path: string): boolean {
  return path === '/' || path === '/ui' || path === '/ui/';
}

export async function served(asset: Asset, c: Context<{ Bindings: HttpBindings }>): Promise<Response> {
  const coding = asset.isText ? codingOf(c.req.header('accept-encoding')) : 'identity';
  const etag = asset.etagOf(coding);
  const headers = {
    etag,
    'content-type': asset.type,
    'cache-control': 'no-cache', // ask again, by the etag
    'content-security-policy': CONSOLE_POLICY,
    // Under no-referrer the browser would call the origin of its forms `null`.
    'referrer-policy': 'same-origin',
    vary: 'accept-encoding',
  };
  const known = (c.req.header('if-none-match') ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes(etag) || known.includes('*')) return respond(null, 304, headers);
  const coded: Record<string, string> = coding === 'identity' ? {} : { 'content-encoding': coding };
  return respond(await asset.body(coding), 200, { ...headers, ...coded });
}
