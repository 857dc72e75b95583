"""The name servers of the lab's hosts."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from .errors import LabError

FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
DROPPED = "8.8.8.8"
"""The lab drops packets to this server of Google's (see `network.RULES`)."""

INSTEAD = "8.8.4.4"
"""Google's second server, which gives the same answers."""


def render_resolv_conf(files: tuple[Path, ...] = FILES) -> str:
    """Return the hosts' resolv.conf, from the first of `files` that names another machine.

    Raises:
        LabError: no file names a server outside this machine.
    """
    for path in files:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
        if any(not _is_local(server) for server in servers):
            return "".join(
                f"{_replace_dropped(line)}\n"
                for line in text.splitlines()
                if not _names_local_server(line)
            )
    raise LabError(
        "every name server of this machine is the machine itself (127.…)",
        "the lab's hosts cannot reach it, so they would not find the Debian mirror",
        f"add a server that they can reach to {files[0]}, then: inv lab.up",
    )


def _is_local(server: str) -> bool:
    return ipaddress.ip_address(server.partition("%")[0]).is_loopback


def _names_local_server(line: str) -> bool:
    return line.startswith("nameserver ") and _is_local(line.split()[1])


def _replace_dropped(line: str) -> str:
    return f"nameserver {INSTEAD}" if line.split() == ["nameserver", DROPPED] else line
