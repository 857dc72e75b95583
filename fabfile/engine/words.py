"""The host's own words, for a message: the lines that say something, without what a terminal
would obey."""

from __future__ import annotations

import re

from .secret import mask_secrets

LINES, LENGTH = 4, 300
"""Lines and characters of the host's words that go into one sentence, of each stream."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def spoken(text: str) -> list[str]:
    """The lines of `text` that say something, secrets masked, without colours and control
    characters."""
    clean = (_ESCAPES.sub("", line).strip() for line in text.replace("\r", "\n").split("\n"))
    return [mask_secrets(line) for line in clean if line]


def plural(number: int, word: str) -> str:
    """`number` and the word for it: `1 host`, `2 hosts`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def last(text: str) -> str:
    """The last line that says something."""
    lines = spoken(text)
    return lines[-1][:LENGTH] if lines else ""


def quoted(*texts: str) -> str:
    """The last lines of each of `texts` in one, in quotes; "" when nothing was said."""
    said = [" / ".join(spoken(text)[-LINES:])[-LENGTH:] for text in texts]
    return f"«{' / '.join(filter(None, said))}»" if any(said) else ""


_SYSTEMCTL = re.compile(r'Job for (\S+) (?:failed|canceled)|See "systemctl status (\S+)"')


def failed_unit(err: str) -> str:
    """The unit of which systemctl has only said that it failed, and where to look; "" when there
    are better words."""
    lines = spoken(err)
    found = _SYSTEMCTL.match(lines[-1]) if lines else None
    return (found[1] or found[2]) if found else ""


def explained(out: str, err: str) -> str:
    """What a failed script said: its last line, then those before it, which often hold the
    cause; stdout if stderr is mute."""
    lines = spoken(err)
    if not lines:
        lines = spoken(out)
    elif len(lines) == 1 and (more := spoken(out)):
        lines = [*more, *lines]
    if not lines:
        return ""
    said = lines[-1][:LENGTH]
    telling = (line for line in lines[:-1] if line != lines[-1] and not _SYSTEMCTL.match(line))
    before = " / ".join(list(dict.fromkeys(telling))[1 - LINES :])
    return f"{said} (before that: «{before[-LENGTH:]}»)" if before else said
