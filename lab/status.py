"""What stands, host by host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from . import container, disk, image, network, ssh
from .names import ALL, HOSTS, Lab, chosen


@dataclass(frozen=True)
class Line:
    """One host: `state` is absent, off, cut, starting or up; `debian` its release, if it was
    made."""

    name: str
    address: str
    roles: tuple[str, ...]
    state: str
    debian: str
    pid: int | None


def of(lab: Lab) -> list[Line]:
    """One line per host of every lab, and per other one that this lab has. Needs no root; asks
    running hosts for their ssh greeting (at most 0.5 s)."""
    names = chosen([*HOSTS, *lab.made()])
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: _line(lab, name), names))


def _line(lab: Lab, name: str) -> Line:
    debian = image.suite_of(disk.image_of(lab, name)) if name in lab.made() else ""
    return Line(
        name,
        lab.address(name),
        ALL[name].roles,
        _state(lab, name),
        debian,
        container.init_pid(lab, name),
    )


def _state(lab: Lab, name: str) -> str:
    if not container.is_running(lab, name):
        return "off" if name in lab.made() else "absent"
    if network.is_cut(lab, name):
        return "cut"
    return "up" if ssh.answers(lab, name) else "starting"


def as_json(lab: Lab) -> dict[str, object]:
    """The same for machines."""
    return {"lab": lab.number, "site": str(lab.site), "hosts": [asdict(line) for line in of(lab)]}
