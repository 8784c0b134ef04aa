// How a configuration writes what names whom a request is of (`key:`), and how often something may happen (`rate:`). Parsers give
// null for what they do not take.

import type { KeySpec } from '../../core/snapshot.ts';
import { isToken } from './values.ts';

/** The deepest part of a path that can be a key. */
const MAX_SEGMENT = 16;

/** `client`, `route`, `header:NAME`, `cookie:NAME`, `path:1`. */
export function parseKey(text: string): KeySpec | null {
  if (text === 'client' || text === 'route') return { kind: text };
  const match = /^(header|cookie|path):(.+)$/.exec(text);
  if (match === null) return null;
  const [, kind, name] = match as unknown as [string, 'header' | 'cookie' | 'path', string];
  if (kind !== 'path') return isToken(name) ? { kind, name: kind === 'header' ? name.toLowerCase() : name } : null;
  const segment = /^[1-9]\d?$/.test(name) ? Number(name) : 0;
  return segment >= 1 && segment <= MAX_SEGMENT ? { kind, segment } : null;
}

export interface Rate {
  readonly count: number;
  readonly perS: number;
}

const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** `1000/s`, `100/m`, `5/h`: how many, and how many that is a second. */
export function parseRate(text: string): Rate | null {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\/(s|m|min|h|d)$/.exec(text);
  if (match === null) return null;
  const count = Number(match[1]);
  return count > 0 ? { count, perS: count / UNIT_S[match[2]!]! } : null;
}
