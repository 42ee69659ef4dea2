-- Sends each request of a file once, in order: a line is a signature, a space, a body.
-- Arguments: the file, the API key, and the pace. No pace: as fast as it goes. `250/s`: that many a second,
-- at moments fixed beforehand, so that a slow answer delays no other request while connections are free.
-- A number: the milliseconds that each connection pauses. Without more lines it goes on with repeats, and tells.
-- `once`: as fast as it goes, until the last line is answered.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local requests, count = {}, 0 -- whole requests, made before anything is measured
local at = -1 -- wrk asks for a request before the first one, to see whether it is one
local threads = {}
repeated = 0 -- global, for `done` to ask each thread for

local function milliseconds()
  local now = ffi.new("moment")
  ffi.C.clock_gettime(1, now) -- the monotonic one
  return tonumber(now.seconds) * 1000 + tonumber(now.nanoseconds) / 1e6
end

local function tell(...)
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "failed": %d, "repeated": %d, "p50": %d, "p99": %d}\n', ...))
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrk.method = "POST"
  wrk.path = "/api/status/create"
  wrk.headers["x-api-key"] = args[2]
  wrk.headers["content-type"] = "application/json"
  for line in io.lines(args[1]) do
    count = count + 1
    wrk.headers["x-hmac-sha256-signature"] = line:sub(1, 64)
    requests[count] = wrk.format(nil, nil, nil, line:sub(66))
  end
  local rate = args[3] and tonumber(args[3]:match("^([%d.]+)/s$"))
  if rate then
    local begun, planned = nil, 0
    function delay()
      begun = begun or milliseconds()
      planned = planned + 1
      return math.max(0, begun + planned * 1000 / rate - milliseconds())
    end
  elseif args[3] == "once" then
    local planned, answered, refused, begun = 0, 0, 0, nil
    function delay()
      begun = begun or milliseconds()
      planned = planned + 1
      return planned > count and 3600000 or 0
    end
    function response(status)
      answered = answered + 1
      refused = refused + (status == 200 and 0 or 1)
      if answered == count then
        tell(answered, (milliseconds() - begun) * 1000, refused, 0, 0, 0)
        os.exit(0) -- wrk itself would wait for the time that it was given
      end
    end
  elseif args[3] then
    local pause = tonumber(args[3])
    function delay() return pause end
  end
end

function request()
  at = at + 1
  if at > count then
    repeated = repeated + 1
  end
  return requests[math.max(at - 1, 0) % count + 1]
end

function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  local again = 0
  for _, thread in ipairs(threads) do
    again = again + thread:get("repeated")
  end
  tell(summary.requests, summary.duration, failed, again, latency:percentile(50), latency:percentile(99))
end
