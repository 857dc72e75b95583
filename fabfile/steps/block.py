"""The step for a marked block of lines at the top of a file that others also edit."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.messages import plural
from ..engine.shell import Reading, q, write_file
from ..engine.step import Change, Step, text_diff
from ..settings.paths import OURS

BEGIN = (
    "# BEGIN runbook. Written by the runbook: do not edit up to END; the lines outside are yours."
)
END = "# END runbook"
MARK = r"^# BEGIN runbook[^\n]*\n"
"""Matches BEGIN, and the other text that an earlier version wrote after its first words."""


@dataclass(frozen=True)
class Block(Step):
    """`path` begins with `text` between two marks. The rest of the file is left alone.

    `guard` is added after `text` while a line outside the block matches the pattern `guarded`.
    `former` matches the runbook's lines in a file that an earlier version wrote as a whole; only
    these lines are removed.
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
        """Read the whole file: it is short, and the block depends on the other lines."""
        return f"[ -e {q(self.path)} ] || exit 0; base64 -w0 {q(self.path)}"

    def decide(self, seen: Reading) -> Change | None:
        """Write the block, and keep the other lines in their order.

        Raises:
            RunbookError: the file cannot be read, or a mark of the block is missing.
        """
        if seen.code:
            raise RunbookError(
                f"{self.path} cannot be read: {seen.out.strip()[-200:]}",
                "writing it now would lose the lines of others",
                f"on the host: ls -l {self.path}",
            )
        # The file may not be UTF-8, and the bytes of the other lines must not change.
        old = base64.b64decode(seen.out).decode("utf-8", "surrogateescape")
        ours, others = self._split_lines(old)
        new = self.render_file(others)
        if new == old:
            return None
        content = new.encode("utf-8", "surrogateescape")
        script = write_file(self.path, content, mode=self.mode, owner=self.owner)
        # The diff leaves the other lines out: they may hold secrets.
        return Change(
            self._describe_change(others), (Shell(script),), self._diff_block(ours, others)
        )

    def render_file(self, others: str) -> str:
        """The whole file: the block, then the lines of `others`."""
        needs_guard = self.guarded and re.search(self.guarded, others, re.M)
        return f"{BEGIN}\n{self.text}{self.guard if needs_guard else ''}{END}\n{others}"

    def _split_lines(self, old: str) -> tuple[str, str]:
        """The lines of the runbook and the lines of others in the present file."""
        begins, ends = len(re.findall(MARK, old, re.M)), old.count(f"{END}\n")
        if (begins, ends) == (0, 0):
            lines = old.splitlines(keepends=True)
            # Without marks: an earlier version may have written the file as a whole.
            ours = [line for line in lines if OURS in lines[0] and re.match(self.former, line)]
            return "".join(ours), "".join(line for line in lines if line not in ours)
        parts = re.fullmatch(rf"(?s)(.*?){MARK}(.*?){END}\n(.*)", old, re.M)
        if (begins, ends) != (1, 1) or not parts:
            raise RunbookError(
                f"{self.path} has {begins} lines «# BEGIN runbook» and {ends} lines «{END}»",
                "it is not clear which lines belong to the runbook, so the file was left alone",
                f"on the host: edit {self.path}, remove the marks and the lines between them;"
                " then fab deploy",
            )
        return parts[2], parts[1] + parts[3]

    def _describe_change(self, others: str) -> str:
        kept = sum(
            1 for line in others.splitlines() if line.strip() and not line.lstrip().startswith("#")
        )
        keeping = f", keep {plural(kept, 'line')} of others" if kept else ""
        return f"write the runbook's block in {self.path}{keeping}"

    def _diff_block(self, ours: str, others: str) -> str:
        block = self.render_file(others).removesuffix(f"{END}\n{others}").removeprefix(f"{BEGIN}\n")
        return text_diff(ours, block, f"{self.path} (lines of the runbook)")
