"""The lab's tasks: `inv lab.…`. Each task is a few lines; the work is done in `hosts`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, task

from .errors import LabError


def _explain_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Report a LabError, or an OSError about a file, in three lines and with an exit code."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except LabError as error:
            raise Exit(
                f"{error.problem}\n  why it matters: {error.why}\n  next: {error.next}",
                code=error.code,
            ) from None
        except OSError as error:
            if error.filename is None:
                raise
            problem = f"{error.filename}: {(error.strerror or str(error)).lower()}"
            why = "it is a file of this machine, not of a host of the lab"
            raise Exit(
                f"{problem}\n  why it matters: {why}\n  next: ls -ld {error.filename}; df -h",
                code=1,
            ) from None

    return wrapper


def _split_names(text: str) -> list[str] | None:
    return [name for name in text.replace(",", " ").split() if name] or None


@task(
    auto_shortflags=False,
    help={
        "service": (
            "The program: a folder of services/, or the path of another folder with a service.toml"
            " (default: bingo, the stand-in). It holds until inv lab.down."
        ),
        "hosts": "Only these hosts, for example edge1,node1 (default: those of the service).",
        "monitoring": "With mon1, the host that watches the others.",
        "bastion": "With bastion1: this machine reaches the other hosts by ssh through it only.",
        "balancer": "With lb1, a stand-in for a provider's balancer, before the edges.",
        "deaths": (
            "How often the stand-in crashes: real, off, or a mean time in seconds (default: real)."
        ),
        "bookworm": (
            "These hosts get Debian 12, the others 13; `none`: all get 13 (default: unchanged)."
            " A host that changes its release gets a fresh disk."
        ),
        "cloud-init": (
            "Hosts as clouds hand them out: cloud-init sets them up at their first boot, while"
            " apt's own timers run. It holds until inv lab.down."
        ),
        "scale": "Factor on the stand-in's row counts; 1.0 is 5 million sessions (default: 1.0).",
    },
)
@_explain_errors
def up(
    ctx: Context,
    service: str = "",
    hosts: str = "",
    monitoring: bool = False,
    bastion: bool = False,
    balancer: bool = False,
    deaths: str = "",
    scale: str = "",
    bookworm: str = "",
    cloud_init: bool = False,
) -> None:
    """
    Bring the lab's hosts up, and write their site file.

    Five Debian hosts on one bridge of this machine. It takes 5 s, the first time 30 s to build the
    image. Run it again at any time: it repairs what is half done and keeps what is right. LAB=1 inv
    lab.up makes a second lab beside the first.
    """
    from . import hosts as lab_hosts
    from .names import BALANCER, BASTION, current_lab
    from .settings import check_settings

    debian12 = [] if bookworm == "none" else _split_names(bookworm)
    lab_hosts.up(
        _split_names(hosts),
        extra=[
            name
            for name, wanted in (("mon1", monitoring), (BASTION, bastion), (BALANCER, balancer))
            if wanted
        ],
        **check_settings(deaths, scale),
        bookworm=debian12,
        cloud_init=cloud_init or None,
        service=service or None,
    )
    print(f"The lab is up. Its site file: {current_lab().site}\nNext: inv lab.status, fab deploy")


@task
@_explain_errors
def down(ctx: Context) -> None:
    """
    Remove the lab and everything it put on this machine.

    It removes processes, mounts, bridge, firewall table, disks and keys, and restores the kernel
    settings. The image stays in /var/cache/runbook-lab, so the next lab.up is quick.
    """
    from . import hosts as lab_hosts

    lab_hosts.down()


@task(
    help={
        "json": "Write the status as JSON to this file (- for standard output) instead of a table."
    }
)
@_explain_errors
def status(ctx: Context, json: str = "") -> None:
    """
    Show each host: address, roles, state.
    """
    from . import status as lab_status
    from .names import current_lab

    if json:
        _write_json(json, lab_status.render_json(current_lab()))
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
    from .names import current_lab

    lab = current_lab()
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
    for line in lab_status.read_status(lab):
        state = f"[{colours.get(line.state, 'red')}]{line.state}"
        table.add_row(
            line.name, line.address, ", ".join(line.roles), line.debian, state, str(line.pid or "")
        )
    Console().print(table)


@task(
    auto_shortflags=False,
    help={"hosts": "Only these hosts, for example node1,node2 (default: all of the lab)."},
)
@_explain_errors
def reset(ctx: Context, hosts: str = "") -> None:
    """
    Give hosts a fresh disk and boot them again.

    Everything that was installed or written there is lost; addresses, keys and settings stay.
    """
    from . import hosts as lab_hosts

    lab_hosts.reset(_split_names(hosts))


@task(positional=["name"], help={"name": "The host, for example node1."})
@_explain_errors
def power_off(ctx: Context, name: str) -> None:
    """
    Power a host off without a shutdown; its disk stays.
    """
    from . import hosts as lab_hosts

    lab_hosts.power_off(name)


@task(positional=["name"], help={"name": "The host, for example node1."})
@_explain_errors
def power_on(ctx: Context, name: str) -> None:
    """
    Boot a host that is off; wait until it answers ssh.
    """
    from . import hosts as lab_hosts

    lab_hosts.power_on(name)


@task(
    positional=["name"],
    help={
        "name": (
            "first (the lab's own) or next; of the stand-in also good, slow, errors, dies, refuses"
            " or node2 (lab/releases.py)."
        )
    },
)
@_explain_errors
def release(ctx: Context, name: str) -> None:
    """
    Pin another release of the program for fab deploy.

    The release `next` works. Of the stand-in there are also releases with a fault each. inv lab.up
    pins the lab's own release again, as `first` does.
    """
    from . import hosts as lab_hosts

    print(f"{lab_hosts.pin_release(name)} is pinned. Next: fab deploy, fab releases, fab rollback")


@task(
    positional=["name"],
    help={
        "name": "The host, for example node1.",
        "command": "Run this command there instead of a shell.",
    },
)
@_explain_errors
def ssh(ctx: Context, name: str, command: str = "") -> None:
    """
    Open a shell on a host, as the user ops (has sudo).
    """
    from . import ssh as lab_ssh
    from .names import choose_hosts, current_lab

    lab = current_lab()
    choose_hosts([name], lab.made())
    argv = lab_ssh.build_command(lab, name) + ([command] if command else [])
    os.execvp(argv[0], argv)


ns = Collection("lab", up, down, status, reset, power_off, power_on, release, ssh)
