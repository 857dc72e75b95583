"""The alerts that fire now, read from Alertmanager on the monitoring host, without silenced
alerts; and whether Prometheus still records what the alert rules need."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial

from ..control.silences import ALERTMANAGER
from ..engine.host import Node
from ..engine.problem import HealthCheck, Problem
from ..engine.shell import Reading
from ..roles.monitoring_units import PROMETHEUS, PROMETHEUS_UNIT
from ..settings.settings import Settings

NAME = "alerts"
NOT_KNOWN = "which alerts fire is not known"
"""How the message of each problem of this module ends."""
PATH = "/api/v2/alerts?active=true&silenced=false&inhibited=false"

STALE = 60
"""Seconds without a new metric after which Prometheus is taken for stuck. It scrapes every 5 s; a
full disk stops it while Alertmanager goes on to answer that nothing fires."""


def _get_script(port: int, path: str) -> str:
    """Read-only shell text that prints a page of the host's loopback. (bash: curl may be missing
    there.)"""
    return (
        f"timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port};"
        f' printf "GET {path} HTTP/1.0\\r\\n\\r\\n" >&3; sed "1,/^\\r*$/d" <&3\''
        " 2>/dev/null"
    )


PROBE = _get_script(ALERTMANAGER, PATH)
"""The alerts as JSON."""
RECORDING_PROBE = f"date +%s; {_get_script(PROMETHEUS, '/api/v1/status/tsdb')}"
"""The host's time, and the state of Prometheus's database as JSON."""


def alert_checks(settings: Settings, node: Node) -> Sequence[HealthCheck]:
    """Return the checks for the monitoring host: whether it is known which alerts fire."""
    if "monitoring" not in node.roles:
        return []
    return [
        HealthCheck(NAME, PROBE, partial(judge_answer, node.name)),
        HealthCheck("recording", RECORDING_PROBE, partial(judge_recording, node.name)),
    ]


def judge_answer(host: str, reading: Reading) -> list[Problem]:
    """Return a problem if it is not known which alerts fire. Pure."""
    if _parse_rows(reading) is not None:
        return []
    message = f"Alertmanager does not answer: {NOT_KNOWN}"
    return [Problem(message, f"fab -H {host} deploy", down=False, cause=False)]


def judge_recording(host: str, reading: Reading) -> list[Problem]:
    """Return a problem if Prometheus does not answer or records nothing. Pure."""
    now, _, text = reading.out.partition("\n")
    try:
        newest = json.loads(text)["data"]["headStats"]["maxTime"] / 1000
        age = int(now) - newest
    except (ValueError, KeyError, TypeError):
        message, next_ = "Prometheus does not answer", f"fab -H {host} deploy"
    else:
        # An empty database, just after the first start, has the smallest number there is.
        if newest < 0 or abs(age) <= STALE:
            return []
        message = f"Prometheus has recorded nothing for {age:.0f} s"
        next_ = f"on {host}: journalctl -u {PROMETHEUS_UNIT} -n 20"
        if age < 0:  # it refuses whatever is older than its newest metric
            message = f"Prometheus has metrics from {-age:.0f} s in the future: its clock went back"
            next_ = "fab incident.clock"
    return [Problem(f"{message}: {NOT_KNOWN}", next_, down=False, cause=False)]


def read_alerts(reading: Reading) -> list[Problem]:
    """Return a problem for each alert; of one rule in several time windows only the worst. Pure."""
    found: dict[tuple[str, ...], Problem] = {}
    for labels, notes in _parse_rows(reading) or []:
        name = labels.get("alertname", "")
        key = (name, labels.get("endpoint", ""), labels.get("host", ""))
        pages = labels.get("severity") == "page"
        if key in found and not pages:
            continue
        found[key] = Problem(
            f"alert {name}: {notes.get('summary', '')}",
            _next_command(name, notes.get("command", "")),
            down=pages,
            cause=False,
            alert=name,
        )
    return list(found.values())


def _next_command(name: str, command: str) -> str:
    """Return what to type. An alert that sends people to `fab status` has brought them here."""
    page = f"fab runbook {name}"
    shows_status = re.fullmatch(r"fab (-H \S+ )?status", command)
    return page if shows_status or not command else f"{command}   ({page})"


def _parse_rows(reading: Reading) -> list[tuple[dict[str, str], dict[str, str]]] | None:
    """Return labels and annotations of each alert; None if the answer is none of Alertmanager."""
    try:
        return [(alert["labels"], alert["annotations"]) for alert in json.loads(reading.out)]
    except (ValueError, KeyError, TypeError):
        return None
