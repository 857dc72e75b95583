"""Read a TOML file that a person wrote, with any editor."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def parse_toml(path: Path) -> dict[str, Any]:
    """The content of the file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not TOML, or in another encoding.
    """
    return tomllib.loads(_decode_text(path.read_bytes()))


def _decode_text(content: bytes) -> str:
    """TOML is UTF-8, but some editors add a byte order mark or save UTF-16."""
    if b"\0" in content[:64]:  # in UTF-16, every second byte of plain English is 0
        raise ValueError(
            'it is saved as UTF-16 or UTF-32, and must be UTF-8 (an editor\'s "Unicode" means that)'
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8, see line {line}: {error.reason}") from None
