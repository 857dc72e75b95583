"""Rules about app processes: who was restarted, in which order, and how often. Pure."""

from __future__ import annotations

from itertools import pairwise

from .model import Observation, Rule
from .result import Bound


def apps_left_alone(observed: Observation) -> Bound:
    """No app was restarted, because the fault is elsewhere."""
    others = _restarted_nodes(observed)
    return Bound("apps restarted", ", ".join(others) or "none", "none", not others)


def every_app_restarted(observed: Observation) -> Bound:
    """Every app was restarted: the task under load really changed something."""
    others = _restarted_nodes(observed)
    return Bound(
        "apps restarted", ", ".join(others) or "none", "all", others == sorted(observed.pids_before)
    )


def drained_first(observed: Observation) -> Bound:
    """Each restarted node was drained first."""
    undrained = [node for node in _restarted_nodes(observed) if node not in observed.drained]
    shown = ", ".join(undrained) or f"none of {', '.join(_restarted_nodes(observed)) or 'none'}"
    return Bound(
        "restarted undrained", shown, "none", not undrained and bool(_restarted_nodes(observed))
    )


def _restarted_nodes(observed: Observation) -> list[str]:
    """The nodes with another process than before. (No process may only mean that the
    host did not answer.)"""
    return sorted(
        node
        for node, pid in observed.pids_before.items()
        if {sample.pid for sample in observed.process_samples.get(node, ())} - {0, pid}
    )


def never_both_at_once(observed: Observation) -> Bound:
    """Nodes are restarted one after the other: at any moment at least one app was ready."""
    moments = sorted(
        (sample.t, node, sample.ready)
        for node, samples in observed.process_samples.items()
        for sample in samples
        if sample.t >= observed.fault
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
    """No restart loop: each app was restarted at most `times` times."""

    def rule(observed: Observation) -> Bound:
        fresh = {
            node: {sample.pid for sample in samples} - {0, observed.pids_before.get(node, 0)}
            for node, samples in observed.process_samples.items()
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
