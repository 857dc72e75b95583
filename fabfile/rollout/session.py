"""A rollout under way: its connections, the reports of its hosts, and its progress display."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..console.rollup import HostReport, show_outcome
from ..control.balancer import Balancer
from ..control.edges import Edges
from ..engine.converge import Converger, Outcome, State
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.journal import Run
from ..engine.step import Step
from .options import DeployOptions
from .system import System

if TYPE_CHECKING:
    from rich.console import Console

DIFF_LINES = 30
"""Lines of a diff shown while a rollout runs; the run folder has all of them."""


class RolloutSession:
    """What the phases of one rollout share.

    Attributes:
        system: the site and the release to roll out.
        fleet: the connections to the hosts.
        run: the run folder.
        options: how the deploy was typed.
        out: where to print.
        balancer: the app nodes as the edges see them.
        edges: the edges, and which of them serve.
        hosts: the report of each host, by name.
        show_status: shows what is done at the moment, once the rollout has begun.
    """

    def __init__(
        self, system: System, fleet: Fleet, run: Run, options: DeployOptions, out: Console
    ) -> None:
        self.system = system
        self.fleet = fleet
        self.run = run
        self.options = options
        self.out = out
        self.balancer = Balancer(system.settings)
        self.edges = Edges(system.settings)
        self.hosts = {node.name: HostReport(node.name) for node in fleet}
        self.show_status: Callable[[str], None] = lambda text: None

    def close(self) -> None:
        """Close the connections to the edges."""
        self.balancer.close()
        self.edges.close()

    def converge(self, node: Node, steps: Sequence[Step]) -> bool:
        """Apply `steps` on `node` and report the outcomes; false if a step failed.

        Raises:
            KeyboardInterrupt: between two steps.
        """
        converger = Converger(
            self.fleet.link(node),
            self.run,
            on_outcome=lambda outcome: self.report_outcome(node, outcome),
            progress=partial(self.show_node_status, node),
        )
        outcomes = converger.apply(steps)
        self.hosts[node.name].outcomes.extend(outcomes)
        return not any(outcome.state is State.FAILED for outcome in outcomes)

    def report_outcome(self, node: Node, outcome: Outcome) -> None:
        """Print a change or a failure at once; other outcomes are not printed."""
        if outcome.state in (State.CHANGED, State.FAILED):
            show_outcome(self.out, node.name, outcome, max_diff_lines=DIFF_LINES)

    def show_node_status(self, node: Node, text: str) -> None:
        """Show what is done on `node` at the moment."""
        self.show_status(f"{node.name}: {text}")
