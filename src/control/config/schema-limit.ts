// The form of a limit on the rate of requests (docs/limits.md).

import { z } from 'zod';
import { MAX_BURST, MAX_RATE_PER_S } from '../../core/limit/table.ts';
import type { RateLimitConfig } from './config.ts';
import { parseKey, parseRate } from './keyed.ts';
import { text, whole } from './leaf.ts';
import type { FileRoute } from './schema.ts';

/** Of one route: a request asks them all. */
const MOST = 8;

const limit = z.strictObject({
  name: text('letters, digits, - and _', (value) => (/^[\w-]{1,64}$/.test(value) ? null : 'not a name for clients'))
    .optional()
    .describe('Tells limits of one route apart, as clients see them; default: default, or its place in the list'),
  rate: text('how many in which time, such as 1000/s, 100/m or 5/h', (value) => {
    const rate = parseRate(value);
    if (rate === null) return 'not a rate';
    return rate.perS > MAX_RATE_PER_S ? `more than ${MAX_RATE_PER_S}/s` : null;
  }).describe('Requests let through in the long run'),
  burst: whole(1, MAX_BURST)
    .optional()
    .describe('Requests that may come at once, once the key was quiet; default: the number in rate'),
  key: text('client, route, header:NAME, cookie:NAME or path:N', (value) =>
    parseKey(value) === null ? 'not something to count by' : null,
  )
    .default('client')
    .describe('Whom the limit is for, each by himself; client: an IPv4 address or an IPv6 /64; route: all together'),
  scope: z
    .enum(['fleet', 'node'])
    .optional()
    .describe(
      'fleet: over all nodes that share state.redis, the default where there is one; node: each node by itself',
    ),
  onMissingKey: z
    .enum(['limit', 'pass', 'refuse'])
    .default('limit')
    .describe('Of requests without the key: limit = all of them together are one key; refuse = 400'),
  redisDown: z
    .enum(['local', 'closed'])
    .default('local')
    .describe('Of scope fleet while Redis is away: local = an even share of the rate for each node; closed = 503'),
  headers: z.boolean().default(false).describe('Answers that pass tell, too: RateLimit-Policy and RateLimit'),
});

export const rateLimit = z
  .union([limit, z.array(limit).max(MOST)])
  .default([])
  .describe('One limit or several; a request must pass all of them, else 429 and it counts in none');

/** `hasRedis`: what `scope` is where nobody says. */
export function rateLimitsOf(given: FileRoute['rateLimit'], hasRedis: boolean): RateLimitConfig[] {
  const list = Array.isArray(given) ? given : [given];
  return list.map((file, i) => {
    const rate = parseRate(file.rate)!;
    const burst = file.burst ?? Math.max(1, Math.min(MAX_BURST, Math.round(rate.count)));
    return {
      name: file.name ?? (i === 0 ? 'default' : `${i + 1}`),
      ratePerS: rate.perS,
      burst,
      fillS: Math.max(1, Math.ceil(burst / rate.perS)),
      key: parseKey(file.key)!,
      scope: hasRedis ? (file.scope ?? 'fleet') : 'node',
      onMissingKey: file.onMissingKey,
      redisDown: file.redisDown,
      headers: file.headers,
    };
  });
}
