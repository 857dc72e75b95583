"""Report every script that is sent to a host to the listeners: `--verbose`, and scripts.log.

Listeners belong to the process, as the known secrets do: a task has several fleets (hosts, edges,
balancers), and all their links report here.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .secret import mask_secrets


@dataclass
class SentScript:
    """One script (or SQL statement) that was sent to a host, and how it ended."""

    host: str
    purpose: str
    """The purpose: the name of the step, or the action."""
    text: str
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    code: int | None = None
    """Exit status; None if there is none (the host was lost, or SQL failed)."""
    seconds: float = 0.0
    out: str = ""
    err: str = ""

    @property
    def ended(self) -> str:
        """The end of the script, in two words."""
        return "no exit code" if self.code is None else f"exit {self.code}"


Listener = Callable[[SentScript], None]
"""Called in the thread that sent the script, as soon as the script has ended. It must not raise."""

_listeners: tuple[Listener, ...] = ()
"""Replaced, never changed, because other threads iterate over it."""
_replacing = threading.Lock()
_purpose: ContextVar[str] = ContextVar("purpose", default="")
_printing = threading.Lock()


@contextlib.contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Within this context, `listener` gets every script of this process that ends."""
    global _listeners
    with _replacing:
        _listeners = (*_listeners, listener)
    try:
        yield
    finally:
        with _replacing:
            _listeners = tuple(other for other in _listeners if other is not listener)


@contextlib.contextmanager
def purpose(text: str) -> Iterator[None]:
    """Within this context, the scripts of this thread have the purpose `text`, such as a step."""
    token = _purpose.set(text)
    try:
        yield
    finally:
        _purpose.reset(token)


@contextlib.contextmanager
def report_script(host: str, action: str, text: str) -> Iterator[SentScript]:
    """Report the script `text` to the listeners when the context ends, also after an error.

    The caller fills in exit status and output. `action` is part of the purpose, such as
    "read 3 probes".
    """
    sent = SentScript(host, ": ".join(filter(None, (_purpose.get(), action))), text)
    started = time.monotonic()
    try:
        yield sent
    except BaseException as error:
        sent.err = sent.err or str(error)
        raise
    finally:
        sent.seconds = time.monotonic() - started
        for listener in _listeners:
            listener(sent)


def print_script(sent: SentScript) -> None:
    """Print one line on stderr: host, seconds, exit code, purpose."""
    line = f"{sent.host:<8} {sent.seconds:6.2f} s  {sent.ended:<12}  {sent.purpose}"
    with _printing, contextlib.suppress(OSError):
        stream = sys.stderr
        # While rich shows a status line, it has replaced stderr, to print above that line. Its
        # replacement prints on stdout: right for a terminal, wrong if stderr is a file.
        original = getattr(stream, "rich_proxied_file", stream)
        print(mask_secrets(line), file=stream if original.isatty() else original, flush=True)
