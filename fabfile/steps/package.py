"""The step for Debian packages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine import interrupt
from ..engine.causes import Explanation, find_explanation
from ..engine.command import Progress
from ..engine.errors import RunbookError
from ..engine.frame import USE_PROXIES
from ..engine.full_disk import add_disk_cause
from ..engine.messages import last_line
from ..engine.secret import mask_secrets
from ..engine.shell import Reading, q
from ..engine.step import Change, Step
from ..engine.terminal import print_warning
from ..settings.template import render_template

if TYPE_CHECKING:
    from ..engine.link import Link

LOCK_SECONDS = 600
"""An installation waits this long for the locks of apt. After the first boot of an old cloud image,
unattended-upgrades needs some minutes."""

LOCK_HELD = 75
"""Exit status of `install.sh` when another process holds a lock of apt (EX_TEMPFAIL of
sysexits.h)."""

TRY_SECONDS = 10
"""One run of `install.sh` waits this long for the locks; then the task reports who holds them."""

NEEDED = "the steps after this one need these packages"

CAUSES = (
    Explanation(
        r"unable to execute .*permission denied",
        "dpkg cannot run the scripts of packages, as on a file system that is mounted noexec",
        "on {name}, as root: mount -o remount,exec $(findmnt -no TARGET -T /var/lib/dpkg/info)"
        "   (and in /etc/fstab)",
    ),
    Explanation(
        r"parsing file '(?P<file>/var/lib/dpkg/updates/\d+)",
        "dpkg was interrupted, and its note of that is damaged",
        "on {name}, as root: mv {file} /root/; dpkg --configure -a; dpkg --audit",
    ),
    Explanation(
        r"pars(e|ing) (package )?file '?(?P<file>/var/lib/dpkg/[\w./-]+)",
        "dpkg's own records are damaged, as after a power cut or on a full disk",
        "on {name}, as root: mv {file} /root/; cp -p /var/lib/dpkg/status-old /var/lib/dpkg/status"
        "   (older: /var/backups/dpkg.status.*); dpkg --audit",
    ),
    Explanation(
        "temporary failure resolving|could not resolve",
        "the host does not resolve the names of its package sources",
        "on {name}: cat /etc/resolv.conf; apt-get update   (it names the hosts)",
    ),
    Explanation(
        "not valid yet|release file .*expired",
        "the clock of the host is wrong, or its package source is outdated",
        "on {name}: timedatectl; grep -rh ^deb /etc/apt/sources.list*",
    ),
    Explanation(
        "could not connect|connection timed out|unable to connect",
        "the host does not reach its package sources",
        "on {name}: grep -rhE '^(deb|URIs)' /etc/apt; apt-config dump | grep -i proxy",
    ),
)
"""What the words of apt and dpkg mean."""

MOST_LETTERS = 600
"""An error message quotes at most this much of the output of apt and dpkg."""


@dataclass(frozen=True)
class Packages(Step):
    """These packages are installed, in any version. Their daemons are not started."""

    names: tuple[str, ...]
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`packages a b c`."""
        return f"packages {' '.join(self.names)}"

    def probe(self) -> str:
        """Print one line for each package that dpkg knows: its name and its status letters."""
        names = " ".join(q(name) for name in self.names)
        return f"dpkg-query -W -f '${{Package}} ${{db:Status-Abbrev}}\\n' {names} 2>/dev/null; true"

    def decide(self, seen: Reading) -> Change | None:
        """Install the packages that dpkg does not list as installed (`ii`, or `hi` when held)."""
        lines = [line.split() for line in seen.out.splitlines()]
        installed = {
            name
            for name, status in (line[:2] for line in lines if len(line) > 1)
            if status[1:] == "i"
        }
        missing = tuple(name for name in self.names if name not in installed)
        if not missing:
            return None
        return Change(f"install {' '.join(missing)}", (InstallPackages(missing),))


@dataclass(frozen=True)
class InstallPackages:
    """Command that runs `configs/packages/install.sh`, and repeats it while another process holds a
    lock of apt."""

    names: tuple[str, ...]

    def show(self) -> str:
        """The script."""
        script = render_template("packages/install.sh", packages=self.names, seconds=TRY_SECONDS)
        return f"{USE_PROXIES}\n{script}"

    def execute(self, link: Link, progress: Progress) -> None:
        """Install the packages.

        Raises:
            RunbookError: another process holds a lock for longer than LOCK_SECONDS, or apt or dpkg
            failed.
        """
        end, warned = time.monotonic() + LOCK_SECONDS, False
        while True:
            result = link.run(self.show(), timeout=600, check=False)
            if result.code == 0:
                return
            found = parse_findings(result.out)
            if result.code != LOCK_HELD or time.monotonic() >= end:
                error = explain_failure(link.name, self.names, found, last_line(result.err))
                raise add_disk_cause(link.name, error, link.read)
            progress(f"waiting: {_describe_holder(found)}")
            if not warned:  # where no progress line is shown, two minutes of silence look hung
                print_warning(_waiting_warning(link.name, found))
                warned = True
            interrupt.check()


Findings = dict[str, list[str]]
"""The values that `install.sh` printed for each key, in order."""


def parse_findings(out: str) -> Findings:
    """Pure: parse the `key=value` lines of `install.sh`."""
    found: Findings = {}
    for key, equals, value in (line.partition("=") for line in out.splitlines()):
        if equals and value.strip():
            found.setdefault(key, []).append(value.strip())
    return found


def explain_failure(
    host: str, names: Sequence[str], found: Findings, last_line: str
) -> RunbookError:
    """Pure: the error for packages `names` that could not be installed on `host`. `last_line` is
    the last line of stderr."""
    missing = " ".join(found.get("missing", names))
    if "pid" in found:
        return RunbookError(
            f"{host}: {missing} cannot be installed: {_describe_holder(found)}",
            f"apt allows one program at a time; this run waited {LOCK_SECONDS} s for the lock",
            f"on {host}: systemctl status {_holder_name(found)}; when it has ended: fab -H {host}"
            " deploy",
        )
    reasons = [*found.get("apt", []), *found.get("dpkg", []), *found.get("update", [])]
    quoted = mask_secrets("; ".join(dict.fromkeys(reasons)))[:MOST_LETTERS]
    reason = quoted or last_line or "apt-get gave no reason"
    if stuck := [name for name in found.get("stuck", []) if name not in names]:
        return RunbookError(
            f"{host}: {missing} cannot be installed while {' and '.join(stuck)} is half-installed:"
            f" {reason}",
            f"dpkg must finish {' and '.join(stuck)} first and fails; the runbook does not manage"
            " that package",
            f"on {host}: dpkg --configure -a; dpkg --audit   (then repair or remove {stuck[0]})",
        )
    known = find_explanation(CAUSES, reason, {"name": host})
    return RunbookError(
        f"{host}: {missing} cannot be installed: {reason}",
        f"{known.why}; {NEEDED}" if known else NEEDED,
        f"{known.next}; then: fab -H {host} deploy"
        if known
        else f"on {host}: apt-get update && apt-get install {missing}",
    )


def _waiting_warning(host: str, found: Findings) -> RunbookError:
    return RunbookError(
        f"{host}: {_describe_holder(found)}",
        f"apt allows one program at a time; this run waits up to {LOCK_SECONDS} s for the lock",
        f"on {host}: systemctl status {_holder_name(found)}" if "pid" in found else "",
    )


def _holder_name(found: Findings) -> str:
    """What `systemctl status` takes: the holder's unit, or its pid."""
    return found.get("unit", [f"{found['pid'][0]}   (the process)"])[0]


def _describe_holder(found: Findings) -> str:
    """Which process holds a lock of apt, and since when."""
    if "pid" not in found:
        return "an unknown program (no process of this host) holds the lock of apt"

    def first(key: str) -> str:
        return found.get(key, ["?"])[0]

    unit = f", {first('unit')}" if "unit" in found else ""
    return (
        f"{first('command')} (pid {first('pid')}{unit}) holds {first('file')}"
        f" since {first('since')}, {first('age')} s ago"
    )
