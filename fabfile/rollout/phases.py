"""A deploy under way: the lock, then phase by phase; one app node and one edge at a time, out of service while it is worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..console.rollup import HostReport, show_outcome
from ..control.balancer import Balancer
from ..control.floating_address import Edges
from ..engine.converge import Converger, Outcome, State, predict_outcomes, read_steps
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet, failed_hosts
from ..engine.journal import Run
from ..engine.lock import Lock
from ..engine.step import Step
from ..settings.inventory import Node
from .app_nodes import AppRollout
from .system import PHASES, System

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


@dataclass(frozen=True)
class DeployOptions:
    """How a deploy was asked for. `phases` restricts it (`inv db.indexes` is the deploy of one phase)."""

    task: str = "deploy"
    phases: tuple[str, ...] = tuple(PHASES)
    dry: bool = False
    take_over: bool = False
    reason: str = ""
    json: str | None = None


class RolloutSession:
    """One deploy under way: holds the lock, goes through the phases, stops at the first that fails."""

    def __init__(self, system: System, fleet: Fleet, run: Run, options: DeployOptions, out: Console) -> None:
        self.system, self.fleet, self.run, self.options, self.out = system, fleet, run, options, out
        self.balancer, self.edges = Balancer(system.settings), Edges(system.settings)
        self.hosts = {node.name: HostReport(node.name) for node in fleet}
        self.status: Status | None = None

    def perform(self) -> list[HostReport]:
        """All phases, under the lock; the hosts' reports."""
        links = list(self.fleet.links.values())
        with self.out.status("") as self.status, Lock(links, self.run, take_over=self.options.take_over):
            try:
                for phase in self.options.phases:
                    nodes = self.fleet.having(PHASES[phase].role)
                    self.say(f"{phase} …")
                    if not self._try_phase(phase, nodes):
                        self._leave_out(phase)
                        break
            finally:
                self.balancer.close()
                self.edges.close()
        return list(self.hosts.values())

    def _try_phase(self, phase: str, nodes: Sequence[Node]) -> bool:
        """`_run_phase`; what kept us from its nodes as a whole (an edge that does not answer) is told of the first."""
        try:
            return self._run_phase(phase, nodes)
        except RunbookError as error:
            self.hosts[nodes[0].name].error = error
            return False

    def _run_phase(self, phase: str, nodes: Sequence[Node]) -> bool:
        """All nodes at once, but app nodes and edges one after the other; false as soon as one failed."""
        if phase == "app":
            return AppRollout(self).perform(nodes)
        work, batches = (lambda node: self.converge(node, self.system.steps(node, phase))), [nodes]
        if phase == "edge":
            work, nodes = self._converge_edge, self.edges.holder_last(nodes)
            batches = [[node] for node in nodes] if self.balancer.view() else [nodes]  # the first serve nobody yet
        for batch in batches:
            done = self.fleet.each(work, batch)
            for name, error in failed_hosts(done).items():
                self.hosts[name].error = error
            if not all(result is True for result in done.values()):
                return False
        return True

    def _converge_edge(self, node: Node) -> bool:
        """One edge: if anything on it changes, the floating address is moved to another one first, without a failed request."""
        steps = self.system.steps(node, "edge")
        planned = predict_outcomes(steps, read_steps(self.fleet.link(node), steps))
        if not any(outcome.state is State.WOULD for outcome in planned):
            return self.converge(node, steps)
        with self.edges.without(node, f"deploy {self.run.id}", partial(self.say_of, node)):
            return self.converge(node, steps)

    def converge(self, node: Node, steps: Sequence[Step]) -> bool:
        """Make `steps` right on `node` and report it; false when one failed.

        Raises:
            KeyboardInterrupt: between two steps.
        """
        report = self.hosts[node.name]
        converger = Converger(
            self.fleet.link(node),
            self.run,
            tell=lambda outcome: self.tell(node, outcome),
            progress=partial(self.say_of, node),
        )
        outcomes = converger.apply(steps)
        report.outcomes.extend(outcomes)
        return not any(outcome.state is State.FAILED for outcome in outcomes)

    def _leave_out(self, failed: str) -> None:
        """Say of the hosts that were not begun why not."""
        for host in self.hosts.values():
            if not host.outcomes and not host.error:
                host.left_out = f"not begun: phase {failed} failed"

    def tell(self, node: Node, outcome: Outcome) -> None:
        """Show at once what was changed or failed."""
        if outcome.state in (State.CHANGED, State.FAILED):
            show_outcome(self.out, node.name, outcome, most=30)

    def say_of(self, node: Node, text: str) -> None:
        """Show what is done on `node` at the moment."""
        self.say(f"{node.name}: {text}")

    def say(self, text: str) -> None:
        """Show what is done at the moment."""
        if self.status:
            self.status.update(text)
