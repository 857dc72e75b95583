-- Written by the runbook. A good answer from a node proves that the node works, and proves it
-- sooner than a health check. This file uses that proof in two ways:
-- 1. While no node works, requests wait for the first node that works again. A killed app is back
--    within a second, so an error at once would be too early.
-- 2. A request other than GET must be executed once only, so it cannot be retried when no answer
--    arrives. Such a request goes only to a node that has just proved that it works, by an answer
--    to any request or to a probe sent now. (The checks need two seconds to detect a hang. Without
--    proof, every POST sent to the node in that time would be lost.)
-- READ, ONCE: the age in ms up to which an answer is proof for a GET, and for any other request.
local READ, ONCE = 30, 10
{% if edge.node_rate %}
-- The same in ms for every request while requests queue: nodes then answer in bursts every 50 ms.
local AT_LIMIT = 100
{% endif %}
local WAITING = 60 -- the same in ms for a waiting request, which tries every 50 ms
local SOON = 0.15 -- seconds within which a node must answer a probe
local PATIENCE = 5.0 -- seconds from the start of an outage that requests wait

local turn = 0 -- round robin counter
local asked = {} -- time of each node's last failed probe; all requests share it

local function drained(node)
    return core.backends["health"].servers[node.name]:is_draining()
end

local function proven(txn, node, fresh)
    local age = txn.f:date(0, "ms") - (txn:get_var(node.proof) or 0)
    return math.abs(age) <= {{ "(crowded() and AT_LIMIT or fresh)" if edge.node_rate else "fresh" }}
end

-- Probe a node and return its state. Return nil when another request's probe just failed or runs.
local function asked_now(txn, node)
    if asked[node.name] and now() - asked[node.name] < SOON then
        return nil
    end
    asked[node.name] = now() + 1 -- no other probe until this one ends, or for 1.15 s
{% if edge.node_rate %}
    spend()
{% endif %}
    local found = state(node, SOON)
    if found == WELL then
        txn:set_var(node.proof, txn.f:date(0, "ms"))
    end
    asked[node.name] = found ~= WELL and now() or nil
    return found
end

local function serves(txn, node)
    return txn.f:srv_is_up("health/" .. node.name) ~= 0 and not drained(node)
end

-- For a GET: the first node that works.
local function any(txn, fresh)
    for _, node in ipairs(NODES) do
        if serves(txn, node) and proven(txn, node, fresh) then
            return node.name
        end
    end
    for _, node in ipairs(NODES) do
        local found = serves(txn, node) and asked_now(txn, node)
        -- SILENT is good enough: a GET that gets no answer is retried on another node.
        if found == WELL or found == SILENT then
            return node.name
        end
    end
end

-- For other requests: the next node, round robin, that is proved to work.
local function next_one(txn, fresh)
    turn = turn + 1
    for number = 1, #NODES do
        local node = NODES[(turn + number) % #NODES + 1]
        if serves(txn, node) and (proven(txn, node, fresh) or asked_now(txn, node) == WELL) then
            return node.name
        end
    end
end

local since = nil -- start of the outage of all nodes; nil: a node works
local watched = false

-- Probe the nodes until one works, so that the outage ends even when no request arrives.
local function watch()
    if watched then
        return
    end
    watched = true
    core.register_task(function()
        local there = false
        while not there do
            core.msleep(500)
            for _, node in ipairs(NODES) do
                there = there or (not drained(node) and state(node, SOON) == WELL)
            end
        end
        since, watched = nil, false
    end)
end

-- Return the node that `choose` finds, and wait for a node if there is none. PATIENCE counts from
-- the start of the outage, so a request that arrives late in a long outage does not wait. Return ""
-- when no node works in time.
local function await(txn, choose, fresh)
    local came = now()
    while true do
        local node = choose(txn, fresh)
        if node then
            since = nil
            return node
        end
        since = since or now()
        watch()
        if now() - math.min(since, came) > PATIENCE then
            return ""
        end
        core.msleep(50)
        fresh = WAITING
    end
end

core.register_action("await_node", { "http-req" }, function(txn)
    await(txn, any, READ)
end)

core.register_action("choose_node", { "http-req" }, function(txn)
    -- "": HAProxy then chooses a server by its usual algorithm.
    txn:set_var("txn.node", await(txn, next_one, ONCE))
end)
