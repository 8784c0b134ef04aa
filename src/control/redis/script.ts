// A Lua script as Redis runs it: by its digest, which is what usually travels; whole only to a server that has not seen it, or
// has forgotten it in a restart.

import { createHash } from 'node:crypto';
import type { RedisCommands } from './types.ts';

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** All KEYS of one call must share a hash tag (RedisLink.key), or a Cluster refuses it. */
export function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** `asBytes`: strings of the answer are Buffers. */
export async function evaluate(
  redis: RedisCommands,
  { lua, sha }: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
  asBytes = false,
): Promise<unknown> {
  const ask = (command: string, text: string): Promise<unknown> =>
    asBytes
      ? redis.callBuffer(command, text, keys.length, ...keys, ...args)
      : redis.call(command, text, keys.length, ...keys, ...args);
  try {
    return await ask('evalsha', sha);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return ask('eval', lua);
  }
}
