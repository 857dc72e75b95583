"""How `fab status` reads and ends: one line a host at 80 columns, each problem once with its
command, exit codes, JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from samples import NODES, site

from fabfile.control.front import EdgeState
from fabfile.control.haproxy_stats import Server
from fabfile.engine.errors import Unreachable
from fabfile.engine.fleet import Fleet
from fabfile.engine.host import Node
from fabfile.engine.problem import Problem
from fabfile.engine.shell import Reading
from fabfile.flows import status as task
from fabfile.flows.status_table import current_notes, describe_duty, gather_problems, show_hosts
from fabfile.health import host as hosts
from fabfile.health.host import HostStatus
from fabfile.health.overview import drop_explained
from fabfile.health.unit_state import UnitState
from fabfile.health.verdict import (
    exit_code,
    find_address_problem,
    find_balancer_problems,
    find_drain_problems,
    find_pending_problems,
    find_split_views,
)

RELEASE = "releases/55abd3744e3f"
FACTS = {"load": "12.66", "mem": "100", "disk": "100", "release": RELEASE}
UP, DOWN = (
    {name: Server(name, state, 2, 0) for name in ("node1", "node2")} for state in ("UP", "DOWN")
)


def lab(**changes: dict[str, object]) -> list[HostStatus]:
    """Five hosts that are well, but for `changes` by name."""
    made = []
    for node in NODES:
        host = HostStatus(node.name, node.roles, facts=dict(FACTS))
        if "edge" in node.roles:
            host.servers = dict(UP)
            host.edge = EdgeState(node.name, True, node.name == "edge2", True, True)
        if "postgres" in node.roles:
            host.units = {
                "postgresql@17-main.service": UnitState(
                    "postgresql@17-main.service", active="active"
                )
            }
        for key, value in changes.get(node.name, {}).items():
            setattr(host, key, value)
        made.append(host)
    return made


def shown(
    found: list[HostStatus], width: int, *, verbose: bool = False, site: tuple[Problem, ...] = ()
) -> list[str]:
    """What a terminal of `width` columns shows, line by line."""
    out = Console(file=io.StringIO(), width=width, highlight=False)
    show_hosts(out, found, site, {}, verbose=verbose)
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def test_five_hosts_that_are_well_are_six_lines_of_80_columns() -> None:
    assert shown(lab(), 80) == [
        "host   roles     state   load   mem  disk  release       what it does",
        "edge1  edge      well   12.66  100%  100%  55abd3744e3f  stands by",
        "edge2  edge      well   12.66  100%  100%  55abd3744e3f  holds the address",
        "node1  app       well   12.66  100%  100%  55abd3744e3f  UP on both edges",
        "node2  app       well   12.66  100%  100%  55abd3744e3f  UP on both edges",
        "db1    postgres  well   12.66  100%  100%  55abd3744e3f  PostgreSQL runs",
    ]


LONG = Problem(
    "PostgreSQL does not use our listen_addresses: /var/lib/postgresql/17/main/postgresql.auto.conf"
    " overrules it, line 3",
    "on db1: runuser -u postgres -- psql -c 'ALTER SYSTEM RESET listen_addresses'; then fab -H db1"
    " deploy",
)


@pytest.mark.parametrize("width", [80, 120])
def test_only_a_command_may_be_longer_than_a_line(width: int) -> None:
    found = lab(
        db1={"problems": [LONG]},
        node1={
            "reachable": False,
            "facts": {},
            "problems": [Problem("cannot be reached", "ping 192.0.2.21")],
        },
        edge1={"drained": {"node2": "operator ann"}, "servers": DOWN},
        edge2={"drained": {"node2": "operator ann"}, "servers": DOWN},
    )
    lines = shown(found, width)
    assert f"    {LONG.next}" in lines, "to be copied as it is"
    assert max(len(line) for line in lines if LONG.next not in line) <= width
    assert not [line for line in lines if "…" in line], "nothing is cut off"
    text = " ".join(line.strip() for line in lines)
    assert f"✗ db1: {LONG.message} {LONG.next}" in text
    node2 = next(line for line in lines if line.startswith("node2"))
    assert node2.endswith("drained")


def test_nothing_is_broken_where_no_terminal_reads() -> None:
    out = Console(file=io.StringIO(), width=80, highlight=False, soft_wrap=True)
    show_hosts(out, lab(db1={"problems": [LONG]}), (), {}, verbose=False)
    assert isinstance(out.file, io.StringIO)
    assert f"✗ db1: {LONG.message}\n    {LONG.next}\n" in out.file.getvalue()


def test_units_are_shown_when_asked_for() -> None:
    assert not any("postgresql@" in line for line in shown(lab(), 120))
    lines = shown(lab(), 120, verbose=True)
    assert "db1      postgresql@17-main.service active, 0 restarts, since the host booted" in lines
    assert "edge1    sees node1 UP, 2 in flight, 0 queued" in lines


def test_what_several_hosts_say_alike_is_told_once_and_what_is_down_first() -> None:
    waits, down = (
        Problem("holds node1 drained: operator ann", "x", down=False),
        Problem("no way through", "y"),
    )
    found = lab(edge1={"problems": [waits]}, edge2={"problems": [waits, down]})
    assert gather_problems(found, [Problem("no edge holds it")]) == [
        ("", Problem("no edge holds it")),
        ("edge2", down),
        ("edge1, edge2", waits),
    ]


@pytest.mark.parametrize(
    ("name", "changes", "does"),
    [
        ("node1", {"edge1": {"servers": DOWN}}, "DOWN edge1, UP edge2"),
        ("node1", {"edge1": {"reachable": False, "servers": {}}}, "UP on edge2"),
        ("node1", {"edge1": {"servers": {}}, "edge2": {"servers": {}}}, ""),
        ("node1", {"edge1": {"healing": ["node1"]}, "edge2": {"healing": ["node1"]}}, "restarting"),
        (
            "edge1",
            {"edge1": {"edge": EdgeState("edge1", True, False, True, True, "operator ann")}},
            "drained",
        ),
        (
            "edge1",
            {"edge1": {"edge": EdgeState("edge1", True, False, True, False)}},
            "cannot take over",
        ),
        ("edge1", {"edge1": {"edge": None}}, "sees 2 of 2 nodes UP"),
        ("db1", {"db1": {"units": {}}}, ""),
        ("db1", {"db1": {"reachable": False}}, ""),
    ],
)
def test_what_a_host_does_is_only_what_somebody_was_asked(
    name: str, changes: dict[str, dict[str, object]], does: str
) -> None:
    found = lab(**changes)
    assert describe_duty(next(host for host in found if host.host == name), found) == does


def test_a_healer_at_work_and_a_lock_are_no_problem_but_told() -> None:
    found = lab(
        node1={"healer": "restart put off: the peer is down", "lock": "ann: deploy"},
        node2={"healer": "the app is well", "lock": "ann: deploy"},
    )
    assert list(current_notes(found)) == [
        "node1, node2: locked by ann: deploy",
        "node1: healer: restart put off: the peer is down",
    ]


# -- judgements


SYMPTOM, CAUSE, WAITS = (
    Problem("down", cause=False),
    Problem("full"),
    Problem("drained", down=False),
)


@pytest.mark.parametrize(
    ("problems", "code"),
    [
        ([], 0),
        ([SYMPTOM], 1),
        ([SYMPTOM, WAITS], 1),
        ([CAUSE], 2),
        ([SYMPTOM, CAUSE], 2),
        ([WAITS], 2),
    ],
)
def test_exit_codes(problems: list[Problem], code: int) -> None:
    assert exit_code(problems) == code


def test_a_node_that_is_out_on_purpose_is_not_down() -> None:
    edge = EdgeState("edge1", True, True, True, True)
    assert find_balancer_problems(UP, [], edge) == []
    assert [problem.message for problem in find_balancer_problems(DOWN, ["node1"], edge)] == [
        "the balancer sees node2 DOWN"
    ]
    assert [problem.next for problem in find_balancer_problems(DOWN, ["node1"], edge)] == [
        "fab -H node2 app.restart"
    ]
    assert len(find_balancer_problems({}, [], EdgeState("edge1", True, True, True, False))) == 2


def test_a_node_that_only_one_edge_sees_down_is_the_trouble_of_that_edge() -> None:
    (problem,) = find_split_views({"edge1": {**UP, "node2": DOWN["node2"]}, "edge2": UP})
    assert problem.message.startswith("edge1 sees node2 DOWN, edge2 sees it UP")
    assert problem.next.startswith("fab -H edge1 plan")
    assert (problem.incident, problem.about) == ("edge-drift", ("node2",))
    assert find_split_views({"edge1": DOWN, "edge2": DOWN}) == []
    assert find_split_views({"edge1": UP, "edge2": {}}) == []


def test_what_others_see_of_a_host_that_does_not_answer_is_no_problem_of_theirs() -> None:
    seen = find_balancer_problems({"node2": DOWN["node2"]}, [], None)
    hosts = lab(edge1={"problems": seen}, node2={"reachable": False})
    drop_explained(hosts, [])
    assert next(host for host in hosts if host.host == "edge1").problems == []
    hosts = lab(edge1={"problems": seen})
    drop_explained(hosts, [])
    assert next(host for host in hosts if host.host == "edge1").problems == seen


def test_who_is_out_and_what_is_pending_waits_for_a_person() -> None:
    away = EdgeState("edge1", True, False, True, True, "operator ann")
    found = find_drain_problems(
        "edge1", {"node1": "gate 2026: p90", "node2": "operator bob"}, ["node1"], away
    )
    assert [problem.next for problem in found] == [
        "fab -H edge1 undrain",
        "fab deploy, or fab rollback",
        "fab -H node2 undrain",
        "fab status   (again in a minute)",
    ]
    found += find_pending_problems(["postgresql@17-main.service.restart"])
    assert found[-1].message == "pending restart of postgresql@17-main.service"
    assert not any(problem.down for problem in found)


def test_exactly_one_edge_holds_the_address() -> None:
    one, two, none = (
        EdgeState("edge1", serves=True),
        EdgeState("edge2", serves=True),
        EdgeState("edge2"),
    )
    assert find_address_problem("192.0.2.10", [one, none]) is None
    both = find_address_problem("192.0.2.10", [one, two])
    nobody = find_address_problem("192.0.2.10", [none])
    assert both is not None
    assert both.message.startswith(
        "edge1 and edge2 both hold 192.0.2.10: they do not hear each other's VRRP adverts"
    )
    assert exit_code([both]) == 2
    assert nobody is not None
    assert nobody.message == "no edge holds 192.0.2.10: users get no answer"
    assert exit_code([nobody]) == 1


# -- the whole


class Hosts:
    """A fleet whose hosts answer every probe with nothing, and one of which cannot be reached."""

    def __init__(self, lost: str) -> None:
        self.lost, self.probes = lost, 0

    def read(self, node: Node, probes: list[str]) -> list[Reading]:
        if node.name == self.lost:
            raise Unreachable(f"{node.name} cannot be reached", "", f"ping {node.address}")
        return [Reading("", 0) for _ in probes]


def test_hosts_that_answer_nothing_are_not_called_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mute = Hosts("node2")

    class Mute:
        sessions = 5

        def __init__(self, node: Node) -> None:
            self.node = node

        def read(self, probes: list[str]) -> list[Reading]:
            return mute.read(self.node, probes)

    monkeypatch.setattr(Fleet, "link", lambda self, node: Mute(node))
    path = tmp_path / "status.json"
    assert task.show_status(site(), [], str(path)) == 4
    report = json.loads(path.read_text())
    assert list(report) == ["schema", "site", "trouble", "problems", "summary", "hosts"]
    by_name = {host["host"]: host for host in report["hosts"]}
    assert all(host["problems"] for host in by_name.values()), "nobody is well who said nothing"
    keys = {
        "roles",
        "reachable",
        "facts",
        "clock",
        "alerts",
        "units",
        "servers",
        "drained",
        "edge",
        "healer",
        "healing",
        "pending",
        "lock",
    }
    assert keys | {"host", "trouble", "problems"} <= set(by_name["edge1"]), "scripts rely on them"
    assert by_name["node2"]["trouble"] == ["node2 cannot be reached"]
    assert by_name["node2"]["problems"][0]["next"] == "ping 192.0.2.22"
    assert task.show_status(site(), ["node1"], None) == 2, (
        "its file systems are not known: a cause, not only a symptom"
    )


def test_the_last_words_of_a_healer_that_is_off_are_not_about_now() -> None:
    made = HostStatus("node1", ("app",))
    name = "runbook-healer.service"
    hosts._read_units(
        made, {name: UnitState(name, active="inactive", status="the app is well")}, [name]
    )
    assert made.healer == ""
    hosts._read_units(
        made, {name: UnitState(name, active="active", status="the app is well")}, [name]
    )
    assert made.healer == "the app is well"


@pytest.mark.parametrize(
    ("problems", "incident"),
    [
        ([], ""),
        ([Problem("holds node1 drained: operator ada", down=False)], ""),
        ([Problem("/var is full", incident="disk-full")], "disk-full"),
        (
            [Problem("/var is full", incident="disk-full"), Problem("no one knows why")],
            "disk-full",
        ),
        (
            [
                Problem("the app is down", incident="app-down"),
                Problem("the healer is off", incident="healer-off"),
            ],
            "app-down",
        ),
        ([Problem("no one knows why")], "triage"),
    ],
)
def test_status_names_the_incident_that_fits(problems: list[Problem], incident: str) -> None:
    seen = [HostStatus("node1", ("app",), problems=problems)]
    assert task.find_incident(site(), seen, []) == incident
