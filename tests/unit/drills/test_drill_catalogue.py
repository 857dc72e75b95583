"""Which drills there are, who their victims are, and what is kept of them."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from samples import NODES, PROGRAM, balanced_site
from samples import site as a_site

from fabfile.control.external_balancer import ExternalBalancer
from fabfile.control.floating_address import FloatingAddress
from fabfile.control.front import OwnAddresses
from fabfile.drills import chosen_drills
from fabfile.drills.catalogue.register import BY_NAME, DRILLS, FOR_CHECK
from fabfile.drills.errors import NotPossible
from fabfile.drills.history import keep_result, kept_results, latest_results
from fabfile.drills.observer import AppSeen, EdgeSnapshot, Snapshot, parse_app, parse_edge
from fabfile.drills.result import FAILED, HELD, NOT_TRIED, DrillResult
from fabfile.drills.safety_nets import OFF, check_net
from fabfile.drills.table import show_history, show_list, show_results
from fabfile.drills.target import choose_victim
from fabfile.engine.errors import RunbookError
from fabfile.flows import drill as flow
from fabfile.menu import drills as menu
from fabfile.settings.project import LABS
from fabfile.settings.site_file import in_lab

APPS = NODES[2:4]


def test_the_menu_offers_every_drill() -> None:
    assert list(menu.NAMES) == list(BY_NAME)
    assert set(FOR_CHECK) < set(BY_NAME)
    assert len(BY_NAME) == len(DRILLS) == 32
    assert {"list", "all", "history", *BY_NAME} == set(menu.namespace.task_names)


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_a_drill_believes_something_and_ends(drill: object) -> None:
    one = BY_NAME[drill.name]  # type: ignore[attr-defined]
    assert one.hypothesis[0].isupper()
    assert one.hypothesis.endswith(".")
    assert one.rules
    assert set(one.requirements) <= {f"R{number}" for number in range(1, 23)}
    assert one.rate_of(PROGRAM.load) in (60, 120)
    assert (one.hold or 0) + one.patience <= 180 - 30, (
        "a host undoes the fault after 180 s, not in the middle of a drill"
    )
    assert "on a real site after" in one.describe_abort(PROGRAM.load)


def test_an_unknown_drill_is_refused() -> None:
    with pytest.raises(RunbookError, match="no drill called app-eaten"):
        chosen_drills(["app-killed", "app-eaten"])
    with pytest.raises(RunbookError, match="--without luck"):
        check_net("luck")
    assert set(OFF) == {"healer", "retries", "proof", "guard"}


# -- victims


def snapshot(
    edge1: str, edge2: str = "0 node1=UP node2=UP", app: str = "MainPID=7 SubState=running"
) -> Snapshot:
    return Snapshot(
        {"edge1": parse_edge(edge1), "edge2": parse_edge(edge2)},
        {"node1": parse_app(app), "node2": parse_app(app)},
    )


def test_what_hosts_say_is_understood() -> None:
    assert parse_edge("1 node1=UP node2=DOWN_1/2") == EdgeSnapshot(
        True, {"node1": "UP", "node2": "DOWN_1/2"}
    )
    assert parse_edge("0") == EdgeSnapshot(False, {})
    assert parse_app("MainPID=12 SubState=start-post") == AppSeen(12, False)
    assert parse_app("MainPID=0 SubState=auto-restart") == AppSeen(0, False)


@pytest.mark.parametrize(
    ("edge1", "edge2", "victim"),
    [
        ("1 node1=UP node2=UP", "0 node1=UP node2=UP", "node1"),
        ("1 node1=UP node2=UP", "0 node1=DOWN node2=UP", "node1"),  # who serves counts
        ("0 node1=UP node2=UP", "1 node1=UP_1/3 node2=UP", "node1"),
        ("1 node1=DRAIN node2=UP", "0 node1=UP node2=UP", ""),
        ("1", "0 node1=UP node2=UP", ""),
    ],
)
def test_the_victim_is_a_node_that_can_be_spared(edge1: str, edge2: str, victim: str) -> None:
    if victim:
        assert choose_victim(APPS, snapshot(edge1, edge2)).name == victim
        return
    with pytest.raises(NotPossible, match="fewer than two app nodes serve"):
        choose_victim(APPS, snapshot(edge1, edge2))


FLOATING = FloatingAddress("192.0.2.10")
WELL = snapshot("1 node1=UP node2=UP")


@pytest.mark.parametrize(
    ("seen", "well", "words"),
    [
        (WELL, True, ""),
        (snapshot("1 node1=UP node2=DOWN"), False, "edge1 saw node2 DOWN"),
        (snapshot("1"), False, "the balancer of edge1 did not answer"),
        (snapshot("0 node1=UP node2=UP"), False, ""),  # nobody holds the address
        (snapshot("1 node1=UP node2=UP", "1 node1=UP node2=UP"), False, ""),  # both do
        (
            snapshot("1 node1=UP node2=UP", app="MainPID=7 SubState=start-post"),
            False,
            "the app of node1 was not ready",
        ),
        (dataclasses.replace(WELL, apps={"node1": None}), False, "the app of node1 was not ready"),
        (dataclasses.replace(WELL, edges={"edge1": None}), False, "edge1 did not answer"),
    ],
)
def test_when_all_is_well(seen: Snapshot, well: bool, words: str) -> None:
    """The words are about hosts: an address that moved is no host's fault."""
    assert seen.is_well(FLOATING) is well
    assert seen.describe_unwell() == words


BOTH_UP = "1 node1=UP node2=UP"


@pytest.mark.parametrize(
    ("edge1", "edge2", "noticed"),
    [
        (BOTH_UP, "0 node1=UP node2=UP", False),
        (
            "1 node1=UP_1/2 node2=UP",
            "0 node1=UP node2=UP",
            False,
        ),  # it has its doubts, and sends there still
        ("1 node1=DOWN node2=UP", "0 node1=UP node2=UP", True),
        (BOTH_UP, "0 node1=DOWN node2=UP", False),  # only the edge that serves nobody
        ("1", "0 node1=UP node2=UP", True),
        (BOTH_UP, "1 node1=UP node2=UP", True),
    ],
)
def test_who_must_take_note(edge1: str, edge2: str, noticed: bool) -> None:
    assert snapshot(edge1, edge2).has_noticed_since(snapshot(BOTH_UP)) is noticed


@pytest.mark.parametrize(
    ("edge2", "well", "noticed"),
    [
        (BOTH_UP, True, False),
        ("0 node1=UP node2=UP", False, False),  # not the edge that is watched
        ("drained node1=UP node2=UP", True, False),
    ],
)
def test_behind_a_balancer_every_edge_serves_unless_it_is_drained(
    edge2: str, well: bool, noticed: bool
) -> None:
    before, seen = snapshot(BOTH_UP, BOTH_UP), snapshot(BOTH_UP, edge2)
    assert seen.is_well(ExternalBalancer(balanced_site())) is well
    assert seen.has_noticed_since(before) is noticed
    assert snapshot("0 node1=UP node2=UP", BOTH_UP).has_noticed_since(before)


def test_a_site_with_one_edge_needs_no_floating_address() -> None:
    assert snapshot("0 node1=UP node2=UP").is_well(OwnAddresses())
    assert snapshot("0 node1=UP node2=UP").serving_edge == "edge1"


# -- a real site


def test_a_site_that_is_no_lab_is_spared_unless_really_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    monkeypatch.setattr(flow, "run_some", lambda *args, **options: made.append(options))
    site, options = a_site(), {"json": None, "report": "", "without": ""}
    with pytest.raises(RunbookError, match="sample is no lab") as caught:
        flow.run_drills(site, ["app-killed"], yes_really=False, **options)  # type: ignore[arg-type]
    assert "--yes-really" in caught.value.next
    assert not made
    assert flow.run_drills(site, ["app-killed"], yes_really=True, **options) == 0  # type: ignore[arg-type]
    lab = dataclasses.replace(site, path=LABS / "3" / "site.toml")
    assert not in_lab(site)
    assert in_lab(lab)
    assert flow.run_drills(lab, ["app-killed"], yes_really=False, **options) == 0  # type: ignore[arg-type]
    assert len(made) == 2


# -- what is kept


def result(name: str, started: float, verdict: str = HELD, **more: object) -> DrillResult:
    return DrillResult(
        name, "Nobody notices.", started=started, verdict=verdict, requests=900, **more
    )  # type: ignore[arg-type]


def test_results_are_kept_in_order_and_read_again(tmp_path: Path) -> None:
    first, second = (
        result("app-hung", 1000.0, FAILED, why="x"),
        result("app-hung", 2000.0, recover_s=9.5),
    )
    other = result("app-killed", 1500.0, without="retries")
    for one in (second, first, other, result("edge-off", 1600.0, NOT_TRIED)):
        keep_result(tmp_path, one)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "odd.json").write_text(json.dumps({"name": "x"}))
    assert kept_results(tmp_path) == [first, other, second]
    assert kept_results(tmp_path, ["app-killed"]) == [other]
    assert latest_results(kept_results(tmp_path)) == [second]
    assert kept_results(tmp_path / "nothing") == []


def shown(show: object, *things: object) -> str:
    out = Console(file=io.StringIO(), width=140, highlight=False, soft_wrap=True)
    show(out, *things)  # type: ignore[operator]
    text: str = out.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_people_are_told() -> None:
    failed = result(
        "app-hung",
        2000.0,
        FAILED,
        why="failed GETs: 3 of 9, allowed 0",
        failed={"R5": {"status 503": 3}},
    )
    told = shown(
        show_results,
        [failed, result("edge-off", 0.0, NOT_TRIED, why="no switch"), result("db-killed", 0.0)],
    )
    assert "✗ app-hung: failed GETs: 3 of 9, allowed 0" in told
    assert "app-hung, failed: R5 3 status 503" in told
    assert "edge-off not tried: no switch" in told
    assert "1 held · 1 FAILED · 1 not tried" in told
    trend = shown(show_history, [failed, result("app-hung", 3000.0, recover_s=9.5)])
    assert "✗✓" in trend
    assert "– → 9.5 s" in trend
    assert "app-killed" in shown(show_list, DRILLS, PROGRAM.load)
