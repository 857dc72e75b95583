"""A part of a file that others write in, too: ours between two marks at its top, everything else
stays as it is."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.shell import Reading, q, write_file
from ..engine.step import Change, Step, text_diff
from ..engine.words import plural
from ..settings.paths import OURS

BEGIN = (
    "# BEGIN runbook. Written by the runbook: do not edit up to END; the lines outside are yours."
)
END = "# END runbook"
MARK = r"^# BEGIN runbook[^\n]*\n"
"""BEGIN, whatever an earlier version wrote after its first words."""


@dataclass(frozen=True)
class Block(Step):
    """`path` begins with `text` between marks. `guard` comes after it while a line outside matches
    `guarded` (a pattern).

    `former` matches our lines in a file that the runbook once wrote whole: those are taken out, and
    no others.
    """

    path: str
    text: str = field(repr=False)
    mode: int
    owner: str
    former: str
    guard: str = ""
    guarded: str = ""
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`block in PATH`."""
        return f"block in {self.path}"

    def probe(self) -> str:
        """The whole file: it is short, and what to write depends on the lines of others."""
        return f"[ -e {q(self.path)} ] || exit 0; base64 -w0 {q(self.path)}"

    def decide(self, seen: Reading) -> Change | None:
        """Write the block, or write it anew; the lines of others are kept in their order.

        Raises:
            RunbookError: the file cannot be read, or one of our marks was taken out.
        """
        if seen.code:
            raise RunbookError(
                f"{self.path} cannot be read: {seen.out.strip()[-200:]}",
                "others' lines in it would be lost",
                f"ls -l {self.path} on the host",
            )
        # Not always UTF-8, and others' bytes must come back as they were.
        old = base64.b64decode(seen.out).decode("utf-8", "surrogateescape")
        ours, others = self._parts(old)
        new = self.content(others)
        if new == old:
            return None
        content = new.encode("utf-8", "surrogateescape")
        script = write_file(self.path, content, mode=self.mode, owner=self.owner)
        # The diff shows our lines only: others' may hold secrets.
        return Change(self._sentence(others), (Shell(script),), self._diff(ours, others))

    def content(self, others: str) -> str:
        """The whole file, given the lines of `others`."""
        shared = self.guard if self.guarded and re.search(self.guarded, others, re.M) else ""
        return f"{BEGIN}\n{self.text}{shared}{END}\n{others}"

    def _parts(self, old: str) -> tuple[str, str]:
        """Our lines and the others', of a file as it is."""
        begins, ends = len(re.findall(MARK, old, re.M)), old.count(f"{END}\n")
        if (begins, ends) == (0, 0):
            lines = old.splitlines(keepends=True)
            mine = [line for line in lines if OURS in lines[0] and re.match(self.former, line)]
            return "".join(mine), "".join(line for line in lines if line not in mine)
        parts = re.fullmatch(rf"(?s)(.*?){MARK}(.*?){END}\n(.*)", old, re.M)
        if (begins, ends) != (1, 1) or not parts:
            raise RunbookError(
                f"{self.path} has {begins} lines «# BEGIN runbook» and {ends} lines «{END}»",
                "it is unclear where our part ends and yours begins, so it was left alone",
                f"edit {self.path}: take our marks and the lines between them out; then fab deploy",
            )
        return parts[2], parts[1] + parts[3]

    def _sentence(self, others: str) -> str:
        kept = sum(
            1 for line in others.splitlines() if line.strip() and not line.lstrip().startswith("#")
        )
        keeping = f", keep the {plural(kept, 'line')} of others" if kept else ""
        return f"write our part of {self.path}{keeping}"

    def _diff(self, ours: str, others: str) -> str:
        block = self.content(others).removesuffix(f"{END}\n{others}").removeprefix(f"{BEGIN}\n")
        return text_diff(ours, block, f"{self.path} (our lines)")
