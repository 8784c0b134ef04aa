// What is done to a directory in Redis, each as one step that happens whole or not at all.
//
//   places    hash: key → place                       versions  sorted set: key → version of its last change
//   version   counter of changes                      epoch     name of this life of the directory
//
// Every change has a version of its own, without gaps, and is published with it. Who has missed some reads what `versions` says has
// changed since. When Redis has lost the directory there is no epoch, and the next change begins another one.

import { script } from '../redis/script.ts';

/** What stands between the parts of a message, and cannot be in a key. */
export const LINE = '\n';
export const TAB = '\t';

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
  redis.call('PUBLISH', ARGV[1], redis.call('GET', epoch) .. '\\n' .. first .. '\\n' .. table.concat(lines, '\\n'))
end
return { tonumber(redis.call('GET', version) or '0'), results, befores }
`);

/** KEYS: version, epoch. Gives [epoch or '', version]. */
export const STATE = script(`
return { redis.call('GET', KEYS[2]) or '', tonumber(redis.call('GET', KEYS[1]) or '0') or 0 }
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
return { redis.call('GET', KEYS[4]) or '', tonumber(redis.call('GET', KEYS[3]) or '0') or 0, out }
`);
