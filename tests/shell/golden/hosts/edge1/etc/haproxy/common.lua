-- Written by the runbook. Functions that the other Lua scripts share.
NODES = {
    { name = "node1", proof = "proc.proof_1" },
    { name = "node2", proof = "proc.proof_2" },
}

-- HAProxy's monotonic clock, in seconds. Use this clock to measure durations: unlike `date`, the
-- clock never jumps.
function now()
    local time = core.now()
    return time.sec + time.usec / 1e6
end

-- The node's current address and port in HAProxy. Read at each call, because a deploy can change
-- them while HAProxy runs.
local function place(node)
    return core.backends["health"].servers[node.name]:get_addr():match("^(.*):(%d+)$")
end

-- Send GET `path` straight to a node, without queues or retries. Return whether the connection
-- opened, the status, and the first line of the body.
local function exchange(node, path, seconds)
    local socket = core.tcp()
    socket:settimeout(seconds / 4) -- HAProxy makes four connection attempts
    local address, port = place(node)
    local open = socket:connect(address, tonumber(port)) and true or false
    socket:settimeout(seconds)
    local sent = open and socket:send("GET " .. path .. " HTTP/1.0\r\nHost: localhost\r\n\r\n")
    local line = sent and socket:receive("*l")
    local status = line and line:match("^HTTP/1%.%d (%d+)")
    while line and line ~= "" and line ~= "\r" do
        line = socket:receive("*l")
    end
    local said = status and socket:receive("*l")
    socket:close()
    return open, status and tonumber(status), said
end

-- Send GET `path` to a node. Return whether the node accepts connections, the status, and what the
-- body says. Both are nil when no answer arrives within `seconds`.
-- A separate task does the request, and this function waits against the clock. Reason: when the
-- host is short of CPU, a socket can time out before HAProxy handles the socket, and then the
-- socket call never returns (HAProxy issue 3442). A user's request that waits for that call would
-- hang too.
function ask(node, path, seconds)
    local sure, open, status, said = nil, true, nil, nil
    core.register_task(function()
        sure, open, status, said = pcall(exchange, node, path, seconds)
    end)
    local latest = now() + 2 * seconds -- time to connect, plus time to answer
    while sure == nil and now() < latest do
        core.msleep(2)
    end
    return sure ~= false and open, status, said
end

WELL, SILENT, AWAY = "well", "silent", "away"

-- Probe a node now and return its state. WELL: the node works. SILENT: the node accepts connections
-- but does not answer. AWAY: anything else. A node that reports itself ill is taken out of service
-- here.
function state(node, seconds)
    local open, status, said = ask(node, "/ping", seconds)
    if not open then
        return AWAY
    end
    if status == 500 and (said or ""):find("I feel bad.", 1, true) then
        take_out(node.name)
    end
    -- 503: the node is at its rate limit, so alive.
    if status == 200 or status == 503 then
        return WELL
    end
    return status and AWAY or SILENT
end
