-- Written by the runbook. Which nodes work is known from their answers, sooner than from any check.
-- While none does, requests wait for the first: an app that was killed is back within a second, and
-- a refusal would come too early. And what may be executed once only cannot be asked again when no
-- answer comes, so it goes only to a node that has just shown that it works, by a right answer to
-- anybody, or by one to us now. (A hang is seen by the checks after two seconds. Until then every
-- POST that the node gets would be lost.)
-- ms for which an answer is proof to a read, and to what is executed once …
local READ, ONCE = 30, 10
-- … or to all, where every turn is taken: nodes then answer in bursts, every 50 ms …
local AT_LIMIT = 100
local WAITING = 60 -- … or to who waits, and looks every 50 ms
local SOON = 0.15 -- seconds within which a node must answer us
local PATIENCE = 5.0 -- seconds of an outage that are waited for

local turn = 0 -- nodes take turns
local asked = {} -- when each was last asked in vain; one asks for all

local function drained(node)
    return core.backends["health"].servers[node.name]:is_draining()
end

local function proven(txn, node, fresh)
    local age = txn.f:date(0, "ms") - (txn:get_var(node.proof) or 0)
    return math.abs(age) <= (crowded() and AT_LIMIT or fresh)
end

-- How a node is, asked now, unless somebody just has, in vain.
local function asked_now(txn, node)
    if asked[node.name] and now() - asked[node.name] < SOON then
        return nil
    end
    asked[node.name] = now() + 1 -- until it has answered, or we are gone
    spend()
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

-- Any that works will do …
local function any(txn, fresh)
    for _, node in ipairs(NODES) do
        if serves(txn, node) and proven(txn, node, fresh) then
            return node.name
        end
    end
    for _, node in ipairs(NODES) do
        local found = serves(txn, node) and asked_now(txn, node)
        -- a read that gets no answer is asked again elsewhere
        if found == WELL or found == SILENT then
            return node.name
        end
    end
end

-- … or the next one that does.
local function next_one(txn, fresh)
    turn = turn + 1
    for number = 1, #NODES do
        local node = NODES[(turn + number) % #NODES + 1]
        if serves(txn, node) and (proven(txn, node, fresh) or asked_now(txn, node) == WELL) then
            return node.name
        end
    end
end

local since = nil -- when it was first found that no node works; nil: one does
local watched = false

-- The outage ends also when nobody asks for anything meanwhile.
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

-- What `choose` finds, waited for if need be. All who wait count from the outage's begin, so that
-- nobody waits for what has long been away.
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
    -- empty: the balancer chooses as for any other
    txn:set_var("txn.node", await(txn, next_one, ONCE))
end)
