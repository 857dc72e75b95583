"""Record who changed what and when: a JSON line per change on the host itself, and a folder per run
on the controller."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets as _random
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .document import SCHEMA, to_document
from .files import explain_local_file, name_in_errors
from .secret import mask_secrets
from .shell import embed_bytes
from .terminal import print_warning

HOST_JOURNAL = "/var/log/runbook/journal.jsonl"


def operator_name() -> str:
    """The operator, as `user@controller`."""
    user = os.environ.get("SUDO_USER")
    if not user:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # this uid has no name
            user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def now() -> str:
    """The current time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Run:
    """One run of a task: its id, operator and reason, and the folder for its files.

    These files help to explain a run later. So a run goes on without them when they cannot be
    written (a full disk), with one warning.
    """

    task: str
    folder: Path
    reason: str = ""
    who: str = field(default_factory=operator_name)
    id: str = field(
        default_factory=lambda: datetime.now(UTC).strftime("%Y%m%dT%H%M%S-") + _random.token_hex(3)
    )
    _first_loss: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)
    """Taken by the thread that warns, and never released."""

    @property
    def path(self) -> Path:
        """The folder `<folder>/<id>-<task>`; it exists once a file was written."""
        return self.folder / f"{self.id}-{self.task}"

    def make_path(self, name: str) -> Path:
        """The path of a file in the folder, which is created if missing.

        Raises:
            OSError: the folder cannot be created.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.path / name

    def entry(self, event: str, step: str, sentence: str, **more: Any) -> str:
        """One journal line, with the further keys `more`, secrets masked."""
        line = {
            "schema": SCHEMA,
            "time": now(),
            "run": self.id,
            "who": self.who,
            "task": self.task,
            "event": event,
            "step": step,
            **({"reason": self.reason} if self.reason else {}),
        }
        return mask_secrets(json.dumps({**line, "message": sentence, **more}, ensure_ascii=False))

    def note(self, name: str, data: str | Mapping[str, Any]) -> None:
        """Write `data` to `<run folder>/<name>`, secrets masked: text unchanged, a mapping as JSON.

        If that fails, the run goes on: see `warn_of_loss`.
        """
        text = f"{mask_secrets(data)}\n" if isinstance(data, str) else to_document(data)
        try:
            with name_in_errors(self.path / name):
                self.make_path(name).write_text(text, encoding="utf-8")
        except OSError as error:
            self.warn_of_loss(error)

    def warn_of_loss(self, error: OSError) -> None:
        """Warn, once for a run, that a file of its folder could not be written."""
        if not self._first_loss.acquire(blocking=False):
            return
        with contextlib.suppress(OSError):  # stderr may be a file on the same full disk
            print_warning(
                explain_local_file(error, "the run goes on; its folder on this machine lacks files")
            )


def append_lines(*lines: str) -> str:
    """Script that appends `lines` to the host's journal; "" without lines."""
    if not lines:
        return ""
    content = ("\n".join(lines) + "\n").encode()
    return f"mkdir -p /var/log/runbook\n{embed_bytes(content, to=HOST_JOURNAL, append=True)}\n"
