"""Converge one host: read, decide, apply, and read again to prove the change."""

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
    """How a step ended."""

    RIGHT = "right"
    WOULD = "would change"
    CHANGED = "changed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """The result of one step: its state, one sentence, and a diff or an error if it has one."""

    step: str
    state: State
    sentence: str = ""
    diff: str = ""
    seconds: float = 0.0
    error: RunbookError | None = None
    commands: tuple[Command, ...] = ()
    """The commands of a planned change; empty in every other state."""


OnOutcome = Callable[[Outcome], None]
"""Is called with the outcome of each step as soon as the step has ended."""


def read_steps(link: Link, steps: Sequence[Step]) -> list[Reading]:
    """The readings of `steps`, in order, from one ssh session."""
    return link.read([step.probe() for step in steps])


def predict_outcomes(steps: Sequence[Step], readings: Sequence[Reading]) -> list[Outcome]:
    """What converging would do, restarts that follow from planned changes included. Pure."""
    outcomes: list[Outcome] = []
    planned: list[str] = []
    for step, seen in zip(steps, readings, strict=True):
        try:
            change = step.decide(step.predict(seen, planned))
        except RunbookError as error:
            outcomes.append(_undecided_outcome(step, error, outcomes))
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


def _undecided_outcome(step: Step, error: RunbookError, earlier: Sequence[Outcome]) -> Outcome:
    """The outcome of a step that a plan cannot decide.

    One cause, such as a stopped database, can stop many steps: the first of them reports it, and
    the others refer to the first.
    """
    for outcome in earlier:
        if outcome.error and (outcome.error.why, outcome.error.next) == (error.why, error.next):
            return Outcome(
                step.name, State.SKIPPED, f"{step.name}: unknown, same cause as {outcome.step}"
            )
    return Outcome(step.name, State.FAILED, str(error), error=error)


class Converger:
    """Applies steps to one host, in order, until a step fails.

    Every change is journalled on the host before the change is made.
    """

    def __init__(
        self,
        link: Link,
        run: Run,
        *,
        on_outcome: OnOutcome,
        progress: Callable[[str], None],
    ) -> None:
        """`progress` gets one short line at a time about the command that is running."""
        self.link = link
        self.run = run
        self.on_outcome = on_outcome
        self.progress = progress
        self._unwritten: list[str] = []
        """Journal lines that are not on the host yet. They go there with the next change, which
        saves a session per step."""

    def apply(self, steps: Sequence[Step]) -> list[Outcome]:
        """Converge `steps`, one after the other.

        `PlanOnly` steps are skipped: they have no commands.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; the current step was finished first.
            Locked: this run lost the lock.
            Unreachable: the host was lost.
        """
        steps = [step for step in steps if not isinstance(step, PlanOnly)]
        readings = read_steps(self.link, steps)
        outcomes: list[Outcome] = []
        for number, step in enumerate(steps):
            self._stop_if_interrupted()
            if outcomes and outcomes[-1].state in (State.FAILED, State.SKIPPED):
                outcome = Outcome(
                    step.name, State.SKIPPED, f"because {_first_failed(outcomes)} failed"
                )
            else:
                outcome, reread = self._converge_step(step, readings[number], steps[number:])
                if reread is not None:
                    readings[number:] = reread
            outcomes.append(outcome)
            self.on_outcome(outcome)
        self._flush_journal()
        return outcomes

    def _converge_step(
        self, step: Step, seen: Reading, rest: Sequence[Step]
    ) -> tuple[Outcome, list[Reading] | None]:
        """Converge `step`, whose reading is `seen`.

        Returns the outcome and, after a change, the new readings of `rest` (`step` and all steps
        after it): one change can affect what later steps find.
        """
        started = time.monotonic()
        change: Change | None = None
        try:
            change = step.decide(seen)
            if change is None:
                return Outcome(step.name, State.RIGHT), None
            with purpose(step.name):
                self._carry_out(step, change)
                reread = read_steps(self.link, rest)
            remaining = step.decide(reread[0])
            if remaining is not None:
                raise RunbookError(
                    f"{self.link.name}: after «{change.sentence}» the host still needs:"
                    f" {remaining.sentence}",
                    "the commands ended without an error, but did not have the expected effect",
                    f"fab -H {self.link.name} plan",
                )
        except (Locked, Unreachable):  # about the whole host, not about this step
            raise
        except RunbookError as error:
            self._unwritten.append(self.run.entry("failed", step.name, str(error)))
            sentence = change.sentence if change else str(error)
            seconds = _seconds_since(started)
            return Outcome(step.name, State.FAILED, sentence, error=error, seconds=seconds), None
        self._unwritten.append(self.run.entry("changed", step.name, change.sentence))
        seconds = _seconds_since(started)
        return Outcome(step.name, State.CHANGED, change.sentence, change.diff, seconds), reread

    def _carry_out(self, step: Step, change: Change) -> None:
        begin = self.run.entry("begin", step.name, change.sentence)
        self.link.run(record_pending(step.notify) + append_lines(*self._unwritten, begin))
        self._unwritten.clear()
        for command in change.commands:
            command.execute(self.link, self.progress)

    def _stop_if_interrupted(self) -> None:
        try:
            interrupt.check()
        except KeyboardInterrupt:
            self._flush_journal()
            raise

    def _flush_journal(self) -> None:
        """Write the last lines of the host's journal."""
        if self._unwritten:
            # The outcomes matter more: a full disk or a lost host must not hide them.
            with contextlib.suppress(RunbookError):
                self.link.run(append_lines(*self._unwritten))
            self._unwritten.clear()


def _seconds_since(started: float) -> float:
    return round(time.monotonic() - started, 2)


def _first_failed(outcomes: Sequence[Outcome]) -> str:
    return next(outcome.step for outcome in outcomes if outcome.state is State.FAILED)
