"""Environment variables that a program names: in its messages, its help, its configuration and
its own text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .help_options import Option
from .model import Attempt, Variable

_NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_CALLED_VARIABLE = re.compile(
    r"\benv(?:ironment)?(?: var(?:iable)?)?s?:?\s+[`'\"$]?([A-Z][A-Z0-9_]{2,})\b"
    r"|\b([A-Z][A-Z0-9_]{2,})[`'\"]? env(?:ironment)?\b"
)
_DEMAND = re.compile(
    r"\b(?:required|must|missing|not (?:been )?(?:set|found|defined|given|configured)|unset|set"
    r"|undefined|empty|needs?|expected|no value|provide)\b",
    re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"^(?:export )?([A-Z][A-Z0-9_]{2,})=(.*)$", re.MULTILINE)
_DATABASE = re.compile(r"^(?:\w+_)?(?:DATABASE|DB|POSTGRES(?:QL)?|PG)_(?:URL|URI|DSN)$")
_DATABASE_NAMES = frozenset({"DATA_SOURCE_NAME", "DATABASE"})

KNOWN = (
    *("DATABASE_URL", "DATABASE_DSN", "POSTGRES_URL", "POSTGRES_DSN", "DATA_SOURCE_NAME"),
    *("LISTEN_ADDR", "LISTEN_ADDRESS", "LISTEN_HOST", "BIND_ADDR", "BIND_ADDRESS", "HTTP_ADDR"),
    *("HTTP_PORT", "LISTEN_PORT", "SERVER_PORT", "RUN_MIGRATIONS", "AUTO_MIGRATE"),
    *("SECRET_KEY", "SESSION_SECRET", "CONFIG_FILE", "LOG_LEVEL", "LOG_FORMAT"),
)
"""Usual names, looked for in the text of a binary. Names there often touch each other, so only
these are found."""

FROM_FILE = "the text of the program"
"""The source of variables that only the file of the program shows."""

READS = (
    r"environ(\.get)?[[(] *.[A-Z][A-Z0-9_]+"  # Python
    r"|getenv\( *.[A-Z][A-Z0-9_]+"  # Python, PHP, C
    r"|process\.env\.[A-Z][A-Z0-9_]+"  # Node.js
    r"|ENV(\.fetch)?[[({] *.?[A-Z][A-Z0-9_]+"  # Ruby, Perl
)
"""An extended regular expression: how scripts read a variable; its name comes last."""


def named_variables(text: str) -> tuple[str, ...]:
    """Return the environment variables that an output names, in order."""
    found: list[str] = []
    for line in text.splitlines():
        found += _NAME.findall(line)
        found += [name for pair in _CALLED_VARIABLE.findall(line) for name in pair if name]
    return tuple(dict.fromkeys(found))


def demanded_variable(attempt: Attempt, known: Mapping[str, str]) -> str:
    """Return the variable whose absence the program gives as the reason of its end; "" if none.

    `known` are the variables that it has.
    """
    for line in [*attempt.err.splitlines(), *attempt.out.splitlines()]:
        if _DEMAND.search(line):
            for name in named_variables(line):
                if name not in known:
                    return name
    return ""


def is_database_variable(name: str) -> bool:
    """Whether the variable holds the address of a database as a URL, by its name."""
    return bool(_DATABASE.match(name)) or name in _DATABASE_NAMES


def dumped_variables(first: str, second: str) -> tuple[Variable, ...]:
    """Return the variables of a printed configuration in the form NAME=VALUE.

    It was printed twice: a value that differs is drawn at random by each process.
    """
    again = dict(_ASSIGNMENT.findall(second))
    return tuple(
        Variable(name, "its configuration", value.strip(), again.get(name, value) != value)
        for name, value in _ASSIGNMENT.findall(first)
    )


def option_variables(options: Iterable[Option]) -> tuple[Variable, ...]:
    """Return the variables that its help names beside its options."""
    return tuple(
        Variable(option.variable, f"its help, {option.name}", option.default)
        for option in options
        if option.variable
    )


def merge_variables(*groups: Iterable[Variable]) -> tuple[Variable, ...]:
    """Return all variables once; the first group that names a variable counts."""
    merged: dict[str, Variable] = {}
    for group in groups:
        for variable in group:
            merged.setdefault(variable.name, variable)
    return tuple(merged.values())


def drop_name_ends(variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """Leave out what the text of the program shows only as the end of a longer name."""
    given = tuple(variables)
    return tuple(
        variable
        for variable in given
        if variable.source != FROM_FILE
        or not any(other.name.endswith(f"_{variable.name}") for other in given)
    )
