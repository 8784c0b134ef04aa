// What is done in Redis for the nodes to find and hear each other. All under one hash tag, so one server of a Cluster holds it:
// some kilobytes a node. Whatever else may stand at our keys, of another type or size, is passed over or replaced.

import { script } from '../redis/script.ts';

/** Members of the list of nodes at most; beyond, somebody else has written there, and it begins anew. */
const MAX_NODES = 4096;

/**
 * Publishes a digest and, when given, keeps a whole one and the node's name for as long as it is fresh. KEYS: list of nodes, own
 * digest. ARGV: channel, digest to publish, ms, whole digest or '', own name in the list.
 */
export const TELL = script(`
local heard = redis.call('PUBLISH', ARGV[1], ARGV[2])
if ARGV[4] == '' then return heard end
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count = redis.pcall('ZCARD', KEYS[1])
if type(count) ~= 'number' or count > ${MAX_NODES} then redis.call('DEL', KEYS[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[5])
return heard
`);

/** Names of the nodes that are there now. KEYS: list of nodes. ARGV: how many at most. */
export const LIST = script(`
local names = redis.pcall('ZRANGE', KEYS[1], 0, ARGV[1] - 1)
if names.err then return {} end
return names
`);

/** Whole digests and how long they stay, in turn; '' where there is none. KEYS: digests. ARGV: longest that is read. */
export const READ = script(`
local found = {}
for i, key in ipairs(KEYS) do
  local size = redis.pcall('STRLEN', key)
  local isOne = type(size) == 'number' and size > 0 and size <= tonumber(ARGV[1])
  found[2 * i - 1] = isOne and redis.call('GET', key) or ''
  found[2 * i] = redis.call('PTTL', key)
end
return found
`);

/** Leaves. KEYS: list of nodes, own digest. ARGV: channel, last digest, own name. */
export const LEAVE = script(`
redis.call('DEL', KEYS[2])
redis.pcall('ZREM', KEYS[1], ARGV[3])
return redis.call('PUBLISH', ARGV[1], ARGV[2])
`);
