"""The program of a site: where its service file is, and what the site file takes from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .project import PROJECT
from .service import Service

USUAL_LOG_MB = 64
"""Megabytes at which a log is rotated, if the service file does not say."""

FROM_PROGRAM: dict[str, Callable[[Service], object]] = {
    "app.user": lambda program: program.program.user or program.name,
    "app.memory_max": lambda program: program.start.memory_max,
    "app.log_max_mb": lambda program: program.log.max_mb if program.log else USUAL_LOG_MB,
    "app.lifetime": lambda program: program.start.lifetime,
    "database.name": lambda program: program.name.replace("-", "_"),
    "database.user": lambda program: program.name.replace("-", "_"),
    "edge.node_maxconn": lambda program: program.limits.in_flight,
    "edge.node_rate": lambda program: program.limits.rate,
    "gate.error_percent": lambda program: program.load.errors_percent,
    "gate.p90_ms": lambda program: program.load.p90_ms,
}
"""Settings whose default comes from the service file."""


def find_program_folder(text: str, beside: Path) -> Path:
    """The folder of the service file that the site file in the folder `beside` names.

    A folder of the site wins over one of this project.

    Raises:
        RuntimeError: `text` begins with a home that does not exist.
    """
    named = Path(text).expanduser()
    own = beside / named
    return own if own.exists() else PROJECT / named


def fill_from_program(data: dict[str, Any], program: Service) -> dict[str, Any]:
    """The site file with what it leaves to the service file."""
    filled = dict(data)
    for key, default in FROM_PROGRAM.items():
        table, _, name = key.partition(".")
        given = filled.get(table, {})
        if isinstance(given, dict):
            filled[table] = {name: default(program), **given}
    app = filled["app"]
    if isinstance(app, dict) and isinstance(app.get("settings", {}), dict):
        rules = program.settings.items()
        known = {name: rule.default for name, rule in rules if rule.default is not None}
        filled["app"] = {**app, "settings": known | app.get("settings", {})}
    return filled


def find_wrong_settings(given: Mapping[str, str], program: Service) -> list[tuple[str, str]]:
    """The values of `[app.settings]` that the program has no use for, or that have another form.

    Returns:
        Each key, and what is wrong with it; a missing value that has no default is wrong too.
    """
    rules = program.settings
    known = ", ".join(rules) or "none"
    wrong = [
        (key, f"is not a setting of {program.name}; known are {known}")
        for key in given
        if key not in rules
    ]
    for key, rule in rules.items():
        value = given.get(key)
        if value is None:
            wrong.append((key, f"is missing: {program.name} needs {rule.description}"))
        elif not re.fullmatch(rule.pattern, value):
            wrong.append((key, f"must be {rule.description}, not {value!r}"))
    return wrong
