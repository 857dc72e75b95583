"""A task that fails names the incident that fits, or triage; every name can be typed."""

from __future__ import annotations

import io

import pytest
from places import PROJECT
from rich.console import Console
from samples import PROGRAM

from fabfile.console.next_step import (
    BY_DRILL,
    BY_ROLE,
    PAGES_ONLY,
    TRIAGE,
    choose_incident,
    describe_next_step,
    list_incidents,
    match_errors,
    match_names,
    show_next_step,
)
from fabfile.engine.errors import Locked, RunbookError, Unreachable
from fabfile.menu import drills, incidents
from fabfile.rollout.gate import BadRelease
from fabfile.settings.inventory import ROLES
from fabfile.settings.requirements import list_requirements

BY_REQUIREMENT = list_incidents(PROGRAM)
NAMED = {*BY_DRILL.values(), *BY_REQUIREMENT.values(), *BY_ROLE.values()} - {TRIAGE}
PAGES = {path.stem for path in (PROJECT / "docs/runbook").glob("*.md")}


def test_every_name_is_a_task_or_only_a_page_and_has_a_page() -> None:
    assert NAMED <= PAGES
    assert PAGES_ONLY | set(incidents.NAMES) >= NAMED
    assert PAGES - set(incidents.NAMES) >= PAGES_ONLY


def test_the_tables_are_about_what_exists() -> None:
    assert list(BY_DRILL) == list(drills.NAMES)
    assert BY_REQUIREMENT.keys() <= {requirement.id for requirement in list_requirements(PROGRAM)}
    assert set(BY_ROLE) == set(ROLES)


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ([], ""),
        (["db-down"], "db-down"),
        (["db-down", "db-down"], "db-down"),
        (["db-down", "app-down"], TRIAGE),
        ([TRIAGE, "app-down"], TRIAGE),
    ],
)
def test_several_causes_are_a_matter_for_triage(found: list[str], chosen: str) -> None:
    assert choose_incident(found) == chosen


def test_requirements_that_failed_together() -> None:
    assert match_names(["R6", "R8"], BY_REQUIREMENT) == "db-slow"
    assert match_names(["R6", "R16"], BY_REQUIREMENT) == TRIAGE
    assert match_names(["R16"], BY_REQUIREMENT) == "cache-stale"
    assert match_names(["R18"], BY_REQUIREMENT) == TRIAGE
    assert match_names([], BY_REQUIREMENT) == ""


@pytest.mark.parametrize(
    ("failed", "at_end", "chosen"),
    [
        ([], [], ""),
        ([(["app"], Unreachable("gone"))], [], "node-down"),
        ([(["postgres"], Unreachable("gone"))], [], "db-down"),
        ([(["postgres"], RunbookError("refused"))], [], TRIAGE),
        ([(["app"], Unreachable("gone")), (["edge"], Unreachable("gone"))], [], TRIAGE),
        ([(["app"], BadRelease("p90", code=5))], [], "bad-release"),
        ([(["app"], Locked("by ada"))], [], ""),
        ([], [RunbookError("users get no answer")], TRIAGE),
    ],
)
def test_errors_of_a_rollout(
    failed: list[tuple[list[str], RunbookError]], at_end: list[RunbookError], chosen: str
) -> None:
    assert match_errors(failed, at_end) == chosen


def test_the_line_can_be_typed() -> None:
    assert describe_next_step("db-down").startswith("fab incident.db-down ")
    assert "fab runbook db-down" in describe_next_step("db-down")
    assert describe_next_step("healer-off") == "fab runbook healer-off"
    assert describe_next_step(TRIAGE).startswith("fab incident.triage ")


def test_nothing_found_prints_nothing() -> None:
    out = Console(file=io.StringIO())
    show_next_step(out, "")
    assert out.file.getvalue() == ""  # type: ignore[attr-defined]
    show_next_step(out, "clock")
    assert out.file.getvalue().startswith("next: fab incident.clock ")  # type: ignore[attr-defined]
