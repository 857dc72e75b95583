"""Objectives and rules: each can fire, none names a path of the program by hand, each says what
users feel, what to type and what to read."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from msgspec import structs
from places import PROJECT
from promtool_cases import CAUSES
from samples import PROGRAM, watched_site

import fabfile
import tasks
from fabfile.alerts.burning import burn_rules, rate_rules
from fabfile.alerts.objectives import WINDOWS, service_objectives
from fabfile.alerts.rulefile import render_rules
from fabfile.roles.figures import histogram_bounds
from fabfile.roles.monitoring import UNIT_PAGES

OBJECTIVES = list(service_objectives(PROGRAM))


def read_rules() -> dict[str, list[dict[str, Any]]]:
    """The file as Prometheus reads it: rules by group."""
    text = yaml.safe_load(render_rules(watched_site(), UNIT_PAGES))
    return {group["name"]: group["rules"] for group in text["groups"]}


ALERTS = [rule for rules in read_rules().values() for rule in rules if "alert" in rule]


def test_every_promise_is_watched() -> None:
    watched = {(one.endpoint.requirement, one.kind) for one in OBJECTIVES}
    timed = {"R4", "R5", "R6", "R7", "R8", "R16"}
    assert watched == {
        *((id, "errors") for id in PROGRAM.by_id if id != "R19"),
        *((id, "slow") for id in timed),
    }


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.long)
def test_every_limit_can_be_passed(window: Any) -> None:
    """14.4 times a budget of 10 % is more than all requests: such a rule could never fire."""
    assert all(one.budget <= one.limit(window) < 1 for one in OBJECTIVES)


def test_a_tenth_of_errors_is_above_the_fastest_limit() -> None:
    strict = [one for one in OBJECTIVES if one.kind == "errors" and one.budget <= 0.01]
    assert len(strict) > 8
    assert all(one.limit(WINDOWS[0]) < 0.1 for one in strict)


def test_each_bound_is_a_bound_of_the_histogram() -> None:
    """So a share needs no interpolation."""
    assert {one.within for one in OBJECTIVES if one.within} <= set(histogram_bounds(PROGRAM))


def test_the_rules_follow_the_service() -> None:
    other = structs.replace(
        PROGRAM,
        load=structs.replace(PROGRAM.load, p90_ms=250),
        endpoints=tuple(structs.replace(one, name=f"x_{one.name}") for one in PROGRAM.endpoints),
    )
    text = " ".join(
        [rule.expression for rule in rate_rules(other)]
        + [rule.expression for rule in burn_rules(other)]
    )
    assert 'le="0.25"' in text
    assert 'le="0.4"' not in text
    assert {name[:2] for name in re.findall(r'endpoint="(\w+)"', text)} == {"x_"}


def test_no_rule_names_a_path_by_hand() -> None:
    files = [*PROJECT.glob("fabfile/alerts/*.py"), *PROJECT.glob("configs/monitoring/*")]
    text = " ".join(path.read_text() for path in files)
    assert len(files) > 15
    assert not re.findall("|".join(re.escape(one.path) for one in PROGRAM.endpoints[:-1]), text)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_a_person_needs(alert: dict[str, Any]) -> None:
    said = alert["annotations"]
    assert set(said) == {"summary", "felt", "command", "page", "description"}
    assert f"type first: {said['command']}; read: fab runbook {said['page']}" in said["description"]
    assert (PROJECT / "docs/runbook" / f"{said['page']}.md").exists()
    assert alert["alert"] == said["page"]
    program, *words = re.sub(r"-H \{\{ \$labels.host \}\} ", "", said["command"]).split()
    menu = {"fab": fabfile.namespace, "inv": tasks.namespace}[program]
    assert words[0] in {name.replace("_", "-") for name in menu.task_names}
    assert alert["labels"]["severity"] in ("page", "inform")


def test_no_two_rules_are_one_alert() -> None:
    same = [(alert["alert"], str(alert["labels"])) for alert in ALERTS]
    assert len(same) > 90
    assert {one for one in same if same.count(one) > 1} == set()


def test_every_cause_has_a_case_for_promtool() -> None:
    """In which it fires: tests/promtool_cases.py; the lab runs it."""
    causes = [rule for rule in read_rules()["causes"] if "alert" in rule]
    rules = {
        (rule["alert"], rule["labels"]["severity"], rule["labels"].get("what", ""))
        for rule in causes
    }
    cases = {(case.name, case.severity, case.what) for case in CAUSES}
    disks = {one for one in rules if one[0] == "disk-full"}
    assert rules - disks <= cases
    assert sum(case.name == "disk-full" for case in CAUSES) == len(disks) == 4
