"""What needs a person, and how a host is asked for it: read-only shell text, and a pure
judgement of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .shell import Reading


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: one sentence that names the cause, and the command to type next."""

    message: str
    next: str = ""
    down: bool = True
    """False: users do not feel it yet, but it waits for a person (a drain, a pending restart)."""
    cause: bool = True
    """False: a symptom, such as a unit that is down; the message does not say what brought it
    about."""
    about: tuple[str, ...] = ()
    """The hosts it is about, where that is not the host that has said it."""


def find_no_facts(reading: Reading) -> Mapping[str, str]:
    """For a check that only judges."""
    return {}


@dataclass(frozen=True)
class HealthCheck:
    """One question to one host. All questions of a host travel in one script."""

    name: str
    probe: str
    """Read-only shell text. It bounds its own time: 3 seconds at most, or the host's whole
    answer waits for it."""
    judge: Callable[[Reading], Sequence[Problem]]
    """Pure. An answer that could not be had is a problem of its own, never a sign that all is
    well."""
    facts: Callable[[Reading], Mapping[str, str]] = find_no_facts
    """Pure. Figures for people, by name; nothing where the answer has none."""
