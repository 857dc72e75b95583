"""Removing a whole lab from this machine."""

from __future__ import annotations

from . import container, disk, mounts, network
from .names import Lab


def remove_lab(lab: Lab) -> None:
    lab.site.unlink(missing_ok=True)
    for name in container.list_known_hosts(lab):
        container.power_off(lab, name)
    container.remove_lab_cgroup(lab)
    network.remove_network(lab)
    for folder in lab.folder.glob("hosts/*"):
        disk.remove_disk(lab, folder.name)
    mounts.unmount_below(lab.folder)
    if lab.folder.exists():
        mounts.remove_folder(lab.folder)
