"""A rollout under way: the hosts' links and reports, and the balancers, for everything that
works on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..console.rollup import HostReport, show_outcome
from ..control.balancer import Balancer
from ..control.floating_address import Edges
from ..engine.converge import Converger, Outcome, State
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.journal import Run
from ..engine.step import Step
from .options import DeployOptions
from .system import System

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


class RolloutSession:
    """One rollout: what it works on, what became of each host, and how its progress is shown."""

    def __init__(
        self, system: System, fleet: Fleet, run: Run, options: DeployOptions, out: Console
    ) -> None:
        self.system = system
        self.fleet = fleet
        self.run = run
        self.options = options
        self.out = out
        self.balancer, self.edges = Balancer(system.settings), Edges(system.settings)
        self.hosts = {node.name: HostReport(node.name) for node in fleet}
        self.status: Status | None = None

    def close(self) -> None:
        """End the connections to the edges."""
        self.balancer.close()
        self.edges.close()

    def converge(self, node: Node, steps: Sequence[Step]) -> bool:
        """Make `steps` right on `node` and report it; false when one failed.

        Raises:
            KeyboardInterrupt: between two steps.
        """
        report = self.hosts[node.name]
        converger = Converger(
            self.fleet.link(node),
            self.run,
            on_outcome=lambda outcome: self.tell(node, outcome),
            progress=partial(self.say_of, node),
        )
        outcomes = converger.apply(steps)
        report.outcomes.extend(outcomes)
        return not any(outcome.state is State.FAILED for outcome in outcomes)

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
