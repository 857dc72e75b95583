"""Whether the file systems that a host's roles write to are writable and have free space and
inodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from ..engine.full_disk import show_largest, show_most_files, show_read_only
from ..engine.host import Node
from ..engine.problem import HealthCheck, Problem
from ..engine.shell import STATE, Reading, q
from ..roles import nginx
from ..settings.paths import ROOT, SETTINGS, TOOLS
from ..settings.settings import Settings

NAME = "disks"
INCIDENT = "disk-full"

WARN_PERCENT = 90
"""Percent of space or inodes in use from which a file system is a problem."""

FULL_KIB = 16 << 10
"""KiB. With less free space a file system counts as full, because the next segment of PostgreSQL's
write-ahead log needs 16 MiB."""

COMMON = {
    "/": "the system",
    "/etc": "configuration",
    "/run": "sockets and locks",
    "/tmp": "temporary files",
    "/var/log": "logs",
    "/var/log/runbook": "the runbook's journal",
    STATE: "the runbook's lock and pending restarts",
    SETTINGS: "configuration",
    TOOLS: "the runbook's tools",
}
"""Path and use, on every host."""

POSTGRES = {
    "/var/lib/postgresql": "PostgreSQL's data",
    '"$data"': "PostgreSQL's data",
    '"$data"/pg_wal': "PostgreSQL's write-ahead log",
    '"$data"/pg_tblspc/*/': "PostgreSQL's tablespaces",
    "/var/log/postgresql": "PostgreSQL's log",
}
"""`data` is a variable of `disk_probe`: the data directory in the configuration of the cluster."""


def used_paths(node: Node) -> dict[str, str]:
    """Return the paths that `node` writes to, by its roles, each with its use.

    A path is shell text: it may be a pattern, or use a variable of `disk_probe`.
    """
    own = {
        "app": {ROOT: "the app's releases", "$logs": "the app's log"},
        "postgres": POSTGRES,
        "edge": {
            "/var/lib/haproxy": "HAProxy's saved state",
            nginx.CACHE: "the edge's cache",
            "/var/lib/nginx": "nginx's temporary files",
            "/var/log/nginx": "nginx's log",
        },
        "monitoring": {"/var/lib/prometheus": "the figures that Prometheus keeps"},
    }
    return COMMON | {path: use for role in node.roles for path, use in own[role].items()}


def disk_checks(settings: Settings, node: Node) -> list[HealthCheck]:
    """Return a single check for all file systems of `node`."""
    return [
        HealthCheck(
            NAME,
            disk_probe(used_paths(node), settings.database.version),
            partial(judge_disks, node.name),
            read_fullest,
        )
    ]


def read_fullest(reading: Reading) -> dict[str, str]:
    """Return the use of the fullest file system as the fact `disk`, in percent."""
    systems = parse_mounts(reading.out)
    return {"disk": str(max(system.space for system in systems))} if systems else {}


def disk_probe(paths: dict[str, str], postgres: int) -> str:
    """Return read-only shell text for `parse_mounts`: it prints `mode|use|path` for each path that
    exists, then the table of df.

    `logs` are the folders of the app's logs as discovery found them. The time limit is there
    because a mount whose server is gone never answers; only SIGKILL ends a process that waits for
    such a mount.
    """
    listing = "\n".join(f"ours {q(use)} {path}" for path, use in paths.items())
    return f"""timeout -s KILL 3 sh <<'DISKS'
ours() {{
  use=$1; shift
  for path; do
    [ -e "$path" ] || continue
    mode=rw; [ -w "$path" ] || mode=ro
    echo "$mode|$use|$path"
  done
}}
logs=$(sed -n 's|^\\(/[^ ]*\\)/[^/ ]* {{$|\\1|p' {SETTINGS}/logrotate.conf 2>/dev/null)
data=$(sed -n "s/^data_directory *= *'\\([^']*\\)'.*/\\1/p" \\
  /etc/postgresql/{postgres}/main/postgresql.conf 2>/dev/null)
paths=$(
{listing}
)
echo "$paths"
echo "$paths" | cut -d'|' -f3- | xargs -d '\\n' df -k --output={COLUMNS} 2>/dev/null
DISKS"""


KILLED = 137
"""Exit status of a command that `timeout -s KILL` ended."""

COLUMNS = "pcent,avail,size,ipcent,iavail,file,target"


@dataclass
class FileSystem:
    """A row of df. `space` and `inodes` are percent in use, `left` and `size` are KiB; `uses` is
    what the host stores there."""

    mount: str
    space: int
    left: int
    size: int
    inodes: int
    inodes_left: int
    uses: list[str] = field(default_factory=list)
    read_only: bool = False


def parse_mounts(text: str) -> list[FileSystem]:
    """Read the file systems from the output of `disk_probe`."""
    paths = {
        path: (mode, use) for mode, use, path in re.findall(r"^(r[ow])\|(.*?)\|(.+)$", text, re.M)
    }
    found: dict[str, FileSystem] = {}
    for *figures, rest in re.findall(r"^ *(\S+)" + r" +([\d-]+%?)" * 4 + " +(/.*)$", text, re.M):
        # A path may contain spaces, so the longest path that fits is the one that df printed.
        path = max((path for path in paths if rest.startswith(f"{path} ")), key=len, default="")
        if not path:
            continue
        target = rest[len(path) :].strip()
        space, left, size, inodes, inodes_left = (
            int(figure.rstrip("%")) if figure != "-" else 0  # "-": btrfs has no inode count
            for figure in figures
        )
        mount = found.setdefault(
            target,
            FileSystem(
                mount=target,
                space=space,
                left=left,
                size=size,
                inodes=inodes,
                inodes_left=inodes_left,
            ),
        )
        mode, use = paths[path]
        mount.read_only |= mode == "ro"
        if use not in mount.uses:
            mount.uses.append(use)
    return list(found.values())


def judge_disks(host: str, seen: Reading) -> list[Problem]:
    """Return what is full, nearly full or read-only; or that df gave no answer."""
    problems = [
        problem for mount in parse_mounts(seen.out) for problem in _find_mount_problems(host, mount)
    ]
    if seen.code == KILLED:
        problems.append(
            Problem(
                "a file system does not answer: is the server of a mount down?",
                f"on {host}: findmnt; dmesg | tail",
            )
        )
    elif not parse_mounts(seen.out):
        problems.append(Problem("df reports no file systems", f"on {host}: df -h; df -i"))
    return problems


def _find_mount_problems(host: str, mount: FileSystem) -> Iterator[Problem]:
    uses = ", ".join(mount.uses)
    if mount.read_only:
        yield Problem(
            f"the file system {mount.mount} is read-only ({uses})",
            f"on {host}: {show_read_only(mount.mount)}",
            incident=INCIDENT,
        )
    if mount.space >= WARN_PERCENT:
        full = mount.left < FULL_KIB
        yield Problem(
            f"the file system {mount.mount} is {'full' if full else f'{mount.space} % full'}: "
            f"{_show_size(mount.left)} of {_show_size(mount.size)} left ({uses})",
            f"on {host}: {show_largest(mount.mount)}",
            down=full,
            incident=INCIDENT,
        )
    if mount.inodes >= WARN_PERCENT:
        used_up = mount.inodes_left == 0
        share = (
            "has no inode left"
            if used_up
            else f"uses {mount.inodes} % of its inodes, {mount.inodes_left} left"
        )
        yield Problem(
            f"the file system {mount.mount} {share}: too many files ({uses})",
            f"on {host}: {show_most_files(mount.mount)}",
            down=used_up,
            incident=INCIDENT,
        )


def _show_size(kib: int) -> str:
    size, unit = float(kib), "KB"
    for bigger in ("MB", "GB", "TB"):
        if size < 1024:
            break
        size, unit = size / 1024, bigger
    return f"{size:.0f} {unit}" if size >= 10 or size == int(size) else f"{size:.1f} {unit}"
