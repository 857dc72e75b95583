"""A firewall of others on a host whose firewall the runbook shall manage."""

from __future__ import annotations

import pytest

from fabfile.engine.shell import Reading
from fabfile.rollout.foreign_firewall import judge_firewall


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("listens\n", []),
        ("table inet runbook_egress\ntable netdev runbook_handover\nlistens\n", []),
        ("program ufw\ntable ip filter\nlistens\n", ["db1 has another firewall: ufw"]),
        (
            "table inet filter\ntable ip nat\nlistens\n",
            [
                "db1 has another firewall: nftables table inet filter and nftables table ip nat",
            ],
        ),
        ("", ["db1: nothing listens on its ssh port 22 or 2222"]),
    ],
)
def test_other_firewalls(out: str, said: list[str]) -> None:
    found = judge_firewall("db1", [22, 2222], Reading(out, 0))
    assert [error.problem for error in found] == said
    assert all("nothing was changed" in error.why and error.next for error in found)
