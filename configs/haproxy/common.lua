-- Written by the runbook. What the other scripts share.
NODES = {
{% for node in nodes %}
    { name = "{{ node.name }}", proof = "proc.proof_{{ loop.index }}" },
{% endfor %}
}

-- Seconds of a clock of HAProxy's own, for spans of time. (It is not `date`: it never jumps.)
function now()
    local time = core.now()
    return time.sec + time.usec / 1e6
end

-- Where a node is, as HAProxy sees it just now: a deploy can move it while HAProxy runs.
local function place(node)
    return core.backends["health"].servers[node.name]:get_addr():match("^(.*):(%d+)$")
end

-- What a node answers to GET `path`, past queues and retries.
local function exchange(node, path, seconds)
    local socket = core.tcp()
    socket:settimeout(seconds / 4) -- HAProxy tries four times to connect
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

-- Whether it takes connections, the status, the first line; the last two are nil when no answer
-- comes within `seconds`. Asked by a task, and waited for by the clock: a socket whose time is over
-- before HAProxy gets to it (the host is short of processor time) never ends (HAProxy issue 3442),
-- and a user's request that waited for that socket would not either.
function ask(node, path, seconds)
    local sure, open, status, said = nil, true, nil, nil
    core.register_task(function()
        sure, open, status, said = pcall(exchange, node, path, seconds)
    end)
    local latest = now() + 2 * seconds -- to connect, and to answer
    while sure == nil and now() < latest do
        core.msleep(2)
    end
    return sure ~= false and open, status, said
end

WELL, SILENT, AWAY = "well", "silent", "away"

-- How a node is, asked now: SILENT takes connections and does not answer. One that says it is ill
-- is out of service by that.
function state(node, seconds)
    local open, status, said = ask(node, "{{ health.path }}", seconds)
    if not open then
        return AWAY
    end
    if status == {{ health.ill_status }} and (said or ""):find("{{ health.ill_body }}", 1, true) then
        take_out(node.name)
    end
    if status == {{ health.status }} or status == {{ health.busy }} then -- {{ health.busy }}: at its limit, so it works
        return WELL
    end
    return status and AWAY or SILENT
end
