"""An edge that serves and is half-dead: one of its daemons hangs, or a part of it."""

from __future__ import annotations

import json

import pytest
from deployed import Deployed, until
from floating import holder, vip
from labtools import Runner, Ssh
from users import Users

from lab.names import Lab


@pytest.mark.parametrize("name", ["haproxy-hung", "nginx-hung"])
def test_a_daemon_that_hangs_is_replaced_before_users_mind(
    floating: Lab, deployed: Deployed, run_fab: Runner, name: str
) -> None:
    outcome = run_fab(f"drill.{name}", "--json", "-")
    (row,) = json.loads(outcome.out)["drills"]
    assert row["verdict"] == "held", row["why"]
    assert {bound["what"] for bound in row["bounds"]} >= {
        "failed requests",
        "longest wait",
        "longest gap",
    }
    assert run_fab("plan").code == 0, "the host is as a deploy has left it"


@pytest.mark.parametrize(
    "victims",
    [
        "pgrep -f 'nginx: worker process' | head -n 1",
        "pgrep -f 'nginx: worker process'",
        "pgrep -f 'nginx: master process'",
        "pgrep -n -x haproxy",
        "pgrep -o -x haproxy",
    ],
    ids=["one-nginx-worker", "nginx-workers", "nginx-master", "haproxy-worker", "haproxy-master"],
)
def test_a_part_of_a_daemon_that_hangs_is_replaced_or_continued(
    floating: Lab, ssh: Ssh, victims: str
) -> None:
    edge = holder(floating, ssh)
    with Users(vip(floating), rate=60) as users:
        users.wait_for_answers(0.1)
        ssh(edge, f"kill -STOP $({victims})")
        until(lambda: not stopped(ssh, edge), "nothing on the edge is stopped any more", 10)
        until(lambda: ask_health(ssh, edge), "an answer through nginx and HAProxy", 10)
    assert users.failed.total() <= 20, users.failed
    assert users.gap <= 1
    assert holder(floating, ssh) == edge


def stopped(ssh: Ssh, host: str) -> str:
    """The processes that somebody has stopped."""
    return ssh(host, "ps -eo stat=,pid=,args= | grep '^T' || true").out


def ask_health(ssh: Ssh, host: str) -> bool:
    return (
        ssh(
            host, "curl -fs -o /dev/null --max-time 1 http://127.0.0.1/edge-health", check=False
        ).code
        == 0
    )
