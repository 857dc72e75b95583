"""What several hosts must agree on: their clocks, and the network of the edges."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from ..control.clocks import ClockOffset
from ..engine.errors import RunbookError
from ..engine.host import Node
from ..settings.settings import Settings
from .condition import NOTHING

MOST_SECONDS_APART = 5.0
"""Seconds. Certificates, logs and the age of cached answers are compared across hosts. After the
deploy `fab status` asks for 1 s."""


def find_offset(first: str, last: str, asked: float, answered: float) -> ClockOffset | None:
    """The offset of a host's clock, which showed `first` and `last` at the two ends of a script;
    None if it showed nothing. Pure.

    `first` came after `asked`, and `last` before `answered`. So the time that the script took does
    not make the offset less certain.
    """
    try:
        most, least = float(first) - asked, float(last) - answered
    except ValueError:
        return None
    return ClockOffset((most + least) / 2, abs(most - least) / 2)


def judge_clock(host: str, offset: ClockOffset | None) -> list[RunbookError]:
    """Check a host's clock against this machine's."""
    if offset is not None and offset.certain < MOST_SECONDS_APART:
        return []
    if offset is None:
        problem = f"{host} does not show its clock"
    else:
        problem = f"{host}: {offset.describe()}"
    return [_wrong_clock(problem, host)]


def judge_clocks(offsets: Mapping[str, ClockOffset | None]) -> list[RunbookError]:
    """The two hosts whose clocks differ most, if that is too much. Hosts that differ from this
    machine are left out: they are named already."""
    fair = {
        host: offset
        for host, offset in offsets.items()
        if offset is not None and offset.certain < MOST_SECONDS_APART
    }
    apart = [
        (abs(one.ahead - other.ahead) - one.slack - other.slack, first, second)
        for (first, one), (second, other) in combinations(fair.items(), 2)
    ]
    most, first, second = max(apart, default=(0.0, "", ""))
    if most < MOST_SECONDS_APART:
        return []
    return [
        _wrong_clock(f"the clocks of {first} and {second} differ by at least {most:.0f} s", first)
    ]


def _wrong_clock(problem: str, host: str) -> RunbookError:
    return RunbookError(
        problem,
        "certificates, logs and the age of cached answers are compared across hosts (at most"
        f" {MOST_SECONDS_APART:.0f} s apart); {NOTHING}",
        f"on {host}: timedatectl; apt-get install systemd-timesyncd",
    )


def describe_clock(offset: ClockOffset | None) -> str:
    """The offset in words, as exact as it is known."""
    if offset is None:
        return "unknown"
    if offset.possible < 1:
        return "within 1 s of this machine's"
    return f"{offset.ahead:+.1f} s (± {offset.slack:.1f} s) from this machine's"


def judge_edge_network(
    settings: Settings, node: Node, found: Mapping[str, str]
) -> list[RunbookError]:
    """Check that the other edges and the floating address are in the network of the edge `node`.

    Args:
        settings: the site.
        node: the edge.
        found: the interface of each address/prefix of the host (see `preflight.addresses`).
    """
    from ipaddress import ip_address, ip_interface

    own = [ip_interface(text).network for text in found if text.split("/")[0] == node.address]
    if not own:
        return []  # the check of its address has named that
    others = {
        other.name: other.address
        for other in settings.inventory.having("edge")
        if other.name != node.name
    }
    wanted = {**others, "the floating address": settings.edge.address}
    outside = [
        f"{name} ({address})"
        for name, address in wanted.items()
        if ip_address(address) not in own[0]
    ]
    if not outside:
        return []
    return [
        RunbookError(
            f"{node.name} ({node.address}) is in the network {own[0]}, and"
            f" {' and '.join(outside)} {'is' if len(outside) == 1 else 'are'} not",
            "the floating address can move only inside one layer-2 network: users would get no"
            f" answer after a move; {NOTHING}",
            f"give the edges addresses of one network in {settings.path}, and edge.address a free"
            " address of it; most clouds have no such network between hosts",
        )
    ]
