"""Mounts below a folder, as the kernel lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .shell import run, succeeds


def _mounts() -> Iterator[tuple[Path, str]]:
    """(mount point, super options) of every mount, in the order they were made."""
    for line in (
        Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    ):
        fields = line.split(" ")
        point = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), fields[4])
        yield Path(point), fields[-1]


def below(folder: Path) -> list[Path]:
    """Mount points at or below the folder, newest first."""
    return [point for point, _ in _mounts() if point == folder or folder in point.parents][::-1]


def lower_folders() -> set[Path]:
    """Every folder that an overlay mount uses."""
    found: set[Path] = set()
    for _, options in _mounts():
        match = re.search(r"(?:^|,)lowerdir=([^,]*)", options)
        found |= {Path(part) for part in match[1].split(":")} if match else set()
    return found


def unmount_below(folder: Path) -> None:
    """Unmount all of it; what is busy (a shell is in it) is detached and goes when it is
    left."""
    for point in below(folder):
        if not succeeds("umount", str(point)):
            run("umount", "--lazy", str(point))


def remove(folder: Path) -> None:
    """Remove a folder, without ever leaving its file system (a mount left inside stays)."""
    run("rm", "-rf", "--one-file-system", str(folder), timeout=300)
