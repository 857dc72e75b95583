"""Asking the lab's hosts over ssh."""

from __future__ import annotations

import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from . import container
from .errors import LabError
from .names import USER, Lab

BOOT = 90.0  # seconds; 4 is usual, a loaded machine of 2 cores needs more


def command(lab: Lab, name: str) -> list[str]:
    """The ssh command line to a host: the lab's key only, pinned host keys only."""
    return [
        "ssh",
        *("-F", "none", "-i", str(lab.folder / "ssh/id_ed25519"), "-o", "IdentitiesOnly=yes"),
        *(
            "-o",
            f"UserKnownHostsFile={lab.folder / 'ssh/known_hosts'}",
            "-o",
            "StrictHostKeyChecking=yes",
        ),
        *("-o", "GlobalKnownHostsFile=none", "-o", "UpdateHostKeys=no", "-o", "ConnectTimeout=5"),
        f"{USER}@{lab.address(name)}",
    ]


def login(lab: Lab, name: str) -> bool:
    """Whether the user can log in right now (a few tenths of a second)."""
    argv = [*command(lab, name)[:-1], "-o", "BatchMode=yes", command(lab, name)[-1], "true"]
    try:
        return (
            subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10
            ).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False


def answers(lab: Lab, name: str, timeout: float = 0.5) -> bool:
    """Whether an ssh server greets on the host's address, without logging in."""
    try:
        with socket.create_connection((lab.address(name), 22), timeout) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def wait(lab: Lab, names: list[str]) -> None:
    """Wait until the user can log in on each of the hosts.

    Raises:
        LabError: one of them ended, or has not come up in 90 s.
    """
    deadline = time.monotonic() + BOOT
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        waiting = names
        while waiting:
            # The login is asked for, not only the greeting: users are let in a moment after sshd
            # listens.
            up = list(pool.map(lambda name: answers(lab, name) and login(lab, name), waiting))
            waiting = [name for name, is_up in zip(waiting, up, strict=True) if not is_up]
            for name in waiting:
                if time.monotonic() > deadline or not container.is_running(lab, name):
                    raise _did_not_come_up(lab, name)
            time.sleep(0.02)


def _did_not_come_up(lab: Lab, name: str) -> LabError:
    log = lab.host_folder(name) / "console.log"
    last = (
        "\n".join(log.read_text(errors="replace", encoding="utf-8").splitlines()[-5:])
        if log.exists()
        else ""
    )
    return LabError(
        f"{lab.machine(name)} did not come up. Its console ends with:\n{last}",
        "A lab with a missing host is of no use to the runbook.",
        f"Read {log}; then give it a fresh disk: inv lab.reset --hosts {name}",
    )
