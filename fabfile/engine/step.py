"""The base of all steps: a step reads one thing on a host and decides how to change it."""

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
(`UNIT.restart`). So a later run also does the restarts that a killed run left behind."""


@dataclass(frozen=True)
class Change:
    """A change that a step asks for: a sentence, the commands, and the diff of a changed file."""

    sentence: str
    commands: tuple[Command, ...]
    diff: str = ""


class Step(ABC):
    """One thing on a host that the runbook converges.

    Subclasses are frozen dataclasses in `steps/`, one module per kind.
    """

    notify: tuple[str, ...] = ()
    """Restarts and reloads that a change of this step makes pending: `restart:UNIT` or
    `reload:UNIT`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name in output and journal, e.g. `file /etc/hosts`."""

    @abstractmethod
    def probe(self) -> str:
        """Read-only shell text that prints this step's state."""

    @abstractmethod
    def decide(self, seen: Reading) -> Change | None:
        """The change that corrects `seen`, or None when nothing differs. Pure.

        Raises:
            RunbookError: no change can correct it, a person must act first.
        """

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """For a plan: what the probe would print after the earlier steps.

        `planned` holds the names and the notifications of the earlier steps that would change
        something.
        """
        return seen


@dataclass(frozen=True)
class PlanOnly(Step):
    """A placeholder in a plan for work that is known but cannot be prepared yet.

    An example is a file whose content discovery must find first. A plan shows `sentence` as a
    change. The converger skips the placeholder: a deploy builds the real steps when it can.
    """

    label: str
    sentence: str

    @property
    def name(self) -> str:
        """`label`."""
        return self.label

    def probe(self) -> str:
        """Shell text that reads nothing."""
        return "true"

    def decide(self, seen: Reading) -> Change | None:
        """Always a change, without commands."""
        return Change(self.sentence, ())


def record_pending(notify: Iterable[str]) -> str:
    """Script that records the notifications `notify` as pending; "" if there are none.

    It runs before the change that causes them, so that a crash cannot lose them.
    """
    files = []
    for notification in notify:
        action, _, unit = notification.partition(":")
        files.append(q(f"{PENDING}/{unit}.{action}"))
    return f"mkdir -p {PENDING} && touch {' '.join(files)}\n" if files else ""


def text_diff(old: str, new: str, label: str) -> str:
    """A unified diff of the file called `label`, secrets masked on both sides.

    `mask_keyed` also finds old secrets in the host's file, which this process never knew.
    """
    lines = unified_diff(
        mask_keyed(old).splitlines(),
        mask_keyed(new).splitlines(),
        f"{label} (host)",
        label,
        lineterm="",
        n=2,
    )
    return "\n".join(lines)
