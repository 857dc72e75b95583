"""One app node's way to a release: out of service, converged, watched, back, watched again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..control.releases import Proven
from ..engine.converge import State
from ..engine.errors import RunbookError, Unreachable
from ..engine.interrupt import BrokenOff
from ..engine.journal import append
from ..engine.link import Link, wait
from ..engine.shell import q
from ..engine.step import Step
from ..settings.inventory import Node
from . import gate
from .gate import GateFailed, Verdict
from .system import System

if TYPE_CHECKING:
    from ..control.balancer import Balancer
    from .phases import Rollout


@dataclass(frozen=True)
class Passage:
    """`node` to the release of `system` by `steps`, then through the gate `last`, which watches reads of `paths`."""

    rollout: Rollout
    node: Node
    system: System
    steps: Sequence[Step]
    last: Proven
    paths: tuple[str, ...]

    def perform(self) -> tuple[Verdict, Verdict]:
        """What the probe load saw, and what the balancers saw afterwards (nothing where none serves yet).

        The gate is owed before anything is touched, and the balancers' note says so: whoever dies in between leaves a node
        that is out and that the next rollout brings back through the gate.

        Raises:
            GateFailed: its release is bad; the node is out of service, unless it is the last one that serves.
            RunbookError: something else went wrong. It is back if its old process still runs; else it is out, and that is noted.
        """
        ours = bool(self._balancer.view()) and not self._balancer.by_operator(self.node.name)
        held = ours and bool(self._balancer.by_gate(self.node.name))
        before, load = self._invocation(), None
        self._link.run(self.last.owe())
        try:
            if ours:
                self.rollout.say_of(self.node, "drain")
                self._balancer.drain(self.node.name, self._note(f"release {self.last.release} is not proven yet"))
            self._converge()
            load = self._watch()
            self._place()
            return load, self._put_back() if ours else Verdict(())
        except GateFailed as failed:
            if ours:
                with contextlib.suppress(RunbookError):  # the last one that serves: better a bad one than nobody
                    self._balancer.hold(self.node.name, self._note(failed.number))
            raise
        except BaseException as error:
            if ours and not held:
                self._let_go(before, error, passed=load is not None)
            raise

    @property
    def _balancer(self) -> Balancer:
        return self.rollout.balancer

    @property
    def _link(self) -> Link:
        return self.rollout.fleet.link(self.node)

    def _note(self, why: str) -> str:
        """What the balancers' edges keep, and `fab status` shows."""
        return f"gate {self.rollout.run.id}: {why}"

    def _converge(self) -> None:
        if self.rollout.converge(self.node, self.steps):
            return
        outcomes = self.rollout.hosts[self.node.name].outcomes
        failed = next(one for one in reversed(outcomes) if one.state is State.FAILED)
        error = failed.error or RunbookError(f"{failed.step} failed")
        if failed.step == f"unit {self.last.unit}":
            raise self._failed(error.seen.removeprefix(f"{self.node.name}: "))
        raise error

    def _watch(self) -> Verdict:
        """The gate's first half: the node is out of service."""
        settings = self.system.settings
        assert self.system.facts is not None
        begin = f"pass release {self.last.release} through the gate"
        self._link.run(append(self.rollout.run.entry("begin", self.last.name, begin)))
        self.rollout.say_of(self.node, f"gate: {settings.gate.seconds:g} s of probe load")
        return self._held(gate.watch(self._link, settings, self.system.facts.port, self.paths))

    def _place(self) -> None:
        """The balancers find the app where this release and these settings made it serve."""
        assert self.system.facts is not None
        self._balancer.place(self.node, self.system.facts.port)

    def _put_back(self) -> Verdict:
        """The gate's second half: users are back, and the balancers count."""
        limits, before, verdict = self.system.settings.gate, self._balancer.view(), Verdict(())
        self.rollout.say_of(self.node, f"gate: {limits.watch_seconds:g} s of the balancers' figures")
        try:
            self._balancer.undrain(self.node.name)
        except Unreachable:  # an edge: not the release's fault
            raise
        except RunbookError as error:
            raise self._failed(error.seen) from None

        def bad() -> bool:
            nonlocal verdict
            verdict = gate.seen_by_balancers(self.node.name, before, self._balancer.view(), limits)
            return verdict.failed is not None

        wait(bad, seconds=limits.watch_seconds, every=0.5)
        return self._held(verdict)

    def _held(self, verdict: Verdict) -> Verdict:
        if verdict.failed:
            raise self._failed(str(verdict.failed), verdict)
        return verdict

    def _failed(self, number: str, verdict: Verdict | None = None) -> GateFailed:
        return GateFailed(self.node.name, self.last.release, number, verdict)

    def _let_go(self, before: str, error: BaseException, *, passed: bool) -> None:
        """Ended by something else than the gate: put back, if the old process runs on, or if the new one passes.

        Otherwise it stays out: nobody has seen that it is well.
        """
        with contextlib.suppress(RunbookError):
            if passed or self._invocation() != before:
                if not passed:
                    if not isinstance(error, KeyboardInterrupt) or isinstance(error, BrokenOff):
                        return
                    self._watch()
                self._place()
            self._balancer.release(self.node.name)

    def _invocation(self) -> str:
        """Tells one start of the app from another."""
        return self._link.read([f"systemctl show -p InvocationID --value {q(self.last.unit)}"])[0].out.strip()
