// How answers of the admin API are said in HTTP: text, JSON, or a refusal with its code.

import type { Refusal } from '../types.ts';

export function text(body: string, type = 'text/plain; charset=utf-8'): Response {
  return respond(body, 200, { 'content-type': type, 'cache-control': 'no-store' });
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return respond(JSON.stringify(value), status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...headers,
  });
}

/** Every answer: never another type than it says, never readable by a page of another origin. */
export const SAFE = { 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin' } as const;

export function respond(
  body: string | Uint8Array<ArrayBuffer> | null,
  status: number,
  headers: Record<string, string>,
): Response {
  return new Response(body, { status, headers: { ...SAFE, ...headers } });
}

export function problem({ status, code, message }: Refusal, headers: Record<string, string> = {}): Response {
  return json({ error: { code, message } }, status, headers);
}
