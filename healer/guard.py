"""Whether a restart may begin now, so that the healers never take both nodes away. Pure.

The lease at the edges is taken after this check.
"""

from __future__ import annotations

from collections.abc import Sequence

from .config import Config
from .model import Act, Decision, EdgeReport, Permission, ServerState

PEER_SETTLED = 8.0
"""Seconds the peer must have been up before this node is recycled for its age."""

DEPLOY_GRACE = 20.0
"""Seconds an ill app is left to the deploy that has locked its node. A deploy drains the node it
works on, and a drained node is never touched."""

TURN = 10.0
"""Seconds between the nodes' turns to restart when no balancer answers."""


def check_permission(
    config: Config,
    decision: Decision,
    views: Sequence[EdgeReport],
    *,
    ill_for: float,
    deploy: str,
    drained_by_another: bool,
) -> Permission:
    """Decide whether `decision` may be carried out now.

    Args:
        config: this node's configuration.
        decision: a restart or a recycle.
        views: the views of the edges that answer.
        ill_for: seconds since the app was last well.
        deploy: who deploys to this node; empty when nobody does.
        drained_by_another: a person or a deploy has drained this node.
    """
    if drained_by_another:
        return Permission(False, "somebody has drained this node, and will put it back")
    if deploy and (decision.act is Act.RECYCLE or ill_for < DEPLOY_GRACE):
        return Permission(False, f"{deploy} holds this node")
    if decision.act is Act.RESTART:
        return _check_restart(config, decision, views, ill_for)
    return _check_recycle(config, decision, views)


def _check_restart(
    config: Config, decision: Decision, views: Sequence[EdgeReport], ill_for: float
) -> Permission:
    """The app serves nobody, or soon will not. Wait only for a peer that may be coming back."""
    if not config.peers:
        return Permission(True, "there is no other node")
    if not views:
        # Without a balancer there is no lease either: the nodes take turns by their order.
        left = config.order * TURN - ill_for
        return Permission(
            left <= 0, f"no balancer answers; this node's turn comes in {max(left, 0):.0f} s"
        )
    peers = _find_peers(config, views)
    if any(peer.up for peer in peers):
        return Permission(True, "the other node serves")
    if decision.cause == "leak":
        return Permission(False, "this node still serves, and the other node does not")
    if any(peer.answers for peer in peers):
        return Permission(True, "the other node is ill, too; the lease decides who goes first")
    down_for = min((peer.status_age for peer in peers), default=config.peer_wait)
    if down_for >= config.peer_wait:
        return Permission(
            True, f"the other node has been down for {down_for:.0f} s; not waiting any longer"
        )
    return Permission(
        False, f"the other node has been down for only {down_for:.0f} s and may come back first"
    )


def _check_recycle(config: Config, decision: Decision, views: Sequence[EdgeReport]) -> Permission:
    """The app still serves: recycle it only while the peer is up at every edge."""
    if not views:
        return Permission(False, "no balancer answers, so the state of the other node is unknown")
    if not config.peers:
        return Permission(False, "there is no other node to serve meanwhile")
    # A leak cannot wait until the peer has warmed up.
    needed = 0.0 if decision.cause == "leak" else PEER_SETTLED
    for view in views:
        peers = [view.nodes[name] for name in config.peers if name in view.nodes]
        # Exactly "UP": in "UP 1/2" the last check failed.
        if not any(peer.status == "UP" and peer.status_age >= needed for peer in peers):
            states = " and ".join(f"{peer.status} for {peer.status_age:.0f} s" for peer in peers)
            return Permission(
                False,
                f"{view.edge} sees the other node {states or 'nowhere'}; it must serve first",
            )
    return Permission(True, "the other node serves")


def _find_peers(config: Config, views: Sequence[EdgeReport]) -> list[ServerState]:
    return [view.nodes[name] for view in views for name in config.peers if name in view.nodes]


def find_peer_age(config: Config, views: Sequence[EdgeReport]) -> float | None:
    """Return how long the peer has been up in the balancers, in seconds; None if it is not up."""
    ages = [peer.status_age for peer in _find_peers(config, views) if peer.up]
    return min(ages, default=None)


def is_drained_by_another(config: Config, views: Sequence[EdgeReport]) -> bool:
    """Return whether anybody but a healer keeps this node out at any edge.

    That is a recorded drain (`kept_out`), or one that was set only at HAProxy's socket.
    """
    return any(
        view.kept_out or (view.nodes[config.node].drained and not view.drained_by_healer)
        for view in views
        if config.node in view.nodes
    )
