-- Written by the runbook. Each app node takes a limited number of requests per second, health
-- checks included; how the app handles more is unknown. So surplus requests wait here, first in,
-- first out. While a node is down for a short time, requests wait and none is refused. When the
-- shortage lasts, a queue would only make every request slow, so HAProxy refuses the surplus at
-- once.
local RATE = 92 -- requests per second for one node
local PATIENCE = 5.0 -- longest wait of a request, in seconds
local GRACE = 15.0 -- seconds with requests waiting all the time, until BRIEF applies
local BRIEF = 0.15 -- longest wait, in seconds, once the shortage has lasted for GRACE
local CALM = 1.0 -- seconds with no request waiting that end the shortage
local BURST = 10 -- requests that may pass at once after a quiet time

local issued, served = 0, 0.0 -- tickets issued; tickets that may pass
local looked, waiting_since, waited_last = 0.0, nil, 0.0
local in_service = #NODES -- nodes up at the last call

-- Requests per second that the nodes in service can take. When no node is up, HAProxy tries all of
-- them, so all of them count.
local function capacity(txn)
    local up = txn.f:nbsrv("health")
    if up > in_service and waiting_since then
        -- A node is back and can serve the waiting requests, so they do not mean that the shortage
        -- lasts.
        waiting_since = now()
    end
    in_service = up
    return RATE * (up > 0 and up or #NODES)
end

-- Advance `served` to the present time. Return the requests per second that may pass here.
local function turn(txn)
    local time, rate, burst = math.max(now(), looked), capacity(txn), BURST
    served = math.max(math.min(served + (time - looked) * rate, issued + burst), served)
    looked = time
    return rate
end

-- Whether one more request may wait for `wait` seconds.
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

-- Count a probe of our own, which does not queue: the app counts the probe as a request.
function spend()
    issued = issued + 1
end

-- Whether any request is waiting for its turn.
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
