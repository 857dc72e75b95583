"""The app phase of a rollout: one node at a time, drained, and back through the gate.

If a release fails the gate on any node, the fleet goes back to the release before it
(`auto_rollback.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..control import releases
from ..discovery import store as discovery_store
from ..engine.converge import Outcome, State, predict_outcomes, read_steps
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.journal import append_lines, now
from ..engine.messages import plural
from ..settings.paths import app_unit
from ..steps.gate import ReleaseProven
from . import evidence, gate
from .gate import GateVerdict
from .one_node import NodeRollout
from .session import RolloutSession
from .system import System


class AppRollout:
    """The app nodes of one rollout. A release is recorded as proven once all nodes passed the gate.

    Attributes:
        passed: the gate step and the verdict of each node that passed, by name.
        nodes: the app nodes of this rollout.
        paths: the reads that the gate watches; None until a node has to pass the gate.
    """

    def __init__(self, session: RolloutSession) -> None:
        self.session = session
        self.balancer = session.balancer
        self.settings = session.system.settings
        self.passed: dict[str, tuple[ReleaseProven, GateVerdict]] = {}
        self.nodes: Sequence[Node] = ()
        self.paths: tuple[str, ...] | None = None

    def perform(self, nodes: Sequence[Node]) -> tuple[str, RunbookError] | None:
        """Roll out to every node, and stop at the first failure.

        Returns:
            The failed node and its error, or None. The error is a GateFailed if the release is bad.

        Raises:
            RunbookError: an edge does not answer; no node was changed.
        """
        if not nodes:
            return None
        self.nodes = nodes
        self._lift_leftovers(nodes)
        for node in self._unhealthy_first(nodes):
            error = self.roll_out_node(node, self.session.system)
            if error is not None:
                return node.name, error
        self.record_proof(nodes)
        self._report_other_nodes(nodes)
        return None

    def roll_out_node(self, node: Node, system: System) -> RunbookError | None:
        """Bring one node to the release of `system`; returns the error, if there was one.

        Runs in a thread of the fleet, so that a second Ctrl-C can interrupt it.
        """
        result = self.session.fleet.each(partial(self._roll_node, system), [node])[node.name]
        if isinstance(result, RunbookError):
            return result
        if result:
            return None
        return self.session.hosts[node.name].first_error or RunbookError(
            f"{node.name}: a step failed",
            "the steps after it were not started",
            f"fab -H {node.name} plan",
        )

    # -- before the first node

    def _lift_leftovers(self, nodes: Sequence[Node]) -> None:
        """Undrain what a dead deploy left drained: until then no other node may be drained."""
        for name in self.balancer.undrain_leftovers(nodes):
            [node] = self.settings.inventory.select([name])
            sentence = f"undrain {name} (an unfinished deploy drained it)"
            self.session.report_outcome(node, Outcome("drain", State.CHANGED, sentence))

    def _unhealthy_first(self, nodes: Sequence[Node]) -> list[Node]:
        """The nodes in the order of the rollout: those that no edge sees up come first.

        Restarting them costs no capacity, and the others may be drained only once these are back.
        """
        views = self.balancer.view().values()

        def is_up(node: Node) -> bool:
            return any(view[node.name].up for view in views if node.name in view)

        return sorted(nodes, key=is_up)

    def _prepare_gate(self) -> None:
        """Find out what the gate may watch, before the first node is changed.

        Raises:
            RunbookError: the database does not answer, so no release could be judged.
        """
        if self.paths is None:
            paths = gate.gate_reads(self.settings)
            self._prove_running_release(self.nodes)
            self.paths = paths

    def _prove_running_release(self, nodes: Sequence[Node]) -> None:
        """Record the running release as proven, on a fleet that has never had a gate.

        Otherwise there would be no release to go back to.
        """
        installed = self.installed_releases(nodes)
        if any(release.proven for some in installed.values() for release in some):
            return
        views = self.balancer.view().values()
        for node in nodes:
            serves = bool(views) and all(node.name in view and view[node.name].up for view in views)
            running = releases.current_release(installed[node.name])
            step = ReleaseProven(app_unit(self.settings), running)
            link = self.session.fleet.link(node)
            if serves and running and not step.is_pending(link.read([step.probe()])[0]):
                facts = {"proven": now(), "run": self.session.run.id, "how": "found serving"}
                link.run(step.record_proof_script(facts))

    def installed_releases(
        self, nodes: Sequence[Node]
    ) -> dict[str, list[releases.InstalledRelease]]:
        """The releases on each of `nodes`, by name.

        Raises:
            Unreachable: a node does not answer.
        """
        return {
            node.name: releases.read_releases(self.session.fleet.link(node), self.settings)
            for node in nodes
        }

    # -- one node

    def _roll_node(self, system: System, node: Node) -> bool:
        """Converge one node; through the gate only if its app must be restarted or watched.

        Runs discovery first if the binary's facts are not known. False if a step failed.
        """
        session = self.session
        if system.facts is None:
            discovered = self._discover_on(node, system)
            if discovered is None:
                return False
            if system is session.system:
                session.system = discovered
            system = discovered
        plan = system.app_plan(node)
        all_steps = [*plan.steps, plan.gate]
        planned = predict_outcomes(all_steps, read_steps(session.fleet.link(node), all_steps))
        gated = {f"unit {app_unit(self.settings)}", plan.gate.name}
        if any(outcome.step in gated and outcome.state is State.WOULD for outcome in planned):
            self._prepare_gate()
            started = time.monotonic()
            load, at_balancers = NodeRollout(
                session=session,
                node=node,
                system=system,
                steps=plan.steps,
                gate_step=plan.gate,
                paths=self.paths or (),
            ).perform()
            seconds = time.monotonic() - started
            self._report_passed(node, plan.gate, load, at_balancers, seconds)
            return True
        converged = session.converge(node, plan.steps)
        session.hosts[node.name].outcomes.append(Outcome(plan.gate.name, State.RIGHT))
        return converged

    def _report_passed(
        self,
        node: Node,
        gate_step: ReleaseProven,
        load: GateVerdict,
        at_balancers: GateVerdict,
        seconds: float,
    ) -> None:
        """Print and keep that a node passed: under the probe load, and at the balancers."""
        verdict = GateVerdict(load.figures + at_balancers.figures)
        self.passed[node.name] = gate_step, verdict
        sentence = f"release {gate_step.release} passed the gate: {load}"
        outcome = Outcome(gate_step.name, State.CHANGED, sentence, seconds=round(seconds, 2))
        self.session.hosts[node.name].outcomes.append(outcome)
        self.session.report_outcome(node, outcome)
        run = self.session.run
        run.note(f"gate-{node.name}-{gate_step.release}.json", verdict.as_json())
        entry = run.entry("changed", gate_step.name, sentence)
        self.session.fleet.link(node).run(append_lines(entry))

    def _discover_on(self, node: Node, system: System) -> System | None:
        """Run discovery on `node` and return the system with its facts; None if a step failed."""
        session = self.session
        if not session.converge(node, system.steps(node, "app")):
            return None
        progress = partial(session.show_node_status, node)
        discovery = discovery_store.find_facts(
            system.settings, session.fleet.link(node), session.run, session.out, progress
        )
        session.run.note("discovery.json", {"trail": [row._asdict() for row in discovery.trail]})
        sentence = f"discovered what the binary needs in {plural(len(discovery.trail), 'attempt')}"
        session.report_outcome(node, Outcome("discovery", State.CHANGED, sentence))
        return replace(system, facts=discovery.facts)

    # -- after the last node

    def record_proof(self, nodes: Sequence[Node]) -> None:
        """Record on each node that passed the gate that its release is proven.

        Only after the last node, because a release is proven on the whole fleet or not at all.
        """
        for node in nodes:
            if node.name not in self.passed:
                continue
            gate_step, verdict = self.passed[node.name]
            facts = {"proven": now(), "run": self.session.run.id, "how": "passed the gate"}
            facts |= {figure.name: figure.measured for figure in verdict.figures}
            self.session.fleet.link(node).run(gate_step.record_proof_script(facts))

    def _report_other_nodes(self, nodes: Sequence[Node]) -> None:
        """Print the app nodes that were not part of this rollout and run another release."""
        others = [node for node in self.settings.inventory.having("app") if node not in nodes]
        wanted = self.session.system.settings.app.sha256[:12]
        for name, running in evidence.running_releases(self.settings, others).items():
            if running != wanted:
                self.session.out.print(
                    f"{name:<8} was left out and runs {running}, not {wanted}", style="yellow"
                )
