"""Create files and directories for the program on the host, and remove them again."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine.errors import RunbookError
from ..engine.shell import embed_bytes, q
from .model import Program

if TYPE_CHECKING:
    from ..engine.link import Link


def create_path(
    link: Link,
    program: Program,
    group: str,
    path: str,
    content: str | None,
    *,
    writable: bool = False,
) -> tuple[str, ...]:
    """Create the directory (`content` None) or file, with the directories above it; return
    what was created, outermost first.

    Raises:
        RunbookError: it exists already, so whatever is wrong with it is not its absence.
    """
    user = program.user
    owner = user if writable or content is None else "root"
    lines = link.run(_creation_script(path, content, f"{owner}:{group}")).out.splitlines()
    if "exists" in lines:
        raise RunbookError(
            f"{link.name}: {path} exists, but user {user} may not use it",
            "discovery does not change rights that somebody set",
            f"ls -ld {path} on {link.name}; chown {user} {path}, then run the same command again",
        )
    return tuple(line.removeprefix("made ") for line in lines if line.startswith("made "))


def _creation_script(path: str, content: str | None, owner: str) -> str:
    """Shell text that prints what it made, or `exists`."""
    parent = path if content is None else posixpath.dirname(path)
    script = (
        f"set -eu; umask 022\n"
        f"if [ -e {q(path)} ] || [ -L {q(path)} ]; then echo exists; exit 0; fi\n"
        f'make() {{ [ -d "$1" ] && return; make "$(dirname "$1")"; mkdir "$1"; echo "made $1"; }}\n'
        f"make {q(parent)}\n"
    )
    if content is None:
        return f"{script}chown {q(owner)} {q(path)}; chmod 0750 {q(path)}\n"
    new = '"$new"'
    return (
        f"{script}new=$(mktemp {q(parent)}/.runbook.XXXXXX); trap 'rm -f \"$new\"' EXIT\n"
        f"{embed_bytes(content.encode(), to=new)}\n"
        f'chown {q(owner)} "$new"; chmod 0640 "$new"; mv -T "$new" {q(path)}; echo "made'
        f' "{q(path)}\n'
    )


def remove_created(link: Link, made: Sequence[str], content: str | None) -> None:
    """Remove what `create_path` made, the innermost first: files only as they were made,
    directories only if empty."""
    digest = text_sha256(content or "")
    link.run(
        "\n".join(
            f"if [ -d {q(p)} ]; then rmdir {q(p)} 2>/dev/null; elif echo {digest}'  '{q(p)} |"
            f" sha256sum -c --status 2>/dev/null; then rm -f {q(p)}; fi || :"
            for p in reversed(made)
        )
    )


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a text as stored in a file, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
