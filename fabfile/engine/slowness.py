"""Warn once about a host on which every command starts late, because all work there is slow."""

from __future__ import annotations

import re
import threading

from .errors import RunbookError
from .host import Address
from .terminal import print_warning

SLOW = 2.0
"""Seconds from the login to the start of our script that cause a warning. sudo needs about 0.01."""

LOGIN_SLOW = 4.0
"""Seconds for a login that cause a warning. A host far away (0.3 s for a round trip) needs 3."""

_warning = threading.Lock()
_warned: set[str] = set()


def warn_if_slow(name: str, seconds: float, output: str) -> None:
    """Print a warning on stderr if the host `name` is slow, once per process and host.

    Arguments as for `explain_slowness`.
    """
    if seconds >= SLOW:
        _warn_once(name, explain_slowness(name, seconds, output))


def warn_if_login_slow(a: Address, seconds: float) -> None:
    """Print a warning, once per process and host, if the login at `a` took very long."""
    if seconds >= LOGIN_SLOW:
        warning = RunbookError(
            f"{a.name} takes {seconds:.0f} s to let us log in, so every task starts late",
            "sshd there waits for a name server (UseDNS), for PAM or for a user directory (LDAP),"
            " or the host is busy; after ssh.timeout (in the site file) we would give up",
            f"time {a.ssh} true; on {a.name}, as root: sshd -T | grep -i usedns; uptime",
        )
        _warn_once(f"{a.name} login", warning)


def warn_of_silence(a: Address, limit: float) -> None:
    """Print a warning, once per process and host, if sudo has not started our script within
    ssh.timeout; it may take `limit` seconds."""
    warning = RunbookError(
        f"{a.name}: sudo has not started our script for {a.timeout:g} s; it gets {limit:.0f} s",
        "sudo waits there, for a name server or a user directory (LDAP); other hosts go on",
        f"time {a.ssh} sudo -n true; on {a.name}: time getent hosts $(hostname); time id {a.user}",
    )
    _warn_once(f"{a.name} sudo", warning)


def _warn_once(topic: str, warning: RunbookError) -> None:
    with _warning:
        if topic in _warned:
            return
        _warned.add(topic)
    print_warning(warning)


def explain_slowness(name: str, seconds: float, output: str) -> RunbookError:
    """Why scripts on the host `name` start `seconds` after the login.

    `output` is what sudo printed before the script started.
    """
    late = f"{name} takes {seconds:.0f} s to start each command, so all work there is slow"
    if unknown := re.search(r"unable to resolve host ([^\s:]+)", output):
        return RunbookError(
            f"{late}: its own name ({unknown[1]}) does not resolve, and sudo looks it up each time",
            next=f"on {name}, as root: echo '127.0.1.1 {unknown[1]}' >>/etc/hosts",
        )
    return RunbookError(
        f"{late}: sudo is slow to start there",
        next=(
            f"on {name}: time sudo -n true; time getent hosts $(hostname)   (its own name belongs"
            " in /etc/hosts)"
        ),
    )
