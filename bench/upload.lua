-- wrk -s upload.lua URL -- FILE TOKEN: posts FILE over and over; the last line printed is JSON.

function init(args)
    local file = assert(io.open(args[1], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    file:close()
    wrk.headers["Authorization"] = "Bearer " .. args[2]
    wrk.headers["Content-Type"] = "image/png"
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '{"uploads": %d, "seconds": %f, "p99_ms": %f, '
            .. '"refused": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3,
        errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
