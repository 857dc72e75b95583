"""A host's disk: an overlay on the shared image, and the files that make it this host.

Between image and host lies a layer of .deb files that earlier hosts downloaded. Each host has its
own copy (hard links), so all of them may run apt at the same time.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path

from . import image as images
from . import mounts, resolver, seed
from .files import replace_file
from .names import CACHE, USER, Lab
from .shell import run

POOL = CACHE / "debs"
ARCHIVES = Path("var/cache/apt/archives")
KEEP = 30 * 86400
"""Seconds a downloaded package stays in the pool."""

NETWORK = """[Match]
Name=host0
[Network]
Address={address}/24
Gateway={gateway}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def make_disk(lab: Lab, name: str, image: Path, settings: dict[str, str]) -> None:
    """Give a host that is off an empty disk on `image`.

    The file `prepared` is written last: after a crash in between, the disk does not count as made.
    """
    remove_disk(lab, name)
    folder = lab.host_folder(name)
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _link_packages(folder / "debs" / ARCHIVES)
    _mount_overlay(folder, [folder / "debs", image])
    cloud = images.boots_by_cloud_init(image)
    _write_host_files(lab, name, folder / "root", settings, cloud)
    (folder / "prepared").write_text(f"{image}\n", encoding="utf-8")


def attach_disk(lab: Lab, name: str) -> None:
    """Mount the disk of a host that was made before, unless it is mounted."""
    folder = lab.host_folder(name)
    if not mounts.list_mounts_below(folder / "root"):
        _mount_overlay(folder, [folder / "debs", read_image_path(lab, name)])


def read_image_path(lab: Lab, name: str) -> Path:
    """Return the image under the disk of a host that was made."""
    return Path((lab.host_folder(name) / "prepared").read_text(encoding="utf-8").strip())


def remove_disk(lab: Lab, name: str) -> None:
    """Unmount and remove the host's disk; keep the packages that the host downloaded."""
    folder = lab.host_folder(name)
    (folder / "prepared").unlink(missing_ok=True)
    mounts.unmount_below(folder / "root")
    _collect_packages(folder / "upper" / ARCHIVES)
    for part in ("upper", "work", "debs"):
        mounts.remove_folder(folder / part)


def _mount_overlay(folder: Path, lower: list[Path]) -> None:
    below = ":".join(map(str, lower))
    layers = f"lowerdir={below},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    run("mount", "-t", "overlay", "-o", layers, "overlay", str(folder / "root"))


def ensure_writable(lab: Lab) -> None:
    """Keep the disks in memory where the machine's own file system cannot hold them.

    An overlay cannot lie on another overlay, which is what a container's root often is.
    """
    hosts = lab.folder / "hosts"
    hosts.mkdir(parents=True, exist_ok=True)
    if (
        not mounts.list_mounts_below(hosts)
        and run("stat", "-f", "-c", "%T", str(hosts)).strip() == "overlayfs"
    ):
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(hosts))


def _link_packages(archives: Path) -> None:
    archives.mkdir(parents=True, exist_ok=True)
    for package in POOL.glob("*.deb"):
        _link_or_copy(package, archives / package.name)


def _collect_packages(archives: Path) -> None:
    POOL.mkdir(parents=True, exist_ok=True)
    for package in POOL.glob("*.deb"):
        if time.time() - package.stat().st_mtime > KEEP:
            package.unlink(missing_ok=True)
    for package in archives.glob("*.deb"):
        if package.is_file() and not (POOL / package.name).exists():
            # The link comes under a temporary name: another lab may collect packages, too.
            beside = POOL / f"{package.name}.{os.getpid()}"
            _link_or_copy(package, beside)
            os.utime(beside)
            beside.rename(POOL / package.name)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _write_host_files(
    lab: Lab, name: str, root: Path, settings: dict[str, str], cloud: bool
) -> None:
    """Write what makes the disk this host's. With `cloud`, cloud-init does the rest at the first
    boot: host name, user, keys."""
    key = lab.host_folder(name) / "ssh_host_ed25519_key"
    private = key.read_text(encoding="utf-8")
    public = key.with_name(f"{key.name}.pub").read_text(encoding="utf-8")
    for path, text in _render_files(lab, name).items():
        replace_file(root / path, text, 0o644)
    replace_file(root / "etc/machine-id", f"{secrets.token_hex(16)}\n", 0o444)
    if cloud:
        for path, text in seed.render_seed(lab, name, private, public).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            replace_file(root / path, text, 0o600 if seed.FOLDER in path.parents else 0o644)
    else:
        for path, text in _render_login_files(lab, name).items():
            replace_file(root / path, text, 0o644)
        replace_file(root / "etc/ssh" / key.name, private, 0o600)
        replace_file(root / f"etc/ssh/{key.name}.pub", public, 0o644)
    write_settings(lab, name, settings)


def _render_files(lab: Lab, name: str) -> dict[Path, str]:
    network = NETWORK.format(address=lab.address(name), gateway=lab.gateway)
    return {
        Path("etc/resolv.conf"): resolver.render_resolv_conf(),
        # Sorts before the 80-container-host0.network that systemd brings along.
        Path("etc/systemd/network/10-host0.network"): network,
    }


def _render_login_files(lab: Lab, name: str) -> dict[Path, str]:
    names = f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n"
    key = (lab.folder / "ssh/id_ed25519.pub").read_text(encoding="utf-8")
    return {
        Path("etc/hostname"): f"{name}\n",
        Path("etc/hosts"): names,
        Path(f"home/{USER}/.ssh/authorized_keys"): key,
    }


def write_settings(lab: Lab, name: str, settings: dict[str, str]) -> None:
    """Write the stand-in's settings, a file of the lab only. Works on a running host, too."""
    lines = [
        "# Written by the lab, for the stand-in of bingo only.",
        *(f"{key} = {value}" for key, value in settings.items()),
    ]
    replace_file(lab.host_folder(name) / "root/etc/bingo-lab.conf", "\n".join(lines) + "\n", 0o644)
