"""Check that a host can run the program, before its first run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..engine.errors import RunbookError
from ..engine.shell import q
from .model import Program

if TYPE_CHECKING:
    from ..engine.link import Link

AGAIN = "then run the same command again"


class HostCheck(NamedTuple):
    """What the host reports before the first run: SHA-256, and its user's home and group."""

    sha256: str
    home: str
    group: str


def check_host(link: Link, program: Program) -> HostCheck:
    """Check the program, its user and the tools that discovery needs, on the host of `link`.

    Raises:
        RunbookError: a tool, the user or the program is missing, or the user is root.
    """
    answer = [line.split(maxsplit=1) for line in link.run(_check_script(program)).out.splitlines()]
    missing = {words[1] for words in answer if words[:1] == ["no"]}
    found = {line[0]: line[1] for line in answer if len(line) > 1}
    for problem, parts in _problem_texts(link.name, program, found).items():
        if problem in missing:
            raise RunbookError(*parts)
    return HostCheck(found["sha256"].split()[0], found.get("home", "/"), found["group"])


def _check_script(program: Program) -> str:
    user, path = q(program.user), q(program.path)
    return (
        f"for tool in strace ss; do command -v $tool >/dev/null || echo no $tool; done\n"
        f"uid=$(id -u {user} 2>/dev/null) && gid=$(id -g {user}) || {{ echo no user;"
        " exit 0; }\n"
        f'[ "$uid" != 0 ] || echo no unprivileged\n'
        f'as_user() {{ setpriv --reuid="$uid" --regid="$gid" --init-groups "$@"; }}\n'
        f"path={path} closed=\n"
        f'as_user test -x "$path" || {{\n  echo no program\n'
        f'  while [ "$path" != / ]; do\n    path=$(dirname "$path")\n'
        f'    as_user test -x "$path" || closed=$path\n  done\n  echo "closed $closed"\n'
        f"  findmnt -nr -o OPTIONS,TARGET -T {path} | sed -n 's/^[^ ]*noexec[^ ]*/noexec/p'\n}}\n"
        f"echo home $(getent passwd {user} | cut -d: -f6); echo group $(id -gn"
        f" {user})\n"
        f"[ ! -r {path} ] || echo sha256 $(sha256sum <{path})\n"
    )


def _problem_texts(
    name: str, program: Program, found: Mapping[str, str]
) -> dict[str, tuple[str, str, str]]:
    """Return the error texts for each word that the script can report as missing, in the order of
    importance. `found` has what the script says about them: the folder that the user cannot enter
    (`closed`), the mount on which nothing may be executed (`noexec`)."""
    user, path = program.user, program.path
    closed, noexec = found.get("closed", ""), found.get("noexec", "")
    install = f"apt-get install --no-install-recommends strace iproute2 on {name}, {AGAIN}"
    folder = f": the folder {closed} is closed to it" if closed else ""
    reason, way_out = folder, f"namei -l {path} on {name}   (the rights of each folder above it)"
    if noexec:
        reason = f": the file system {noexec} is mounted noexec"
        way_out = f"on {name}, as root: mount -o remount,exec {noexec}   (and in /etc/fstab)"
    return {
        "strace": (
            f"{name} has no strace",
            "discovery watches the program's system calls with it",
            install,
        ),
        "ss": (
            f"{name} has no ss (iproute2)",
            "discovery needs it to see which port is opened",
            install,
        ),
        "user": (
            f"{name} has no user {user}",
            "the program must run as its unprivileged user",
            "fab deploy creates it",
        ),
        "unprivileged": (
            f"{user} is root",
            "an unknown program is never run as root",
            "set app.user in the site file",
        ),
        "program": (
            f"user {user} cannot execute {path} on {name}{reason}",
            "it is to be run",
            way_out,
        ),
    }
