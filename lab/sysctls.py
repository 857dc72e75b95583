"""Kernel settings of this machine that labs raise, and their values before the first lab."""

from __future__ import annotations

import json
from pathlib import Path

from .errors import LabError
from .files import replace_file
from .names import STATE

PROC = Path("/proc/sys")
RECORD = STATE / "sysctls.json"
WANTED = {
    # Hosts reach the mirror through this machine.
    "net/ipv4/ip_forward": 1,
    # Each host's systemd needs six, and all hosts count as one user: with the usual limit of 128
    # the fifth lab fails.
    "fs/inotify/max_user_instances": 2048,
}
OPTIONAL = {"fs/inotify/max_user_instances"}


def raise_settings(first: bool) -> None:
    """Raise the settings that are lower than wanted.

    `first`: no other lab is up, so the values now are the machine's own and are recorded. A record
    that exists nevertheless is from before the machine's last boot, and is overwritten.
    """
    if first or not RECORD.exists():
        replace_file(RECORD, json.dumps({name: read_setting(name) for name in WANTED}))
    for name, value in WANTED.items():
        if read_setting(name) < value:
            _write_setting(name, value)


def restore_settings() -> None:
    """Restore the values from before the first lab; harmless without a record."""
    if RECORD.exists():
        for name, value in json.loads(RECORD.read_text(encoding="utf-8")).items():
            if read_setting(name) != value:
                _write_setting(name, value)


def _write_setting(name: str, value: int) -> None:
    """Set one kernel setting; an optional one may fail.

    Raises:
        LabError: the kernel refuses a setting that the lab needs, as in some containers.
    """
    try:
        (PROC / name).write_text(f"{value}\n", encoding="utf-8")
    except OSError as error:
        if name in OPTIONAL:
            return
        raise LabError(
            f"{PROC / name} cannot be set to {value}: {error.strerror}",
            "the lab's hosts reach their mirror through this machine",
            "in a container: give it a network of its own and the right to set it up"
            " (CAP_NET_ADMIN)",
        ) from None


def read_setting(name: str) -> int:
    """Return the value of a kernel setting."""
    return int((PROC / name).read_text(encoding="utf-8"))
