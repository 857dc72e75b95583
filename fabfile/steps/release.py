"""The step for a release: the app's binary in a folder of its own. The upload is verified on both
sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..engine.command import Shell, Upload
from ..engine.messages import show_megabytes
from ..engine.shell import Reading, q
from ..engine.step import Change, Step
from ..settings.paths import PROVEN

KEEP_RELEASES = 5
"""Releases that a host keeps, with the current one. Releases that a rollback may need are kept in
addition (see KEEP_PROVEN)."""

KEEP_PROVEN = 2
"""The releases that passed the gate last are never removed: a rollback goes back to one of them."""


@dataclass(frozen=True)
class Release(Step):
    """`<root>/releases/<id>/<binary>` is the binary with this sha256. Nothing runs the binary until
    `<root>/current` points to its folder. `source` is the binary on the controller."""

    root: str
    source: Path
    sha256: str
    binary: str
    notify: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id of the release: the first 12 digits of the binary's sha256."""
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
        """Read the sha256 of the binary, and the modes of the folder and the binary."""
        folder, binary = q(self.folder), q(f"{self.folder}/{self.binary}")
        return (
            f"sha256sum <{binary} 2>/dev/null || echo absent\nstat -Lc %a {folder} {binary}"
            " 2>/dev/null; true"
        )

    def decide(self, seen: Reading) -> Change | None:
        """Upload the binary and remove the oldest releases, or set the modes of the release.

        The current release and the releases that were proven last are never removed.
        """
        found, *modes = [line.split()[0] for line in seen.out.splitlines()] or ["absent"]
        if found == self.sha256:
            return self._open_change() if any(mode != "755" for mode in modes) else None
        prune = (
            # A killed run may have left the folder with a closed mode.
            f"chmod 0755 {q(self.folder)}\n"
            f"cd {q(self.root)}/releases &&"
            f" proven=$(ls -1t */{PROVEN} 2>/dev/null | head -n {KEEP_PROVEN}) &&"
            f" ls -1t | tail -n +{KEEP_RELEASES + 1} | while read -r old; do\n"
            f'  case "$proven" in *"$old/"*) continue ;; esac\n'
            f'  [ "$(readlink ../current)" = "releases/$old" ] || rm -rf "./$old"\ndone'
        )
        size = (
            show_megabytes(self.source.stat().st_size)
            if self.source.exists()
            else "from its source"
        )
        upload = Upload(self.source, f"{self.folder}/{self.binary}", self.sha256)
        return Change(f"upload release {self.id} ({size})", (upload, Shell(prune)))

    def _open_change(self) -> Change:
        """Let the app's user enter the folder and run the binary; an umask or a person closed
        them."""
        paths = f"{q(self.folder)} {q(f'{self.folder}/{self.binary}')}"
        return Change(
            f"open release {self.id} to the app's user (mode 755)", (Shell(f"chmod 0755 {paths}"),)
        )
