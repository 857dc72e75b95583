"""Take app nodes and edges out of service, and put them back, by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..console.rollup import open_console
from ..control.balancer import Balancer
from ..control.floating_address import Edges
from ..engine.errors import OK, RunbookError
from ..engine.host import Node
from ..engine.journal import Run, append_lines, operator_name
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..settings.settings import Settings


def drain_hosts(settings: Settings, names: Sequence[str], *, reason: str) -> int:
    """Take the named hosts out of service: app nodes at every edge, edges by moving the floating
    address elsewhere.

    Returns when they are idle.

    Raises:
        RunbookError: no host was named, it is neither, it is the last one that serves, or somebody
        works on the edges.
    """
    why, out = f"operator {operator_name()} {reason}".strip(), open_console()
    run = Run("drain", settings.state / "runs", reason)

    def app(balancer: Balancer, node: Node) -> None:
        _not_the_gates(balancer, node)
        balancer.drain(node.name, why)
        out.print(f"{node.name:<8} drained, idle")

    def edge(edges: Edges, node: Node) -> None:
        reachable = [
            edges.fleet.links[seen.name] for seen in edges.view().values() if seen.reachable
        ]
        with Lock(reachable, run):
            edges.drain(node.name, why, lambda text: out.print(f"{node.name:<8} {text}"))
            edges.fleet.link(node).run(
                append_lines(run.entry("changed", "drain", f"drained by {why}"))
            )
        out.print(f"{node.name:<8} drained, idle")

    with ScriptLog(run):
        return _each_host(settings, names, app, edge)


def undrain_hosts(settings: Settings, names: Sequence[str]) -> int:
    """Put the named hosts back; waits until every edge sees an app node up. The floating address
    stays where it is.

    Raises:
        RunbookError: no host was named, it is neither app node nor edge, its checks fail, or
        somebody works on it.
    """
    out, run = open_console(), Run("undrain", settings.state / "runs")

    def app(balancer: Balancer, node: Node) -> None:
        _not_the_gates(balancer, node)
        balancer.undrain(node.name)
        out.print(f"{node.name:<8} serving")

    def edge(edges: Edges, node: Node) -> None:
        link = edges.fleet.link(node)
        with Lock([link], run):
            edges.undrain(node.name)
            link.run(append_lines(run.entry("changed", "undrain", "put back")))
        out.print(f"{node.name:<8} ready to take the floating address")

    with ScriptLog(run):
        return _each_host(settings, names, app, edge)


def _not_the_gates(balancer: Balancer, node: Node) -> None:
    """A node whose release is not proven is out already, and not for a person to put back."""
    if why := balancer.by_gate(node.name):
        raise RunbookError(
            f"{node.name} is kept out: {why}",
            "its app has not passed the gate since it was started; users would be its test",
            f"fab deploy, fab rollback, or fab -H {node.name} app.restart: each puts it back once"
            " it passes",
        )


def _each_host(
    settings: Settings,
    names: Sequence[str],
    app: Callable[[Balancer, Node], None],
    edge: Callable[[Edges, Node], None],
) -> int:
    nodes = settings.inventory.select(names, ()) if names else ()
    if not nodes or any(not {"app", "edge"} & set(node.roles) for node in nodes):
        known = [node.name for node in settings.inventory.having("app", "edge")]
        raise RunbookError(
            "name the app node or edge",
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
                edge(edges, node)
            if "app" in node.roles:
                app(balancer, node)
    finally:
        balancer.close()
        edges.close()
    return OK
