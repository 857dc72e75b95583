-- Written by the runbook. While the database is away every node answers 500 to what needs it, at
-- once, and to ask the other node only doubles the load. So such requests wait here, before they
-- are sent, until a read through any node works again.
-- seconds, from the outage's begin; longer ones are no restart, and then the app's own answer is
-- better
local PATIENCE = 6.0

local since = nil -- when the database was first found away; nil: it is there
local looking = false

-- Whether every node that answers at all says 500. One that does not: the fault is a node's, or its
-- own.
local function is_away()
    local bad = false
    for _, node in ipairs(NODES) do
        local _, said = ask(node, "{{ health.database_path }}", 1)
        if said and said ~= {{ health.database_unavailable }} then
            return false
        end
        bad = bad or said ~= nil
    end
    return bad
end

local function look()
    local sure, away = pcall(is_away)
    while sure and away do
        since = since or now()
        core.msleep(100)
        sure, away = pcall(is_away)
    end
    since, looking = nil, false
end

-- A 500 that no other node could better: is it the database?
core.register_action("doubt_database", { "http-res" }, function()
    if not looking then
        looking = true
        core.register_task(look)
    end
end)

core.register_action("await_database", { "http-req" }, function(txn)
    while since and now() - since < PATIENCE do
        core.msleep(20)
    end
    if since then
        txn:set_var("txn.database_away", true)
    end
end)
