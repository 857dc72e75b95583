"""Write to terminals of any encoding: a sign that the encoding lacks becomes a plain one."""

from __future__ import annotations

import codecs
import io
import sys
from typing import TYPE_CHECKING

from .errors import RunbookError
from .secret import mask_secrets

if TYPE_CHECKING:
    from rich.console import Console

PLAIN = str.maketrans(
    "✗✓×…·•–—→←≤≥«»“”‘’│─━█⚠",
    'x+x.-*--><<>""""\'\'|--#!',
)
"""Each sign becomes exactly one plain sign, so that columns stay aligned."""


def accept_any_encoding() -> None:
    """Make stdout and stderr replace signs that they cannot encode (LC_ALL=de_DE.ISO-8859-1,
    PYTHONIOENCODING=ascii) instead of raising."""
    codecs.register_error("plain-sign", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not when closed, or replaced by a test
            stream.reconfigure(errors="plain-sign")


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(PLAIN)
    return "".join(sign if sign.isascii() else "?" for sign in signs), error.end


def write_utf8(text: str) -> None:
    """Write text for machines (JSON) to stdout, in UTF-8 whatever the locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def printable(text: str) -> str:
    """`text` from the command line with question marks for bytes that are not in the locale's
    encoding, so that it can be written anywhere."""
    return text.encode(errors="replace").decode()


def print_error(error: RunbookError, console: Console | None = None) -> None:
    """Print an error in three lines: the problem, why it matters, what to type next.

    Without a `console` it goes to stderr.
    """
    _print_parts(error, console, "✗ ", "bold red")


def print_warning(warning: RunbookError) -> None:
    """Print a warning on stderr, in the three lines of an error. The task goes on."""
    _print_parts(warning, None, "! ", "yellow")


def _print_parts(error: RunbookError, console: Console | None, mark: str, style: str) -> None:
    from rich.console import Console
    from rich.text import Text

    out = console or Console(stderr=True, soft_wrap=True, highlight=False)
    out.print(Text(mark + mask_secrets(error.problem), style))
    for label, text in (("why ", error.why), ("next", error.next)):
        if text:
            out.print(Text(f"  {label} ", "dim") + Text(mask_secrets(text)))
