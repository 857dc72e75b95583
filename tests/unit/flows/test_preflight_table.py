"""The table of `fab preflight`."""

from __future__ import annotations

from fabfile.engine.errors import RunbookError
from fabfile.flows.preflight_table import Findings, group_rows, total_line

HOSTS = ["edge1", "node1", "db1"]


def findings() -> Findings:
    found = Findings()
    for host in HOSTS:
        found.add_errors(host, "system", [], "Debian 13")
        wrong = (
            [RunbookError(f"{host}: /etc is read-only", "why", "mount")] if host == "db1" else []
        )
        found.add_errors(host, "disks", wrong * 2, "9 GB free")
    found.add_errors("db1", "nftables", [], "not tried: no nft")
    return found


def test_rows_have_ids_of_their_own_and_a_verdict() -> None:
    rows = {row.id: row for row in findings().rows}
    assert len(rows) == len(findings().rows)
    assert rows["db1.disks"].held is False
    assert rows["db1.disks.2"].as_json()["next"] == "mount"
    assert rows["db1.disks"].seen == "/etc is read-only"
    assert rows["db1.nftables"].held is None
    assert rows["edge1.system"].held is True


def test_hosts_that_show_the_same_share_a_line() -> None:
    assert group_rows(findings().rows, HOSTS) == [
        ("system", True, "every host", "Debian 13"),
        ("disks", False, "db1", "/etc is read-only"),
        ("disks", True, "edge1 node1", "9 GB free"),
        ("nftables", None, "db1", "not tried: no nft"),
    ]


def test_the_last_line_counts_all() -> None:
    line = total_line(3, findings().rows, 1.234, 3)
    assert line == (
        "[bold]preflight[/]: 3 hosts · 5 held · 2 not held · 1 not tried · 1.23 s · 3 ssh sessions"
    )
