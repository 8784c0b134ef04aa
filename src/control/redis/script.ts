// A Lua script as Redis runs it: by its digest, which is what usually travels; whole only to a server that has not seen it, or
// has forgotten it in a restart.

import { createHash } from 'node:crypto';
import type { RedisCommands } from './link.ts';

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** All KEYS of one call must share a hash tag (RedisLink.key), or a Cluster refuses it. */
export function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

export async function evaluate(
  redis: RedisCommands,
  { lua, sha }: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return redis.eval(lua, keys.length, ...keys, ...args);
  }
}
