"""The files that a program needs: discovery creates them, or shows other content in their place,
and removes the created files that had no effect."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.shell import q
from .host import ProgramHost
from .model import Program
from .paths import config_rank
from .placing import create_path, remove_created, text_sha256

ContentFor = Callable[[str, str | None], str | None]
"""Gives the content of a file the program needs: (path, its own default configuration if the
path is probably a configuration, else None) → content, or None if unknown: then the default is
taken, or the file stays empty."""


class WantedFiles:
    """What discovery has created for the program, and what it only shows to it.

    Attributes:
        shadows: path → content that the program sees instead of the content of the file.
        made: what the last action created, outermost first; removed if it had no effect.
        default: the program's own default configuration, if it prints one.
    """

    def __init__(self, node: ProgramHost, program: Program, content_for: ContentFor) -> None:
        self.node = node
        self.program = program
        self.content_for = content_for
        self.shadows: dict[str, str] = {}
        self.made: tuple[str, ...] = ()
        self.default: str | None = None
        self._contents: dict[str, str] = {}

    def create_file(self, path: str, *, writable: bool) -> str:
        """Create the file with the content that the site gives, or else with the program's default.

        Returns what was done, for the trail.
        """
        content = "" if writable else self._find_content(path) or ""
        self.made = self._create_path(path, content, writable=writable)
        self._contents[path] = content
        return f"created {path} ({self._describe_content(content)})"

    def create_directory(self, path: str) -> str:
        """Create the directory and its parents; return what was done, for the trail."""
        self.made = self._create_path(path, None)
        return f"created {path}/"

    def ensure_directory(self, path: str) -> None:
        """Create the directory for the program's user, unless it exists."""
        if path != "/" and self.node.link.run(f"[ -d {q(path)} ]", check=False).code:
            self._create_path(path, None)

    def ensure_file(self, path: str) -> None:
        """Create the file with the wanted content, or show that content if the file exists."""
        if self.node.link.run(f"[ -e {q(path)} ]", check=False).code:
            self.create_file(path, writable=False)
            self.made = ()
        else:
            self.shadow_config(path)

    @property
    def created(self) -> tuple[str, ...]:
        """The files that were created and kept."""
        return tuple(self._contents)

    def remove_last_created(self) -> str:
        """Remove what the last action created.

        Returns what was done, for the trail; "" if there was nothing to remove.
        """
        if not self.made:
            return ""
        path = self.made[-1]
        remove_created(self.node.link, self.made, self._contents.pop(path, None))
        return f"removed {path} again (it changed nothing)"

    def shadow_config(self, path: str) -> bool:
        """Show the wanted content to the program if the configuration on the host differs.

        The file itself stays as it is. Returns whether it differs.
        """
        if path in self._contents or path in self.shadows:
            return False
        content = self.content_for(path, self.default)
        if content is None or text_sha256(content) == self.node.digest(path):
            return False
        self.shadows[path] = content
        self.made = ()
        return True

    def digest_config(self, path: str | None) -> str:
        """Return the SHA-256 of the configuration that the program read; "" if it read none."""
        if not path:
            return ""
        shown = self.shadows.get(path)
        return self.node.digest(path) if shown is None else text_sha256(shown)

    def _create_path(
        self, path: str, content: str | None, *, writable: bool = False
    ) -> tuple[str, ...]:
        return create_path(
            self.node.link, self.program, self.node.seen.group, path, content, writable=writable
        )

    def _find_content(self, path: str) -> str | None:
        default = self.default if config_rank(path) else None
        given = self.content_for(path, default)
        return default if given is None else given

    def _describe_content(self, content: str) -> str:
        if not content:
            return "empty"
        if content == self.default:
            return "its own default"
        return f"content given, {len(content.encode())} bytes"
