"""Debian packages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine import interrupt
from ..engine.command import Progress
from ..engine.errors import RunbookError
from ..engine.frame import USE_PROXIES
from ..engine.secret import mask_secrets
from ..engine.shell import Reading, q
from ..engine.step import Change, Step
from ..settings.template import render_template

if TYPE_CHECKING:
    from ..engine.link import Link

LOCK_SECONDS = 120
"""How long an installation waits for apt's locks: a first boot's own apt run takes about a
minute."""

BUSY = 75
"""Exit status of `install.sh`: another process holds a lock of apt's (EX_TEMPFAIL of
sysexits.h)."""


@dataclass(frozen=True)
class Packages(Step):
    """These packages are installed (any version); their daemons are not started by that."""

    names: tuple[str, ...]
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`packages a b c`."""
        return f"packages {' '.join(self.names)}"

    def probe(self) -> str:
        """One line for each known package: its name and dpkg's status letters."""
        names = " ".join(q(name) for name in self.names)
        return f"dpkg-query -W -f '${{Package}} ${{db:Status-Abbrev}}\\n' {names} 2>/dev/null; true"

    def decide(self, seen: Reading) -> Change | None:
        """Install what is not installed and configured (`ii`; `hi` when it is held)."""
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
    """Runs `configs/packages/install.sh`, again and again while another process holds a lock of
    apt's."""

    names: tuple[str, ...]

    def show(self) -> str:
        """The script."""
        script = render_template("packages/install.sh", packages=self.names, seconds=10)
        return f"{USE_PROXIES}\n{script}"

    def execute(self, link: Link, progress: Progress) -> None:
        """Install them.

        Raises:
            RunbookError: a lock is held for longer than LOCK_SECONDS, or apt or dpkg refused.
        """
        end = time.monotonic() + LOCK_SECONDS
        while True:
            result = link.run(self.show(), timeout=600, check=False)
            if result.code == 0:
                return
            found = parse_findings(result.out)
            if result.code != BUSY or time.monotonic() >= end:
                words = result.err.strip().splitlines()
                raise explain_failure(link.name, self.names, found, words[-1] if words else "")
            progress(f"waits for apt's lock, held by {_describe_holder(found)}")
            interrupt.check()


Findings = dict[str, list[str]]
"""What `install.sh` found: each key with its values in order."""


def parse_findings(out: str) -> Findings:
    """Pure: the `key=value` lines that `install.sh` printed."""
    found: Findings = {}
    for key, equals, value in (line.partition("=") for line in out.splitlines()):
        if equals and value.strip():
            found.setdefault(key, []).append(value.strip())
    return found


def explain_failure(host: str, names: Sequence[str], found: Findings, words: str) -> RunbookError:
    """Pure: why `names` are not installed on `host`, and what to type. `words`: the last line of
    stderr."""
    missing = " ".join(found.get("missing", names))
    if "pid" in found:
        unit = found.get("unit", [f"{found['pid'][0]}   (the process)"])[0]
        return RunbookError(
            f"{host}: {missing} cannot be installed: {_describe_holder(found)}",
            f"apt lets only one program work at a time; this run waited {LOCK_SECONDS} s for it",
            f"on {host}: systemctl status {unit}; when it has ended: fab -H {host} deploy",
        )
    reasons = [*found.get("apt", []), *found.get("dpkg", []), *found.get("update", [])]
    said = (
        mask_secrets("; ".join(dict.fromkeys(reasons)))[:600] or words or "apt-get gave no reason"
    )
    if stuck := [name for name in found.get("stuck", []) if name not in names]:
        return RunbookError(
            f"{host}: {missing} cannot be installed while {' and '.join(stuck)} is half-installed:"
            f" {said}",
            f"dpkg finishes {' and '.join(stuck)} first, and cannot; that package is not the"
            " runbook's",
            f"on {host}: dpkg --configure -a; dpkg --audit   (then repair or remove {stuck[0]})",
        )
    return RunbookError(
        f"{host}: {missing} cannot be installed: {said}",
        "the steps after it need these packages",
        f"on {host}: apt-get update && apt-get install {missing}",
    )


def _describe_holder(found: Findings) -> str:
    """Who holds a lock, and since when."""
    if "pid" not in found:
        return "another program (no process of this host)"

    def first(key: str) -> str:
        return found.get(key, ["?"])[0]

    unit = f", {first('unit')}" if "unit" in found else ""
    return (
        f"{first('command')} (pid {first('pid')}{unit}) holds {first('file')}"
        f" since {first('since')}, {first('age')} s ago"
    )
