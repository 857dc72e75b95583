"""A step is a value: how to read one thing on a host, and what to do when it is not as wanted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff

from .command import Command
from .secret import mask_keyed
from .shell import STATE, Reading, q

PENDING = f"{STATE}/pending"
"""The folder on a host with the pending restarts and reloads, one empty file each
(`UNIT.restart`). A later run finds what a killed run left to do."""


@dataclass(frozen=True)
class Change:
    """What a step wants done: one sentence, the commands, and a diff when a file is concerned."""

    sentence: str
    commands: tuple[Command, ...]
    diff: str = ""


class Step(ABC):
    """The unit of converging. Subclasses are frozen dataclasses, one kind a module, in `steps/`.

    `notify` names what a change of this step makes pending: `restart:UNIT` or `reload:UNIT`.
    """

    notify: tuple[str, ...] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """How output and journal call it, e.g. `file /etc/hosts`."""

    @abstractmethod
    def probe(self) -> str:
        """Read-only shell text that prints this step's state."""

    @abstractmethod
    def decide(self, seen: Reading) -> Change | None:
        """Pure: the change that makes `seen` right, or None when it is.

        Raises:
            RunbookError: it cannot be made right by a change (a person must act first).
        """

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """For a plan: what the probe would print after the earlier steps. `planned` holds the
        names and the notifications of the earlier steps that change something."""
        return seen


@dataclass(frozen=True)
class PlanOnly(Step):
    """Stands in a plan for work that can be named but not prepared yet, such as a file that
    discovery must fill in.

    A plan shows `sentence` as a change. The converger leaves it out: the deploy makes the real
    steps when it can.
    """

    label: str
    sentence: str

    @property
    def name(self) -> str:
        """`label`."""
        return self.label

    def probe(self) -> str:
        """Nothing to read."""
        return "true"

    def decide(self, seen: Reading) -> Change | None:
        """Always a change."""
        return Change(self.sentence, ())


def record_pending(notify: Iterable[str]) -> str:
    """Script that records notifications before the change they belong to, so that a crash cannot
    lose them."""
    files = []
    for one in notify:
        action, _, unit = one.partition(":")
        files.append(q(f"{PENDING}/{unit}.{action}"))
    return f"mkdir -p {PENDING} && touch {' '.join(files)}\n" if files else ""


def text_diff(old: str, new: str, label: str) -> str:
    """A unified diff, secrets masked on both sides (the old one's too, though we never knew it)."""
    lines = unified_diff(
        mask_keyed(old).splitlines(),
        mask_keyed(new).splitlines(),
        f"{label} (host)",
        label,
        lineterm="",
        n=2,
    )
    return "\n".join(lines)
