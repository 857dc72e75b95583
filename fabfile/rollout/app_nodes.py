"""The app phase of a rollout: one node at a time, out of service while it is worked on, back
through the gate.

A release that fails the gate anywhere takes the fleet back to the release before it
(`auto_rollback.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..control import releases
from ..discovery import store as knowledge
from ..engine.converge import Outcome, State, predict_outcomes, read_steps
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.journal import append_lines, now
from ..settings.paths import app_unit
from ..steps.gate import ReleaseProven
from . import evidence, gate
from .gate import GateVerdict
from .one_node import NodeRollout
from .session import RolloutSession
from .system import System


class AppRollout:
    """One rollout's app nodes. What passed the gate is noted as proven when all of them have."""

    def __init__(self, rollout: RolloutSession) -> None:
        self.rollout, self.balancer, self.settings = (
            rollout,
            rollout.balancer,
            rollout.system.settings,
        )
        self.passed: dict[str, tuple[ReleaseProven, GateVerdict]] = {}
        self.nodes: Sequence[Node] = ()
        self.paths: tuple[str, ...] | None = None
        """The reads by id that the gate watches; None until a node has to pass it."""

    def perform(self, nodes: Sequence[Node]) -> tuple[str, RunbookError] | None:
        """Roll out to every node. Stop at the first failure and return its name and the error; the
        error is a GateFailed when the release is bad.

        Raises:
            RunbookError: an edge does not answer; no node was changed.
        """
        if not nodes:
            return None
        self.nodes = nodes
        self._lift_leftovers(nodes)
        for node in self._sick_first(nodes):
            ended = self.one(node, self.rollout.system)
            if ended is not None:
                return node.name, ended
        self.prove(nodes)
        self._name_others(nodes)
        return None

    def one(self, node: Node, system: System) -> RunbookError | None:
        """One node to the release of `system`; the error it ended with.

        In a thread of the fleet's, so that a second Ctrl-C can break it off.
        """
        done = self.rollout.fleet.each(partial(self._roll_node, system), [node])[node.name]
        if isinstance(done, RunbookError):
            return done
        report = self.rollout.hosts[node.name]
        return (
            None
            if done
            else report.first_error
            or RunbookError(
                f"{node.name}: a step failed",
                "the steps after it were not started",
                f"fab -H {node.name} plan",
            )
        )

    # -- before the first

    def _lift_leftovers(self, nodes: Sequence[Node]) -> None:
        """A deploy that died may have left a node drained; until it is back, no other may be
        drained for a restart."""
        for name in self.balancer.lift_leftovers(nodes):
            sentence = f"undrain {name} (an unfinished deploy drained it)"
            self.rollout.tell(
                self.settings.inventory.select([name])[0], Outcome("drain", State.CHANGED, sentence)
            )

    def _sick_first(self, nodes: Sequence[Node]) -> list[Node]:
        """Nodes that serve nobody cost nothing to restart, and the others may be drained only
        once these are back."""
        view = self.balancer.view().values()
        return sorted(
            nodes, key=lambda node: any(seen[node.name].up for seen in view if node.name in seen)
        )

    def _prepare_once(self) -> None:
        """Before the first node is touched.

        Raises:
            RunbookError: the database does not answer, so no release could be judged.
        """
        if self.paths is None:
            paths = gate.gate_reads(self.settings)
            self._prove_running_release(self.nodes)
            self.paths = paths

    def _prove_running_release(self, nodes: Sequence[Node]) -> None:
        """What serves at this moment on a fleet that has never seen a gate is what there is to
        go back to."""
        kept = self.kept(nodes)
        if any(one.proven for lying in kept.values() for one in lying):
            return
        view = self.balancer.view().values()
        for node in nodes:
            serves = bool(view) and all(node.name in seen and seen[node.name].up for seen in view)
            running = releases.current_release(kept[node.name])
            note = ReleaseProven(app_unit(self.settings), running)
            link = self.rollout.fleet.link(node)
            if serves and running and not note.is_pending(link.read([note.probe()])[0]):
                link.run(
                    note.record_proof_script(
                        {"proven": now(), "run": self.rollout.run.id, "how": "found serving"}
                    )
                )

    def kept(self, nodes: Sequence[Node]) -> dict[str, list[releases.InstalledRelease]]:
        """The releases on each of `nodes`.

        Raises:
            Unreachable: a node does not answer.
        """
        return {
            node.name: releases.releases_on(self.rollout.fleet.link(node), self.settings)
            for node in nodes
        }

    # -- one node

    def _roll_node(self, system: System, node: Node) -> bool:
        """Found out about if need be; only if its app must be restarted or watched, through the
        gate."""
        rollout = self.rollout
        if system.facts is None:
            found = self._discover_on(node, system)
            if found is None:
                return False
            if system is rollout.system:
                rollout.system = found
            system = found
        plan = system.app_plan(node)
        steps, last = plan.steps, plan.gate
        planned = predict_outcomes(
            [*steps, last], read_steps(rollout.fleet.link(node), [*steps, last])
        )
        through = {f"unit {app_unit(self.settings)}", last.name}
        if any(outcome.step in through and outcome.state is State.WOULD for outcome in planned):
            self._prepare_once()
            began = time.monotonic()
            load, seen = NodeRollout(rollout, node, system, steps, last, self.paths or ()).perform()
            self._tell_passed(node, last, load, seen, time.monotonic() - began)
            return True
        done = rollout.converge(node, steps)
        rollout.hosts[node.name].outcomes.append(Outcome(last.name, State.RIGHT))
        return done

    def _tell_passed(
        self, node: Node, last: ReleaseProven, load: GateVerdict, seen: GateVerdict, seconds: float
    ) -> None:
        """`load`: what the probe saw, `seen`: what the balancers did."""
        self.passed[node.name] = last, GateVerdict(load.figures + seen.figures)
        sentence = f"release {last.release} passed the gate: {load}"
        outcome = Outcome(last.name, State.CHANGED, sentence, seconds=round(seconds, 2))
        self.rollout.hosts[node.name].outcomes.append(outcome)
        self.rollout.tell(node, outcome)
        run = self.rollout.run
        run.note(f"gate-{node.name}-{last.release}.json", self.passed[node.name][1].as_json())
        self.rollout.fleet.link(node).run(append_lines(run.entry("changed", last.name, sentence)))

    def _discover_on(self, node: Node, system: System) -> System | None:
        """What the binary wants, found out on `node`; None when its ground could not be made."""
        rollout = self.rollout
        if not rollout.converge(node, system.steps(node, "app")):
            return None
        progress = partial(rollout.say_of, node)
        discovery = knowledge.find_facts(
            system.settings, rollout.fleet.link(node), rollout.run, rollout.out, progress
        )
        rollout.run.note("discovery.json", {"trail": [row._asdict() for row in discovery.trail]})
        sentence = f"discovered what the binary wants in {len(discovery.trail)} attempts"
        rollout.tell(node, Outcome("discovery", State.CHANGED, sentence))
        return replace(system, facts=discovery.facts)

    # -- after the last

    def prove(self, nodes: Sequence[Node]) -> None:
        """Note on each node that passed what it passed with. Only now: a release is proven on
        the fleet or not at all."""
        for node in nodes:
            if node.name in self.passed:
                last, verdict = self.passed[node.name]
                figures = {figure.name: figure.measured for figure in verdict.figures}
                facts = {
                    "proven": now(),
                    "run": self.rollout.run.id,
                    "how": "passed the gate",
                    **figures,
                }
                self.rollout.fleet.link(node).run(last.record_proof_script(facts))

    def _name_others(self, nodes: Sequence[Node]) -> None:
        """App nodes that this rollout left out and that run something else."""
        others = [node for node in self.settings.inventory.having("app") if node not in nodes]
        wanted = self.rollout.system.settings.app.sha256[:12]
        for name, runs in evidence.running_releases(self.settings, others).items():
            if runs != wanted:
                self.rollout.out.print(
                    f"{name:<8} was left out and runs {runs}, not {wanted}", style="yellow"
                )
