"""How a deploy was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from .system import PHASES


@dataclass(frozen=True)
class DeployOptions:
    """How a deploy was asked for. `phases` restricts it (`inv db.indexes` is the deploy of one
    phase)."""

    task: str = "deploy"
    phases: tuple[str, ...] = tuple(PHASES)
    dry: bool = False
    take_over: bool = False
    reason: str = ""
    json: str | None = None
    commands: bool = False
    """A plan shows the commands of each change."""
