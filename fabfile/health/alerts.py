"""The alerts that fire now, read from Alertmanager on the monitoring host, without silenced
alerts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from ..control.silences import ALERTMANAGER
from ..engine.host import Node
from ..engine.problem import HealthCheck, Problem
from ..engine.shell import Reading
from ..settings.settings import Settings

NAME = "alerts"
PATH = "/api/v2/alerts?active=true&silenced=false&inhibited=false"

PROBE = (
    f"timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{ALERTMANAGER};"
    f' printf "GET {PATH} HTTP/1.0\\r\\n\\r\\n" >&3; sed "1,/^\\r*$/d" <&3\''
    " 2>/dev/null"
)
"""Read-only shell text that prints the alerts as JSON. (bash: curl may be missing there.)"""


def alert_checks(settings: Settings, node: Node) -> Sequence[HealthCheck]:
    """Return a check for the monitoring host: whether Alertmanager answers."""
    if "monitoring" not in node.roles:
        return []
    return [HealthCheck(NAME, PROBE, partial(judge_answer, node.name))]


def judge_answer(host: str, reading: Reading) -> list[Problem]:
    """Return a problem if it is not known which alerts fire. Pure."""
    if _parse_rows(reading) is not None:
        return []
    message = "Alertmanager does not answer: which alerts fire is not known"
    return [Problem(message, f"fab -H {host} deploy", down=False, cause=False)]


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
        )
    return list(found.values())


def _next_command(name: str, command: str) -> str:
    """Return what to type. An alert that sends people to `fab status` has brought them here."""
    page = f"fab runbook {name}"
    return page if command.startswith("fab status") or not command else f"{command}   ({page})"


def _parse_rows(reading: Reading) -> list[tuple[dict[str, str], dict[str, str]]] | None:
    """Return labels and annotations of each alert; None if the answer is none of Alertmanager."""
    try:
        return [(alert["labels"], alert["annotations"]) for alert in json.loads(reading.out)]
    except (ValueError, KeyError, TypeError):
        return None
