"""Rules about app processes: who was restarted, in which order, and how often. Pure."""

from __future__ import annotations

from itertools import pairwise

from .model import Observation, Rule
from .result import Bound


def apps_left_alone(observed: Observation) -> Bound:
    """No app was restarted: what ails is not theirs."""
    others = _restarted_nodes(observed)
    return Bound("apps restarted", ", ".join(others) or "none", "none", not others)


def every_app_restarted(observed: Observation) -> Bound:
    """It was no task that had nothing to do."""
    others = _restarted_nodes(observed)
    return Bound(
        "apps restarted", ", ".join(others) or "none", "all", others == sorted(observed.pids_before)
    )


def drained_first(observed: Observation) -> Bound:
    """Who was restarted had been taken out of service before."""
    hasty = [node for node in _restarted_nodes(observed) if node not in observed.drained]
    shown = ", ".join(hasty) or f"none of {', '.join(_restarted_nodes(observed)) or 'none'}"
    return Bound(
        "restarted undrained", shown, "none", not hasty and bool(_restarted_nodes(observed))
    )


def _restarted_nodes(observed: Observation) -> list[str]:
    """The nodes with another process than before. (No process may only mean that the host was
    not heard.)"""
    return sorted(
        node
        for node, pid in observed.pids_before.items()
        if {life.pid for life in observed.process_samples.get(node, ())} - {0, pid}
    )


def never_both_at_once(observed: Observation) -> Bound:
    """Ill nodes are restarted one after the other: at no moment was no app ready."""
    moments = sorted(
        (life.t, node, life.ready)
        for node, lives in observed.process_samples.items()
        for life in lives
        if life.t >= observed.fault
    )
    state = dict.fromkeys(observed.process_samples, True)
    together = 0.0
    for (t, node, ready), (later, _, _) in pairwise(
        [*moments, (moments[-1][0] if moments else 0.0, "", True)]
    ):
        state[node] = ready
        together += later - t if not any(state.values()) else 0.0
    return Bound("both apps restarting", f"{together:.1f} s", "never", together == 0)


def restarted_at_most(times: int) -> Rule:
    """No restart loop: so many processes each node at most, besides the one before."""

    def rule(observed: Observation) -> Bound:
        fresh = {
            node: {life.pid for life in lives} - {0, observed.pids_before.get(node, 0)}
            for node, lives in observed.process_samples.items()
        }
        most = max(map(len, fresh.values()), default=0)
        return Bound("restarts of a node", str(most), str(times), most <= times)

    return rule


def one_node_left_once(observed: Observation) -> Bound:
    """Health checks do not flap: the victim itself is seen out of service, once, and nobody
    else."""
    times = sum(observed.times_out_of_service.values())
    shown = (
        ", ".join(
            f"{node} {count}" for node, count in sorted(observed.times_out_of_service.items())
        )
        or "none"
    )
    return Bound("nodes seen out of service", shown, "one, once", times == 1)
