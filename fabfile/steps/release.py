"""A release: the app's binary in a folder of its own, uploaded once, verified on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..engine.command import Shell, Upload
from ..engine.shell import Reading, q
from ..engine.step import Change, Step
from ..settings.paths import PROVEN

KEEP = 5
"""Releases kept on a host, the current one included; besides those that a fleet would go back
to."""


@dataclass(frozen=True)
class Release(Step):
    """`<root>/releases/<id>/<name>` is the binary with this sha256; nothing runs it until
    `current` points to it."""

    root: str
    source: Path
    sha256: str
    binary: str
    notify: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The release's folder: the first 12 digits of the binary's sha256."""
        return self.sha256[:12]

    @property
    def folder(self) -> str:
        """The release's folder on the host."""
        return f"{self.root}/releases/{self.id}"

    @property
    def name(self) -> str:
        """`release ID`."""
        return f"release {self.id}"

    def probe(self) -> str:
        """The sha256 of what lies there, then the modes of the folder and of the binary."""
        folder, binary = q(self.folder), q(f"{self.folder}/{self.binary}")
        return (
            f"sha256sum <{binary} 2>/dev/null || echo absent\nstat -Lc %a {folder} {binary}"
            " 2>/dev/null; true"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Upload it, and let the oldest releases beyond KEEP go (never the current one, nor the
        two that were proven last)."""
        found, *modes = [line.split()[0] for line in seen.out.splitlines()] or ["absent"]
        if found == self.sha256:
            return self._open() if any(mode != "755" for mode in modes) else None
        prune = (
            f"chmod 0755 {q(self.folder)}\n"  # an earlier run's may lie there, closed
            f"cd {q(self.root)}/releases && proven=$(ls -1t */{PROVEN} 2>/dev/null | head -n 2) &&"
            f" ls -1t | tail -n +{KEEP + 1} | while read -r old; do\n"
            f'  case "$proven" in *"$old/"*) continue ;; esac\n'
            f'  [ "$(readlink ../current)" = "releases/$old" ] || rm -rf "./$old"\ndone'
        )
        size = (
            f"{self.source.stat().st_size / 1e6:.1f} MB"
            if self.source.exists()
            else "from its source"
        )
        upload = Upload(self.source, f"{self.folder}/{self.binary}", self.sha256)
        return Change(f"upload release {self.id} ({size})", (upload, Shell(prune)))

    def _open(self) -> Change:
        """The app's user may enter the folder and run the binary again: an umask closed them, or
        a person."""
        paths = f"{q(self.folder)} {q(f'{self.folder}/{self.binary}')}"
        return Change(
            f"open release {self.id} to the app's user (mode 755)", (Shell(f"chmod 0755 {paths}"),)
        )
