-- Written by the runbook. Retries help while one node is bad. When all nodes are slow, retries
-- multiply the load and keep the nodes slow. So retries have a budget. Each retried request counts,
-- whether or not the retry succeeded.
local BUDGET = 200 -- more than a hung node causes until its checks fail
-- Retries added back to the budget per second: less than a fifth of the nodes' capacity.
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
