"""Drills with one safety net disabled: the right drills must fail then, or they detect nothing."""

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
"""Seconds after which a timer on the host enables a net again: longer than all drills together."""
CONFIG = "/etc/haproxy/haproxy.cfg"
RELOAD = f"haproxy -c -q -f {CONFIG} && systemctl reload {HAPROXY_UNIT}"
MARK = "# A drill has taken something out of this file."


class Net(NamedTuple):
    """A safety net: the role of its hosts, and the scripts that disable and enable it."""

    role: str
    off: str
    on: str


def _edit_script(edit: str) -> Net:
    """A net that a sed script removes from the balancers' configuration. A file that a deploy has
    written meanwhile is left unchanged."""
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
_NO_AGE_LIMIT = Net(
    "app",
    set_healer_env("drill-ageless", "HEALER_LIFETIME", "0"),
    clear_healer_env("drill-ageless"),
)


def check_net(net: str) -> str:
    """Check the name of a safety net; empty is fine.

    Raises:
        RunbookError: `net` is not the name of a safety net.
    """
    if net and net not in NETS:
        raise RunbookError(
            f"--without {net} is not a safety net",
            "nothing was done",
            f"one of {', '.join(NETS)}",
        )
    return net


@contextmanager
def nets_prepared(settings: Settings, net: str) -> Iterator[None]:
    """Disable `net`, if any, while the context lasts; also the healers' restarts of old apps, so
    that only one thing happens at a time. Both are always enabled again, if need be by the hosts
    themselves after an hour.

    Raises:
        RunbookError: there is no such net here, or it could not be enabled again.
    """
    with open_fleet(settings, settings.inventory.nodes) as fleet:
        healed = [node for node in settings.inventory.having("app") if _has_healer(fleet, node)]
        if net in ("healer", "guard") and not healed:
            raise RunbookError("no node has a healer", "there is nothing to disable", "fab deploy")
        taken = {"ageless": (healed, _NO_AGE_LIMIT)}
        if net:
            taken[net] = (
                healed if OFF[net].role == "app" else list(settings.inventory.having("edge")),
                OFF[net],
            )
        try:
            for name, (nodes, disabled) in taken.items():
                _on_each(fleet, nodes, partial(_disable_net, fleet, name, disabled))
            yield
        finally:
            with interrupt.protect_undo():
                for name, (nodes, disabled) in reversed(taken.items()):
                    _on_each(fleet, nodes, partial(_enable_net, fleet, name, disabled))


def _has_healer(fleet: Fleet, node: Node) -> bool:
    return fleet.link(node).read([f"systemctl cat {healer.HEALER_UNIT}"])[0].code == 0


def _disable_net(fleet: Fleet, name: str, net: Net, node: Node) -> None:
    undo_timer.arm_timer(fleet.link(node), net.on, LATEST, f"{undo_timer.NET}-{name}")
    fleet.link(node).run(net.off)


def _enable_net(fleet: Fleet, name: str, net: Net, node: Node) -> None:
    fleet.link(node).run(net.on)
    undo_timer.disarm_timer(fleet.link(node), f"{undo_timer.NET}-{name}")


def _on_each(fleet: Fleet, nodes: Sequence[Node], work: Callable[[Node], None]) -> None:
    for result in fleet.each(work, nodes).values():
        if isinstance(result, RunbookError):
            raise result
