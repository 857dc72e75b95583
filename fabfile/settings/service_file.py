"""Reads the service file of a program."""

from __future__ import annotations

from pathlib import Path

from msgspec import DecodeError, toml

from ..engine.errors import RunbookError
from .service import Service

SERVICE_FILE = "service.toml"


def read_service(folder: Path) -> Service:
    """Read and check `service.toml` in `folder`.

    Raises:
        RunbookError: it is missing, not TOML, or has an unknown key or a wrong value.
    """
    path = folder / SERVICE_FILE
    try:
        return toml.decode(path.read_bytes(), type=Service)
    except (OSError, DecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise RunbookError(
            f"{path}: {problem}", "it says what the program is", f"edit {path}"
        ) from None
