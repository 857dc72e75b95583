"""The state of each host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from . import container, disk, image, network, ssh
from .names import ALL, HOSTS, Lab, choose_hosts


@dataclass(frozen=True)
class HostStatusLine:
    """The state of one host."""

    name: str
    address: str
    roles: tuple[str, ...]
    state: str
    """absent, off, cut, starting or up."""
    debian: str
    """The codename of its Debian release; empty if the host was not made."""
    pid: int | None


def read_status(lab: Lab) -> list[HostStatusLine]:
    """Read the state of the hosts of every lab, and of any other host that this lab has.

    Needs no root. Each running host has 0.5 s for its ssh greeting.
    """
    names = choose_hosts([*HOSTS, *lab.made()])
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: _read_line(lab, name), names))


def _read_line(lab: Lab, name: str) -> HostStatusLine:
    debian = image.read_suite(disk.read_image_path(lab, name)) if name in lab.made() else ""
    return HostStatusLine(
        name,
        lab.address(name),
        ALL[name].roles,
        _read_state(lab, name),
        debian,
        container.find_init_pid(lab, name),
    )


def _read_state(lab: Lab, name: str) -> str:
    if not container.is_running(lab, name):
        return "off" if name in lab.made() else "absent"
    if network.is_cable_cut(lab, name):
        return "cut"
    return "up" if ssh.answers(lab, name) else "starting"


def render_json(lab: Lab) -> dict[str, object]:
    """Return the state of the lab as JSON values."""
    return {
        "lab": lab.number,
        "site": str(lab.site),
        "hosts": [asdict(line) for line in read_status(lab)],
    }
