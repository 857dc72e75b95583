"""Which name servers the lab's hosts can ask."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from .errors import LabError

FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
# The lab drops packets to the first of Google's servers; the second answers the same.
DROPPED, INSTEAD = "8.8.8.8", "8.8.4.4"


def for_hosts(files: tuple[Path, ...] = FILES) -> str:
    """A resolv.conf for the hosts, from the first of `files` that names a server outside this
    machine.

    Raises:
        LabError: there is none.
    """
    for path in files:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
        if any(not _is_local(server) for server in servers):
            return "".join(
                f"{_reachable(line)}\n" for line in text.splitlines() if not _names_local(line)
            )
    raise LabError(
        "Every name server of this machine is the machine itself (127.…).",
        "The lab's hosts cannot ask it, and could not find the Debian mirror.",
        f"Name one they can reach in {files[0]}, then: inv lab.up",
    )


def _is_local(server: str) -> bool:
    return ipaddress.ip_address(server.partition("%")[0]).is_loopback


def _names_local(line: str) -> bool:
    return line.startswith("nameserver ") and _is_local(line.split()[1])


def _reachable(line: str) -> str:
    return f"nameserver {INSTEAD}" if line.split() == ["nameserver", DROPPED] else line
