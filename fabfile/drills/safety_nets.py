"""A drill with one of the safety nets taken away: the right ones must fail then, or drills see
nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from ..control.haproxy import HAPROXY_UNIT
from ..engine import interrupt
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.shell import q
from ..roles import healer
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .faults import undo_timer
from .overrides import clear_healer_env, set_healer_env

NETS = ("healer", "retries", "proof", "guard")

LATEST = 3600.0
"""Seconds after which a host puts a net back if nobody comes to do so: more than all drills
take."""
CONFIG = "/etc/haproxy/haproxy.cfg"
RELOAD = f"haproxy -c -q -f {CONFIG} && systemctl reload {HAPROXY_UNIT}"
MARK = "# A drill has taken something out of this file."


class Net(NamedTuple):
    """Something that is different for a while: the role of the hosts it is on, how it is taken
    away, how it is put back."""

    role: str
    off: str
    on: str


def _edit_script(edit: str) -> Net:
    """What sed takes out of the balancers' configuration. One that a deploy has written
    meanwhile stays as it is."""
    here = f"grep -qxF {q(MARK)} {CONFIG}"
    off = (
        f"set -e\n{here} || cp -p {CONFIG} {CONFIG}.drill\ncp -p {CONFIG}.drill {CONFIG}\nsed -i"
        f" {q(edit)} {CONFIG}\n! cmp -s {CONFIG} {CONFIG}.drill\nsed -i {q(f'1i {MARK}')}"
        f" {CONFIG}\n{RELOAD}\n"
    )
    on = f"if {here}; then mv -f {CONFIG}.drill {CONFIG}; {RELOAD}; else rm -f {CONFIG}.drill; fi"
    return Net("edge", off, on)


OFF = {
    "healer": Net(
        "app", f"systemctl stop {healer.HEALER_UNIT}", f"systemctl start {healer.HEALER_UNIT}"
    ),
    "guard": Net(
        "app", set_healer_env("drill-guard", "HEALER_GUARD", "off"), clear_healer_env("drill-guard")
    ),
    "retries": _edit_script(
        "/^ *retry-on /d; /^ *option redispatch/d; s/^\\( *\\)retries .*/\\1retries 0/"
    ),
    "proof": _edit_script("/lua.choose_node/d"),
}
_AGELESS = Net(
    "app",
    set_healer_env("drill-ageless", "HEALER_LIFETIME", "0"),
    clear_healer_env("drill-ageless"),
)


def check_net(net: str) -> str:
    """
    Raises:
        RunbookError: there is no such net.
    """
    if net and net not in NETS:
        raise RunbookError(
            f"--without {net} is nothing that can be taken away",
            "nothing was done",
            f"one of {', '.join(NETS)}",
        )
    return net


@contextmanager
def nets_prepared(settings: Settings, net: str) -> Iterator[None]:
    """For as long as the context lasts no healer starts an app anew for its age (one thing happens
    at a time), and `net`, if any, is taken away. Both are put back whatever happens: by the hosts
    themselves, if need be, after an hour.

    Raises:
        RunbookError: it is not there, or could not be put back.
    """
    with open_fleet(settings, settings.inventory.nodes) as fleet:
        healed = [node for node in settings.inventory.having("app") if _has_healer(fleet, node)]
        if net in ("healer", "guard") and not healed:
            raise RunbookError(
                "no node has a healer", "there is nothing to take away", "fab deploy"
            )
        taken = {"ageless": (healed, _AGELESS)}
        if net:
            taken[net] = (
                healed if OFF[net].role == "app" else list(settings.inventory.having("edge")),
                OFF[net],
            )
        try:
            for name, (nodes, one) in taken.items():
                _on_each(fleet, nodes, partial(_take_away, fleet, name, one))
            yield
        finally:
            with interrupt.protect_undo():
                for name, (nodes, one) in reversed(taken.items()):
                    _on_each(fleet, nodes, partial(_put_back, fleet, name, one))


def _has_healer(fleet: Fleet, node: Node) -> bool:
    return fleet.link(node).read([f"systemctl cat {healer.HEALER_UNIT}"])[0].code == 0


def _take_away(fleet: Fleet, name: str, net: Net, node: Node) -> None:
    undo_timer.arm_timer(fleet.link(node), net.on, LATEST, f"{undo_timer.NET}-{name}")
    fleet.link(node).run(net.off)


def _put_back(fleet: Fleet, name: str, net: Net, node: Node) -> None:
    fleet.link(node).run(net.on)
    undo_timer.disarm_timer(fleet.link(node), f"{undo_timer.NET}-{name}")


def _on_each(fleet: Fleet, nodes: Sequence[Node], work: Callable[[Node], None]) -> None:
    for result in fleet.each(work, nodes).values():
        if isinstance(result, RunbookError):
            raise result
