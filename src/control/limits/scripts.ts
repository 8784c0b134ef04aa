// What Redis does with limits that several nodes keep together: two scripts, each one round trip, on Redis's own clock. A key has
// one account for all nodes (when its bucket would be full again, as in core/limit/table.ts) and one line a node: how much it is
// asked there, and until when that is believed. Whatever else stands under such a key is not ours, and is thrown away.

import { script } from '../redis/script.ts';

/** A share is told in millionths. */
export const WHOLE = 1_000_000;
/** Numbers a key is asked with. */
export const FIELDS = 5;
/** Nodes at a key at most; whoever finds more fields there throws them away. */
const MOST_NODES = 4096;

/**
 * KEYS: of one hash tag. ARGV: the node, then for each key its burst (ms of the rate), what has passed here since the last time (ms of
 * the rate), how much is asked here (parts of the rate), how long ago that time was, and how long it may be believed (ms).
 * Gives for each key the node's share of the rate, in millionths.
 *
 * Shares follow what is asked where: all of it and an even part of what is left over while there is enough, else in proportion.
 * What the shares could not know in time (a sudden rush, a node that was away) is made up for within a second: a rate too high
 * until now makes it lower from now on, and the other way round.
 */
export const SETTLE = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local me = 'n:' .. ARGV[1]
local out = {}
local function number(text)
  local x = tonumber(text)
  if x == nil or x ~= x or x > 1e15 or x < -1e15 then return nil end
  return x
end
for i, key in ipairs(KEYS) do
  local at = 1 + (i - 1) * ${FIELDS}
  local burst, passed = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local asked, since, ttl = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local count = redis.pcall('HLEN', key)
  if type(count) ~= 'number' or count > ${MOST_NODES} then redis.call('DEL', key) end
  local all = redis.call('HGETALL', key)
  local full, total, nodes, gone = now - since, asked, 1, {}
  for f = 1, #all, 2 do
    local name, value = all[f], all[f + 1]
    if name == 'full' then
      full = math.max(full, math.min(number(value) or 0, now + burst + 10000))
    elseif name ~= me then
      local theirs, till = string.match(value, '^(%S+) (%S+)$')
      theirs, till = number(theirs), number(till)
      if theirs and till and theirs >= 0 and till > now and till < now + 60000 then
        total = total + theirs
        nodes = nodes + 1
      else
        gone[#gone + 1] = name
      end
    end
  end
  full = full + passed
  local share
  if total >= 1 then share = asked / total else share = asked + (1 - total) / nodes end
  local owed = full - now - burst
  share = share * math.max(0.05, math.min(2, 1 - owed / 1000))
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  redis.call('HSET', key, 'full', string.format('%.3f', full), me, string.format('%.6f %.3f', asked, now + ttl))
  redis.call('PEXPIRE', key, math.ceil(math.max(full - now, 0)) + 5000)
  out[i] = math.floor(share * ${WHOLE} + 0.5)
end
return out
`);

/** KEYS: who is there. ARGV: the node, and for how long that is to be believed (ms; 0 = it goes). Gives how many nodes there are. */
export const PRESENT = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[2])
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
if ttl > 0 then
  redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ttl * 2)
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 60000, '+inf')
return redis.call('ZCARD', KEYS[1])
`);
