"""Whether the hosts can reach each other: each host opens the connections that it needs.

A host alone cannot distinguish a closed port from a firewall that rejects, so
`find_network_problems` judges all hosts together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..engine.host import Node
from ..engine.problem import Problem
from ..engine.shell import q
from ..roles.ports import Route, list_routes
from ..settings.settings import Settings

OPEN = "open"
SILENT = "no answer within 1 s"
REFUSED = "refused"

TRY = f"""try() {{
  for _ in ${{attempts:-1}}; do
    answer=$(LC_ALL=C timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>&1)
    case $? in
      0) answer='{OPEN}' ;;
      124) answer='{SILENT}'; continue ;;
      *) answer=${{answer##*: }} ;;
    esac
    break
  done
  echo "tried|$1|$3|$answer"
}}
app_port() {{
  sed -n "s|^ *server $1 $2:\\([0-9]*\\) check.*|\\1|p" /etc/haproxy/haproxy.cfg 2>/dev/null
}}
"""
"""Shell functions: `try` prints the result of a connection attempt (`$attempts` has a word for each
attempt at a port that does not answer, one by default), `app_port` prints the port of
an app node in the configuration of HAProxy."""


@dataclass(frozen=True)
class ConnectionAttempt:
    """A connection attempt and its result: `OPEN`, `SILENT`, or the error of the system."""

    target: str
    number: int
    result: str

    @property
    def refused(self) -> bool:
        """Whether the host itself or a firewall rejected it."""
        return REFUSED in self.result


@dataclass(frozen=True)
class BlockedConnection:
    """A connection attempt of the hosts `sources` that the network does not let through."""

    sources: tuple[str, ...]
    attempt: ConnectionAttempt
    problem: Problem


@dataclass
class NetworkView:
    """The network as seen by a host: its connection attempts, and the addresses it listens on, by
    port."""

    tried: list[ConnectionAttempt] = field(default_factory=list)
    listens: dict[int, list[str]] = field(default_factory=dict)


def network_probe(settings: Settings, node: Node) -> str:
    """Return read-only shell text for `parse_network`: all connections at once, each for at most
    1 s."""
    tries = "".join(f"{_route_probe(route)} &\n" for route in list_routes(settings, node))
    return f"{TRY}{tries}ss -Hltn 2>/dev/null | awk '{{ print \"listens \" $4 }}'\nwait"


def _route_probe(route: Route) -> str:
    name, address = q(route.target), q(route.address)
    if route.number:  # 0: discovery finds the port of the app, so the edge must read it
        return f"try {name} {address} {route.number}"
    return f'(port=$(app_port {name} {address}); [ -z "$port" ] || try {name} {address} $port)'


def parse_network(text: str) -> NetworkView:
    """Read the view of a host from the output of `network_probe`."""
    view = NetworkView()
    for target, number, result in re.findall(r"^tried\|(.*)\|(\d+)\|(.*)$", text, re.M):
        view.tried.append(ConnectionAttempt(target, int(number), result))
    for address, number in re.findall(r"^listens (\S+):(\d+)$", text, re.M):
        view.listens.setdefault(int(number), []).append(address.partition("%")[0])
    return view


def find_network_problems(
    settings: Settings, views: Mapping[str, NetworkView], unreachable: Sequence[str] = ()
) -> list[Problem]:
    """Return which hosts cannot reach which ports, and the likely reason: see
    `find_blocked_connections`. Pure."""
    return [
        connection.problem for connection in find_blocked_connections(settings, views, unreachable)
    ]


def find_blocked_connections(
    settings: Settings, views: Mapping[str, NetworkView], unreachable: Sequence[str] = ()
) -> list[BlockedConnection]:
    """Return the connections that the network does not let through. Pure.

    Args:
        views: what each host sees, by name of the host.
        unreachable: hosts that did not answer over ssh; connections to them are left out.

    A port without a listener is left out: its unit is down, and `units` reports that.
    """
    blocked: dict[ConnectionAttempt, list[str]] = {}
    for host, view in views.items():
        for tried in view.tried:
            if tried.result != OPEN and tried.target not in unreachable:
                blocked.setdefault(tried, []).append(host)
    return [
        BlockedConnection(tuple(sources), tried, problem)
        for tried, sources in blocked.items()
        if (problem := _explain_failed_route(settings, sources, tried, views.get(tried.target)))
    ]


def _explain_failed_route(
    settings: Settings, sources: Sequence[str], tried: ConnectionAttempt, target: NetworkView | None
) -> Problem | None:
    reason = find_failure_reason(tried, target)
    if not reason:
        return None
    nodes = {node.name: node for node in settings.inventory.nodes}
    what = next(
        route.what
        for source in sources
        for route in list_routes(settings, nodes[source])
        if _matches_route(route, tried)
    )
    allowed = ", ".join(nodes[source].address for source in sources)
    way = f"nft list ruleset; and security groups: let TCP {tried.number} in from {allowed}"
    return Problem(
        f"{' and '.join(sources)} cannot reach {tried.target} port {tried.number} ({what}):"
        f" {reason}",
        f"on {tried.target}: "
        + ("ss -ltnp   (which address must it listen on?)" if reason.endswith("only") else way),
        about=(*sources, tried.target),
    )


def _matches_route(route: Route, tried: ConnectionAttempt) -> bool:
    return route.target == tried.target and route.number in (0, tried.number)


def find_failure_reason(tried: ConnectionAttempt, target: NetworkView | None) -> str:
    """Return why the connection failed; empty if the network is not the reason."""
    if not tried.refused:
        return (
            f"{tried.result}: a firewall drops it?"
            if tried.result == SILENT
            else tried.result.lower()
        )
    if target is None:
        return "refused: nothing listens there, or a firewall rejects it"
    addresses = target.listens.get(tried.number, [])
    if not addresses:
        return ""
    if all(address.startswith("127.") or address == "[::1]" for address in addresses):
        return f"refused: it listens on {', '.join(addresses)} only"
    return "refused, although it listens there: a firewall rejects it"
