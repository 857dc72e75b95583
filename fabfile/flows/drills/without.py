"""A drill with one of the safety nets taken away: the right ones must fail then, or drills see nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ...engine.errors import RunbookError
from ...engine.fleet import Fleet
from ...engine.shell import q
from ...inventory import Node
from ...roles import haproxy
from ...settings import Settings
from .app_faults import HEALER, HEALER_CONFIG

NETS = ("healer", "retries", "guard")

CONFIG = "/etc/haproxy/haproxy.cfg"
GUARD = f"/etc/systemd/system/{HEALER}.d/drill.conf"
RELOAD = f"haproxy -c -q -f {CONFIG} && systemctl reload {haproxy.UNIT}"
_PLAIN = "/^ *retry-on /d; /^ *option redispatch/d; s/^\\( *\\)retries .*/\\1retries 0/"

OFF = {
    "healer": ("app", f"systemctl stop {HEALER}", f"systemctl start {HEALER}"),
    "guard": (
        "app",
        f"mkdir -p {GUARD.rpartition('/')[0]}; printf '[Service]\\nEnvironment=HEALER_GUARD=off\\n' >{GUARD}; "
        f"systemctl daemon-reload; systemctl restart {HEALER}",
        f"rm -f {GUARD}; systemctl daemon-reload; systemctl restart {HEALER}",
    ),
    "retries": (
        "edge",
        f"[ -e {CONFIG}.drill ] || cp -p {CONFIG} {CONFIG}.drill; sed -i {q(_PLAIN)} {CONFIG}; {RELOAD}",
        f"[ ! -e {CONFIG}.drill ] || {{ mv -f {CONFIG}.drill {CONFIG}; {RELOAD}; }}",
    ),
}
"""Of each net: the role of the hosts it is on, how it is taken away, how it is put back."""


def checked(net: str) -> str:
    """
    Raises:
        RunbookError: there is no such net.
    """
    if net and net not in NETS:
        raise RunbookError(
            f"--without {net} is nothing that can be taken away", "nothing was done", f"one of {', '.join(NETS)}"
        )
    return net


@contextmanager
def without(settings: Settings, net: str) -> Iterator[None]:
    """For as long as the context lasts `net` is taken away; put back whatever happens. A plain `fab deploy` would do it, too.

    Raises:
        RunbookError: it is not there, or could not be put back.
    """
    if not net:
        yield
        return
    role, off, on = OFF[net]
    nodes = settings.inventory.having(role)
    with Fleet(settings, nodes) as fleet:
        if role == "app":
            _refuse_missing(fleet, nodes)
        try:
            _each(fleet, off)
            yield
        finally:
            _each(fleet, on)


@contextmanager
def no_recycling(settings: Settings) -> Iterator[None]:
    """For as long as the context lasts no healer starts an app anew for its age: one thing happens at a time.

    Raises:
        RunbookError: a node could not be reached, before or after. A plain `fab deploy` puts it back, too.
    """
    kept = f"{HEALER_CONFIG}.drills"
    off = (
        f"[ -e {HEALER_CONFIG} ] || exit 0\n[ -e {kept} ] || cp -p {HEALER_CONFIG} {kept}\n"
        f"sed -i 's/^lifetime *=.*/lifetime = 0/' {HEALER_CONFIG}; systemctl try-restart {HEALER}"
    )
    on = f"[ ! -e {kept} ] || {{ mv -f {kept} {HEALER_CONFIG}; systemctl try-restart {HEALER}; }}"
    with Fleet(settings, settings.inventory.having("app")) as fleet:
        try:
            _each(fleet, off)
            yield
        finally:
            _each(fleet, on)


def _refuse_missing(fleet: Fleet, nodes: Sequence[Node]) -> None:
    for node in nodes:
        if fleet.link(node).read([f"systemctl cat {HEALER}"])[0].code:
            raise RunbookError(f"{node.name} has no healer", "there is nothing to take away", "fab deploy")


def _each(fleet: Fleet, script: str) -> None:
    for result in fleet.each(lambda node: fleet.link(node).run(script)).values():
        if isinstance(result, RunbookError):
            raise result
