"""The mounts below a folder, read from the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .shell import run, succeeds


def _read_mounts() -> Iterator[tuple[Path, str]]:
    """Yield the mount point and the super options of every mount, oldest first."""
    for line in (
        Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    ):
        fields = line.split(" ")
        point = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), fields[4])
        yield Path(point), fields[-1]


def list_mounts_below(folder: Path) -> list[Path]:
    """Return the mount points at or below the folder, newest first."""
    return [point for point, _ in _read_mounts() if point == folder or folder in point.parents][
        ::-1
    ]


def list_lower_folders() -> set[Path]:
    """Return every folder that an overlay mount uses as a lower layer."""
    found: set[Path] = set()
    for _, options in _read_mounts():
        match = re.search(r"(?:^|,)lowerdir=([^,]*)", options)
        found |= {Path(part) for part in match[1].split(":")} if match else set()
    return found


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below the folder.

    A busy mount (a shell may have it as its working directory) is detached, and the kernel unmounts
    it later.
    """
    for point in list_mounts_below(folder):
        if not succeeds("umount", str(point)):
            run("umount", "--lazy", str(point))


def remove_folder(folder: Path) -> None:
    """Remove a folder, but never a mount that is left inside it."""
    run("rm", "-rf", "--one-file-system", str(folder), timeout=300)
