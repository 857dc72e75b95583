"""The network cables of the hosts, pulled and plugged in again, for tests and drills."""

from __future__ import annotations

from . import network
from .errors import LabError
from .lock import lock_lab
from .names import choose_hosts
from .privilege import as_root


@as_root
def cut_cable(name: str) -> None:
    """Pull the host's network cable: the host keeps running, but nobody can reach it."""
    _set_cable(name, "down")


@as_root
def plug_cable(name: str) -> None:
    """Plug the host's network cable in again."""
    _set_cable(name, "up")


def _set_cable(name: str, state: str) -> None:
    with lock_lab() as lab:
        choose_hosts([name], lab.made())
        if not network.has_cable(lab, name):
            raise LabError(
                f"{name} is off",
                "only a running host has a network cable",
                f"inv lab.up --hosts {name}",
            )
        network.set_cable(lab, name, state)
