-- Sends each request of a file once, in order: a line is a signature, a space, a body.
-- Arguments: the file, the API key, and the milliseconds that each connection pauses, none by default. Without more lines the run goes on with repeats, and says so.
local bodies, signatures, count, at, wrapped = {}, {}, 0, 0, 0

function init(args)
  for line in io.lines(args[1]) do
    count = count + 1
    signatures[count] = line:sub(1, 64)
    bodies[count] = line:sub(66)
  end
  if args[3] then
    local pause = tonumber(args[3])
    function delay() return pause end
  end
  wrk.method = "POST"
  wrk.path = "/api/status/create"
  wrk.headers["x-api-key"] = args[2]
  wrk.headers["content-type"] = "application/json"
end

function request()
  at = at + 1
  if at > count then
    at, wrapped = 1, wrapped + 1
  end
  wrk.headers["x-hmac-sha256-signature"] = signatures[at]
  return wrk.format(nil, nil, nil, bodies[at])
end

function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
