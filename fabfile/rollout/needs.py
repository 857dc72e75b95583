"""How much disk and memory the roles of a host need. Each figure names its source."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..engine.host import Node
from ..settings.paths import ROOT
from ..settings.settings import Settings
from ..steps.release import KEEP_PROVEN, KEEP_RELEASES

MIB = 1 << 20

PACKAGES = {"postgres": 130, "app": 80, "edge": 50, "monitoring": 420}
"""MiB that the packages of a role take in /usr. Estimates, rounded up, not measured."""

ARCHIVE = 120
"""MiB of .deb files in /var/cache/apt while packages are installed. An estimate."""

WAL = 4096
"""MiB: `max_wal_size` in configs/postgres/50-runbook.conf."""

DATA = 1536
"""MiB of the seeded tables and indexes with 5 million sessions, and as much again for VACUUM and
the rows of users. An estimate for scale 1.0."""

LOGS = 256
"""MiB for /var/log: nginx's, HAProxy's and PostgreSQL's logs between two rotations, and ours."""

SYSTEM_MEMORY = 192
"""MiB of memory for Debian itself (systemd, sshd, journald) and the kernel."""

EDGE_MEMORY = 64 + 192
"""MiB: the cache of nginx, which is in memory (`max_size` in configs/nginx/nginx.conf), and what
nginx, HAProxy, keepalived and the watchdog use with 4000 connections."""

MONITORING_MEMORY = 512 + 96 + 64
"""MiB: GOMEMLIMIT of Prometheus, Alertmanager and the blackbox exporter."""

HEALER_MEMORY = 64
"""MiB: MemoryMax in configs/app/healer.service."""


def disk_needs(settings: Settings, node: Node, binary_bytes: int) -> dict[str, int]:
    """MiB that the roles of `node` need below each path. `binary_bytes` is the size of the app's
    binary."""
    needs = {
        "/": 16,
        "/etc": 2,
        "/usr": sum(PACKAGES[role] for role in node.roles),
        "/var/lib/dpkg": 16,
        "/var/lib/apt/lists": 64,  # of one release
        "/var/cache/apt": ARCHIVE,
        "/var/log": LOGS,
        "/run": 8,
        "/tmp": 32,
    }
    if "postgres" in node.roles:
        needs["/var/lib/postgresql"] = WAL + DATA
    if "app" in node.roles:
        copies = KEEP_RELEASES + KEEP_PROVEN + 1  # and the upload
        needs[ROOT] = copies * (binary_bytes // MIB + 1)
        # R22: twice the size of a rotated log. Its folder is known after discovery only.
        needs["/opt"] = 2 * settings.app.log_max_mb + 16
    if "monitoring" in node.roles:
        needs["/var/lib/prometheus"] = settings.monitoring.retention_mb * 11 // 10
    return needs


def memory_needs(settings: Settings, node: Node) -> Mapping[str, int]:
    """MiB of memory that each role of `node` needs, and `system`."""
    needs = {
        "app": read_mib(settings.app.memory_max) + HEALER_MEMORY,
        # A connection of the app costs some 5 MiB; work_mem for a handful of sorts at a time.
        "postgres": read_mib(settings.database.shared_buffers)
        + 8 * read_mib(settings.database.work_mem)
        + 128,
        "edge": EDGE_MEMORY,
        "monitoring": MONITORING_MEMORY,
    }
    return {"system": SYSTEM_MEMORY, **{role: needs[role] for role in node.roles}}


def read_mib(size: str) -> int:
    """A size of a site file in MiB, rounded up: `512M`, `16MB`, `2G`, or bytes without a unit."""
    found = re.fullmatch(r"(\d+)([kKMGT]?)B?", size)
    if not found:
        raise ValueError(f"not a size: {size}")
    factor = 1024 ** ("kMGT".index(found[2].replace("K", "k")) + 1) if found[2] else 1
    return -(-int(found[1]) * factor // MIB)
