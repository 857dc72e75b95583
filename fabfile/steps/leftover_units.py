"""The step that removes units which an earlier deploy installed and which the host no longer
needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.command import Shell
from ..engine.frame import USE_PROXIES
from ..engine.shell import Reading, q
from ..engine.step import PENDING, Change, Step
from ..settings.paths import OURS


@dataclass(frozen=True)
class LeftoverUnit:
    """A unit, the file by which it is known as the runbook's, and what else goes with it.

    `files` may be folders. `package` is removed, but its configuration and data stay.
    """

    unit: str
    mark: str
    files: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True)
class NoLeftoverUnits(Step):
    """None of `units` is on the host. A unit without the runbook's mark is not touched: somebody
    else installed it. The units stop in the order given. `what` names them in the plan."""

    what: str
    units: tuple[LeftoverUnit, ...]
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`no leftover WHAT`."""
        return f"no leftover {self.what}"

    def probe(self) -> str:
        """Print the marks that are there, one on each line."""
        marks = " ".join(q(one.mark) for one in self.units)
        return f"grep -lsF {q(OURS)} {marks}; true"

    def decide(self, seen: Reading) -> Change | None:
        """Stop and remove what is there; the marks go last, so a killed run is repeated."""
        marks = seen.out.splitlines()
        found = [one for one in self.units if one.mark in marks]
        if not found:
            return None
        units = " ".join(q(one.unit) for one in found)
        packages = " ".join(q(one.package) for one in found if one.package)
        pending = [f"{PENDING}/{one.unit}.{act}" for one in found for act in ("restart", "reload")]
        others = [path for one in found for path in one.files]
        lines = [
            "set -e",
            f"set -- {units}",
            "for unit; do",
            '  systemctl cat "$unit" >/dev/null 2>&1 || continue',
            '  systemctl -q disable --now "$unit"',
            "done",
        ]
        if packages:
            lines += [
                USE_PROXIES,
                "DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=100"
                f" -o APT::Get::AutomaticRemove=false remove {packages} >/dev/null",
            ]
        lines += [
            f"rm -rf {' '.join(q(path) for path in [*others, *pending])}",
            f"rm -f {' '.join(q(one.mark) for one in found)}",
            *self._remove_drop_in_folders(found),
            "systemctl daemon-reload",
        ]
        sentence = f"remove {', '.join(one.unit for one in found)} (no longer needed here)"
        return Change(sentence, (Shell("\n".join(lines)),))

    @staticmethod
    def _remove_drop_in_folders(found: Sequence[LeftoverUnit]) -> list[str]:
        folders = [one.mark.rpartition("/")[0] for one in found]
        drop_ins = [q(folder) for folder in folders if folder.endswith(".d")]
        # Somebody else may have a drop-in in the same folder: then the folder stays.
        return [f"rmdir {' '.join(drop_ins)} 2>/dev/null || :"] if drop_ins else []
