"""What a rule is, and how a file of rules is written for Prometheus. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

HOST = "{{ $labels.host }}"
"""Stands for the host's name in what an alert says."""


@dataclass(frozen=True)
class RecordRule:
    """A figure that others are made of, computed once."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlertRule:
    """A message to a person. Its text goes into annotations, in this order: what
    users feel, the command to type first, the page of the runbook. (Since when: Alertmanager
    adds it.)"""

    name: str
    """Of the alert, and of its page in the runbook."""
    expression: str
    lasting: str
    """How long it must be so, like `30s`."""
    severity: str
    """`page`: call somebody now. `inform`: tell them; users feel nothing yet."""
    summary: str
    felt: str
    command: str
    labels: Mapping[str, str] = field(default_factory=dict)


def write_group(
    name: str, rules: Iterable[RecordRule | AlertRule], interval: str = ""
) -> list[str]:
    """The lines of one group. Each value is JSON, which is YAML on one line."""
    lines = [f"  - name: {json.dumps(name)}"]
    lines += [f"    interval: {interval}"] if interval else []
    lines.append("    rules:")
    for rule in rules:
        lines += _write_record(rule) if isinstance(rule, RecordRule) else _write_alert(rule)
    return lines


def write_rules(groups: Sequence[Sequence[str]], head: str) -> str:
    """A whole file of rules."""
    return "\n".join([f"# {head}", "groups:", *(line for group in groups for line in group), ""])


def _write_record(rule: RecordRule) -> list[str]:
    return [
        f"      - record: {rule.name}",
        f"        expr: {json.dumps(rule.expression)}",
        *_write_map("labels", rule.labels),
    ]


def _write_alert(rule: AlertRule) -> list[str]:
    annotations = {
        "summary": rule.summary,
        "felt": rule.felt,
        "command": rule.command,
        "page": rule.name,
        # What other programs show beside the summary, ntfy for example.
        "description": f"users feel: {rule.felt}; type first: {rule.command};"
        f" read: fab runbook {rule.name}",
    }
    return [
        f"      - alert: {rule.name}",
        f"        expr: {json.dumps(rule.expression)}",
        f"        for: {rule.lasting}",
        *_write_map("labels", {"severity": rule.severity, **rule.labels}),
        *_write_map("annotations", annotations),
    ]


def _write_map(name: str, values: Mapping[str, str]) -> list[str]:
    if not values:
        return []
    return [
        f"        {name}:",
        *(f"          {key}: {json.dumps(text)}" for key, text in values.items()),
    ]
