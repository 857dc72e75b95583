"""Reaching the lab's hosts over ssh."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from . import container
from .errors import LabError
from .names import BASTION, USER, Lab

BOOT = 90.0
"""Seconds a host has to boot; usually it takes 4, on a loaded machine with 2 cores more."""


def build_command(lab: Lab, name: str) -> list[str]:
    """Return the ssh command line to a host, through the bastion if the lab has one.

    Only the lab's key and pinned host keys count.
    """
    options = [
        *("-F", "none", "-i", str(lab.folder / "ssh/id_ed25519"), "-o", "IdentitiesOnly=yes"),
        *(
            "-o",
            f"UserKnownHostsFile={lab.folder / 'ssh/known_hosts'}",
            "-o",
            "StrictHostKeyChecking=yes",
        ),
        *("-o", "GlobalKnownHostsFile=none", "-o", "UpdateHostKeys=no", "-o", "ConnectTimeout=5"),
    ]
    # Not ProxyJump: ssh does not pass these options on to the bastion.
    bastion = ["ssh", *options, "-W", "%h:%p", f"{USER}@{lab.address(BASTION)}"]
    proxy = ["-o", f"ProxyCommand={shlex.join(bastion)}"] if _is_behind(lab, name) else []
    return ["ssh", *options, *proxy, f"{USER}@{lab.address(name)}"]


def _is_behind(lab: Lab, name: str) -> bool:
    """Return whether the host is reached through the bastion."""
    return name != BASTION and BASTION in lab.made()


def can_log_in(lab: Lab, name: str) -> bool:
    """Return whether the user can log in now. Takes a few tenths of a second."""
    argv = [
        *build_command(lab, name)[:-1],
        "-o",
        "BatchMode=yes",
        build_command(lab, name)[-1],
        "true",
    ]
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
    """Return whether an ssh server greets at the host's address, without logging in.

    A host behind the bastion is asked for a login: its address does not answer here.
    """
    if _is_behind(lab, name):
        return can_log_in(lab, name)
    try:
        with socket.create_connection((lab.address(name), 22), timeout) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def wait_for_login(lab: Lab, names: list[str]) -> None:
    """Wait until the user can log in on each of the hosts.

    Raises:
        LabError: a host ended, or did not come up within BOOT seconds.
    """
    deadline = time.monotonic() + BOOT
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        waiting = names
        while waiting:
            # Not only the greeting: sshd listens a moment before users may log in.
            up = list(pool.map(lambda name: answers(lab, name) and can_log_in(lab, name), waiting))
            waiting = [name for name, is_up in zip(waiting, up, strict=True) if not is_up]
            for name in waiting:
                if time.monotonic() > deadline or not container.is_running(lab, name):
                    raise _boot_error(lab, name)
            time.sleep(0.02)


def _boot_error(lab: Lab, name: str) -> LabError:
    log = lab.host_folder(name) / "console.log"
    last = (
        "\n".join(log.read_text(errors="replace", encoding="utf-8").splitlines()[-5:])
        if log.exists()
        else ""
    )
    return LabError(
        f"{lab.machine(name)} did not come up; its console ends with:\n{last}",
        "the runbook needs every host of its site file",
        f"read {log}; then give it a fresh disk: inv lab.reset --hosts {name}",
    )
