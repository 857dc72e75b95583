"""`fab drain` and `fab undrain`: take app nodes and edges out of service and put them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..alerts.edges import FORGOTTEN_DRAIN
from ..console.rollup import open_console
from ..control.balancer import Balancer
from ..control.edges import Edges
from ..control.silences import hosts_silence, lift_silence, set_silence
from ..engine.errors import OK, RunbookError
from ..engine.host import Node
from ..engine.journal import Run, append_lines, operator_name
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..settings.settings import Settings


def drain_hosts(settings: Settings, names: Sequence[str], *, reason: str) -> int:
    """Take the named hosts out of service, and wait until they are idle.

    An app node is drained at every edge. An edge gives its users to another edge.

    Raises:
        RunbookError: no host was named, a host is neither app node nor edge, it is the last one
        that serves, or the edges are locked.
    """
    why = f"operator {operator_name()} {reason}".strip()
    out, run = open_console(), Run("drain", settings.state / "runs", reason)

    def drain_app(balancer: Balancer, node: Node) -> None:
        _refuse_unproven(balancer, node)
        balancer.drain(node.name, why)
        out.print(f"{node.name:<8} drained, idle")
        silence(node)

    def silence(node: Node) -> None:
        quiet = hosts_silence(_drain_author(node), [node.name], FORGOTTEN_DRAIN)
        set_silence(settings, quiet, out.print)

    def drain_edge(edges: Edges, node: Node) -> None:
        reachable = [
            edges.fleet.links[state.name] for state in edges.view().values() if state.reachable
        ]
        with Lock(reachable, run):
            edges.drain(node.name, why, lambda text: out.print(f"{node.name:<8} {text}"))
            edges.fleet.link(node).run(
                append_lines(run.entry("changed", "drain", f"drained by {why}"))
            )
        out.print(f"{node.name:<8} drained, idle")
        silence(node)

    with ScriptLog(run):
        return _for_each_host(settings, names, drain_app, drain_edge)


def undrain_hosts(settings: Settings, names: Sequence[str]) -> int:
    """Put the named hosts back into service, and wait until every edge sees the app nodes up.

    A floating address stays where it is.

    Raises:
        RunbookError: no host was named, a host is neither app node nor edge, its checks fail, or
        it is locked.
    """
    out, run = open_console(), Run("undrain", settings.state / "runs")

    def undrain_app(balancer: Balancer, node: Node) -> None:
        _refuse_unproven(balancer, node)
        balancer.undrain(node.name)
        out.print(f"{node.name:<8} serving")
        lift_silence(settings, _drain_author(node), out.print)

    def undrain_edge(edges: Edges, node: Node) -> None:
        link = edges.fleet.link(node)
        with Lock([link], run):
            edges.undrain(node.name)
            link.run(append_lines(run.entry("changed", "undrain", "put back")))
        out.print(f"{node.name:<8} ready to {edges.front.duty}")
        lift_silence(settings, _drain_author(node), out.print)

    with ScriptLog(run):
        return _for_each_host(settings, names, undrain_app, undrain_edge)


def _drain_author(node: Node) -> str:
    """Names the silence of a drained host, so that whoever puts it back lifts it."""
    return f"drain {node.name}"


def _refuse_unproven(balancer: Balancer, node: Node) -> None:
    """Refuse a node that the gate keeps out of service: only the gate may put it back."""
    if why := balancer.gate_drain_reason(node.name):
        raise RunbookError(
            f"{node.name} is kept out: {why}",
            "its app has not passed the gate since it started; undraining it now would test it on"
            " users",
            f"fab deploy, fab rollback, or fab -H {node.name} app.restart: each puts the node back"
            " after it passed the gate",
        )


def _for_each_host(
    settings: Settings,
    names: Sequence[str],
    handle_app: Callable[[Balancer, Node], None],
    handle_edge: Callable[[Edges, Node], None],
) -> int:
    """Call `handle_app` or `handle_edge`, or both, for each named host."""
    nodes = settings.inventory.select(names, ()) if names else ()
    if not nodes or any(not {"app", "edge"} & set(node.roles) for node in nodes):
        known = [node.name for node in settings.inventory.having("app", "edge")]
        raise RunbookError(
            "no app node or edge was named",
            f"app nodes and edges are {', '.join(known)}",
            f"fab -H {known[-1] if known else 'NODE'} drain",
        )
    balancer, edges = Balancer(settings), Edges(settings)
    try:
        if any("app" in node.roles for node in nodes) and not balancer.view():
            raise RunbookError(
                "no edge runs HAProxy yet", "there is nothing to drain from", "fab deploy"
            )
        for node in nodes:
            if "edge" in node.roles:
                handle_edge(edges, node)
            if "app" in node.roles:
                handle_app(balancer, node)
    finally:
        balancer.close()
        edges.close()
    return OK
