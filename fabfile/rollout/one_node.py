"""Roll out to one app node: drain, converge, watch at the gate, put back, watch again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.converge import State
from ..engine.errors import RunbookError, Unreachable
from ..engine.host import Node
from ..engine.interrupt import Aborted
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


@dataclass(frozen=True, kw_only=True)
class NodeRollout:
    """The rollout of one release to one app node.

    Attributes:
        session: the rollout.
        node: the app node.
        system: the site with the release to roll out.
        steps: what makes the node right.
        gate_step: the step that records the release as proven.
        paths: the reads that the gate watches.
    """

    session: RolloutSession
    node: Node
    system: System
    steps: Sequence[Step]
    gate_step: ReleaseProven
    paths: tuple[str, ...]

    def perform(self) -> tuple[GateVerdict, GateVerdict]:
        """Roll out, and return what the probe load saw and what the balancers saw afterwards.

        The second verdict is empty if no balancer serves yet, or if an operator has drained the
        node.

        Raises:
            GateFailed: the release is bad. The node is out of service, unless it is the last one
                that serves.
            RunbookError: something else failed. The node is back in service if its old process
                still runs; else it is out of service, and the reason is recorded.
        """
        name = self.node.name
        may_drain = bool(self._balancer.view()) and not self._balancer.is_drained_by_operator(name)
        was_kept_out = may_drain and bool(self._balancer.gate_drain_reason(name))
        invocation_before = self._read_invocation_id()
        load: GateVerdict | None = None
        # Recorded before anything is changed: if the run dies, the node stays out of service, and
        # the next rollout brings it back through the gate.
        self._link.run(self.gate_step.mark_pending_script())
        try:
            if may_drain:
                self.session.show_node_status(self.node, "drain")
                why = f"release {self.gate_step.release} is not proven yet"
                self._balancer.drain(name, self._drain_reason(why))
            self._converge_node()
            load = self._watch_release()
            self._place_server()
            return load, self._put_back() if may_drain else GateVerdict(())
        except GateFailed as failed:
            if may_drain:
                # This fails for the last node that serves: a bad release is better than none.
                with contextlib.suppress(RunbookError):
                    self._balancer.keep_out(name, self._drain_reason(failed.number))
            raise
        except BaseException as error:
            if may_drain and not was_kept_out:
                self._put_back_if_safe(invocation_before, error, passed=load is not None)
            raise

    @property
    def _balancer(self) -> Balancer:
        return self.session.balancer

    @property
    def _link(self) -> Link:
        return self.session.fleet.link(self.node)

    def _drain_reason(self, why: str) -> str:
        """The reason that the edges keep and `fab status` shows."""
        return f"gate {self.session.run.id}: {why}"

    def _converge_node(self) -> None:
        """Apply the steps.

        Raises:
            GateFailed: the app does not start.
            RunbookError: another step failed.
        """
        if self.session.converge(self.node, self.steps):
            return
        outcomes = self.session.hosts[self.node.name].outcomes
        failed = next(one for one in reversed(outcomes) if one.state is State.FAILED)
        error = failed.error or RunbookError(f"{failed.step} failed")
        if failed.step == f"unit {self.gate_step.unit}":
            raise self._gate_failed(error.problem.removeprefix(f"{self.node.name}: "))
        raise error

    def _watch_release(self) -> GateVerdict:
        """The first half of the gate: probe load while the node is out of service."""
        settings = self.system.settings
        assert self.system.facts is not None
        sentence = f"pass release {self.gate_step.release} through the gate"
        entry = self.session.run.entry("begin", self.gate_step.name, sentence)
        self._link.run(append_lines(entry))
        seconds = settings.gate.seconds
        self.session.show_node_status(self.node, f"gate: {seconds:g} s of probe load")
        verdict = gate.watch_release(self._link, settings, self.system.facts.port, self.paths)
        return self._require_passed(verdict)

    def _place_server(self) -> None:
        """Let the balancers use the port on which this release serves."""
        assert self.system.facts is not None
        self._balancer.set_address(self.node, self.system.facts.port)

    def _put_back(self) -> GateVerdict:
        """The second half of the gate: the balancers' counters while the node serves users."""
        name, limits = self.node.name, self.system.settings.gate
        before = self._balancer.view()
        verdict = GateVerdict(())
        seconds = limits.watch_seconds
        self.session.show_node_status(self.node, f"gate: {seconds:g} s of the balancers' figures")
        try:
            self._balancer.undrain(name)
        except Unreachable:
            raise  # an edge does not answer: not the fault of the release
        except RunbookError as error:
            raise self._gate_failed(error.problem) from None

        def has_failed() -> bool:
            nonlocal verdict
            verdict = gate.seen_by_balancers(name, before, self._balancer.view(), limits)
            return verdict.failed is not None

        wait_until(has_failed, seconds=seconds, every=0.5)
        return self._require_passed(verdict)

    def _require_passed(self, verdict: GateVerdict) -> GateVerdict:
        if verdict.failed:
            raise self._gate_failed(str(verdict.failed), verdict)
        return verdict

    def _gate_failed(self, number: str, verdict: GateVerdict | None = None) -> GateFailed:
        return GateFailed(self.node.name, self.gate_step.release, number, verdict)

    def _put_back_if_safe(
        self, invocation_before: str, error: BaseException, *, passed: bool
    ) -> None:
        """Put the node back into service after an error that is not the gate's.

        The node is safe if its old process still runs, or if the new one passes the gate. Else it
        stays out of service. The new process is watched only after a first Ctrl-C: after another
        error the node may be half converged, and a second Ctrl-C must end the run at once.
        """
        with contextlib.suppress(RunbookError):
            if passed or self._read_invocation_id() != invocation_before:
                if not passed:
                    if not isinstance(error, KeyboardInterrupt) or isinstance(error, Aborted):
                        return
                    self._watch_release()
                self._place_server()
            self._balancer.let_in(self.node.name)

    def _read_invocation_id(self) -> str:
        """systemd's id of the app's current start; every start has another one."""
        unit = q(self.gate_step.unit)
        [reading] = self._link.read([f"systemctl show -p InvocationID --value {unit}"])
        return reading.out.strip()
