-- Written by the runbook. Retries help while one node is bad. When all are slow they multiply the
-- load that made them so, and hold them down. So they have a budget, of requests that were asked
-- again, whatever came of it.
local BUDGET = 200 -- more than a hung node causes until its checks fail …
-- … and so many of it come back each second: less than a fifth of what the nodes take
local REFILL = 20

local spent, counted, looked = 0, 0, 0.0

core.register_action("retry_budget", { "http-req" }, function(txn)
    local count, time = txn:get_var("proc.retried") or 0, now()
    spent = math.max(0, spent - (time - looked) * REFILL) + count - counted
    counted, looked = count, time
    if spent > BUDGET then
        txn:set_var("txn.no_retry", true)
    end
end)
