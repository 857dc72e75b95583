-- Written by the runbook. The app takes so many requests a second and node, pings included, and
-- what it does with the surplus is its own affair; so the surplus waits here, in the order of its
-- coming. Short of a node for a moment, users wait and nobody is refused. When it lasts, a queue
-- would only make all of them slow: then what does not fit is refused at once.
local RATE = 92 -- requests a second that one node gets
local PATIENCE = 5.0 -- seconds that a request may have to wait at most …
local GRACE = 15.0 -- … until for so many seconds there has always been somebody waiting;
local BRIEF = 0.15 -- from then on who would wait longer than this is refused
local CALM = 1.0 -- seconds without anybody waiting that end it
local BURST = 10 -- requests that may go at once after a pause

local issued, served = 0, 0.0 -- tickets given out; tickets whose turn has come
local looked, waiting_since, waited_last = 0.0, nil, 0.0
local in_service = #NODES -- nodes up when last looked

-- Requests a second that the nodes in service can take. With none, all of them are tried.
local function capacity(txn)
    local up = txn.f:nbsrv("health")
    if up > in_service and waiting_since then
        -- a node is back: what waits now can be served, and is no sign that the shortage lasts
        waiting_since = now()
    end
    in_service = up
    return RATE * (up > 0 and up or #NODES)
end

-- Moves the turns on; returns the capacity.
local function turn(txn)
    local time, rate = math.max(now(), looked), capacity(txn)
    served = math.max(math.min(served + (time - looked) * rate, issued + BURST), served)
    looked = time
    return rate
end

-- Whether one more may wait for `wait` seconds.
local function bearable(wait)
    local time = now()
    if wait > 0 then
        waiting_since, waited_last = waiting_since or time, time
    elseif waiting_since and time - waited_last > CALM then
        waiting_since = nil
    end
    local lasting = waiting_since ~= nil and time - waiting_since > GRACE
    return wait <= (lasting and BRIEF or PATIENCE)
end

-- One request out of turn, of our own, which the app counts like any other.
function spend()
    issued = issued + 1
end

-- Whether anybody waits for a turn.
function crowded()
    return issued > served
end

local function pace(txn)
    local rate = turn(txn)
    if not bearable((issued + 1 - served) / rate) then
        txn:set_var("txn.surplus", true)
        return
    end
    issued = issued + 1
    local ticket = issued
    while ticket > served do
        core.msleep(math.ceil(1000 * math.min((ticket - served) / rate, 0.1)))
        rate = turn(txn)
    end
end

core.register_action("pace", { "http-req" }, pace)
