"""Whether a deliberate restart may begin now, so that never both nodes are away: pure. The lease
comes on top of it."""

from __future__ import annotations

from collections.abc import Sequence

from .config import Config
from .model import Act, Decision, Seen, Verdict, View

SETTLED = 8.0
"""Seconds the peer must have been up before this node leaves for no urgent reason."""

DEPLOYING = 20.0
"""Seconds an ill app is left to the deploy that holds its node; one that works on it has drained
it, and is never disturbed."""

TURN = 10.0
"""Seconds between the nodes' turns when no balancer can be asked."""


def may(
    config: Config,
    decision: Decision,
    views: Sequence[View],
    *,
    ill_for: float,
    locked: str,
    held: bool,
) -> Verdict:
    """Whether `decision` may be carried out.

    `views` are those of the edges that answer, `ill_for` the seconds since it was needed, `locked`
    says who deploys, `held` that somebody else has drained this node.
    """
    if held:
        return Verdict(False, "somebody has drained this node, and will put it back")
    if locked and (decision.act is Act.RECYCLE or ill_for < DEPLOYING):
        return Verdict(False, f"{locked} holds this node")
    if decision.act is Act.RESTART:
        return _restart(config, decision, views, ill_for)
    return _recycle(config, decision, views)


def _restart(config: Config, decision: Decision, views: Sequence[View], ill_for: float) -> Verdict:
    """It serves nobody (or, leaking, not for long): the peer must not be about to come back, or
    to be restarted as well."""
    if not config.peers:
        return Verdict(True, "there is no other node")
    if not views:
        left = config.order * TURN - ill_for
        return Verdict(
            left <= 0, f"no balancer answers; this node's turn comes in {max(left, 0):.0f} s"
        )
    peers = _peers(config, views)
    if any(peer.up for peer in peers):
        return Verdict(True, "the other node serves")
    if decision.cause == "leak":
        return Verdict(False, "this node still serves, and the other one does not")
    if any(peer.alive for peer in peers):
        return Verdict(True, "the other node is ill, too; the lease says who goes first")
    away = min((peer.since for peer in peers), default=config.patience)
    if away >= config.patience:
        return Verdict(True, f"the other node has been away for {away:.0f} s; it is not waited for")
    return Verdict(
        False, f"the other node has been away for {away:.0f} s only and may come back first"
    )


def _recycle(config: Config, decision: Decision, views: Sequence[View]) -> Verdict:
    """Only while the peer serves, at every edge, and has done so for a while."""
    if not views:
        return Verdict(False, "no balancer answers, so nobody knows whether the other node serves")
    if not config.peers:
        return Verdict(False, "there is no other node to serve meanwhile")
    needed = 0.0 if decision.cause == "leak" else SETTLED
    for view in views:
        peers = [view.nodes[name] for name in config.peers if name in view.nodes]
        if not any(peer.status == "UP" and peer.since >= needed for peer in peers):
            how = (
                " and ".join(f"{peer.status} for {peer.since:.0f} s" for peer in peers) or "nowhere"
            )
            return Verdict(False, f"{view.edge} sees the other node {how}; it must serve first")
    return Verdict(True, "the other node serves")


def _peers(config: Config, views: Sequence[View]) -> list[Seen]:
    return [view.nodes[name] for view in views for name in config.peers if name in view.nodes]


def peer_age(config: Config, views: Sequence[View]) -> float | None:
    """How long the peer has been up, as the balancers see it; None when it is not, or nobody
    knows."""
    ages = [peer.since for peer in _peers(config, views) if peer.up]
    return min(ages, default=None)


def drained_by_another(config: Config, views: Sequence[View]) -> bool:
    """Whether somebody else keeps this node out, at any edge: on record, or by HAProxy's socket
    alone."""
    return any(
        view.kept_out or (view.nodes[config.node].drained and not view.mine)
        for view in views
        if config.node in view.nodes
    )
