"""A condition that a host must meet before a deploy: how it is read, judged and shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..engine.converge import Outcome, State
from ..engine.errors import RunbookError
from ..engine.journal import HOST_JOURNAL
from ..engine.shell import Reading, join_probes, split_readings

NOTHING = "nothing was changed"

NOT_TRIED = "not tried"
"""A description that begins with this means: it is not known whether the condition is met."""

CANNOT_STOP = "a conflict could stop the deploy half-way"


def describe_first_line(reading: Reading) -> str:
    """The default of `Precondition.describe`: what the host printed first."""
    return reading.out.strip().partition("\n")[0]


@dataclass(frozen=True)
class Precondition:
    """One condition on a host.

    Attributes:
        name: the name in the plan and in `fab preflight`.
        probe: read-only shell text.
        judge: a pure function from the output to problems. Each problem stops the deploy; output
            that cannot be read is a problem.
        describe: a pure function from the output to what was seen, in a few words; it is used if
            there is no problem. See NOT_TRIED.
    """

    name: str
    probe: str
    judge: Callable[[Reading], Sequence[RunbookError]]
    describe: Callable[[Reading], str] = describe_first_line


def unmet(conditions: Sequence[Precondition], readings: Sequence[Reading]) -> list[Outcome]:
    """The unmet conditions as failed steps of the plan. A single one stops the rollout before it
    changes any host."""
    return [
        failed_outcome(condition.name, error)
        for condition, reading in zip(conditions, readings, strict=True)
        for error in condition.judge(reading)
    ]


def failed_outcome(name: str, error: RunbookError) -> Outcome:
    """A problem as a failed step of the plan."""
    return Outcome(name, State.FAILED, error.problem, error=error)


def no_answer(
    host: str, question: str, reading: Reading, next_step: str = "apt-get install iproute2"
) -> RunbookError:
    """The problem that a probe printed nothing that can be judged."""
    lines = reading.out.strip().splitlines()
    return RunbookError(
        f"{host} does not show {question}: {lines[-1] if lines else f'exit {reading.code}'}",
        f"{CANNOT_STOP}; {NOTHING}",
        f"on {host}: {next_step}; then fab plan",
    )


# -- conditions on new hosts only

KNOWN = "this host has a journal of the runbook"
_MARKER = "#~fitness"


def only_on_new_host(host: str, conditions: Sequence[Precondition]) -> Precondition:
    """All `conditions` as a single one that a host with a journal of the runbook meets: its probe
    then costs next to nothing."""
    probe = (
        f"[ ! -e {HOST_JOURNAL} ] || {{ echo {KNOWN}; exit 0; }}\n"
        f"{join_probes([condition.probe for condition in conditions], _MARKER)}true"
    )
    return Precondition("new host", probe, partial(_judge_all, host, conditions))


def is_new_host(reading: Reading) -> bool:
    """Whether the host has no journal of the runbook, by the answer to `only_on_new_host`."""
    return reading.out.strip() != KNOWN


def _judge_all(
    host: str, conditions: Sequence[Precondition], reading: Reading
) -> list[RunbookError]:
    if not is_new_host(reading):
        return []
    try:
        readings = split_readings(f"\n{reading.out}", _MARKER, len(conditions))
    except ValueError:
        return [no_answer(host, "what it is fit for", reading, "journalctl -n 50")]
    return [
        error
        for condition, part in zip(conditions, readings, strict=True)
        for error in condition.judge(part)
    ]
