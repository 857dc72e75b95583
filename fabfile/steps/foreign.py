"""The check that a first deploy does not replace a configuration that somebody else wrote."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.errors import RunbookError
from ..engine.shell import PREVIOUS, Reading, q
from ..engine.step import Change, Step
from ..settings.paths import OURS


@dataclass(frozen=True)
class NoForeignConfig(Step):
    """No configuration of others is lost when the runbook writes `path`, the configuration of
    `program`, as a whole.

    Only the first deploy checks. A deploy writes the file `mark` early; once that file is the
    runbook's, a difference in `path` is drift, and the deploy corrects it. Two kinds of file count
    as nobody's: an unchanged file of a package (dpkg knows its md5), and a file with comments only.
    """

    program: str
    path: str
    mark: str
    included: tuple[str, ...] = ()
    """Patterns of the files that Debian's `path` includes. The runbook's `path` does not."""

    @property
    def name(self) -> str:
        """`configuration of PROGRAM`."""
        return f"configuration of {self.program}"

    def probe(self) -> str:
        """Print the files of others, one on each line."""
        empty_line = "'^[[:space:]]*\\(#.*\\)\\{0,1\\}$'"
        return (
            f"grep -qs {q(OURS)} {q(self.path)} {q(self.mark)} && exit 0\n"
            f"[ -e {q(self.path)} ] || exit 0\n"
            f"set -- {' '.join([self.path, *self.included])}\n"
            "for file; do\n"
            f'  [ -f "$file" ] && grep -qv {empty_line} "$file" || continue\n'
            '  real=$(readlink -f "$file")\n'
            '  sum=$(md5sum <"$real")\n'
            "  dpkg-query -W -f '${Conffiles}\\n' 2>/dev/null |"
            ' grep -qF " $real ${sum%% *}" || echo "$file"\n'
            "done"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Refuse the deploy, or do nothing.

        Raises:
            RunbookError: there are files of others, and the site file does not allow to replace
            them.
        """
        files = seen.out.splitlines()
        if not files:
            return None
        raise RunbookError(
            f"somebody else has configured {self.program} on this host: {', '.join(files)}",
            f"the runbook replaces {self.path} as a whole, so what these files serve would stop;"
            " nothing was changed",
            f'move that to another host, or allow it: replace = ["{self.program}"] under [edge] in'
            f" the site file (the host keeps the replaced file in {PREVIOUS})",
        )
