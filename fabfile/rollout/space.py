"""Whether a host has the disks and the memory that its roles need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from ..engine.errors import RunbookError
from ..engine.full_disk import show_largest, show_most_files, show_read_only
from ..engine.host import Node
from ..engine.journal import HOST_JOURNAL
from ..engine.shell import Reading, q
from .condition import NOTHING, Precondition, no_answer

DEPLOYED = "deployed before"
ROOM = 8
"""MiB that each path needs on a host that was deployed before: most of the rest is in use by us."""


def disk_condition(node: Node, needs: Mapping[str, int]) -> Precondition:
    """The file systems below the paths of `needs` (MiB) are writable and large enough."""
    return Precondition(
        "disks",
        space_probe(needs),
        partial(judge_space, node.name, needs),
        partial(describe_disks, needs),
    )


def space_probe(needs: Mapping[str, int]) -> str:
    """Read-only shell text: for each path the nearest folder that exists, whether it is writable,
    and df of it. A mount whose server is gone never answers, hence the time limit."""
    return f"""[ ! -e {HOST_JOURNAL} ] || echo {DEPLOYED}
timeout -s KILL 5 sh <<'DISKS'
for path in {" ".join(map(q, needs))}; do
  near=$path
  while [ ! -e "$near" ]; do near=${{near%/*}}; near=${{near:-/}}; done
  mode=rw; [ -w "$near" ] || mode=ro
  echo "$mode $path $(df -k --output=avail,iavail,target "$near" | tail -n 1)"
done
DISKS"""


@dataclass
class Space:
    """A file system: its free MiB and inodes (None if it does not count them), and the MiB that our
    paths need there."""

    mount: str
    free: int
    inodes: int | None
    needed: int = 0
    read_only: list[str] = field(default_factory=list)


def parse_spaces(text: str, needs: Mapping[str, int]) -> dict[str, Space]:
    """The file systems in the output of `space_probe`, by mount point."""
    found: dict[str, Space] = {}
    deployed = text.startswith(DEPLOYED)
    for mode, path, free, inodes, mount in re.findall(
        r"^(r[ow]) (\S+) +(\d+) +(\d+|-) +(/.*)$", text, re.M
    ):
        # btrfs has no fixed number of inodes.
        count = None if inodes in ("-", "0") and int(free) and mode == "rw" else int(inodes or 0)
        space = found.setdefault(mount, Space(mount, int(free) // 1024, count))
        space.needed += ROOM if deployed else needs.get(path, 0)
        if mode == "ro":
            space.read_only.append(path)
    return found


MIN_INODES = 20_000
"""Files of our packages, with room for others: `monitoring` installs 3 000."""


def describe_disks(needs: Mapping[str, int], reading: Reading) -> str:
    """The file system with the least room for what it needs."""
    spaces = parse_spaces(reading.out, needs).values()
    least = min(spaces, key=lambda space: space.free / max(space.needed, 1))
    return f"{show_mib(least.free)} free at {least.mount}, {show_mib(least.needed)} needed"


def judge_space(host: str, needs: Mapping[str, int], reading: Reading) -> list[RunbookError]:
    """One problem for each file system that is read-only or too small."""
    spaces = parse_spaces(reading.out, needs)
    if not spaces:
        return [no_answer(host, "its disks", reading, "df -h; findmnt")]
    problems = []
    for space in spaces.values():
        if space.read_only:
            paths = ", ".join(space.read_only)
            problems.append(
                RunbookError(
                    f"{host}: the file system {space.mount} is read-only ({paths})",
                    f"the roles of this host write there; {NOTHING}",
                    f"on {host}: {show_read_only(space.mount)}",
                )
            )
        elif space.free < space.needed:
            problems.append(
                RunbookError(
                    f"{host}: {space.mount} has {show_mib(space.free)} left, and its roles need"
                    f" {show_mib(space.needed)}",
                    f"the deploy, or a log later, would fill it; {NOTHING}",
                    f"on {host}: {show_largest(space.mount)}",
                )
            )
        elif space.inodes is not None and space.inodes < MIN_INODES:
            problems.append(
                RunbookError(
                    f"{host}: {space.mount} has {space.inodes} inodes left: too many files",
                    f"no package could be installed there; {NOTHING}",
                    f"on {host}: {show_most_files(space.mount)}",
                )
            )
    return problems


MEMORY_SHARE = 0.93
"""A machine with 1 GB shows about this much of it: the kernel keeps the rest."""
MEMORY = """sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo
cat /sys/fs/cgroup/memory.max 2>/dev/null; true"""
"""A container may have a limit of its own."""


def memory_condition(node: Node, needs: Mapping[str, int]) -> Precondition:
    """The host has the memory that its roles need (MiB, by role)."""
    return Precondition(
        "memory",
        MEMORY,
        partial(judge_memory, node.name, needs),
        lambda reading: f"{show_mib(read_memory(reading))}, {show_mib(sum(needs.values()))} needed",
    )


def read_memory(reading: Reading) -> int:
    """MiB of memory; 0 if the host does not show it."""
    figures = [int(word) for word in reading.out.split() if word.isdigit()]
    if not figures:
        return 0
    limits = [figure // 1024 for figure in figures[1:]]
    return min(figures[0], *limits) // 1024 if limits else figures[0] // 1024


def judge_memory(host: str, needs: Mapping[str, int], reading: Reading) -> list[RunbookError]:
    """Check that the memory suffices."""
    has, needed = read_memory(reading), sum(needs.values())
    if has >= needed * MEMORY_SHARE:
        return []
    parts = ", ".join(f"{role} {show_mib(size)}" for role, size in needs.items())
    return [
        RunbookError(
            f"{host} has {show_mib(has)} of memory, and its roles need {show_mib(needed)}: {parts}",
            f"the kernel would kill a service under load; {NOTHING}",
            f"give {host} more memory, or lower app.memory_max or database.shared_buffers in the"
            " site file",
        )
    ]


def show_mib(size: int) -> str:
    """MiB for people: `512 MB`, `7.8 GB`."""
    return f"{size} MB" if size < 1024 else f"{size / 1024:.1f} GB"
