"""Whether the app's log stays small: what `fab status` says of its rotation, and row R22."""

from __future__ import annotations

import pytest

from fabfile.acceptance.row import Verdict
from fabfile.acceptance.rows.hosts import log_row
from fabfile.engine.shell import Reading
from fabfile.flows.host_facts import find_journal_bound, find_log_bound
from fabfile.health import logs

NOW = 1_795_883_306


def seen(**changes: str | int) -> str:
    """A host's answer; well but for `changes`."""
    fields = {
        "used": 900,
        "free": 10**12,
        "timer": "active",
        "now": NOW,
        "Result": "success",
        "ExecMainStatus": 0,
        "ActiveState": "inactive",
        "StateChangeTimestamp": f"@{NOW - 20}",
        "files": 1,
        "size": 64,
        "bytes": 900,
        **changes,
    }
    return "".join(f"{key}={value}\n" for key, value in fields.items() if value != "")


FAILED = {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": 3}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"StateChangeTimestamp": ""}, ""),
        (FAILED, "the last rotation failed: exit-code 3"),
        (
            {**FAILED, "words": 'error: skipping "x" because = insecure'},
            'the last rotation failed: skipping "x" because = insecure',
        ),
        ({"timer": "inactive"}, "runbook-logrotate.timer is inactive"),
        ({"timer": ""}, "runbook-logrotate.timer is not known to systemd"),
        (
            {"StateChangeTimestamp": f"@{NOW - 301}"},
            "the last run was at 16:23:25 UTC (5 min ago), but the timer should start a run every"
            " minute",
        ),
        ({"size": ""}, "/etc/runbook/logrotate.conf has no size limit"),
        ({"files": 0}, ""),
        ({"bytes": 90_000_000}, "the log has 85 MB, but should be rotated at 64 MB"),
    ],
)
def test_a_rotation_that_does_not_work(changes: dict[str, str | int], fault: str) -> None:
    text = seen(**changes)
    assert logs.parse_rotation(text).fault == fault
    row = log_row({"node1": find_log_bound(text, limit_mb=64, log_known=True)})
    assert (row.verdict, row.why) == (
        (Verdict.FAILED, f"node1: {fault}") if fault else (Verdict.HELD, "")
    )


def test_the_journal_has_a_bound_of_its_own() -> None:
    text = "used=16777216\nlimit=4294967296\nfree=8589934592\n"
    assert log_row({"node1": find_journal_bound(text)}).verdict == Verdict.HELD
    full = text.replace("free=8589934592", "free=1000")
    assert "the disk is full before" in log_row({"node1": find_journal_bound(full)}).why
    assert "has not written its bound" in log_row({"node1": find_journal_bound("")}).why


def test_the_largest_log_counts() -> None:
    assert logs.parse_rotation(seen() + "bytes=90000000\nbytes=3\n").largest == 90_000_000


def test_status_tells_what_the_units_do_not() -> None:
    assert logs.judge_rotation("node1", Reading(seen(), 0)) == []
    assert logs.judge_rotation("node1", Reading(seen(timer="inactive"), 0)) == [], (
        "health/units.py says so"
    )
    (late,) = logs.judge_rotation("node1", Reading(seen(StateChangeTimestamp=f"@{NOW - 3600}"), 0))
    assert late.message.startswith(
        "the app's log is not bounded: the last run was at 15:28:26 UTC (1 h ago)"
    )
    assert not late.down


def test_another_size_than_the_site_file_has_is_no_proof() -> None:
    row = log_row({"node1": find_log_bound(seen(size=640), limit_mb=64, log_known=True)})
    assert row.why == "node1: it is rotated at 640 MB, not at 64 MB"
