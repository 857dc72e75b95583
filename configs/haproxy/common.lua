-- Written by the runbook. Functions that the other Lua scripts share.
NODES = {
{% for node in nodes %}
    { name = "{{ node.name }}", proof = "proc.proof_{{ loop.index }}" },
{% endfor %}
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

{% if requests %}
-- Requests for which the path does not say all.
local REQUESTS = {
{% for key, text in requests.items() %}
    ["{{ key }}"] = {{ text }},
{% endfor %}
}

{% endif %}
-- Send GET `path` straight to a node, without queues or retries. Return whether the connection
-- opened, the status, and the {{ "body" if reads_body else "first line of the body" }}.
local function exchange(node, path, seconds)
    local socket = core.tcp()
    socket:settimeout(seconds / 4) -- HAProxy makes four connection attempts
    local address, port = place(node)
    local open = socket:connect(address, tonumber(port)) and true or false
    socket:settimeout(seconds)
    local sent = open and socket:send({{ "REQUESTS[path] or " if requests else "" }}"GET " .. path .. " HTTP/1.0\r\nHost: localhost\r\n\r\n")
    local line = sent and socket:receive("*l")
    local status = line and line:match("^HTTP/1%.%d (%d+)")
    while line and line ~= "" and line ~= "\r" do
        line = socket:receive("*l")
    end
{% if reads_body %}
    local said = status and socket:receive({{ most }}) -- or less, if it ends before
{% else %}
    local said = status and socket:receive("*l")
{% endif %}
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
-- but does not answer. AWAY: anything else.{{ " A node that reports itself ill is taken out of service
-- here." if health.ill else "" }}
function state(node, seconds)
    local open, status, said = ask(node, "{{ name_page(health.live) }}", seconds)
    if not open then
        return AWAY
    end
{% if health.ill %}
    if status == {{ health.ill.status }} and (said or ""):find("{{ health.ill.body }}", 1, true) then
        take_out(node.name)
    end
{% endif %}
{% if checks_body(health.live) %}
    if ({{ is_among(health.live.status) }}) and ({{ is_right(health.live) }}) then
        return WELL
    end
{% endif %}
{% set well = health.busy if checks_body(health.live) else statuses %}
{% if well %}
{% if health.busy %}
    -- {{ health.busy | join(", ") }}: the node is at its rate limit, so alive.
{% endif %}
    if {{ is_among(well) }} then
        return WELL
    end
{% endif %}
    return status and AWAY or SILENT
end
