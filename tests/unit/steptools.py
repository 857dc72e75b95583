"""What the tests of steps share: the decision that a step makes of what was read, as a sentence
and as a script."""

from __future__ import annotations

from fabfile.engine.command import Shell
from fabfile.engine.shell import Reading
from fabfile.engine.step import Change, Step


def sentence(step: Step, out: str, code: int = 0) -> str | None:
    change = step.decide(Reading(out, code))
    return change.sentence if change else None


def script(change: Change | None) -> str:
    assert change is not None
    texts = [command.script for command in change.commands if isinstance(command, Shell)]
    return "\n".join(texts)
