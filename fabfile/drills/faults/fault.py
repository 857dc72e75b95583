"""The kinds of fault: scripts on hosts, a power switch, a task of ours; each with its way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...engine.errors import RunbookError
from ...engine.host import Node
from ...engine.shell import q
from ..target import DrillTarget
from . import undo_timer

LATEST = 180.0
"""Seconds after which a host mends itself if the drill does not come back to do so: more than
any drill takes."""


@dataclass(frozen=True)
class OnHosts:
    """Scripts run as root on some hosts; each host's undo is on a timer there before its fault
    begins.

    `before` is no fault yet, and may take a while.
    """

    nodes: tuple[Node, ...]
    do: str
    back: str
    before: str = ""
    hurt: tuple[str, ...] = ()
    dark: str = ""

    def prepare(self, stage: DrillTarget) -> None:
        """See to it that each host mends itself if nobody else does: so long from when all are
        ready."""
        on_each(
            stage,
            self.nodes,
            lambda node: undo_timer.arm_timer(stage.fleet.link(node), self.back, LATEST),
        )
        if self.before:
            on_each(stage, self.nodes, lambda node: stage.run(node, self.before, timeout=LATEST))
            on_each(
                stage,
                self.nodes,
                lambda node: undo_timer.rearm_timer(stage.fleet.link(node), self.back, LATEST),
            )

    def inject(self, stage: DrillTarget) -> None:
        """All at once."""
        on_each(stage, self.nodes, lambda node: stage.run(node, self.do))

    def undo(self, stage: DrillTarget) -> None:
        """All at once; the timer goes last."""

        def mend(node: Node) -> None:
            stage.run(node, f"/bin/bash -c {q(self.back)}", timeout=90)
            undo_timer.disarm_timer(stage.fleet.link(node))

        on_each(stage, self.nodes, mend)


@dataclass(frozen=True)
class Power:
    """A host without power. Only a lab has a switch for it."""

    node: Node
    hurt: tuple[str, ...] = ()

    @property
    def dark(self) -> str:
        """The host that is no longer seen."""
        return self.node.name

    def prepare(self, stage: DrillTarget) -> None:
        """
        Raises:
            NotPossible: there is no such switch.
        """
        stage.of_lab("status")

    def inject(self, stage: DrillTarget) -> None:
        """Off."""
        stage.of_lab("power-off", self.node.name)

    def undo(self, stage: DrillTarget) -> None:
        """On; returns when it answers ssh. Harmless when it runs."""
        stage.of_lab("power-on", self.node.name)


@dataclass(frozen=True)
class Task:
    """A task of ours under load: it is no fault and must not look like one. `after` puts things
    back."""

    work: Callable[[DrillTarget], int]
    after: Callable[[DrillTarget], object] = lambda stage: None
    hurt: tuple[str, ...] = ()
    dark: str = ""

    def prepare(self, stage: DrillTarget) -> None:
        """Nothing."""

    def inject(self, stage: DrillTarget) -> None:
        """Do it; its exit code goes to `stage.exits`."""
        try:
            stage.exits.append(self.work(stage))
        except RunbookError as error:
            stage.exits.append(error.code)

    def undo(self, stage: DrillTarget) -> None:
        """Put things back."""
        self.after(stage)


def on_each(stage: DrillTarget, nodes: Sequence[Node], work: Callable[[Node], object]) -> None:
    """`work` on all `nodes` at once; the first RunbookError is raised."""
    for result in stage.fleet.each(work, nodes).values():
        if isinstance(result, RunbookError):
            raise result
