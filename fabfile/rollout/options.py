"""The options of a deploy."""

from __future__ import annotations

from dataclasses import dataclass

from .system import PHASES


@dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """The options of a deploy.

    Attributes:
        task: the name of the task, for the run folder and the lock.
        phases: the phases to run; `inv db.indexes` is a deploy of one phase.
        dry: only show what would change.
        take_over: break the lock of a dead run.
        reason: why; shown to whoever finds the lock.
        json: where to write the JSON.
        with_downtime: the app may be stopped for a migration that the old release cannot bear.
        commands: a plan also shows the commands of each change.
    """

    task: str = "deploy"
    phases: tuple[str, ...] = tuple(PHASES)
    dry: bool = False
    take_over: bool = False
    reason: str = ""
    json: str | None = None
    with_downtime: bool = False
    commands: bool = False
