"""A deploy under way: the lock, then phase by phase; one app node and one edge at a time, out of service while it is worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..engine.converge import Converger, Outcome, State, foresee, read
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet, errors
from ..engine.journal import Run
from ..engine.lock import Lock
from ..engine.report import HostReport, show_outcome
from ..engine.step import Step
from ..inventory import Node
from ..steps.unit import Unit
from . import facts as knowledge
from .balancer import Balancer
from .edges import Edges
from .system import PHASES, ROLE_OF, System

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


@dataclass(frozen=True)
class Options:
    """How a deploy was asked for. `phases` restricts it (`inv db.indexes` is the deploy of one phase)."""

    task: str = "deploy"
    phases: tuple[str, ...] = PHASES
    dry: bool = False
    take_over: bool = False
    reason: str = ""
    json: str | None = None


class Rollout:
    """One deploy under way: holds the lock, goes through the phases, stops at the first that fails."""

    def __init__(self, system: System, fleet: Fleet, run: Run, options: Options, out: Console) -> None:
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
                    nodes = self.fleet.having(ROLE_OF[phase])
                    self._say(f"{phase} …")
                    if not self._tried(phase, nodes):
                        self._leave_out(phase)
                        break
            finally:
                self.balancer.close()
                self.edges.close()
        return list(self.hosts.values())

    def _tried(self, phase: str, nodes: Sequence[Node]) -> bool:
        """`_phase`; what kept us from its nodes as a whole (an edge that does not answer) is told of the first."""
        try:
            return self._phase(phase, nodes)
        except RunbookError as error:
            self.hosts[nodes[0].name].error = error
            return False

    def _phase(self, phase: str, nodes: Sequence[Node]) -> bool:
        """All nodes at once, but app nodes and edges one after the other; false as soon as one failed."""
        special = {"app": self._app, "edge": self._edge}
        work = special.get(phase) or (lambda node: self._converge(node, self.system.steps(node, phase)))
        if phase == "app":
            self._lift_leftovers(nodes)
            nodes = self._sick_first(nodes)
        if phase == "edge":
            nodes = self.edges.holder_last(nodes)
        alone = phase == "app" or (phase == "edge" and bool(self.balancer.view()))  # the first edges serve nobody yet
        batches = [[node] for node in nodes] if alone else [nodes]
        for batch in batches:
            done = self.fleet.each(work, batch)
            for name, error in errors(done).items():
                self.hosts[name].error = error
            if not all(result is True for result in done.values()):
                return False
        return True

    def _lift_leftovers(self, nodes: Sequence[Node]) -> None:
        """A deploy that died may have left a node drained; until it is back, no other may be drained for a restart."""
        for name in self.balancer.lift_leftovers(nodes):
            sentence = f"undrain {name} (a deploy that did not finish drained it)"
            self._tell(self.system.settings.inventory.select([name])[0], Outcome("drain", State.CHANGED, sentence))

    def _sick_first(self, nodes: Sequence[Node]) -> list[Node]:
        """Nodes that serve nobody cost nothing to restart, and the others may be drained only once these are back."""
        view = self.balancer.view().values()
        return sorted(nodes, key=lambda node: any(seen[node.name].up for seen in view if node.name in seen))

    def _app(self, node: Node) -> bool:
        """One app node: found out about if need be, drained if its service must be restarted, converged, put back."""
        if self.system.facts is None and not self._discover(node):
            return False
        steps = self.system.steps(node, "app")
        planned = foresee(steps, read(self.fleet.link(node), steps))
        service = steps[_service(steps)]
        restarts = any(outcome.step == service.name and outcome.state is State.WOULD for outcome in planned)
        if not restarts or not self.balancer.view():
            return self._converge(node, steps)
        self._say(f"{node.name}: drain")
        with self.balancer.without(node, f"deploy {self.run.id}"):
            done = self._converge(node, steps)
            if not done and (error := self.hosts[node.name].first_error):
                raise error
        return done

    def _edge(self, node: Node) -> bool:
        """One edge: if anything on it changes, the floating address is moved to another one first, without a failed request."""
        steps = self.system.steps(node, "edge")
        planned = foresee(steps, read(self.fleet.link(node), steps))
        if not any(outcome.state is State.WOULD for outcome in planned):
            return self._converge(node, steps)
        with self.edges.without(node, f"deploy {self.run.id}", partial(self._say_of, node)):
            return self._converge(node, steps)

    def _discover(self, node: Node) -> bool:
        ground = self.system.steps(node, "app")[:-1]  # without the placeholder for what is not yet known
        if not self._converge(node, ground):
            return False
        link = self.fleet.link(node)
        progress = partial(self._say_of, node)
        discovery = knowledge.find(self.system.settings, link, self.run, self.out, progress)
        self.run.note("discovery.json", {"trail": [row._asdict() for row in discovery.trail]})
        self._tell(
            node,
            Outcome("discovery", State.CHANGED, f"discovered what the binary wants in {len(discovery.trail)} attempts"),
        )
        self.system = replace(self.system, facts=discovery.facts)
        return True

    def _converge(self, node: Node, steps: Sequence[Step]) -> bool:
        report = self.hosts[node.name]
        converger = Converger(
            self.fleet.link(node),
            self.run,
            tell=lambda outcome: self._tell(node, outcome),
            progress=partial(self._say_of, node),
        )
        outcomes = converger.apply(steps)
        report.outcomes.extend(outcomes)
        return not any(outcome.state is State.FAILED for outcome in outcomes)

    def _leave_out(self, failed: str) -> None:
        """Say of the hosts that were not begun why not."""
        for host in self.hosts.values():
            if not host.outcomes and not host.error:
                host.left_out = f"not begun: phase {failed} failed"

    def _tell(self, node: Node, outcome: Outcome) -> None:
        if outcome.state in (State.CHANGED, State.FAILED):
            show_outcome(self.out, node.name, outcome, most=30)

    def _say_of(self, node: Node, text: str) -> None:
        self._say(f"{node.name}: {text}")

    def _say(self, text: str) -> None:
        if self.status:
            self.status.update(text)


def _service(steps: Sequence[Step]) -> int:
    """The place of the app's own unit: the last unit of the role."""
    return max(number for number, step in enumerate(steps) if isinstance(step, Unit))
