"""Alerts and dashboards of programs that lack what bingo has."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from other_sites import BARE, FEEDS, JOBS, site_of

from fabfile.alerts.rulefile import render_rules
from fabfile.console.next_step import list_incidents
from fabfile.dashboards.catalogue import list_dashboards
from fabfile.roles.figures import histogram_bounds
from fabfile.settings.service import Service


def rules(program: Service) -> list[dict[str, Any]]:
    text = yaml.safe_load(render_rules(site_of(program, watched=True), {}))
    return [rule for group in text["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("program", [FEEDS, JOBS, BARE], ids=lambda one: one.name)
def test_every_rule_asks_something(program: Service) -> None:
    assert all(rule["expr"].strip() for rule in rules(program))


def test_an_objective_without_a_requirement_is_named_by_its_endpoint() -> None:
    named = {rule["labels"].get("requirement") for rule in rules(FEEDS) if "alert" in rule}
    assert {"entry", "feed", "category_new", "healthcheck"} <= named
    assert {FEEDS.load.p90_ms / 1000} <= set(histogram_bounds(FEEDS))


def test_there_is_no_alert_and_no_graph_about_what_does_not_exist() -> None:
    pages = {rule["alert"] for rule in rules(BARE) if "alert" in rule}
    assert not [page for page in pages if page.startswith("db-")]
    assert "cache-stale" not in pages
    boards = {board.name: board for board in list_dashboards(BARE)}
    assert list(boards) == ["service", "nodes", "edges", "cache"]
    assert [tile.title for tile in boards["cache"].tiles] == ["certificate ends in"]


def test_every_measured_endpoint_has_a_graph_and_an_incident() -> None:
    board = list_dashboards(FEEDS)[0]
    titles = {graph.title for graph in board.graphs}
    assert {one.title for one in FEEDS.measured} <= titles
    assert {one.id for one in FEEDS.measured} <= list_incidents(FEEDS).keys()
