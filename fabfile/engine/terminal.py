"""What people read goes to whatever terminal there is: a sign that its encoding does not have
becomes a plain one."""

from __future__ import annotations

import codecs
import io
import sys
from typing import TYPE_CHECKING

from .errors import RunbookError
from .secret import mask_secrets

if TYPE_CHECKING:
    from rich.console import Console

PLAIN = str.maketrans("✗✓×…·•–—→←≤≥«»“”‘’│─━█⚠", 'x+x.-*--><<>""""\'\'|--#!')
"""One for one, so that columns stay in line."""


def accept_any_encoding() -> None:
    """Let stdout and stderr replace what they cannot encode (LC_ALL=de_DE.ISO-8859-1,
    PYTHONIOENCODING=ascii)."""
    codecs.register_error("plain-sign", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # it may be closed, or a test's
            stream.reconfigure(errors="plain-sign")


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(PLAIN)
    return "".join(sign if sign.isascii() else "?" for sign in signs), error.end


def write_utf8(text: str) -> None:
    """Write what machines read (JSON) to stdout, in UTF-8 whatever the locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def typed(text: str) -> str:
    """What somebody typed for people to read, as it can be written anywhere: bytes of another
    locale become question marks."""
    return text.encode(errors="replace").decode()


def print_error(error: RunbookError, console: Console | None = None) -> None:
    """Print an error in three lines: what was seen, why it matters, what to type next.

    Without a `console` it goes to stderr.
    """
    _print_parts(error, console, "✗ ", "bold red")


def print_warning(warning: RunbookError) -> None:
    """Print on stderr what does not end the task, in the lines of an error."""
    _print_parts(warning, None, "! ", "yellow")


def _print_parts(error: RunbookError, console: Console | None, mark: str, style: str) -> None:
    from rich.console import Console
    from rich.text import Text

    out = console or Console(stderr=True, soft_wrap=True, highlight=False)
    out.print(Text(mark + mask_secrets(error.problem), style))
    for label, text in (("why ", error.why), ("next", error.next)):
        if text:
            out.print(Text(f"  {label} ", "dim") + Text(mask_secrets(text)))
