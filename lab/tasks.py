"""The lab's menu: `inv lab.…`. Each task is a few lines; the work is in `hosts`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, task

from .errors import LabError


def _plain(function: Callable[..., None]) -> Callable[..., None]:
    """Turn a LabError, or a file of this machine that cannot be used, into three lines and an
    exit code."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except LabError as error:
            raise Exit(
                f"{error.seen}\n  why it matters: {error.why}\n  next: {error.next}",
                code=error.code,
            ) from None
        except OSError as error:
            if error.filename is None:
                raise
            seen = f"{error.filename}: {(error.strerror or str(error)).lower()}"
            why = "it is a file of this machine, not of a host of the lab"
            raise Exit(
                f"{seen}\n  why it matters: {why}\n  next: ls -ld {error.filename}; df -h", code=1
            ) from None

    return wrapper


def _names(text: str) -> list[str] | None:
    return [name for name in text.replace(",", " ").split() if name] or None


@task(
    auto_shortflags=False,
    help={
        "hosts": "Only these, for example edge1,node1 (default: the five of the service).",
        "monitoring": "With mon1, the host that watches the others.",
        "deaths": (
            "How the stand-in dies by itself: real, off, or a mean time in seconds (default: real)."
        ),
        "bookworm": (
            "These hosts are Debian 12, the others 13 (default: none, `none`: no longer any)."
            " Changing it means a fresh disk."
        ),
        "scale": "Factor on the stand-in's row counts, 1.0 is 5 million sessions (default: 1.0).",
    },
)
@_plain
def up(
    ctx: Context,
    hosts: str = "",
    monitoring: bool = False,
    deaths: str = "",
    scale: str = "",
    bookworm: str = "",
) -> None:
    """
    Bring the lab's hosts up, and write their site file.

    Five Debian hosts on one bridge of this machine, 5 s from the cached image (the first time 30
    s). Run it again at any time: it repairs what is half done and leaves alone what is right. LAB=1
    inv lab.up makes a second lab beside the first.
    """
    from . import hosts as lab_hosts
    from .names import HOSTS, current
    from .settings import checked

    debian12 = [] if bookworm == "none" else _names(bookworm)
    named = _names(hosts)
    if monitoring:
        named = [*(named or [*HOSTS, *current().made()]), "mon1"]
    lab_hosts.up(named, **checked(deaths, scale), bookworm=debian12)
    print(f"The lab is up. Its site file: {current().site}\nNext: inv lab.status, fab deploy")


@task
@_plain
def down(ctx: Context) -> None:
    """
    Remove the lab and all it put on this machine.

    Processes, mounts, bridge, firewall table, disks, keys; the forwarding setting becomes what it
    was. The image stays in /var/cache/runbook-lab, so the next lab.up is quick.
    """
    from . import hosts as lab_hosts

    lab_hosts.down()


@task(help={"json": "Write it as JSON to this file (- for standard output) instead of a table."})
@_plain
def status(ctx: Context, json: str = "") -> None:
    """
    Show each host: address, roles, up, off or cut.
    """
    from . import status as lab_status
    from .names import current

    if json:
        _write_json(json, lab_status.as_json(current()))
    else:
        _print_table()


def _write_json(path: str, content: object) -> None:
    text = json.dumps(content, indent=2)
    if path == "-":
        print(text)
    else:
        Path(path).write_text(f"{text}\n", encoding="utf-8")


def _print_table() -> None:
    from rich.console import Console
    from rich.table import Table

    from . import status as lab_status
    from .names import current

    lab = current()
    table = Table(
        "host",
        "address",
        "roles",
        "debian",
        "state",
        "pid",
        title=f"lab {lab.number}",
        title_justify="left",
    )
    colours = {"up": "green", "absent": "dim", "starting": "yellow"}
    for line in lab_status.of(lab):
        state = f"[{colours.get(line.state, 'red')}]{line.state}"
        table.add_row(
            line.name, line.address, ", ".join(line.roles), line.debian, state, str(line.pid or "")
        )
    Console().print(table)


@task(
    auto_shortflags=False,
    help={"hosts": "Only these, for example node1,node2 (default: all of the lab)."},
)
@_plain
def reset(ctx: Context, hosts: str = "") -> None:
    """
    Give hosts a fresh disk and boot them again.

    Everything installed or written on them is gone; addresses, keys and settings stay.
    """
    from . import hosts as lab_hosts

    lab_hosts.reset(_names(hosts))


@task(positional=["name"], help={"name": "The host."})
@_plain
def power_off(ctx: Context, name: str) -> None:
    """
    End a host as a power failure does. Its disk stays.
    """
    from . import hosts as lab_hosts

    lab_hosts.power_off(name)


@task(positional=["name"], help={"name": "The host."})
@_plain
def power_on(ctx: Context, name: str) -> None:
    """
    Boot a host that is off; waits until it answers ssh.
    """
    from . import hosts as lab_hosts

    lab_hosts.power_on(name)


@task(
    positional=["kind"],
    help={"kind": "good, slow, errors, dies, refuses or node2 (lab/releases.py)."},
)
@_plain
def release(ctx: Context, kind: str) -> None:
    """
    Pin another release of the stand-in for fab deploy.

    Good or bad in one of five ways. inv lab.up pins the lab's own again.
    """
    from . import hosts as lab_hosts

    print(f"{lab_hosts.pin(kind)} is pinned. Next: fab deploy, fab releases, fab rollback")


@task(
    positional=["name"],
    help={"name": "The host.", "command": "Run this there instead of opening a shell."},
)
@_plain
def ssh(ctx: Context, name: str, command: str = "") -> None:
    """
    Open a shell on a host, as the user ops (has sudo).
    """
    from . import ssh as lab_ssh
    from .names import chosen, current

    lab = current()
    chosen([name], lab.made())
    argv = lab_ssh.command(lab, name) + ([command] if command else [])
    os.execvp(argv[0], argv)


ns = Collection("lab", up, down, status, reset, power_off, power_on, release, ssh)
