"""What is sent to the hosts, reported to whoever listens: `--verbose`, and a run's scripts.log.

Listeners belong to the process, as the known secrets do: a task has several fleets (hosts, edges,
balancers), and all their links report here. Without a listener a script costs nothing more.
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
    """What it was for: the step's name, or what was done."""
    text: str
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    code: int | None = None
    """Exit status; None when the host gave none (it was lost, or it was SQL that failed)."""
    seconds: float = 0.0
    out: str = ""
    err: str = ""

    @property
    def ended(self) -> str:
        """How it ended, in two words."""
        return "no exit code" if self.code is None else f"exit {self.code}"


Listener = Callable[[SentScript], None]
"""Is called in the thread that sent the script, as soon as it has ended. It must not raise."""

_listeners: tuple[Listener, ...] = ()
"""Replaced, never changed: other threads iterate over it."""
_replacing = threading.Lock()
_purpose: ContextVar[str] = ContextVar("purpose", default="")
_printing = threading.Lock()


@contextlib.contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """While this lasts, `listener` gets every script of this process that ends."""
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
    """While this lasts, what this thread sends is for `text`, such as a step's name."""
    token = _purpose.set(text)
    try:
        yield
    finally:
        _purpose.reset(token)


@contextlib.contextmanager
def report_script(host: str, action: str, text: str) -> Iterator[SentScript]:
    """Report the script `text` to the listeners when it ends, also when it ends by an error; the
    caller fills in exit status and output. `action`: what is done, such as "read 3 probes"."""
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
    """One line on stderr: host, seconds, exit code, purpose."""
    line = f"{sent.host:<8} {sent.seconds:6.2f} s  {sent.ended:<12}  {sent.purpose}"
    with _printing, contextlib.suppress(OSError):
        stream = sys.stderr
        # Below a status line rich has replaced stderr, to print above that line. It would print
        # on stdout then: right for a terminal, wrong when stderr is a file.
        original = getattr(stream, "rich_proxied_file", stream)
        print(mask_secrets(line), file=stream if original.isatty() else original, flush=True)
