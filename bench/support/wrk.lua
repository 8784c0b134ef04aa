-- Called as wrk … -- METHOD BODY_BYTES ROUTES [FIELD: VALUE …]. ROUTES > 0 asks for each of so many routes in turn, hosts
-- and paths as bench/load/scale.ts names them. Prints one machine-readable line at the end; times in microseconds.
local requests, at = {}, 0

local function nextRoute()
  at = at % #requests + 1
  return requests[at]
end

init = function(args)
  wrk.method = args[1]
  if tonumber(args[2]) > 0 then wrk.body = string.rep("x", tonumber(args[2])) end
  for i = 4, #args do
    local name, value = args[i]:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
  end
  for route = 0, tonumber(args[3]) - 1 do
    wrk.headers["Host"] = string.format("s%d.bench.test", math.floor(route / 10))
    requests[route + 1] = wrk.format(nil, string.format("/r%d/small", route % 10))
  end
  if #requests > 0 then request = nextRoute end
end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("WRK %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.timeout + e.status))
end
