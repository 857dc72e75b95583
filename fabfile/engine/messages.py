"""Quote the output of a host in a message, without secrets and terminal control characters, and
show numbers with their nouns and units."""

from __future__ import annotations

import re

from .secret import mask_secrets

MAX_LINES = 4
"""Lines of each output stream that one message quotes."""
MAX_LENGTH = 300
"""Characters of each output stream that one message quotes."""

# Colours and other escape sequences, window titles, and control characters except newline and tab.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean_lines(text: str) -> list[str]:
    """The non-empty lines of `text`, secrets masked, without colours and control characters."""
    # A progress bar overwrites its line with \r: each state of it counts as a line.
    lines = (_ESCAPES.sub("", line).strip() for line in text.replace("\r", "\n").split("\n"))
    return [mask_secrets(line) for line in lines if line]


def plural(number: int, word: str) -> str:
    """`number` and its noun: `1 host`, `2 hosts`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def show_megabytes(size: int) -> str:
    """A size in bytes, in megabytes of 1 000 000 bytes: `1.5 MB`."""
    return f"{size / 1e6:.1f} MB"


def last_line(text: str) -> str:
    """The last non-empty line of `text`; "" if there is none."""
    lines = clean_lines(text)
    return lines[-1][:MAX_LENGTH] if lines else ""


def quote_output(*texts: str) -> str:
    """The last lines of all `texts` as one quotation; "" when all of them are empty."""
    parts = [" / ".join(clean_lines(text)[-MAX_LINES:])[-MAX_LENGTH:] for text in texts]
    return f"«{' / '.join(filter(None, parts))}»" if any(parts) else ""


_SYSTEMCTL = re.compile(r'Job for (\S+) (?:failed|canceled)|See "systemctl status (\S+)"')


def find_failed_unit(err: str) -> str:
    """The unit whose failure systemctl reports in the last line of `err`; "" if there is none.

    systemctl names only the unit. The reason is in the unit's journal.
    """
    lines = clean_lines(err)
    found = _SYSTEMCTL.match(lines[-1]) if lines else None
    return (found[1] or found[2]) if found else ""


def describe_failure(out: str, err: str) -> str:
    """The output of a failed script in one sentence: its last line, then the lines before it.

    The lines before often hold the cause. stdout is used when stderr has too little to say.
    """
    lines = clean_lines(err)
    if not lines:
        lines = clean_lines(out)
    elif len(lines) == 1 and (out_lines := clean_lines(out)):
        lines = [*out_lines, *lines]
    if not lines:
        return ""
    summary = lines[-1][:MAX_LENGTH]
    useful = (line for line in lines[:-1] if line != lines[-1] and not _SYSTEMCTL.match(line))
    distinct = list(dict.fromkeys(useful))
    earlier = " / ".join(distinct[-(MAX_LINES - 1) :])
    return f"{summary} (before that: «{earlier[-MAX_LENGTH:]}»)" if earlier else summary
