-- Written by the runbook. A node that says it is ill will say so to everybody until it is
-- restarted: it is out of service at once, in every backend, and comes back by its checks like any
-- other. (Checks alone need up to 1.3 s, in which POSTs fail.)
function take_out(name)
    core.backends["health"].servers[name]:check_force_down()
end

-- An answer that another node could not better says so itself.
core.register_action("report_ill", { "http-res" }, function(txn)
    local name = (txn.f:srv_name() or ""):gsub("^panic%-", "")
    if core.backends["health"].servers[name] then
        take_out(name)
    end
end)

-- One that was asked again elsewhere is gone by now: it is known only that some node was no help.
-- So all of them are asked.
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
