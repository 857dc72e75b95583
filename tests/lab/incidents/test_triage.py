"""Triage names each cause that is made here by hand, and says so when nothing is wrong. All share
one deployed lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deployed import Deployed, until
from labtools import Runner, Ssh

MOST_SECONDS = 15  # 5 on a machine that does nothing else
SQL = "runuser -u postgres -- psql -q bingo -c"
APP = "systemctl {} runbook-healer bingo"


class Incident(NamedTuple):
    name: str
    host: str
    make: str
    mend: str
    evidence: str


INCIDENTS = (
    Incident(
        "db-locked",
        "db1",
        "systemd-run -qG --unit=blocker -p User=postgres sh -c"
        " '(echo \"BEGIN; LOCK TABLE public.movies;\"; sleep 300) | psql bingo'; sleep 2",
        "systemctl stop blocker 2>/dev/null || true",
        "has locked movies",
    ),
    Incident(
        "db-slow",
        "db1",
        f"{SQL} 'DROP INDEX movies_id'",
        f"{SQL} 'CREATE INDEX IF NOT EXISTS movies_id ON public.movies USING btree (id)'",
        "movies_id is missing",
    ),
    Incident("db-down", "db1", "systemctl stop postgresql@*", "systemctl start postgresql", "is "),
    Incident("app-down", "node1", APP.format("stop"), APP.format("start"), "bingo.service"),
    Incident(
        "edge-down", "edge2", "systemctl stop nginx", "systemctl start nginx", "nginx.service"
    ),
    Incident(
        "cache-stale",
        "edge1",
        "systemctl stop runbook-refresher",
        "systemctl start runbook-refresher",
        "runbook-refresher",
    ),
    Incident(
        "edge-drift",
        "edge2",
        "cp -p /etc/haproxy/haproxy.cfg /root/kept; echo '# by hand' >>/etc/haproxy/haproxy.cfg",
        "cp -p /root/kept /etc/haproxy/haproxy.cfg",
        "haproxy.cfg",
    ),
    Incident(
        "disk-full",
        "db1",
        "mount -t tmpfs -o size=1m tmpfs /var/log/runbook; head -c 2m /dev/zero"
        " >/var/log/runbook/ballast || true",
        "umount -l /var/log/runbook",
        "is full",
    ),
)


REMOVED_BY_ACT = ("db-locked", "db-slow", "db-down", "edge-drift", "cache-stale")
"""Incidents whose own task must remove them; the others are only named."""


@pytest.fixture
def calm(deployed: Deployed, run_fab: Runner) -> Iterator[None]:
    """The deployed lab, all of it well before and after."""
    until(lambda: run_fab("status").code == 0, "the lab to be well", 90)
    yield
    until(lambda: run_fab("status").code == 0, "the lab to be well again", 90)


def read_triage(
    run_fab: Runner, tmp_path: Path, task: str = "triage", *options: str
) -> dict[str, Any]:
    path = tmp_path / "triage.json"
    # An act may be a deploy, and its effect is waited for.
    limit = 120 if options else MOST_SECONDS
    outcome = run_fab(f"incident.{task}", "--json", str(path), *options, timeout=limit)
    assert "Traceback" not in outcome.err, outcome
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {**report, "code": outcome.code, "out": outcome.out}


def test_nothing_wrong_is_an_answer(calm: None, run_fab: Runner, tmp_path: Path) -> None:
    report = read_triage(run_fab, tmp_path)
    assert (report["causes"], report["unknown"], report["code"]) == ([], [], 0)
    assert "nothing is wrong" in report["out"]


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.name)
def test_a_cause_is_named(
    calm: None, run_fab: Runner, ssh: Ssh, tmp_path: Path, incident: Incident
) -> None:
    ssh(incident.host, incident.make)
    options = ("--yes", "--reason", "trial") if incident.name in REMOVED_BY_ACT else ()
    try:
        report = read_triage(run_fab, tmp_path, incident.name if options else "triage", *options)
    finally:
        ssh(incident.host, incident.mend)
    first = report["causes"][0]
    assert (first["name"], first["host"]) == (incident.name, incident.host), report["out"]
    assert incident.evidence in first["evidence"]
    if options:
        assert (report["gone"], report["code"]) == (True, 0), report["out"]
    else:
        assert report["code"] != 0


def test_one_incident_is_asked_for_and_another_is_the_case(
    calm: None, run_fab: Runner, ssh: Ssh, tmp_path: Path
) -> None:
    ssh("node2", APP.format("stop"))
    try:
        report = read_triage(run_fab, tmp_path, "db-locked")
    finally:
        ssh("node2", APP.format("start"))
    assert (report["causes"], report["code"]) == ([], 0)
    assert "no sign of db-locked" in report["out"]
    assert list(Path(report["evidence"]).glob("db1-database.txt"))
