// What is done to a directory in Redis, each as one step that happens whole or not at all.
//
//   places    hash: key → place                       versions  sorted set: key → version of its last change
//   version   counter of changes                      epoch     name of this life of the directory
//
// Every change has a version of its own, without gaps, and is published with it. Who has missed some reads what `versions` says has
// changed since. When Redis has lost the directory there is no epoch, and the next change begins another one.

import { script } from '../redis/script.ts';

/** What stands between the parts of a message, and cannot be in a key. */
const LINE = '\n';
const TAB = '\t';

export interface Change {
  readonly key: string;
  /** '' = it has none any more. */
  readonly to: string;
  /** Where it must be now, else nothing is changed; '*' = anywhere or nowhere, '+' = anywhere, '' = nowhere. */
  readonly from: string;
}

/** 1 = done, 0 = it was not at `from`, -1 = there is no room. */
export interface Changed {
  readonly version: number;
  readonly results: readonly number[];
  /** Where each key was. */
  readonly before: readonly string[];
}

/** What was published of some changes: the first has version `from`, each other one more. `place` '' = none any more. */
export interface Told {
  readonly epoch: string;
  readonly from: number;
  readonly changes: readonly { readonly key: string; readonly place: string }[];
}

/** `epoch LINE first version LINE key TAB place …`; null = not one of ours. */
export function readTold(text: string): Told | null {
  const [epoch = '', first, ...lines] = text.split(LINE);
  const from = Number(first);
  if (!Number.isSafeInteger(from) || lines.length === 0) return null;
  const changes = lines.map((line) => {
    const tab = Math.max(line.indexOf(TAB), 0);
    return { key: line.slice(0, tab), place: line.slice(tab + 1) };
  });
  return { epoch, from, changes };
}

/**
 * KEYS: places, versions, version, epoch. ARGV: channel, name for a new epoch, most keys there may be, then for each change its
 * key, its new place ('' = none any more) and the place it must have now ('*' = any or none, '+' = any,
 * '' = none).
 * Gives [version, what became of each: 1 = done, 0 = it is elsewhere, -1 = no room, and where each was before].
 * A change to where a key is already is done, and is none.
 */
export const CHANGE = script(`
local places, versions, version, epoch = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('EXISTS', epoch) == 0 then
  redis.call('DEL', places, versions, version)
  redis.call('SET', epoch, ARGV[2])
end
local room = tonumber(ARGV[3]) - redis.call('HLEN', places)
local results, befores, lines = {}, {}, {}
local first = nil
for i = 4, #ARGV, 3 do
  local key, place, from = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local before = redis.call('HGET', places, key) or ''
  befores[#befores + 1] = before
  if (from == '+' and before == '') or (from ~= '*' and from ~= '+' and from ~= before) then
    results[#results + 1] = 0
  elseif place == before then
    results[#results + 1] = 1
  elseif before == '' and room <= 0 then
    results[#results + 1] = -1
  else
    local v = redis.call('INCR', version)
    first = first or v
    if place == '' then redis.call('HDEL', places, key) else redis.call('HSET', places, key, place) end
    if before == '' then room = room - 1 elseif place == '' then room = room + 1 end
    redis.call('ZADD', versions, v, key)
    lines[#lines + 1] = key .. '\\t' .. place
    results[#results + 1] = 1
  end
end
if first then
  redis.call('PUBLISH', ARGV[1], redis.call('GETRANGE', epoch, 0, 63) .. '\\n' .. first .. '\\n' .. table.concat(lines, '\\n'))
end
return { tonumber(redis.call('GET', version) or '0'), results, befores }
`);

/**
 * KEYS: version, epoch. Gives [epoch or '', version, server]: another server (a replica that was made the master, or one that was
 * started again) may hold the directory as it was some time ago. What is too long to be ours is not given whole.
 */
export const STATE = script(`
local info = redis.pcall('INFO', 'server')
local server = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
return { redis.call('GETRANGE', KEYS[2], 0, 63), tonumber(redis.call('GETRANGE', KEYS[1], 0, 31)) or 0, server }
`);

/**
 * KEYS: places, versions, version, epoch. ARGV: a version, and how many at most.
 * Gives [epoch, version, what has changed since, oldest first: key, place, version, …].
 */
export const CHANGES = script(`
local changed = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local out = {}
for i = 1, #changed, 2 do
  out[#out + 1] = changed[i]
  out[#out + 1] = redis.call('HGET', KEYS[1], changed[i]) or ''
  out[#out + 1] = changed[i + 1]
end
return { redis.call('GETRANGE', KEYS[4], 0, 63), tonumber(redis.call('GETRANGE', KEYS[3], 0, 31)) or 0, out }
`);
