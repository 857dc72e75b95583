"""One app node's way to a release: out of service, converged, watched, back, watched again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.converge import State
from ..engine.errors import RunbookError, Unreachable
from ..engine.host import Node
from ..engine.interrupt import BrokenOff
from ..engine.journal import append_lines
from ..engine.link import Link
from ..engine.shell import q
from ..engine.step import Step
from ..engine.waiting import wait_until
from ..steps.gate import ReleaseProven
from . import gate
from .gate import GateFailed, GateVerdict
from .system import System

if TYPE_CHECKING:
    from ..control.balancer import Balancer
    from .session import RolloutSession


@dataclass(frozen=True)
class NodeRollout:
    """`node` to the release of `system` by `steps`, then through the gate `last`, which watches
    reads of `paths`."""

    rollout: RolloutSession
    node: Node
    system: System
    steps: Sequence[Step]
    last: ReleaseProven
    paths: tuple[str, ...]

    def perform(self) -> tuple[GateVerdict, GateVerdict]:
        """What the probe load saw, and what the balancers saw afterwards (nothing where none serves
        yet).

        The gate is recorded as pending before anything is changed. If the run dies in between, the
        node stays out, and the next rollout brings it back through the gate.

        Raises:
            GateFailed: its release is bad; the node is out of service, unless it is the last one
            that serves.
            RunbookError: something else went wrong. It is back if its old process still runs; else
            it is out, and that is noted.
        """
        ours = bool(self._the_balancer.view()) and not self._the_balancer.by_operator(
            self.node.name
        )
        held = ours and bool(self._the_balancer.by_gate(self.node.name))
        before, load = self._invocation_id(), None
        self._node_link.run(self.last.mark_pending_script())
        try:
            if ours:
                self.rollout.say_of(self.node, "drain")
                self._the_balancer.drain(
                    self.node.name,
                    self._note_reason(f"release {self.last.release} is not proven yet"),
                )
            self._converge_node()
            load = self._watch_release()
            self._place()
            return load, self._put_back() if ours else GateVerdict(())
        except GateFailed as failed:
            if ours:
                with contextlib.suppress(
                    RunbookError
                ):  # the last one that serves: better a bad one than nobody
                    self._the_balancer.hold(self.node.name, self._note_reason(failed.number))
            raise
        except BaseException as error:
            if ours and not held:
                self._let_go(before, error, passed=load is not None)
            raise

    @property
    def _the_balancer(self) -> Balancer:
        return self.rollout.balancer

    @property
    def _node_link(self) -> Link:
        return self.rollout.fleet.link(self.node)

    def _note_reason(self, why: str) -> str:
        """What the balancers' edges keep, and `fab status` shows."""
        return f"gate {self.rollout.run.id}: {why}"

    def _converge_node(self) -> None:
        if self.rollout.converge(self.node, self.steps):
            return
        outcomes = self.rollout.hosts[self.node.name].outcomes
        failed = next(one for one in reversed(outcomes) if one.state is State.FAILED)
        error = failed.error or RunbookError(f"{failed.step} failed")
        if failed.step == f"unit {self.last.unit}":
            raise self._gate_failed(error.problem.removeprefix(f"{self.node.name}: "))
        raise error

    def _watch_release(self) -> GateVerdict:
        """The gate's first half: the node is out of service."""
        settings = self.system.settings
        assert self.system.facts is not None
        begin = f"pass release {self.last.release} through the gate"
        self._node_link.run(append_lines(self.rollout.run.entry("begin", self.last.name, begin)))
        self.rollout.say_of(self.node, f"gate: {settings.gate.seconds:g} s of probe load")
        return self._gate_held(
            gate.watch_release(self._node_link, settings, self.system.facts.port, self.paths)
        )

    def _place(self) -> None:
        """The balancers find the app where this release and these settings made it serve."""
        assert self.system.facts is not None
        self._the_balancer.place(self.node, self.system.facts.port)

    def _put_back(self) -> GateVerdict:
        """The gate's second half: users are back, and the balancers count."""
        limits, before, verdict = (
            self.system.settings.gate,
            self._the_balancer.view(),
            GateVerdict(()),
        )
        self.rollout.say_of(
            self.node, f"gate: {limits.watch_seconds:g} s of the balancers' figures"
        )
        try:
            self._the_balancer.undrain(self.node.name)
        except Unreachable:  # an edge: not the release's fault
            raise
        except RunbookError as error:
            raise self._gate_failed(error.problem) from None

        def bad() -> bool:
            nonlocal verdict
            verdict = gate.seen_by_balancers(
                self.node.name, before, self._the_balancer.view(), limits
            )
            return verdict.failed is not None

        wait_until(bad, seconds=limits.watch_seconds, every=0.5)
        return self._gate_held(verdict)

    def _gate_held(self, verdict: GateVerdict) -> GateVerdict:
        if verdict.failed:
            raise self._gate_failed(str(verdict.failed), verdict)
        return verdict

    def _gate_failed(self, number: str, verdict: GateVerdict | None = None) -> GateFailed:
        return GateFailed(self.node.name, self.last.release, number, verdict)

    def _let_go(self, before: str, error: BaseException, *, passed: bool) -> None:
        """Ended by something else than the gate: put back, if the old process runs on, or if the
        new one passes.

        Otherwise it stays out: nobody has seen that it is well.
        """
        with contextlib.suppress(RunbookError):
            if passed or self._invocation_id() != before:
                if not passed:
                    if not isinstance(error, KeyboardInterrupt) or isinstance(error, BrokenOff):
                        return
                    self._watch_release()
                self._place()
            self._the_balancer.release(self.node.name)

    def _invocation_id(self) -> str:
        """Tells one start of the app from another."""
        return self._node_link.read(
            [f"systemctl show -p InvocationID --value {q(self.last.unit)}"]
        )[0].out.strip()
