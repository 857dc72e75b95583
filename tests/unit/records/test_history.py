"""What was done is read from journals and run folders, joined, and chosen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fabfile.engine.errors import RunbookError
from fabfile.engine.journal import Run
from fabfile.records.host_acts import gather_runs, parse_entries, parse_healer
from fabfile.records.moment import parse_since, show_age
from fabfile.records.own_acts import join_acts, read_run_folders
from fabfile.records.past_act import DONE, FAILED, NO_CHANGE, UNFINISHED, PastAct, select_acts

NOW = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)


def journal(run: Run, *events: tuple[str, str, str]) -> str:
    return "\n".join(run.entry(*event) for event in events)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", datetime(2026, 11, 29, 0, 58, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 28, 23, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("2026-11-29T00:30", datetime(2026, 11, 29, 0, 30, tzinfo=UTC)),
        ("2026-11-29T02:30+02:00", datetime(2026, 11, 29, 0, 30, tzinfo=UTC)),
    ],
)
def test_since_is_an_age_or_a_time(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "5 parrots", "-", "9999999999d"])
def test_since_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(RunbookError, match="is no moment"):
        parse_since(text, NOW)


def test_a_restart_keeps_who_and_why(tmp_path: Path) -> None:
    run = Run("app.restart", tmp_path, "it leaks", who="ann@desk")
    text = journal(run, ("begin", "unit app", "restart app"), ("changed", "unit app", "restarted"))
    (act,) = gather_runs({"node1": parse_entries(text)})
    assert (act.who, act.task, act.hosts, act.result, act.reason) == (
        "ann@desk",
        "app.restart",
        ("node1",),
        DONE,
        "it leaks",
    )


def test_a_password_in_a_reason_is_not_shown(tmp_path: Path) -> None:
    run = Run("app.restart", tmp_path, "test with password=hunter2")
    (act,) = gather_runs({"node1": parse_entries(journal(run, ("changed", "u", "restarted")))})
    assert "hunter2" not in repr(act)


def test_a_step_without_an_end_is_not_finished(tmp_path: Path) -> None:
    run = Run("deploy", tmp_path)
    text = journal(run, ("changed", "a", "made a"), ("begin", "b", "write b"))
    (act,) = gather_runs({"node1": parse_entries(text)})
    assert (act.result, act.text) == (UNFINISHED, "node1: began to write b")


def test_one_failure_makes_the_run_of_all_hosts_fail(tmp_path: Path) -> None:
    run = Run("deploy", tmp_path)
    good = parse_entries(journal(run, ("changed", "a", "made a")))
    bad = parse_entries(journal(run, ("begin", "b", "write b"), ("failed", "b", "disk full")))
    (act,) = gather_runs({"node1": good, "node2": bad})
    assert (act.hosts, act.result, act.text) == (("node1", "node2"), FAILED, "node2: disk full")


def test_lines_that_are_cut_off_or_foreign_are_left_out() -> None:
    assert parse_entries('{"time": "2026\nnot ours\n[1]\n{"x": 1}\n#healer\n') == []


def test_healers_acts_are_found_after_the_journal() -> None:
    start = "1795912397.12 node1 python3[9]: restart"
    lines = f"{start} done (hang): no answer for 3 s\n{start} failed: exit code 1\n{start} waits\n"
    act, failed = parse_healer("node1", f'{{"run": "x"}}\n#healer\n{lines}noise\n')
    assert (act.time, act.who, act.hosts, act.result) == (1795912397.12, "healer", ("node1",), DONE)
    assert act.text == "restart done (hang): no answer for 3 s"
    assert (failed.result, failed.text) == (FAILED, "restart failed: exit code 1")


def test_a_run_folder_adds_the_failure_that_no_host_wrote(tmp_path: Path) -> None:
    run = Run("deploy", tmp_path, who="ann@desk")
    (on_host,) = gather_runs({"node1": parse_entries(journal(run, ("changed", "a", "made a")))})
    report = {"exit": 4, "hosts": [{"host": "db1", "error": {"problem": "db1 does not answer"}}]}
    run.note("report.json", report)
    quiet = Run("plan", tmp_path)
    quiet.note("report.json", {"exit": 0, "hosts": [{"host": "db1", "steps": []}]})
    (tmp_path / "not-a-run").mkdir()
    acts = {act.run: act for act in join_acts([on_host], read_run_folders(tmp_path))}
    assert (acts[run.id].who, acts[run.id].result) == ("ann@desk", FAILED)
    assert acts[run.id].text == "db1 does not answer"
    assert acts[quiet.id].result == NO_CHANGE
    assert len(acts) == 2


def test_a_broken_report_is_no_reason_to_fail(tmp_path: Path) -> None:
    run = Run("deploy", tmp_path)
    run.make_path("report.json").write_text(json.dumps([1])[:-1], encoding="utf-8")
    (act,) = read_run_folders(tmp_path)
    assert (act.task, act.result) == ("deploy", NO_CHANGE)


def test_filters_choose_by_host_time_task_and_failure() -> None:
    old = PastAct(10, "ann", "deploy", ("node1", "db1"), FAILED)
    new = PastAct(20, "bob", "drill.app-hung", ("node2",), DONE)
    assert select_acts([new, old]) == [old, new]
    assert select_acts([old, new], hosts=["db1"]) == [old]
    assert select_acts([old, new], since=15) == [new]
    assert select_acts([old, new], task="drill") == [new]
    assert select_acts([old, new], failed=True) == [old]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago")],
)
def test_an_age_is_shown_in_the_largest_unit(seconds: int, text: str) -> None:
    assert show_age(seconds) == text
