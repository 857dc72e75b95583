"""Secrets that never print themselves, and the mask that every output passes through."""

from __future__ import annotations

import json
import re
import threading

MASK = "••••••"
_known: tuple[str, ...] = ()
"""Longest first, so that a secret within a secret leaves no rest. Replaced, never changed: other
threads iterate over it."""
_adding = threading.Lock()
_KEYED = re.compile(
    r"""((?:password|passwd|passphrase|secret|token|api_?key)\w*["']?\s*[:=]\s*)("[^"]*"|'[^']*'|\S[^\n]*)""",
    re.IGNORECASE,
)
_URL = re.compile(r"(://[^\s:/@]+:)[^\s/@]+(?=@)")


class Secret:
    """A value that shows as a mask. `reveal()` gives the text, to be used only on its way into a
    file or a protocol.

    Creating one makes the text known to `mask_secrets`, so that no later output can carry it by
    accident.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        if len(text) >= 4:  # shorter ones would mask half of every sentence
            _remember_secret(text)

    def reveal(self) -> str:
        """The clear text."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def _remember_secret(text: str) -> None:
    global _known
    with _adding:
        _known = tuple(
            sorted(
                {*_known, text, json.dumps(text, ensure_ascii=False)[1:-1]}, key=len, reverse=True
            )
        )


def mask_secrets(text: str) -> str:
    """`text` without any known secret."""
    for secret in _known:
        text = text.replace(secret, MASK)
    return text


def mask_keyed(text: str) -> str:
    """`mask_secrets`, and also whatever follows `password:`, `token=` and the like: for files
    whose old content we never knew."""
    keyed = _KEYED.sub(lambda m: m[1] + MASK, mask_secrets(text))
    return _URL.sub(lambda m: m[1] + MASK, keyed)
