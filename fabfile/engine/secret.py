"""Keep secrets out of every output: `Secret` prints as a mask, `mask_secrets` masks text."""

from __future__ import annotations

import json
import re
import threading

MASK = "••••••"
_known: tuple[str, ...] = ()
"""Longest first: a short secret inside a longer one must not be masked first and leave the rest.
The tuple is replaced, never changed, because other threads iterate over it."""
_adding = threading.Lock()
_KEYED = re.compile(
    r"""((?:password|passwd|passphrase|secret|token|api_?key)\w*["']?\s*[:=]\s*)"""
    r"""("[^"]*"|'[^']*'|\S[^\n]*)""",
    re.IGNORECASE,
)
_URL = re.compile(r"(://[^\s:/@]+:)[^\s/@]+(?=@)")


class Secret:
    """A text that prints as a mask.

    Use `reveal()` only where the text goes into a file or a protocol. A new Secret registers its
    text with `mask_secrets`, so that no later output can show it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        if len(text) >= 4:  # a shorter secret occurs in ordinary words, and would mask them
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
        in_json = json.dumps(text, ensure_ascii=False)[1:-1]
        _known = tuple(sorted({*_known, text, in_json}, key=len, reverse=True))


def mask_secrets(text: str) -> str:
    """`text` with a mask for every known secret."""
    for secret in _known:
        text = text.replace(secret, MASK)
    return text


def mask_keyed(text: str) -> str:
    """As `mask_secrets`, and also masks the value after `password:`, `token=` and the like.

    Use it for files of a host: they can hold old secrets that this process never knew.
    """
    keyed = _KEYED.sub(lambda m: m[1] + MASK, mask_secrets(text))
    return _URL.sub(lambda m: m[1] + MASK, keyed)
