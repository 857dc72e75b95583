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
"""Seconds after which a timer on the host undoes a fault that the drill did not: longer than any
drill."""


@dataclass(frozen=True)
class OnHosts:
    """Scripts run as root on some hosts; each host's undo is on a timer there before its fault
    begins.

    `prepare_script` runs first; it is not part of the fault and may be slow.
    """

    nodes: tuple[Node, ...]
    inject_script: str
    undo_script: str
    prepare_script: str = ""
    restarted_apps: tuple[str, ...] = ()
    unreachable_host: str = ""

    def prepare(self, target: DrillTarget) -> None:
        """Arm the undo timer of each host; its time counts from when all are ready."""
        on_each(
            target,
            self.nodes,
            lambda node: undo_timer.arm_timer(target.fleet.link(node), self.undo_script, LATEST),
        )
        if self.prepare_script:
            on_each(
                target,
                self.nodes,
                lambda node: target.run(node, self.prepare_script, timeout=LATEST),
            )
            on_each(
                target,
                self.nodes,
                lambda node: undo_timer.rearm_timer(
                    target.fleet.link(node), self.undo_script, LATEST
                ),
            )

    def inject(self, target: DrillTarget) -> None:
        """All at once."""
        on_each(target, self.nodes, lambda node: target.run(node, self.inject_script))

    def undo(self, target: DrillTarget) -> None:
        """All at once. The timer is disarmed last, so that a failed undo is repeated by it."""

        def undo_on_host(node: Node) -> None:
            target.run(node, f"/bin/bash -c {q(self.undo_script)}", timeout=90)
            undo_timer.disarm_timer(target.fleet.link(node))

        on_each(target, self.nodes, undo_on_host)


@dataclass(frozen=True)
class Power:
    """A host without power. Only a lab can switch it."""

    node: Node
    restarted_apps: tuple[str, ...] = ()

    @property
    def unreachable_host(self) -> str:
        """The host that is off."""
        return self.node.name

    def prepare(self, target: DrillTarget) -> None:
        """
        Raises:
            NotPossible: this is not a lab.
        """
        target.run_lab_task("status")

    def inject(self, target: DrillTarget) -> None:
        """Power off."""
        target.run_lab_task("power-off", self.node.name)

    def undo(self, target: DrillTarget) -> None:
        """Power on; returns when ssh answers. Harmless when the host runs."""
        target.run_lab_task("power-on", self.node.name)


@dataclass(frozen=True)
class Task:
    """A task of the runbook under load: not a fault, and users must not notice it. `after` reverts
    it."""

    work: Callable[[DrillTarget], int]
    after: Callable[[DrillTarget], object] = lambda target: None
    restarted_apps: tuple[str, ...] = ()
    unreachable_host: str = ""

    def prepare(self, target: DrillTarget) -> None:
        """Nothing."""

    def inject(self, target: DrillTarget) -> None:
        """Run the task; its exit code goes to `target.exits`."""
        try:
            target.exits.append(self.work(target))
        except RunbookError as error:
            target.exits.append(error.code)

    def undo(self, target: DrillTarget) -> None:
        """Revert what the task changed."""
        self.after(target)


def on_each(target: DrillTarget, nodes: Sequence[Node], work: Callable[[Node], object]) -> None:
    """`work` on all `nodes` at once; the first RunbookError is raised."""
    for result in target.fleet.each(work, nodes).values():
        if isinstance(result, RunbookError):
            raise result
