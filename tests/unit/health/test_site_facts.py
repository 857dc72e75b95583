"""Alerts, certificates, clocks and what happened last: parsed and judged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from fabfile.engine.shell import Reading
from fabfile.health.alerts import NOT_KNOWN, judge_answer, judge_recording, read_alerts
from fabfile.health.certificate import judge_certificate, read_days
from fabfile.health.clock import find_clock_problems, read_offset
from fabfile.health.recent import read_recent


def alert(name: str, severity: str, **labels: str) -> dict[str, object]:
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} is so", "command": f"fab incident.{name}"},
    }


def answer(*alerts: dict[str, object]) -> Reading:
    return Reading(json.dumps(alerts), 0)


def test_an_alert_is_a_problem_with_command_and_page() -> None:
    (problem,) = read_alerts(answer(alert("db-locked", "page", host="db1")))
    assert problem.message == "alert db-locked: db-locked is so"
    assert problem.next == "fab incident.db-locked   (fab runbook db-locked)"
    assert problem.down


@pytest.mark.parametrize("command", ["fab status", "fab -H db1 status"])
def test_an_alert_that_sends_to_status_sends_on_to_its_page(command: str) -> None:
    row = alert("app-slow", "page")
    row["annotations"] = {"summary": "slow", "command": command}
    (problem,) = read_alerts(answer(row))
    assert problem.next == "fab runbook app-slow"


def test_of_one_rule_in_several_windows_the_worst_remains() -> None:
    alerts = [alert("errors", word, endpoint="x") for word in ("inform", "page", "inform")]
    (problem,) = read_alerts(answer(*alerts))
    assert problem.down
    assert len(read_alerts(answer(*alerts, alert("errors", "inform", endpoint="y")))) == 2


def test_an_alert_that_informs_is_a_warning() -> None:
    (problem,) = read_alerts(answer(alert("log-rotation", "inform")))
    assert not problem.down


@pytest.mark.parametrize("text", ["", "<html>", '{"status": "error"}', "[1]", '[{"labels": {}}]'])
def test_no_answer_is_told_and_is_no_calm(text: str) -> None:
    (problem,) = judge_answer("mon1", Reading(text, 0))
    assert "not known" in problem.message
    assert read_alerts(Reading(text, 0)) == []


def test_an_answer_without_alerts_is_well() -> None:
    assert judge_answer("mon1", answer()) == []


@pytest.mark.parametrize(
    ("newest", "said"),
    [
        ('{"data": {"headStats": {"maxTime": 940000}}}', ""),
        ('{"data": {"headStats": {"maxTime": -9223372036854775808}}}', ""),
        ('{"data": {"headStats": {"maxTime": 930000}}}', "recorded nothing for 70 s"),
        ('{"data": {"headStats": {"maxTime": 1300000}}}', "from 300 s in the future"),
        ("", "does not answer"),
        ("[]", "does not answer"),
    ],
)
def test_a_prometheus_that_records_nothing_is_seen(newest: str, said: str) -> None:
    problems = judge_recording("mon1", Reading(f"1000\n{newest}", 0))
    assert bool(problems) == bool(said)
    assert all(said in one.message and one.message.endswith(NOT_KNOWN) for one in problems)


def ends_in(days: float) -> Reading:
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    return Reading(f"notAfter={end.strftime('%b %d %H:%M:%S %Y')} GMT\n", 0)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (89, []),
        (21, []),
        (20, ["the certificate ends in 20 days and was not renewed"]),
        (-2, ["the certificate has expired"]),
    ],
)
def test_a_certificate_is_judged_by_its_days(days: int, words: list[str]) -> None:
    assert [problem.message for problem in judge_certificate(ends_in(days), 21)] == words


@pytest.mark.parametrize("text", ["", "notAfter=soon"])
def test_no_certificate_is_a_problem(text: str) -> None:
    (problem,) = judge_certificate(Reading(text, 0), 21)
    assert problem.message == "no certificate is served by https"


def test_days_left_are_a_fact() -> None:
    assert read_days(ends_in(89)) == {"certificate": "89"}
    assert read_days(Reading("", 0)) == {}


@pytest.mark.parametrize(
    ("host_time", "words"),
    [
        ("1000.2", []),
        ("1001.9", []),  # may be 0.9 s: not certain
        ("1002.4", ["its clock is 2 s ahead of this machine's"]),
        ("1005.2", ["its clock is 5 s ahead of this machine's"]),
        ("910.5", ["its clock is 90 s behind this machine's"]),
        ("", []),
    ],
)
def test_a_clock_is_wrong_only_when_it_is_certain(host_time: str, words: list[str]) -> None:
    offset = read_offset(host_time, asked=1000.0, answered=1001.0)
    assert [problem.message for problem in find_clock_problems(offset)] == words


def test_the_last_deploy_and_act_are_read() -> None:
    text = (
        'deploy={"task": "deploy", "message": "a=b"}\n'
        "act=1795912397.1 node1 python3[7]: restart done (hang): serving again after 6.6 s\n"
    )
    assert read_recent(Reading(text, 0)) == {
        "deploy": '{"task": "deploy", "message": "a=b"}',
        "act": "1795912397.1 restart done (hang): serving again after 6.6 s",
    }
    assert read_recent(Reading("deploy=\nact=\n", 0)) == {}
