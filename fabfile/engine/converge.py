"""Make one host right: read once, decide, apply, read again, and only then say "changed"."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from . import interrupt
from .command import Command
from .errors import Locked, RunbookError, Unreachable
from .journal import Run, append_lines
from .link import Link
from .scripts import purpose
from .shell import Reading
from .step import Change, PlanOnly, Step, record_pending


class State(StrEnum):
    """What became of a step."""

    RIGHT = "right"
    WOULD = "would change"
    CHANGED = "changed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """A step's end: its state, one sentence, a diff if there is one, and the error it failed
    with."""

    step: str
    state: State
    sentence: str = ""
    diff: str = ""
    seconds: float = 0.0
    error: RunbookError | None = None
    commands: tuple[Command, ...] = ()
    """Of a planned change: what would carry it out."""


Tell = Callable[[Outcome], None]


def read_steps(link: Link, steps: Sequence[Step]) -> list[Reading]:
    """All probes of `steps`, in one session."""
    return link.read([step.probe() for step in steps])


def predict_outcomes(steps: Sequence[Step], readings: Sequence[Reading]) -> list[Outcome]:
    """Pure: what converging would do, from one reading, restarts that follow from planned
    changes included."""
    outcomes: list[Outcome] = []
    planned: list[str] = []
    for step, seen in zip(steps, readings, strict=True):
        try:
            change = step.decide(step.predict(seen, planned))
        except RunbookError as error:
            outcomes.append(_failed_for(step, error, outcomes))
            continue
        if change is None:
            outcomes.append(Outcome(step.name, State.RIGHT))
        else:
            planned.extend((*step.notify, step.name))
            outcomes.append(
                Outcome(
                    step.name,
                    State.WOULD,
                    change.sentence,
                    change.diff,
                    commands=change.commands,
                )
            )
    return outcomes


def _failed_for(step: Step, error: RunbookError, before: Sequence[Outcome]) -> Outcome:
    """A step that a plan cannot decide; one cause is told once, however many steps it stops."""
    for outcome in before:
        if outcome.error and (outcome.error.why, outcome.error.next) == (error.why, error.next):
            return Outcome(
                step.name, State.SKIPPED, f"{step.name}: not known, as for {outcome.step}"
            )
    return Outcome(step.name, State.FAILED, str(error), error=error)


class Converger:
    """Applies steps to one host, in order, until one fails. Every change is journalled on the
    host before it is made."""

    def __init__(self, link: Link, run: Run, tell: Tell, progress: Callable[[str], None]) -> None:
        self.link = link
        self.run = run
        self.tell = tell
        self.progress = progress
        self._done: list[str] = []

    def apply(self, steps: Sequence[Step]) -> list[Outcome]:
        """Converge `steps`, one after the other.

        Steps that stand in a plan only are left out: the plan names them, and there is nothing to
        carry out.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; the step that was in hand is finished, no other
            was begun.
        """
        steps = [step for step in steps if not isinstance(step, PlanOnly)]
        fresh = read_steps(self.link, steps)
        outcomes: list[Outcome] = []
        for number, step in enumerate(steps):
            self._stop_if_interrupted()
            if outcomes and outcomes[-1].state in (State.FAILED, State.SKIPPED):
                outcome = Outcome(
                    step.name, State.SKIPPED, f"because {_first_failed(outcomes)} failed"
                )
            else:
                outcome, again = self._converge_step(step, fresh[number], steps[number:])
                if again is not None:
                    fresh[number:] = again
            outcomes.append(outcome)
            self.tell(outcome)
        self._flush_journal()
        return outcomes

    def _converge_step(
        self, step: Step, seen: Reading, rest: Sequence[Step]
    ) -> tuple[Outcome, list[Reading] | None]:
        """One step's life; also the new readings of it and all that follow, when something was
        changed."""
        started = time.monotonic()
        change: Change | None = None
        try:
            change = step.decide(seen)
            if change is None:
                return Outcome(step.name, State.RIGHT), None
            with purpose(step.name):
                self._carry_out(step, change)
                again = read_steps(self.link, rest)
            left = step.decide(again[0])
            if left is not None:
                raise RunbookError(
                    f"{self.link.name}: after «{change.sentence}» the host still says:"
                    f" {left.sentence}",
                    "the commands returned without error, but the second reading is not right",
                    f"fab -H {self.link.name} plan",
                )
        except (Locked, Unreachable):
            raise
        except RunbookError as error:
            self._done.append(self.run.entry("failed", step.name, str(error)))
            sentence = change.sentence if change else ""
            return (
                Outcome(
                    step.name,
                    State.FAILED,
                    sentence or str(error),
                    error=error,
                    seconds=_seconds_since(started),
                ),
                None,
            )
        self._done.append(self.run.entry("changed", step.name, change.sentence))
        return (
            Outcome(
                step.name, State.CHANGED, change.sentence, change.diff, _seconds_since(started)
            ),
            again,
        )

    def _carry_out(self, step: Step, change: Change) -> None:
        begin = self.run.entry("begin", step.name, change.sentence)
        self.link.run(record_pending(step.notify) + append_lines(*self._done, begin))
        self._done.clear()
        for command in change.commands:
            command.execute(self.link, self.progress)

    def _stop_if_interrupted(self) -> None:
        try:
            interrupt.check()
        except KeyboardInterrupt:
            self._flush_journal()
            raise

    def _flush_journal(self) -> None:
        """The journal's last lines; a full disk or a lost host must not hide what became of the
        steps."""
        if self._done:
            with contextlib.suppress(RunbookError):
                self.link.run(append_lines(*self._done))
            self._done.clear()


def _seconds_since(started: float) -> float:
    return round(time.monotonic() - started, 2)


def _first_failed(outcomes: Sequence[Outcome]) -> str:
    return next(outcome.step for outcome in outcomes if outcome.state is State.FAILED)
