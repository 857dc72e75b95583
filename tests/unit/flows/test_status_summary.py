"""The quiet facts of `fab status`: what is known, and what is not known and why."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from samples import NODES, site

from fabfile.control.clocks import ClockOffset
from fabfile.engine.host import Node
from fabfile.engine.problem import Problem
from fabfile.flows.status_summary import summarise_site
from fabfile.health.host import HostStatus
from fabfile.settings.inventory import Inventory
from fabfile.settings.settings import Settings

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.fixture
def settings() -> Settings:
    return site()


def watched(settings: Settings) -> Settings:
    """The same site with a monitoring host."""
    monitor = Node("mon1", "192.0.2.41", ("monitoring",))
    return replace(settings, inventory=Inventory((*NODES, monitor)))


def deploy_line(minutes: int, task: str = "deploy") -> str:
    moment = (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"time": moment, "task": task, "who": "ann@laptop", "run": f"run{minutes}"})


def test_the_newest_deploy_of_all_hosts_is_named(settings: Settings) -> None:
    hosts = [
        HostStatus("node1", ("app",), facts={"deploy": deploy_line(90)}),
        HostStatus("node2", ("app",), facts={"deploy": deploy_line(7, "rollback")}),
        HostStatus("db1", ("postgres",), facts={"deploy": '{"time": "2026-11-2'}),
    ]
    summary = summarise_site(settings, hosts, NOW)
    assert summary["last deploy"] == "7 min ago: rollback by ann@laptop, run run7"


def test_the_shortest_certificate_and_the_worst_clock_count(settings: Settings) -> None:
    hosts = [
        HostStatus("edge1", ("edge",), facts={"certificate": "89"}, clock=ClockOffset(0.1, 0.2)),
        HostStatus("edge2", ("edge",), facts={"certificate": "12"}, clock=ClockOffset(-2.0, 0.3)),
        HostStatus("node1", ("app",), facts={"log": str(31 << 20)}),
    ]
    summary = summarise_site(settings, hosts, NOW)
    assert summary["certificate"] == "12 days left on edge1, edge2"
    assert summary["clocks"] == "within 2.3 s of this machine's"
    assert summary["app's log"] == "31 MB at most"


def test_what_a_healer_did_is_told_with_its_age(settings: Settings) -> None:
    act = f"{NOW.timestamp() - 125} restart done (hang): serving again after 6.6 s"
    hosts = [HostStatus("node1", ("app",), facts={"act": act}), HostStatus("node2", ("app",))]
    summary = summarise_site(settings, hosts, NOW)
    assert summary["healers"] == ("node1 2 min ago: restart done (hang): serving again after 6.6 s")


SILENT = Problem("Alertmanager does not answer: which alerts fire is not known", down=False)
STUCK = Problem(
    "Prometheus has recorded nothing for 70 s: which alerts fire is not known", down=False
)


@pytest.mark.parametrize(
    ("monitor", "text"),
    [
        (HostStatus("mon1", ("monitoring",)), "none fires"),
        (HostStatus("mon1", ("monitoring",), alerts=[Problem("alert clock: x")]), "1 firing"),
        (HostStatus("mon1", ("monitoring",), reachable=False), "not known: mon1 is unreachable"),
        (
            HostStatus("mon1", ("monitoring",), problems=[SILENT]),
            "not known: Alertmanager does not answer",
        ),
        (
            HostStatus("mon1", ("monitoring",), problems=[STUCK]),
            "not known: Prometheus has recorded nothing for 70 s",
        ),
    ],
)
def test_alerts_are_known_or_the_reason_is(
    settings: Settings, monitor: HostStatus, text: str
) -> None:
    assert summarise_site(watched(settings), [monitor], NOW)["alerts"] == text


def test_a_site_without_monitoring_knows_of_no_alert(settings: Settings) -> None:
    text = summarise_site(settings, [], NOW)["alerts"]
    assert text == "not known: the site has no monitoring host"
