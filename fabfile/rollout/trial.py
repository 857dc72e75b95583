"""Try the connections between the hosts before the services run that will need them.

Where nothing listens yet, a host opens the port for some seconds. Where our service listens, it is
just called. The probe of VRRP is a raw packet of IP protocol 112 between the edges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..engine.errors import RunbookError
from ..engine.fleet import Fleet, failed_hosts
from ..engine.host import Node
from ..engine.shell import new_token, q
from ..health.network import OPEN, REFUSED, TRY, NetworkView, parse_network
from ..roles.haproxy import other_edges
from ..roles.ports import FROM_CONFIG, Route, list_routes
from ..settings.settings import Settings

OPEN_SECONDS = 25
"""A port that was opened for a trial closes after this time, also if this machine is lost."""
ATTEMPTS = 2
"""Attempts of 1 s at a port that does not answer: a first packet may be lost."""
VRRP_SECONDS = 4
"""Each edge sends and listens for this long at most, because the edges do not start together."""


@dataclass(frozen=True)
class Trial:
    """The result of all connections that were tried.

    Attributes:
        views: what each host saw, as `find_network_problems` takes it.
        unknown: routes that could not be tried, with the reason; by the host that needs them.
        heard: by edge, the addresses of the other edges and whether a packet of IP protocol 112
            arrived from them; empty where that was not tried.
        lost: the hosts that were lost meanwhile.
    """

    views: Mapping[str, NetworkView]
    unknown: Mapping[str, Mapping[Route, str]] = field(default_factory=dict)
    heard: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    lost: Mapping[str, RunbookError] = field(default_factory=dict)


def needed_routes(
    settings: Settings, nodes: Iterable[Node], ports: Mapping[str, int]
) -> dict[str, list[Route]]:
    """The routes of `nodes`, by name.

    `ports` has the app's port on each node where it is known; a route to another stays FROM_CONFIG.
    """
    return {
        node.name: [
            replace(route, number=ports.get(route.target, FROM_CONFIG))
            if route.number == FROM_CONFIG
            else route
            for route in list_routes(settings, node)
        ]
        for node in nodes
    }


def try_routes(
    settings: Settings, fleet: Fleet, routes: Mapping[str, Sequence[Route]], *, vrrp: bool
) -> Trial:
    """Try `routes`, and VRRP between the edges of `fleet` if `vrrp`.

    `fleet` must not be read-only. A host that is lost meanwhile counts as one that does not answer.
    """
    unit = f"runbook-preflight-{new_token()[:6]}"
    to_open = {
        node.name: sorted(
            {
                route.number
                for some in routes.values()
                for route in some
                if route.target == node.name and route.number
            }
        )
        for node in fleet
    }
    targets = [node for node in fleet if to_open[node.name]]
    opened = fleet.each(
        lambda node: fleet.link(node).run(open_script(unit, node.address, to_open[node.name])).out,
        targets,
    )
    try:
        answers = fleet.each(
            lambda node: (
                fleet.link(node)
                .read([trial_probe(settings, node, routes.get(node.name, ()), vrrp=vrrp)])[0]
                .out
            )
        )
    finally:
        fleet.each(lambda node: fleet.link(node).run(close_script(unit), check=False), targets)
    lost = {**failed_hosts(opened), **failed_hosts(answers)}
    views = {
        name: merge_views(parse_network(text), opened.get(name))
        for name, text in answers.items()
        if isinstance(text, str)
    }
    heard = {name: read_heard(text) for name, text in answers.items() if isinstance(text, str)}
    return Trial(views, explain_unknown(routes, views, fleet), heard if vrrp else {}, lost)


def merge_views(view: NetworkView, opened: str | RunbookError | None) -> NetworkView:
    """Add the ports that listened during the trial."""
    if isinstance(opened, str):
        view.listens = parse_network(opened).listens
    return view


def explain_unknown(
    routes: Mapping[str, Sequence[Route]], views: Mapping[str, NetworkView], fleet: Fleet
) -> dict[str, dict[Route, str]]:
    """The routes without a result that counts, with the reason. Pure."""
    names = {node.name for node in fleet}
    found: dict[str, dict[Route, str]] = {}
    for source, some in routes.items():
        for route in some:
            if route.number == FROM_CONFIG:
                reason = "the app's port is known after discovery only (fab deploy)"
            elif source not in views:
                reason = f"{source} did not answer"
            elif (result := find_attempt(views[source], route)) == OPEN:
                continue
            elif route.target not in names:
                reason = f"{route.target} is not among the hosts of this task"
            elif route.target not in views:
                reason = f"{route.target} did not answer"
            elif REFUSED in result and route.number not in views[route.target].listens:
                reason = f"nothing could listen at {route.address} on {route.target}"
            else:
                continue
            found.setdefault(source, {})[route] = reason
    return found


def find_attempt(view: NetworkView, route: Route) -> str:
    """The result of the attempt at `route`; empty if there was none."""
    return next(
        (
            tried.result
            for tried in view.tried
            if (tried.target, tried.number) == (route.target, route.number)
        ),
        "",
    )


# -- scripts


def open_script(unit: str, address: str, ports: Sequence[int]) -> str:
    """Script that listens at `address` on each of `ports` where nothing listens, as a transient
    unit, and prints every listening socket.

    systemd-socket-activate is a part of systemd, so every host has it. The kernel accepts the
    connections; the program that it starts at the first of them only waits.
    """
    wait = f"/bin/sleep {OPEN_SECONDS}"
    each = " ".join(str(port) for port in ports)
    return (
        f"taken() {{ ss -Hltn \"sport = :$1\" | awk '{{ print $4 }}' |"
        f" grep -qE '^(\\*|0\\.0\\.0\\.0|\\[::\\]|{re.escape(address)}):'; }}\n"
        f'closed=; for port in {each}; do taken $port || closed="$closed $port"; done\n'
        'if [ -n "$closed" ]; then\n'
        f"  systemd-run -q --collect --unit={unit} -p RuntimeMaxSec={OPEN_SECONDS}"
        f" /bin/sh -c 'for port; do systemd-socket-activate -l \"$0:$port\" {wait} & done; wait'"
        f" {address} $closed\n"
        # 2 s for all of them to listen; what does not listen by then cannot.
        "  for _ in $(seq 20); do\n"
        "    open=1; for port in $closed; do taken $port || open=; done\n"
        '    [ -z "$open" ] || break; sleep 0.1\n'
        "  done\nfi\n"
        "ss -Hltn | awk '{ print \"listens \" $4 }'\n"
    )


def close_script(unit: str) -> str:
    """Script that closes the ports again."""
    return f"systemctl stop {unit}.service 2>/dev/null; true\n"


def trial_probe(settings: Settings, node: Node, routes: Sequence[Route], *, vrrp: bool) -> str:
    """Read-only shell text for `parse_network` and `read_heard`: all connections at once."""
    tries = "".join(
        f"try {q(route.target)} {q(route.address)} {route.number} &\n"
        for route in routes
        if route.number
    )
    peers = [edge.address for edge in other_edges(settings, node)] if "edge" in node.roles else []
    listen = vrrp_probe(node.address, peers) if vrrp and peers else ""
    return f"attempts='{' '.join(map(str, range(ATTEMPTS)))}'\n{TRY}{tries}{listen}wait"


VRRP_TEXT = "runbook-preflight"
_VRRP_PROGRAM = """use Socket;
my ($seconds, $own, @peers) = @ARGV;
socket(my $raw, PF_INET, SOCK_RAW, 112) or die "no raw socket: $!\\n";
bind($raw, pack_sockaddr_in(0, inet_aton($own))) or die "no address $own: $!\\n";
my ($end, %heard) = time + $seconds;
while (time < $end) {
  send($raw, "%TEXT%", 0, pack_sockaddr_in(0, inet_aton($_))) for @peers;
  my $ready = "";
  vec($ready, fileno($raw), 1) = 1;
  next unless select(my $seen = $ready, undef, undef, 0.2) > 0;
  my $from = recv($raw, my $packet, 2048, 0) or next;
  next if index($packet, "%TEXT%") < 0;
  $heard{inet_ntoa((unpack_sockaddr_in($from))[1])} = 1;
  # The others must hear this host, too: it goes on sending for a second.
  $end = time + 1 if keys(%heard) == @peers and time + 1 < $end;
}
print "vrrp|$_|", $heard{$_} ? "heard" : "silent", "\\n" for @peers;
""".replace("%TEXT%", VRRP_TEXT)


def vrrp_probe(own: str, peers: Sequence[str]) -> str:
    """Shell text that prints for each of `peers` whether a packet of IP protocol 112 arrived from
    it. perl-base is on every Debian host (Essential). keepalived drops such a packet: it is not
    VRRP."""
    return f"perl -e {q(_VRRP_PROGRAM)} {VRRP_SECONDS} {own} {' '.join(peers)} &\n"


def read_heard(text: str) -> dict[str, bool]:
    """By address of another edge, whether it was heard."""
    return {
        address: result == "heard"
        for address, result in re.findall(r"^vrrp\|(\S+)\|(heard|silent)$", text, re.M)
    }
