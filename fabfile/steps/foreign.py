"""Configuration of others on a host that the runbook is to configure: never replaced without a
word."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.errors import RunbookError
from ..engine.shell import PREVIOUS, Reading, q
from ..engine.step import Change, Step
from ..settings.paths import OURS


@dataclass(frozen=True)
class NoForeignConfig(Step):
    """Nobody else's configuration is lost when the runbook takes over `program`: it writes `path`
    as a whole.

    Only the first deploy asks. Once `mark`, a file that it writes early, is ours, whatever differs
    in `path` is drift, and a deploy puts it right. A package's own file as it came (by dpkg's md5),
    and one of comments only, are nobody's.
    """

    program: str
    path: str
    mark: str
    included: tuple[str, ...] = ()
    """Patterns of the files that Debian's `path` reads, and ours does not."""

    @property
    def name(self) -> str:
        """`configuration of PROGRAM`."""
        return f"configuration of {self.program}"

    def probe(self) -> str:
        """The files of others, a line each."""
        return (
            f"grep -qs {q(OURS)} {q(self.path)} {q(self.mark)} && exit 0\n[ -e {q(self.path)} ] ||"
            f" exit 0\nset -- {' '.join([self.path, *self.included])}\nfor file; do\n  [ -f"
            ' "$file" ] && grep -qv \'^[[:space:]]*\\(#.*\\)\\{0,1\\}$\' "$file" || continue\n'
            '  real=$(readlink -f "$file")\n  sum=$(md5sum <"$real")\n  dpkg-query -W -f'
            " '${Conffiles}\\n' 2>/dev/null | grep -qF \" $real ${sum%% *}\" || echo"
            ' "$file"\ndone'
        )

    def decide(self, seen: Reading) -> Change | None:
        """Nothing to do.

        Raises:
            RunbookError: there are such files, and the site file does not say that they may go.
        """
        files = seen.out.splitlines()
        if not files:
            return None
        raise RunbookError(
            f"{self.program} on this host is configured by somebody else: {', '.join(files)}",
            f"the runbook replaces {self.path} as a whole, and what these files serve would end;"
            " nothing was changed",
            f'move that to another host, or let it end: replace = ["{self.program}"] under [edge]'
            f" in the site file (the replaced file is kept in {PREVIOUS})",
        )
