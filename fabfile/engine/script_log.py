"""Write `scripts.log` in the folder of a run: every script sent to a host, and its output."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import threading
from types import TracebackType
from typing import IO

from .files import name_in_errors
from .journal import Run
from .scripts import SentScript, listen
from .secret import MASK, mask_keyed, mask_secrets

NAME = "scripts.log"

TEXT_BYTES = 16 * 1024
"""Characters kept of each script and of each output: half from the start, half from the end."""

FILE_BYTES = 16 * 1024 * 1024
"""Bytes of one log. Beyond that only the first line of each script is written."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END |\Z)", re.S)
_VERIFIER = re.compile(r"(SCRAM-SHA-256\$)\S+")
_LONG = 48
"""Base64 of this length or more is always left out: it is a line of a file's content, and a secret
that spans several lines would not be recognised."""


class ScriptLog:
    """Writes the scripts of this process to the run's scripts.log; use as a context manager.

    Threads may share it. If the log cannot be written (a full disk), the log ends and the run goes
    on: see `Run.warn_of_loss`.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._file: IO[bytes] | None = None
        self._size = 0
        self._given_up = False
        self._writing = threading.Lock()
        self._listening = contextlib.ExitStack()

    def __enter__(self) -> ScriptLog:
        self._listening.enter_context(listen(self.write))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._listening.close()
        with self._writing, contextlib.suppress(OSError):
            self._given_up = True  # a thread of an aborted script may still call `write`
            if self._file:
                self._file.close()

    def write(self, sent: SentScript) -> None:
        """Append one script to the log."""
        head, rest = describe_script(sent)
        with self._writing:
            if self._given_up:
                return
            try:
                self._append(head, rest)
            except OSError as error:
                self._given_up = True
                self._run.warn_of_loss(error)

    def _append(self, head: str, rest: str) -> None:
        whole = self._size + len(rest) <= FILE_BYTES
        entry = (head + (rest if whole else "")).encode(errors="replace")
        with name_in_errors(self._run.path / NAME):
            if self._file is None:
                self._file = open(  # noqa: SIM115  (it stays open until __exit__)
                    self._run.make_path(NAME), "ab", buffering=0, opener=_open_private
                )
            self._file.write(entry)
        self._size += len(entry)


def describe_script(sent: SentScript) -> tuple[str, str]:
    """The log entry of one script: its first line, and the rest (text and output, shortened).

    Secrets are removed from both.
    """
    head = (
        f"== {sent.begun:%Y-%m-%dT%H:%M:%SZ} {sent.host} · {mask_secrets(sent.purpose)} ·"
        f" {sent.ended} · {sent.seconds:.2f} s\n"
    )
    rest = [_bound_text(sent.text)]
    rest += [f"-- {title}\n{_bound_text(text)}" for title, text in _outputs(sent) if text.strip()]
    return head, "".join(rest) + "\n"


def _outputs(sent: SentScript) -> tuple[tuple[str, str], ...]:
    return ("stdout", sent.out), ("stderr", sent.err)


def _bound_text(text: str) -> str:
    """`text` without secrets, shortened to about TEXT_BYTES."""
    text = text.strip("\n")
    if len(text) <= TEXT_BYTES:
        return f"{hide_secrets(text)}\n"
    # Cut between lines: half a secret would not be recognised. A line longer than half is dropped.
    # Cut before hiding: hiding takes 20 ms for 100 KB.
    half = TEXT_BYTES // 2
    first, last = text[:half].rpartition("\n")[0], text[-half:].partition("\n")[2]
    left_out = len(text) - len(first) - len(last)
    return f"{hide_secrets(first)}\n… {left_out} characters left out …\n{hide_secrets(last)}\n"


def hide_secrets(text: str) -> str:
    """`text` without secrets, known or not.

    Values after `password=` and the like, private keys, password verifiers and the content of files
    (base64) are removed.
    """
    text = _BASE64.sub(_hide_base64, text)
    if "PRIVATE KEY" in text:  # this test is faster than the regular expression
        text = _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)
    return mask_keyed(_VERIFIER.sub(rf"\1{MASK}", text))


def _hide_base64(match: re.Match[str]) -> str:
    encoded = match[0]
    if encoded.islower() or encoded.isdigit():  # a path, a word, or a hash
        return encoded
    if len(encoded) >= _LONG:
        return f"… {len(encoded)} characters of base64 …"
    try:
        content = base64.b64decode(encoded).decode()
    except (binascii.Error, ValueError):  # not base64 of a text
        return encoded
    return encoded if mask_keyed(content) == content else MASK


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
