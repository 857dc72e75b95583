"""The steps for a file, a directory and a symbolic link."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from ..engine.command import Shell
from ..engine.errors import RunbookError
from ..engine.messages import plural
from ..engine.shell import Reading, ask_known, q, sha256_line, stat_line, write_file
from ..engine.step import Change, Step, text_diff
from ..settings.paths import OURS


def _effective_text(text: str) -> str:
    """`text` without comments and blank lines. They are most of a package's default file, and would
    fill the diff."""
    return "\n".join(
        line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;"
    )


@dataclass(frozen=True)
class File(Step):
    """`path` holds exactly `content`, with this owner and mode.

    `validate` is a shell command that must accept the new file; `{}` stands for its path. One
    rename then replaces the old file, and the host keeps a copy of the old file.
    """

    path: str
    content: str = field(repr=False)
    mode: int = 0o644
    owner: str = "root:root"
    validate: str = ""
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`file PATH`."""
        return f"file {self.path}"

    def probe(self) -> str:
        """Read owner and mode, and the content when it differs."""
        content = self.content.encode()
        digest = hashlib.sha256(content).hexdigest()
        path, kind = q(self.path), "regular file" if content else "regular empty file"
        wanted = f"echo {q(f'{self.owner} {self.mode:o} {kind}')}; echo same; exit 0"
        return (
            f"{ask_known(self.path, content=True)}"
            f'case "${{known-}}" in {stat_line(self.path, self.owner, self.mode, kind)})\n'
            f'case "${{known-}}" in {sha256_line(self.path, digest)}) {wanted};; esac;; esac\n'
            f"stat -Lc '%U:%G %a %F' {path} 2>/dev/null || {{ echo absent; exit 0; }}\n"
            f'case "$(sha256sum <{path})" in {digest}*) echo same;; *) echo differs; base64 -w0'
            f" {path};; esac"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Write the file, or set owner and mode when only these differ.

        Raises:
            RunbookError: `path` is not a file.
        """
        lines = seen.out.splitlines()
        if not lines or lines[0] == "absent":
            length = len(self.content.splitlines())
            return self._write_change(f"write {self.path} ({plural(length, 'line')})")
        owner, mode, kind = lines[0].split(maxsplit=2)
        if "file" not in kind:
            raise _wrong_kind(self.path, kind, wanted="a file")
        if lines[1:2] != ["same"]:
            old = base64.b64decode(lines[2]).decode(errors="replace") if len(lines) > 2 else ""
            diff = text_diff(old if OURS in old else _effective_text(old), self.content, self.path)
            changed = sum(
                line[:1] in "+-" and line[:3] not in ("+++", "---")
                for line in diff.splitlines()
                if line
            )
            what = plural(changed, "line") if changed else "comments or secrets only"
            return self._write_change(f"change {self.path} ({what})", diff)
        if (owner, int(mode, 8)) != (self.owner, self.mode):
            script = f"chown {q(self.owner)} {q(self.path)} && chmod {self.mode:04o} {q(self.path)}"
            was, wanted = f"{owner} {mode}", f"{self.owner} {self.mode:o}"
            return Change(f"set {self.path} to {wanted} (it was {was})", (Shell(script),))
        return None

    def _write_change(self, sentence: str, diff: str = "") -> Change:
        script = write_file(
            self.path,
            self.content.encode(),
            mode=self.mode,
            owner=self.owner,
            validate=self.validate,
        )
        return Change(sentence, (Shell(script),), diff)


@dataclass(frozen=True)
class Directory(Step):
    """`path` is a directory with this owner and mode."""

    path: str
    mode: int = 0o755
    owner: str = "root:root"
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`directory PATH`."""
        return f"directory {self.path}"

    def probe(self) -> str:
        """Read owner, mode and kind."""
        wanted = f"echo {q(f'{self.owner} {self.mode:o} directory')}; exit 0"
        return (
            f"{ask_known(self.path, content=False)}"
            f'case "${{known-}}" in {stat_line(self.path, self.owner, self.mode, "directory")})'
            f" {wanted};; esac\n"
            f"stat -Lc '%U:%G %a %F' {q(self.path)} 2>/dev/null || echo absent"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Create the directory, or set its owner and mode.

        Raises:
            RunbookError: `path` is not a directory.
        """
        found = seen.out.strip().split(maxsplit=2)
        user, _, group = self.owner.partition(":")
        script = f"install -d -o {q(user)} -g {q(group)} -m {self.mode:04o} {q(self.path)}"
        if len(found) == 3:
            if found[2] != "directory":
                raise _wrong_kind(self.path, found[2], wanted="a directory")
            if (found[0], int(found[1], 8)) == (self.owner, self.mode):
                return None
            was = f"{found[0]} {found[1]}"
            return Change(
                f"set {self.path} to {self.owner} {self.mode:o} (it was {was})", (Shell(script),)
            )
        return Change(f"create directory {self.path}", (Shell(script),))


@dataclass(frozen=True)
class Symlink(Step):
    """`path` is a symbolic link to `target`. One rename switches it."""

    path: str
    target: str
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`link PATH`."""
        return f"link {self.path}"

    def probe(self) -> str:
        """Read the target of the link."""
        path = q(self.path)
        return f"readlink {path} || {{ [ ! -e {path} ] && echo absent || stat -c '? %F' {path}; }}"

    def decide(self, seen: Reading) -> Change | None:
        """Point the link to `target`.

        Raises:
            RunbookError: `path` is not a symbolic link.
        """
        now = seen.out.strip()
        if now.startswith("? "):
            raise _wrong_kind(self.path, now[2:], wanted="a symbolic link")
        if now == self.target:
            return None
        was = "" if now == "absent" else f" (it was {now})"
        new = q(f"{self.path}.new")
        script = f"ln -sfn {q(self.target)} {new} && mv -Tf {new} {q(self.path)}"
        return Change(f"point {self.path} to {self.target}{was}", (Shell(script),))


def _wrong_kind(path: str, kind: str, *, wanted: str) -> RunbookError:
    return RunbookError(
        f"{path} is a {kind}, not {wanted}",
        "the runbook did not create it and does not know its content, so it was left alone",
        f"on the host: ls -ld {path}; move it; then again",
    )
