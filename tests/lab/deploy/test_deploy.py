"""The deploy on real hosts: once is enough, plan tells the truth, one host is one host, and two
controllers agree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from deployed import (
    NODES,
    Deployed,
    Variant,
    assert_unchanged,
    drained,
    files,
    journal,
    totals,
    until,
    untouched,
)
from labtools import Runner, Ssh

from lab import hosts
from lab.names import HOSTS

CONFIG = "/opt/bingo/config.yaml"
VERBOSE = "/etc/ssh/sshd_config.d/verbose.conf"


def test_the_first_deploy_makes_everything_the_second_changes_nothing(deployed: Deployed) -> None:
    assert "Traceback" not in deployed.first.out + deployed.first.err
    assert totals(deployed.first)["host"] == len(HOSTS)
    assert_unchanged(deployed.second)
    assert totals(deployed.second)["ssh session"] == len(HOSTS)


def test_a_second_deploy_is_one_ssh_session_a_host_says_the_server(
    deployed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    for name in HOSTS:
        ssh(name, f"echo LogLevel VERBOSE >{VERBOSE}; systemctl reload ssh")
    try:
        marks = {
            name: ssh(name, "journalctl -n0 --show-cursor | sed -n 's/^-- cursor: //p'").out.strip()
            for name in HOSTS
        }
        assert_unchanged(run_fab("deploy"))
        for name in HOSTS:
            seen = ssh(
                name, f"journalctl -o cat --after-cursor='{marks[name]}' -g '^Starting session: '"
            ).out.splitlines()
            commands = [line for line in seen if "command" in line]
            assert len(commands) == 2, seen  # the deploy's, and the one that asked
    finally:
        for name in HOSTS:
            ssh(name, f"rm -f {VERBOSE}; systemctl reload ssh")


def test_plan_shows_what_was_done_by_hand_and_deploy_undoes_it(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    right = files(ssh, "node1"), files(ssh, "edge1")
    ssh(
        "node1",
        "sed -i 's/^student_email: .*/student_email: me@example.com/; s/password: .*/password:"
        f" typed-by-hand/' {CONFIG}",
    )
    ssh("edge1", "sed -i 's/^ *timeout queue .*/    timeout queue 77s/' /etc/haproxy/haproxy.cfg")
    wrong = untouched(ssh)

    plan = run_fab("plan")

    assert plan.code == 2
    assert "-student_email: me@example.com" in plan.out
    assert "+student_email: test@example.com" in plan.out
    assert "-    timeout queue 77s" in plan.out
    assert "restart bingo.service" in plan.out
    assert "reload haproxy.service" in plan.out
    assert "typed-by-hand" not in plan.out + plan.err
    assert password(healed) not in plan.out + plan.err
    assert totals(plan)["to change"] == 5  # and the gate after the restart

    dry = run_fab("--dry", "deploy")
    assert dry.code == 2
    assert totals(dry)["to change"] == 5
    assert run_fab("status").code == 0
    assert untouched(ssh) == wrong

    assert run_fab("deploy").code == 0
    assert (files_but_ours(files(ssh, "node1")), files_but_ours(files(ssh, "edge1"))) == tuple(
        map(files_but_ours, right)
    )


OURS = ("/var/log/runbook", "/var/lib/runbook/previous", "/var/lib/runbook/drained")


PROOF = "/proven.json"
"""When and with which figures a release passed the gate."""


def files_but_ours(found: dict[str, str]) -> dict[str, str]:
    """Without what a deploy itself adds to: its journal, the kept previous versions, its notes."""
    return {
        path: said
        for path, said in found.items()
        if not path.startswith(OURS) and not path.endswith(PROOF)
    }


def password(deployed: Deployed) -> str:
    return (deployed.lab.folder / "secrets/db-password").read_text().strip()


def test_one_named_host_is_the_only_one_touched(
    healed: Deployed, run_fab: Runner, ssh: Ssh
) -> None:
    for name in HOSTS:
        ssh(name, "chmod 0700 /usr/lib/runbook")
    others = tuple(name for name in HOSTS if name != "node1")
    before = untouched(ssh, others)

    outcome = run_fab("-H", "node1", "deploy")

    assert outcome.code == 0
    assert totals(outcome)["host"] == 1
    assert totals(outcome)["changed"] == 1
    assert ssh("node1", "stat -c %a /usr/lib/runbook").out == "755\n"
    assert untouched(ssh, others) == before


def test_another_controller_finds_everything_right(
    deployed: Deployed, run_fab: Runner, tmp_path: Path
) -> None:
    shutil.move(deployed.runs, tmp_path / "elsewhere")
    try:
        assert_unchanged(run_fab("deploy"))  # what discovery found out lies on the nodes
        assert (deployed.runs / "facts.json").read_text() == (
            tmp_path / "elsewhere/facts.json"
        ).read_text()
    finally:
        shutil.rmtree(deployed.runs)
        shutil.move(tmp_path / "elsewhere", deployed.runs)


def test_status_tells_well_from_waiting_from_sick_from_gone(
    deployed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant
) -> None:
    soon = variant(ssh={"timeout": 2.0})

    def report() -> tuple[int, dict[str, list[str]]]:
        outcome = run_fab("status", "--json", "-", env=soon)
        return outcome.code, {
            host["host"]: host["trouble"] for host in json.loads(outcome.out)["hosts"]
        }

    assert report() == (0, {name: [] for name in HOSTS})

    assert run_fab("-H", "node1", "drain", "--reason", "just so").code == 0
    assert run_fab("status").code == 2
    assert "node1 drained: operator" in run_fab("status").out
    assert "just so" in run_fab("status").out
    assert_unchanged(run_fab("deploy"))  # what an operator drained stays drained
    assert drained(ssh) == ["node1"]
    assert run_fab("-H", "node1", "undrain").code == 0
    assert run_fab("status").code == 0

    ssh("node2", "systemctl stop bingo")
    until(lambda: "the balancer sees node2 DOWN" in str(report()), "the balancer to miss node2")
    assert report()[0] == 1
    assert report()[1]["node2"][0].startswith("bingo.service is inactive since ")
    assert run_fab("deploy").code == 0
    until(lambda: report()[0] == 0, "node2 to be well")

    hosts.power_off("node2")
    try:
        code, trouble = report()
        assert code == 4
        assert "cannot be reached" in trouble["node2"][0]
        assert trouble["node1"] == []
    finally:
        hosts.power_on("node2")
    until(lambda: run_fab("status").code == 0, "node2 to be back", 60)


REPORTING = (
    ("fab", "deploy", 0),
    ("fab", "plan", 0),
    ("fab", "status", 0),
    ("fab", "app.discover", 0),
    ("inv", "db.setup", 0),
    ("inv", "db.seed", 0),
    ("inv", "db.indexes", 0),
    ("inv", "db.tune", 0),
    ("inv", "db.status", 0),
    ("inv", "lab.status", 0),
)


@pytest.mark.parametrize(("program", "task", "code"), REPORTING, ids=lambda value: str(value))
def test_json_on_stdout_is_nothing_but_json(
    deployed: Deployed, run_fab: Runner, run_inv: Runner, program: str, task: str, code: int
) -> None:
    outcome = (run_fab if program == "fab" else run_inv)(task, "--json", "-")
    assert outcome.code == code, outcome
    assert isinstance(json.loads(outcome.out), dict)


def test_two_nodes_have_the_same_files(deployed: Deployed, ssh: Ssh) -> None:
    """Discovery made some of them on node1 before their steps did."""
    one, two = (
        files_but_ours(
            files(
                ssh,
                name,
                "/opt /srv/app/current /srv/app/current/ /etc/runbook /etc/systemd/system"
                " /usr/lib/runbook",
            )
        )
        for name in NODES
    )
    assert {path for path in one.keys() | two.keys() if one.get(path) != two.get(path)} == {
        "/etc/runbook/healer.conf"
    }
    assert journal(ssh, "node2")[0]["run"] == journal(ssh, "db1")[0]["run"]
