"""A problem that needs a person, and the checks that find problems on a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .shell import Reading


@dataclass(frozen=True)
class Problem:
    """A problem: one sentence that names the cause, and the command to type next."""

    message: str
    next: str = ""
    down: bool = True
    """False: users do not notice it yet, but a person must act (a drain, a pending restart)."""
    cause: bool = True
    """False: a symptom, such as a unit that is down; the message does not name the cause."""
    about: tuple[str, ...] = ()
    """The hosts with the problem, if another host than these reported it."""
    incident: str = ""
    """The incident of which it is a sign, which is also its page in docs/runbook/; empty for a
    problem whose own command is enough."""
    unit: str = ""
    """The systemd unit that is down, where it is one."""
    alert: str = ""
    """The alert that this repeats, which has an incident's name; empty for what was seen itself."""


def find_no_facts(reading: Reading) -> Mapping[str, str]:
    """The default of `HealthCheck.facts`: the check has no figures."""
    return {}


@dataclass(frozen=True)
class HealthCheck:
    """A check of one host. All checks of a host run in one script."""

    name: str
    probe: str
    """Read-only shell text. It must end within 3 seconds: all checks of the host wait for it."""
    judge: Callable[[Reading], Sequence[Problem]]
    """Returns the problems in the probe's answer. Pure. A missing answer must be a problem, too: it
    does not mean that the host is healthy."""
    facts: Callable[[Reading], Mapping[str, str]] = find_no_facts
    """Returns figures for people, by name; empty if the answer has none. Pure."""
