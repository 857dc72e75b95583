"""Phase by phase: one app node and one edge at a time, out of service while it is worked on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..console.rollup import HostReport
from ..engine.converge import State, predict_outcomes, read_steps
from ..engine.errors import RunbookError
from ..engine.fleet import failed_hosts
from ..engine.host import Node
from ..engine.lock import Lock
from .app_nodes import AppRollout
from .auto_rollback import roll_back_fleet
from .gate import GateFailed
from .session import RolloutSession
from .system import PHASES


def roll_out(session: RolloutSession) -> list[HostReport]:
    """Go through the phases under the lock, and stop at the first that fails; the hosts'
    reports."""
    links, options = list(session.fleet.links.values()), session.options
    with (
        session.out.status("") as session.status,
        Lock(links, session.run, take_over=options.take_over),
    ):
        try:
            for phase in options.phases:
                session.say(f"{phase} …")
                if not _try_phase(session, phase, session.fleet.having(*PHASES[phase].roles)):
                    _leave_out(session, phase)
                    break
        finally:
            session.close()
    return list(session.hosts.values())


def _try_phase(session: RolloutSession, phase: str, nodes: Sequence[Node]) -> bool:
    """Run one phase. An error that concerns the whole phase is reported on its first node."""
    try:
        return _run_phase(session, phase, nodes)
    except RunbookError as error:
        session.hosts[nodes[0].name].error = error
        return False


def _run_phase(session: RolloutSession, phase: str, nodes: Sequence[Node]) -> bool:
    """All nodes at once, but app nodes and edges one after the other; false as soon as one
    failed."""
    if phase == "app":
        return _run_app_phase(session, nodes)
    work, batches = (
        (lambda node: session.converge(node, session.system.steps(node, phase))),
        [nodes],
    )
    if phase == "edge":
        work, nodes = partial(_converge_edge, session), session.edges.holder_last(nodes)
        batches = (
            [[node] for node in nodes] if session.balancer.view() else [nodes]
        )  # the first serve nobody yet
    for batch in batches:
        done = session.fleet.each(work, batch)
        for name, error in failed_hosts(done).items():
            session.hosts[name].error = error
        if not all(result is True for result in done.values()):
            return False
    return True


def _run_app_phase(session: RolloutSession, nodes: Sequence[Node]) -> bool:
    """One node after the other. A release that fails the gate takes the fleet back to the
    release before it."""
    apps = AppRollout(session)
    ended = apps.perform(nodes)
    if ended is None:
        return True
    name, error = ended
    session.hosts[name].error = (
        roll_back_fleet(apps, error, nodes) if isinstance(error, GateFailed) else error
    )
    return False


def _converge_edge(session: RolloutSession, node: Node) -> bool:
    """One edge: if anything on it changes, the floating address moves to another one first,
    without a failed request."""
    steps = session.system.steps(node, "edge")
    planned = predict_outcomes(steps, read_steps(session.fleet.link(node), steps))
    if not any(outcome.state is State.WOULD for outcome in planned):
        return session.converge(node, steps)
    with session.edges.without(node, f"deploy {session.run.id}", partial(session.say_of, node)):
        return session.converge(node, steps)


def _leave_out(session: RolloutSession, failed: str) -> None:
    """Record why the remaining hosts were skipped."""
    for host in session.hosts.values():
        if not host.outcomes and not host.error:
            host.left_out = f"not started: phase {failed} failed"
