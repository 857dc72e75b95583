"""Read the output of a program: its last message and notable lines, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from urllib.parse import quote, quote_plus

from ..engine.secret import MASK, mask_secrets

_LONGEST = 200
_NOISE = re.compile(
    r"goroutine \d+|\t|\s+/\S+:\d+ \+0x|main\.\w+\(|runtime\.|created by |exit status \d+$|-{3,}$"
)
_STAMP = re.compile(r"\s*\[?\d{2,4}[-/.]\d\d[-/.]\d{2,4}[T ]\d\d:\d\d:\d\d[\d.,:Z+-]*\]?:?\s+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TELLING = re.compile(
    r"\b(panic|fatal|error|fail(?:ed|ure)?|cannot|can't|could ?n[o']t|unable|no such|not"
    r" found|missing|denied"
    r"|refused|invalid|required|must|in use|abort\w*|didn't)\b",
    re.IGNORECASE,
)
_HELP = re.compile(
    r"^\s*(usage|commands|available commands|subcommands)\b\s*:?", re.IGNORECASE | re.MULTILINE
)


def secret_masker(secrets: Sequence[str]) -> Callable[[str], str]:
    """Return a function that masks `secrets` in a text (plain, URL-quoted or JSON-quoted), and all
    other known secrets."""
    forms = {
        form
        for s in secrets
        if s
        for form in (s, quote(s, safe=""), quote_plus(s), json.dumps(s)[1:-1])
    }
    longest_first = sorted(forms, key=len, reverse=True)

    def clean(text: str) -> str:
        for form in longest_first:
            text = text.replace(form, MASK)
        return mask_secrets(text)

    return clean


def notable_lines(text: str) -> list[str]:
    """Return the lines for people, without duplicates: no stack frames, JSON log lines, rulers or
    time stamps."""
    lines = (
        _STAMP.sub("", line).strip()[:_LONGEST]
        for line in _COLOUR.sub("", text).splitlines()
        if not _NOISE.match(line)
    )
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("{")))


def last_words(out: str, err: str) -> str:
    """Return the line with the reason of the end: the last error on stderr, else on stdout, else
    the last line."""
    for text in (err, out):
        if telling := [line for line in notable_lines(text) if _TELLING.search(line)]:
            panics = [line for line in telling if line.lower().startswith(("panic", "fatal"))]
            return (panics or telling)[-1]
    lines = notable_lines(err) or notable_lines(out)
    return lines[-1] if lines else ""


def is_help(text: str) -> bool:
    """Whether a text explains how to call the program."""
    return bool(_HELP.search(text))


def same_but_numbers(first: str, second: str) -> bool:
    """Whether two texts are the same except for numbers (times, process ids, ports)."""
    return re.sub(r"\d+", "#", first) == re.sub(r"\d+", "#", second)
