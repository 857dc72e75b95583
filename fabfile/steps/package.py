"""Debian packages."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.shell import Reading, q
from ..engine.step import Change, Step


@dataclass(frozen=True)
class Packages(Step):
    """These packages are installed (any version). Package lists are fetched only when the install cannot do without."""

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
        installed = {name for name, status in (line[:2] for line in lines if len(line) > 1) if status[1:] == "i"}
        missing = [name for name in self.names if name not in installed]
        if not missing:
            return None
        wanted = " ".join(q(name) for name in missing)
        # confold: what the runbook wrote before stays; without it dpkg would ask, and nobody is there to answer
        options = "-o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold"
        install = f"apt-get -qq -y {options} install --no-install-recommends {wanted} >/dev/null"
        update = "apt-get -qq -o DPkg::Lock::Timeout=120 update"
        script = f"{install} 2>/dev/null || {{ dpkg --force-confold --configure -a; {update} && {install}; }}"
        return Change(f"install {' '.join(missing)}", (Shell(script, timeout=600),))
