"""Name the file system on which a host could not write: full, out of inodes, or read-only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .errors import RunbookError
from .shell import STATE, Reading, q

WORDS = re.compile(
    "no space left on device|read-only file system|enough free space|disk quota exceeded|i/o error",
    re.IGNORECASE,
)
"""The kernel's words, those of apt, and those of the `printf` of sh on a full disk. "No space left"
also means that no inode is left."""

OFTEN = (STATE, "/etc", "/var", "/srv", "/tmp", "/")
"""Places to check last, for words that name no path: a step writes to one of them."""

FULL_KIB = 64
"""A file system with less free space counts as full: a write of some KiB failed there."""


def add_disk_cause(
    host: str,
    error: RunbookError,
    read: Callable[[Sequence[str]], list[Reading]],
    *,
    near: str = "/",
) -> RunbookError:
    """`error`; if its problem has WORDS, with the file system and what to type.

    Args:
        read: runs probes on the host (`Link.read`).
        near: a path that was written to, in case the words name none.
    """
    if not WORDS.search(error.problem):
        return error
    named = re.findall(r"(?<![\w.*-])/[\w./+@-]*", error.problem)
    try:
        reading = read([disk_probe([*named, near, *OFTEN])])[0]
    except RunbookError:  # the host is lost, too: the words must do
        return error
    if cause := find_unwritable(reading.out):
        error.why = f"{cause[0]}; {error.why}" if error.why else cause[0]
        error.next = f"on {host}, as root: {cause[1]}; then: fab -H {host} plan"
    return error


def disk_probe(paths: Sequence[str]) -> str:
    """Read-only shell text that prints, for each of `paths`, the mode of its file system, the KiB
    and the inodes that are free, and where it is mounted.

    The limit is for a mount whose server is gone: it never answers.
    """
    places = " ".join(q(path) for path in dict.fromkeys(paths))
    return f"""timeout -s KILL 3 sh <<'DISKS'
for path in {places}; do
  while [ ! -e "$path" ]; do path=${{path%/*}}; path=${{path:-/}}; done
  mode=rw; [ -w "$path" ] || mode=ro
  echo "$mode $(df -k --output=avail,iavail,target -- "$path" | tail -n 1)"
done
DISKS"""


def show_read_only(mount: str) -> str:
    """Commands for a file system that is mounted read-only."""
    where = q(mount)
    return f"dmesg | tail -n 20; then mount -o remount,rw {where}"


def show_largest(mount: str) -> str:
    """Commands that show what fills a file system."""
    where = q(mount)
    return f"df -h {where}; du -xh {where} | sort -h | tail -n 15"


def show_most_files(mount: str) -> str:
    """Commands that show which folders use up the inodes of a file system."""
    where = q(mount)
    return f"df -i {where}; du -x --inodes {where} | sort -n | tail -n 15"


def find_unwritable(out: str) -> tuple[str, str] | None:
    """The cause and the commands for the first file system in the output of `disk_probe` to which
    nothing can be written; None if there is none. Pure."""
    for mode, free, inodes, mount in re.findall(r"^(r[ow]) +(\d+) +(\d+|-) +(/.*)$", out, re.M):
        if mode == "ro":
            return (
                f"the file system {mount} is read-only, as after an error of its disk",
                show_read_only(mount),
            )
        if inodes == "0":
            return (
                f"the file system {mount} has no inode left: too many files",
                show_most_files(mount),
            )
        if int(free) < FULL_KIB:
            return (
                f"the file system {mount} is full: {free} KiB left",
                show_largest(mount),
            )
    return None
