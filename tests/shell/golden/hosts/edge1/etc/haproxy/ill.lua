-- Written by the runbook. An ill node answers every request with the ill status until the app is
-- restarted. So HAProxy marks the node down at once, in every backend; the health checks mark it up
-- again. (The checks alone need up to 1.3 s to mark the node down, and POSTs would fail meanwhile.)
function take_out(name)
    core.backends["health"].servers[name]:check_force_down()
end

-- Runs when the answer that goes to the user is an ill node's answer: mark that node down.
core.register_action("report_ill", { "http-res" }, function(txn)
    local name = (txn.f:srv_name() or ""):gsub("^panic%-", "")
    if core.backends["health"].servers[name] then
        take_out(name)
    end
end)

-- Runs when a request was retried. HAProxy no longer knows which node failed, so this action probes
-- all nodes.
local asking = false
core.register_action("doubt_nodes", { "http-res" }, function()
    if asking then
        return
    end
    asking = true
    core.register_task(function()
        for _, node in ipairs(NODES) do
            state(node, 0.2)
        end
        core.msleep(200)
        asking = false
    end)
end)
