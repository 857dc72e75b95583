"""A host's disk: an overlay on the shared image, and the files that make it this host.

Above the image lies a layer of .deb files that earlier hosts downloaded. Each host sees its own
copy (hard links), so any number of them may run apt at the same time.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path

from . import mounts, resolver
from .names import CACHE, USER, Lab
from .shell import run

POOL = CACHE / "debs"
ARCHIVES = Path("var/cache/apt/archives")
KEEP = 30 * 86400  # seconds a downloaded package stays in the pool

NETWORK = """[Match]
Name=host0
[Network]
Address={address}/24
Gateway={gateway}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def make(lab: Lab, name: str, image: Path, settings: dict[str, str]) -> None:
    """Give the host (which is off) an empty disk on the image. A crash half-way leaves it
    without its mark."""
    forget(lab, name)
    folder = lab.host_folder(name)
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _link_packages(folder / "debs" / ARCHIVES)
    _mount(folder, [folder / "debs", image])
    _write_files(lab, name, folder / "root", settings)
    (folder / "prepared").write_text(f"{image}\n", encoding="utf-8")


def attach(lab: Lab, name: str) -> None:
    """Mount the disk of a host that was made before, if it is not."""
    folder = lab.host_folder(name)
    if not mounts.below(folder / "root"):
        _mount(folder, [folder / "debs", image_of(lab, name)])


def image_of(lab: Lab, name: str) -> Path:
    """The image that the disk of an existing host uses."""
    return Path((lab.host_folder(name) / "prepared").read_text(encoding="utf-8").strip())


def forget(lab: Lab, name: str) -> None:
    """Unmount and remove the host's disk, keeping what it downloaded."""
    folder = lab.host_folder(name)
    (folder / "prepared").unlink(missing_ok=True)
    mounts.unmount_below(folder / "root")
    _collect_packages(folder / "upper" / ARCHIVES)
    for part in ("upper", "work", "debs"):
        mounts.remove(folder / part)


def _mount(folder: Path, lower: list[Path]) -> None:
    layers = f"lowerdir={':'.join(map(str, lower))},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    run("mount", "-t", "overlay", "-o", layers, "overlay", str(folder / "root"))


def ensure_writable(lab: Lab) -> None:
    """Where overlay disks cannot be on the machine's own file system (an overlay itself), keep
    them in memory."""
    hosts = lab.folder / "hosts"
    hosts.mkdir(parents=True, exist_ok=True)
    if not mounts.below(hosts) and run("stat", "-f", "-c", "%T", str(hosts)).strip() == "overlayfs":
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(hosts))


def _link_packages(archives: Path) -> None:
    archives.mkdir(parents=True, exist_ok=True)
    for package in POOL.glob("*.deb"):
        _link(package, archives / package.name)


def _collect_packages(archives: Path) -> None:
    POOL.mkdir(parents=True, exist_ok=True)
    for package in POOL.glob("*.deb"):
        if time.time() - package.stat().st_mtime > KEEP:
            package.unlink(missing_ok=True)
    for package in archives.glob("*.deb"):
        if package.is_file() and not (POOL / package.name).exists():
            beside = POOL / f"{package.name}.{os.getpid()}"
            _link(package, beside)
            os.utime(beside)
            beside.rename(POOL / package.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _write_files(lab: Lab, name: str, root: Path, settings: dict[str, str]) -> None:
    folder = lab.host_folder(name)
    key = Path("etc/ssh/ssh_host_ed25519_key")
    files: dict[str, tuple[str, int]] = {
        "etc/hostname": (f"{name}\n", 0o644),
        "etc/hosts": (
            f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n",
            0o644,
        ),
        "etc/resolv.conf": (resolver.for_hosts(), 0o644),
        "etc/machine-id": (f"{secrets.token_hex(16)}\n", 0o444),
        # Sorts before the 80-container-host0.network that systemd brings along.
        "etc/systemd/network/10-host0.network": (
            NETWORK.format(address=lab.address(name), gateway=lab.gateway),
            0o644,
        ),
        str(key): ((folder / key.name).read_text(encoding="utf-8"), 0o600),
        f"{key}.pub": ((folder / f"{key.name}.pub").read_text(encoding="utf-8"), 0o644),
        f"home/{USER}/.ssh/authorized_keys": (
            (lab.folder / "ssh/id_ed25519.pub").read_text(encoding="utf-8"),
            0o644,
        ),
    }
    for path, (text, mode) in files.items():
        _write(root / path, text, mode)
    write_settings(lab, name, settings)


def write_settings(lab: Lab, name: str, settings: dict[str, str]) -> None:
    """The lab-only file that the stand-in reads. Works on a running host, too."""
    lines = [
        "# Written by the lab, for the stand-in of bingo only.",
        *(f"{k} = {v}" for k, v in settings.items()),
    ]
    _write(lab.host_folder(name) / "root/etc/bingo-lab.conf", "\n".join(lines) + "\n", 0o644)


def _write(path: Path, text: str, mode: int) -> None:
    beside = path.with_name(f"{path.name}.lab-new")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(mode)
    beside.rename(path)
