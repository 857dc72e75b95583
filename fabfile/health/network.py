"""Whether the hosts reach each other where they must: each opens the connections that it needs;
together they say what is in the way.

One host alone cannot tell a closed port from a firewall that rejects, hence `problems` judges all
hosts at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..engine.host import Node
from ..engine.problem import Problem
from ..engine.shell import q
from ..roles.ports import Route, routes
from ..settings.settings import Settings

OPEN, SILENT, REFUSED = "open", "no answer within 1 s", "refused"

TRY = f"""try() {{
  answer=$(LC_ALL=C timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>&1)
  case $? in 0) answer='{OPEN}' ;; 124) answer='{SILENT}' ;; *) answer=${{answer##*: }} ;; esac
  echo "tried|$1|$3|$answer"
}}
app_port() {{
  sed -n "s|^ *server $1 $2:\\([0-9]*\\) check.*|\\1|p" /etc/haproxy/haproxy.cfg 2>/dev/null
}}
"""


@dataclass(frozen=True)
class Tried:
    """A connection that was tried, and how it ended: `OPEN`, `SILENT`, or the system's words."""

    target: str
    number: int
    result: str

    @property
    def refused(self) -> bool:
        """Whether somebody said no: the host itself, or a firewall that rejects."""
        return REFUSED in self.result


@dataclass
class NetworkView:
    """The network as one host sees it: what it tried, and the addresses it listens on itself, by
    port."""

    tried: list[Tried] = field(default_factory=list)
    listens: dict[int, list[str]] = field(default_factory=dict)


def probe(settings: Settings, node: Node) -> str:
    """Read-only shell text for `parse`: all connections at once, each for 1 s at most."""
    tries = "".join(f"{_try(route)} &\n" for route in routes(settings, node))
    return f"{TRY}{tries}ss -Hltn 2>/dev/null | awk '{{ print \"listens \" $4 }}'\nwait"


def _try(route: Route) -> str:
    name, address = q(route.target), q(route.address)
    if route.number:
        return f"try {name} {address} {route.number}"
    return f'(port=$(app_port {name} {address}); [ -z "$port" ] || try {name} {address} $port)'


def parse(text: str) -> NetworkView:
    """The host's view in the output of `probe`."""
    view = NetworkView()
    for target, number, result in re.findall(r"^tried\|(.*)\|(\d+)\|(.*)$", text, re.M):
        view.tried.append(Tried(target, int(number), result))
    for address, number in re.findall(r"^listens (\S+):(\d+)$", text, re.M):
        view.listens.setdefault(int(number), []).append(address.partition("%")[0])
    return view


def problems(
    settings: Settings, views: Mapping[str, NetworkView], lost: Sequence[str] = ()
) -> list[Problem]:
    """Who cannot reach whom on which port, and what is in the way. Pure.

    `views` by host. A port that nobody listens on is left out: the unit behind it is down, and
    `units` reports that. So is a host of `lost`, which did not answer over ssh either.
    """
    blocked: dict[Tried, list[str]] = {}
    for host, view in views.items():
        for tried in view.tried:
            if tried.result != OPEN and tried.target not in lost:
                blocked.setdefault(tried, []).append(host)
    found = (
        _problem(settings, sources, tried, views.get(tried.target))
        for tried, sources in blocked.items()
    )
    return [problem for problem in found if problem]


def _problem(
    settings: Settings, sources: Sequence[str], tried: Tried, target: NetworkView | None
) -> Problem | None:
    reason = _reason(tried, target)
    if not reason:
        return None
    nodes = {node.name: node for node in settings.inventory.nodes}
    what = next(
        route.what
        for source in sources
        for route in routes(settings, nodes[source])
        if _same(route, tried)
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


def _same(route: Route, tried: Tried) -> bool:
    return route.target == tried.target and route.number in (0, tried.number)


def _reason(tried: Tried, target: NetworkView | None) -> str:
    """Why it is not reached; empty when it is not the network's fault."""
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
