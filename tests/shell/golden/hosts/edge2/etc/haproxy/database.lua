-- Written by the runbook. While the database is down, every node answers with an error at once to
-- requests that need the database. A retry on another node would only double the load. So requests
-- that need the database wait here, before HAProxy sends them, until a database read through any
-- node works.
-- PATIENCE: seconds from the start of the outage. A longer outage is not a database restart; then
-- the requests go to the app, and users get the app's own error.
local PATIENCE = 6.0

local since = nil -- start of the outage; nil: the database is up
local looking = false

-- Whether the database is down: every node that answers at all answers with that error. If any node
-- gives another answer, the database is up, and the fault lies in one node or in one request.
local function is_away()
    local bad = false
    for _, node in ipairs(NODES) do
        local _, said = ask(node, "/db_dummy", 1)
        if said and said ~= 500 then
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

-- Runs when the final answer to a request has such a status. Starts a check of the database, unless
-- a check is already running.
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
