"""The firewall that the runbook manages: the service works behind it, a change by hand is drift,
and rules that lock us out do not stay."""

from __future__ import annotations

import pytest
from deployed import Deployed, Variant, complaint, until
from labtools import Outcome, Runner, Ssh

from fabfile.engine.errors import RunbookError
from fabfile.engine.link import Link
from fabfile.roles.firewall import FIREWALL_RULES, FIREWALL_TABLE
from fabfile.settings.reach import host_address
from fabfile.settings.site_file import load_settings
from fabfile.steps.firewall import ApplyRules

LOCKED_OUT = f"""table {FIREWALL_TABLE}
delete table {FIREWALL_TABLE}
table {FIREWALL_TABLE} {{
  chain input {{ type filter hook input priority 0; policy drop; iif lo accept; }}
}}
"""


def listed(ssh: Ssh, host: str) -> Outcome:
    return ssh(host, f"nft -s list table {FIREWALL_TABLE}; cat {FIREWALL_RULES}", check=False)


def test_a_managed_firewall(healed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant) -> None:
    managed = variant(**{"": {"firewall": "managed"}})
    try:
        ssh("db1", "nft add table inet other")
        found = complaint(run_fab("deploy", env=managed))
        assert found.seen == "db1 has another firewall: nftables table inet other"
        ssh("db1", "nft delete table inet other")

        assert run_fab("deploy", env=managed).code == 0
        assert run_fab("plan", env=managed).code == 0
        until(lambda: run_fab("status", env=managed).code == 0, "a site that is well", seconds=60)

        # Somebody opens a port by hand.
        ssh("db1", f"nft add rule {FIREWALL_TABLE} input tcp dport 9999 accept")
        plan = run_fab("plan", env=managed)
        assert plan.code == 2
        assert "firewall rules again: they were changed by hand" in plan.out
        assert "tcp dport 9999 accept" in plan.out
        assert run_fab("-H", "db1", "deploy", env=managed).code == 0
        assert "9999" not in listed(ssh, "db1").out

        before = listed(ssh, "node2")
        settings = load_settings(healed.lab.site)
        (node,) = settings.inventory.select(["node2"])
        link = Link(host_address(settings, node))
        with pytest.raises(RunbookError, match="no new ssh connection came through"):
            ApplyRules(FIREWALL_RULES, FIREWALL_TABLE, LOCKED_OUT).execute(link, print)
        assert listed(ssh, "node2") == before
    finally:
        ssh("db1", "nft delete table inet other", check=False)
        assert run_fab("deploy").code == 0
    assert listed(ssh, "db1").out == ""
