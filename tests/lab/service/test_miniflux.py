"""Miniflux, a program that nobody here wrote: deployed, checked, migrated to a newer release and
taken back under load, from its service file alone. In a lab of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest
from deployed import assert_unchanged, until
from labtools import Outcome, Runner, as_current

from fabfile.settings.site_file import load_settings
from fabfile.traffic.headers import fill_headers
from fabfile.traffic.users import UserLoad
from lab import hosts
from lab.names import Lab

RATE = 30.0
"""Requests per second: two labs share this machine, and the gate is not to fail for that."""


@pytest.fixture(scope="module")
def feeds(lab: Lab) -> Iterator[Lab]:
    with as_current(Lab(lab.number + 60)) as feeds:
        hosts.down()
        hosts.up(service="services/miniflux")
        yield feeds
        hosts.down()


def deploy_under_load(lab: Lab, run_fab: Runner, task: str) -> tuple[Outcome, int, Counter[str]]:
    """Run `task` while users call the service; what it said, the requests, and those that failed,
    by how."""
    settings = load_settings(lab.site)
    headers = fill_headers(settings.program, settings.secrets)
    with UserLoad(settings.service, settings.program, RATE, {}, headers) as users:
        until(lambda: users.is_calm(1.0), "users who are served")
        outcome = run_fab(task)
        until(lambda: users.is_calm(2.0), "users who are served")
    assert users.error is None
    failed = Counter(f"{one.endpoint} {one.error}" for one in users.samples if not one.ok)
    return outcome, len(users.samples), failed


def test_it_is_deployed_and_checked_from_its_service_file(feeds: Lab, run_fab: Runner) -> None:
    deployed = run_fab("deploy")
    assert deployed.code == 0, deployed
    assert "migrate miniflux" in deployed.out
    assert_unchanged(run_fab("deploy"))
    assert run_fab("status").code == 0
    checked = run_fab("check", "--quick", "--json", "-")
    rows = {row["id"]: row["held"] for row in json.loads(checked.out)["rows"]}
    assert checked.code == 0, checked
    assert {"entry", "category_new", "bookmark", "R3", "R14", "R18", "R22"} <= rows.keys()
    assert [id for id, held in rows.items() if held is False] == []


def test_a_newer_release_and_the_way_back_fail_no_request(
    feeds: Lab, run_fab: Runner, run_inv: Runner
) -> None:
    assert run_inv("lab.release", "next").code == 0
    for task in ("deploy", "rollback"):
        outcome, asked, failed = deploy_under_load(feeds, run_fab, task)
        assert outcome.code == 0, outcome
        print(f"\n{task}: {asked} requests, failed: {dict(failed)}")
        assert asked > 1000
        assert failed == {}
