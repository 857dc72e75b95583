"""What may be executed once only goes to a node that has just shown that it works; so a hung or
ill one costs hardly any POST."""

from __future__ import annotations

import time

from deployed import Deployed, seen_by, until
from edgetools import ask, operate
from healing import sicken
from labtools import Ssh
from users import Users


def test_a_post_does_not_go_to_a_node_that_hangs(edge: str, ssh: Ssh) -> None:
    """Nobody else asks: each POST must find out for itself, as long as the checks have not."""
    ssh("node1", "systemctl kill -s STOP bingo")
    answers = []
    while seen_by(ssh, "edge1")["node1"].startswith("UP"):
        answers.append(operate(edge, 7))
    assert len(answers) > 1, "the checks were faster than we"
    assert {answer.status for answer in answers} == {200}
    assert max(answer.seconds for answer in answers) < 1


def test_users_lose_no_more_posts_than_the_node_had_in_hand(edge: str, ssh: Ssh) -> None:
    with Users(edge, 120) as users:
        users.wait_for_answers(0.1)
        ssh("node1", "systemctl kill -s STOP bingo")
        until(
            lambda: seen_by(ssh, "edge1")["node1"].startswith("DOWN"), "edge1 to see node1 down", 10
        )
    print(f"\n{users.failed.total()} of {users.asked} failed")
    assert users.failed.total() <= 4  # 15 a second go there, for two seconds


def test_a_node_that_is_ill_is_found_out_by_reads(edge: str, deployed: Deployed, ssh: Ssh) -> None:
    """They are asked again elsewhere, so nobody has seen a failure yet; still the node is out,
    before a POST meets it."""
    began = time.time()
    sicken(deployed.lab, ssh, "node1")
    assert [ask(edge, "/db_dummy").status for _ in range(4)] == [200] * 4
    assert [operate(edge, 7).status for _ in range(8)] == [200] * 8
    log = ssh(
        "edge1", f"journalctl -q -u haproxy --since @{began:.3f} | grep 'health/node1 is DOWN'"
    ).out
    assert "Lua" in log.splitlines()[0]
