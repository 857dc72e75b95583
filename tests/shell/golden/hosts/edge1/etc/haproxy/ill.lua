-- Written by the runbook. A node that says it is ill will say so to everybody until it is restarted: it is out of service at
-- once, in every backend, and comes back by its checks like any other. (Checks alone need up to 1.3 s, in which POSTs fail.)
core.register_action("report_ill", { "http-res" }, function(txn)
    local name = (txn.f:srv_name() or ""):gsub("^panic%-", "")
    local server = core.backends["health"].servers[name]
    if server then
        server:check_force_down()
    end
end)
