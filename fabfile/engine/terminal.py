"""Write to terminals of any encoding, and to files on a full disk."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

from .errors import RunbookError
from .secret import mask_secrets

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

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


def end_with_reader() -> None:
    """Make the program end quietly when the reader of its stdout has ended (`fab --list | head`).

    Tasks see to it themselves (`run_as_task`). This is for menu and help, which Invoke prints.
    """
    show_traceback = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, BrokenPipeError):
            _discard(sys.stdout)
        else:
            show_traceback(kind, error, trace)

    sys.excepthook = show
    atexit.register(_flush_stdout)


def _flush_stdout() -> None:
    """Python's own flush, which comes later, would print a message and exit with code 120."""
    if not isinstance(sys.stdout, io.TextIOWrapper) or sys.stdout.closed:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)


def write_utf8(text: str) -> None:
    """Write text for machines (JSON) to stdout, in UTF-8 whatever the locale.

    Raises:
        OSError: stdout cannot be written.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        _discard(sys.stdout)
        raise


class _LossyStream:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._losses_allowed():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._losses_allowed():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _losses_allowed(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # the reader of a pipe has ended (`| head`)
            raise
        except OSError as error:
            _discard(self._stream)
            reason = (error.strerror or str(error)).lower()
            with contextlib.suppress(OSError):  # stderr may be the same file
                print_warning(
                    RunbookError(
                        f"standard output: {reason}",
                        "the task goes on; what it prints is lost",
                        "df -h .; df -i .",
                    )
                )


def drop_losses(stream: TextIO) -> IO[str]:
    """`stream`, except that text which cannot be written is lost, with one warning.

    A deploy must not end half-way because its output goes to a full disk.
    """
    return cast("IO[str]", _LossyStream(stream))


def _discard(stream: TextIO) -> None:
    """Send to nowhere what the stream still holds: Python would write it again when it ends."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


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

    out = console or Console(stderr=True, soft_wrap=not sys.stderr.isatty(), highlight=False)
    print_wrapped(out, Text(mark, style), Text(mask_secrets(error.problem), style))
    if error.why:
        print_wrapped(out, Text("  why  ", "dim"), Text(mask_secrets(error.why)))
    if error.next:
        line = Text("  next ", "dim") + Text(mask_secrets(error.next))
        out.print(line, soft_wrap=True)  # not wrapped, so that a command can be copied


def print_wrapped(out: Console, mark: Text, text: Text) -> None:
    """Print `text` after `mark`. Its further lines begin below its first letter, not below the
    mark. Nothing is wrapped if `out` is no terminal."""
    from rich.text import Text

    if out.soft_wrap:
        out.print(mark + text)
        return
    for number, line in enumerate(text.wrap(out, max(out.width - len(mark), 20))):
        line.rstrip()
        out.print((Text(" " * len(mark)) if number else mark) + line, soft_wrap=True)
