"""A folder of Python modules on a host: modules of an earlier version are removed."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.shell import Reading, q
from ..engine.step import Change, Step
from ..settings.paths import OURS


@dataclass(frozen=True)
class NoOldModules(Step):
    """`folder` holds no Python modules of the runbook but `modules` (file names).

    It comes after the steps that write the modules, so that the folder never lacks one. A running
    program is not affected: it has imported its modules.
    """

    folder: str
    modules: tuple[str, ...]
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no old modules in FOLDER`."""
        return f"no old modules in {self.folder}"

    def probe(self) -> str:
        """The modules that the runbook wrote; nothing when there is no such folder yet."""
        return f"grep -lF {q(OURS)} {q(self.folder)}/*.py 2>/dev/null; true"

    def decide(self, seen: Reading) -> Change | None:
        """Remove the modules that do not belong there."""
        found = {line.rpartition("/")[2] for line in seen.out.splitlines() if ".py" in line}
        old = sorted(found - set(self.modules))
        if not old:
            return None
        paths = " ".join(q(f"{self.folder}/{name}") for name in old)
        return Change(
            f"remove {', '.join(old)} of an earlier version from {self.folder}",
            (Shell(f"rm -f {paths}"),),
        )
