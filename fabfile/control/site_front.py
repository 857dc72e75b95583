"""Which front a site has, and the state of an edge behind it."""

from __future__ import annotations

from ..settings.settings import Settings
from .edge_drain import EDGE_DRAINED
from .external_balancer import ExternalBalancer
from .floating_address import FloatingAddress
from .front import EdgeState, Front, OwnAddresses
from .haproxy import check_command


def find_front(settings: Settings) -> Front:
    """The front of the site, by its site file."""
    if not settings.edge.address:
        return OwnAddresses()
    if settings.edge.external:
        return ExternalBalancer(settings)
    return FloatingAddress(settings.edge.address)


def edge_probe(settings: Settings) -> str:
    """Read-only shell text that prints the state of an edge; `parse_edge` reads its output."""
    front = find_front(settings)
    return (
        f"{front.serving_probe()} && echo serves\n"
        f"{front.running_probe()} && echo running\n"
        f"{check_command(settings)} && echo healthy\n"
        f'[ ! -e {EDGE_DRAINED} ] || echo "drained $(cut -d" " -f2- {EDGE_DRAINED})"\ntrue'
    )


def parse_edge(settings: Settings, name: str, text: str) -> EdgeState:
    """Parse the output of `edge_probe`."""
    found = {word: rest for word, _, rest in (line.partition(" ") for line in text.splitlines())}
    return EdgeState(
        name,
        serves="serves" in found,
        running="running" in found,
        healthy="healthy" in found,
        drained=(found["drained"] or "unknown by whom") if "drained" in found else "",
        one_serves=find_front(settings).one_serves,
    )
