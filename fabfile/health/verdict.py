"""What is wrong with balancers, drains, pending restarts and the address of the edges. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..control.front import EdgeState
from ..control.haproxy_stats import Server
from ..engine.errors import DIFFERS, FAILED, OK
from ..engine.problem import Problem


def find_balancer_problems(
    servers: Mapping[str, Server], out: Sequence[str], edge: EdgeState | None
) -> list[Problem]:
    """Return the problems of an edge: its balancer does not answer, or sees a node down.

    Nodes in `out` were taken out on purpose, so they are left out.
    """
    found = []
    if not servers:
        found.append(
            Problem(
                "the balancer does not answer on its socket",
                "fab deploy",
                cause=False,
                incident="edge-down",
            )
        )
    if edge and not edge.healthy:
        found.append(
            Problem(
                "requests through nginx and HAProxy on this edge get no answer",
                "fab deploy",
                cause=False,
                incident="edge-down",
            )
        )
    for server in servers.values():
        if not server.up and server.node not in out:
            next_ = f"fab -H {server.node} app.restart"
            text = f"the balancer sees {server.node} {server.status}"
            about = (server.node,)
            found.append(Problem(text, next_, cause=False, about=about, incident="app-down"))
    return found


def find_split_views(views: Mapping[str, Mapping[str, Server]]) -> list[Problem]:
    """Return the nodes that one edge sees down and another sees up: the fault is at the first edge,
    not at the node.

    `views` are the servers by node, for each edge.
    """
    found = []
    for edge, servers in views.items():
        for node, server in servers.items():
            others = [
                other
                for other, theirs in views.items()
                if other != edge and node in theirs and theirs[node].up
            ]
            if others and not server.up:
                text = (
                    f"{edge} sees {node} {server.status}, {others[0]} sees it UP: the fault is on"
                    f" {edge}, or between {edge} and {node}"
                )
                next_ = f"fab -H {edge} plan   (then fab -H {edge} deploy)"
                found.append(Problem(text, next_, down=False, about=(node,), incident="edge-drift"))
    return found


def find_drain_problems(
    host: str, drained: Mapping[str, str], healing: Iterable[str], edge: EdgeState | None
) -> list[Problem]:
    """Return which nodes are drained on purpose, and how each comes back."""
    found = []
    if edge and edge.drained:
        found.append(Problem(f"is drained: {edge.drained}", f"fab -H {host} undrain", down=False))
    for node, why in drained.items():
        gate = why.startswith("gate ")
        next_ = "fab deploy, or fab rollback" if gate else f"fab -H {node} undrain"
        incident = "bad-release" if gate else ""
        text = f"holds {node} drained: {why}"
        found.append(Problem(text, next_, down=False, incident=incident))
    found += [
        Problem(
            f"holds {node} drained: its healer restarts the app",
            "fab status   (again in a minute)",
            down=False,
        )
        for node in healing
    ]
    return found


def find_pending_problems(pending: Iterable[str]) -> list[Problem]:
    """Return the pending restarts and reloads: a change requires them, but they did not run yet."""
    parts = [name.rpartition(".") for name in pending]
    return [
        Problem(f"pending {action} of {unit}", "fab deploy", down=False)
        for unit, _, action in parts
    ]


def find_address_problem(address: str, edges: Sequence[EdgeState]) -> Problem | None:
    """Return what is wrong with the address of the edges; None if the edges that should serve there
    do: exactly one with a floating address, any with a balancer.

    `edges` must be all edges of the site.
    """
    serving = [edge.name for edge in edges if edge.serves]
    one_serves = any(edge.one_serves for edge in edges)
    if len(serving) == 1 or (serving and not one_serves):
        return None
    if not serving:
        names = tuple(edge.name for edge in edges)
        return Problem(
            f"no edge holds {address}: users get no answer"
            if one_serves
            else f"no edge can serve behind {address}: users get no answer",
            "fab deploy",
            cause=False,
            about=names,
            incident="edge-down",
        )
    return Problem(
        f"{' and '.join(serving)} both hold {address}: they do not hear each other's VRRP adverts",
        "let IP protocol 112 (VRRP) through between the edges: nft list ruleset, security groups",
        about=tuple(serving),
    )


def exit_code(problems: Sequence[Problem]) -> int:
    """Return 0 without problems, 1 if something is down for an unknown cause, and 2 if the cause is
    known or something is pending."""
    if not problems:
        return OK
    down = [problem for problem in problems if problem.down]
    return FAILED if down and not any(problem.cause for problem in down) else DIFFERS
