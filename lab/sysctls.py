"""Kernel settings of this machine that labs need higher, and what they were before the first
lab."""

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
    # Each host's systemd takes six of them, and all hosts are one user; the usual 128 end at the
    # fifth lab.
    "fs/inotify/max_user_instances": 2048,
}
OPTIONAL = {"fs/inotify/max_user_instances"}


def raise_all(first: bool) -> None:
    """Raise what is lower than wanted. `first`: no lab stands, so what is set now is the machine's
    own choice.

    A record that is there nevertheless is older than the machine's last start, and not believed.
    """
    if first or not RECORD.exists():
        replace_file(RECORD, json.dumps({name: read(name) for name in WANTED}))
    for name, value in WANTED.items():
        if read(name) < value:
            _write(name, value)


def restore() -> None:
    """Set all to what it was before the first lab; harmless without a record."""
    if RECORD.exists():
        for name, value in json.loads(RECORD.read_text(encoding="utf-8")).items():
            if read(name) != value:
                _write(name, value)


def _write(name: str, value: int) -> None:
    """
    Raises:
        LabError: this machine does not let itself be told, and cannot do without (in a container,
        mostly).
    """
    try:
        (PROC / name).write_text(f"{value}\n", encoding="utf-8")
    except OSError as error:
        if name in OPTIONAL:
            return
        raise LabError(
            f"{PROC / name} cannot be set to {value}: {error.strerror}.",
            "The lab's hosts reach their mirror through this machine.",
            "In a container: give it a network of its own and the right to set it up"
            " (CAP_NET_ADMIN)",
        ) from None


def read(name: str) -> int:
    """What is set now."""
    return int((PROC / name).read_text(encoding="utf-8"))
