"""Run the phases of a rollout; app nodes and edges one at a time, out of service meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..console.live_line import show_live_line
from ..console.rollup import HostReport
from ..control.silences import hosts_silence, silenced
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

QUIET = 1800
"""Seconds for which alerts about the hosts of a rollout are silenced, should it die."""


def roll_out(session: RolloutSession) -> list[HostReport]:
    """Run the phases under the lock, and stop at the first that fails; returns the reports of the
    hosts."""
    links, options = list(session.fleet.links.values()), session.options
    author = f"{session.run.task} {session.run.id}"
    silence = hosts_silence(author, list(session.hosts), QUIET)
    with (
        silenced(session.system.settings, silence, session.out.print),
        show_live_line(session.out) as session.show_status,
        Lock(links, session.run, take_over=options.take_over),
    ):
        try:
            for phase in options.phases:
                session.show_status(f"{phase} …")
                if not _try_phase(session, phase, session.fleet.having(*PHASES[phase].roles)):
                    _record_skipped(session, phase)
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
    """Run one phase on its nodes; false as soon as a node failed.

    All nodes are worked on at once, except app nodes and serving edges.
    """
    if phase == "app":
        return _run_app_phase(session, nodes)
    if phase != "edge":
        return _converge_batch(
            session, nodes, lambda node: session.converge(node, session.system.steps(node, phase))
        )
    # Serving edges come last, so that a floating address moves only once.
    nodes = session.edges.order_serving_last(nodes)
    # Edges that serve nobody yet need not wait for each other.
    batches = [[node] for node in nodes] if session.balancer.view() else [nodes]
    work = partial(_converge_edge, session)
    return all(_converge_batch(session, batch, work) for batch in batches)


def _converge_batch(
    session: RolloutSession, nodes: Sequence[Node], work: Callable[[Node], bool]
) -> bool:
    """Do `work` on all nodes at once; false if a node failed."""
    results = session.fleet.each(work, nodes)
    for name, error in failed_hosts(results).items():
        session.hosts[name].error = error
    return all(result is True for result in results.values())


def _run_app_phase(session: RolloutSession, nodes: Sequence[Node]) -> bool:
    """Roll out to the app nodes; if the release fails the gate, go back to the one before it."""
    apps = AppRollout(session)
    failure = apps.perform(nodes)
    if failure is None:
        return True
    name, error = failure
    if isinstance(error, GateFailed):
        error = roll_back_fleet(apps, error, nodes)
    session.hosts[name].error = error
    return False


def _converge_edge(session: RolloutSession, node: Node) -> bool:
    """Converge one edge. If anything on it changes, its users first move to another edge, so that
    no request fails."""
    steps = session.system.steps(node, "edge")
    planned = predict_outcomes(steps, read_steps(session.fleet.link(node), steps))
    if not any(outcome.state is State.WOULD for outcome in planned):
        return session.converge(node, steps)
    with session.edges.out_of_service(
        node, f"deploy {session.run.id}", partial(session.show_node_status, node)
    ):
        return session.converge(node, steps)


def _record_skipped(session: RolloutSession, failed_phase: str) -> None:
    """Record why the remaining hosts were skipped."""
    for host in session.hosts.values():
        if not host.outcomes and not host.error:
            host.left_out = f"not started: phase {failed_phase} failed"
