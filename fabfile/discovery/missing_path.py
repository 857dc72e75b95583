"""Find the missing path that ended a program. Programs try many files that need not exist, so most
failed calls do not matter."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .model import Attempt
from .output import last_words, same_but_numbers
from .paths import config_rank, is_log, is_system
from .strace import Bind, Connect, Event, Touch


@dataclass(frozen=True)
class FailedPath:
    """A path that failed. `strength`: 3 the program names the path, 2 its file name, 1 its kind,
    0 it was the last to fail."""

    touch: Touch
    strength: int


def failing_calls(events: Iterable[Event]) -> dict[str, Touch]:
    """Return the last failing call of every path that never worked later, without system paths.

    A call that would have created the path counts more than a later one that only reads: SQLite
    opens a file that it cannot create once more for reading.
    """
    failed: dict[str, Touch] = {}
    for event in events:
        if not isinstance(event, Touch) or event.call == "exec" or is_system(event.path):
            continue
        if event.error in ("ENOENT", "EACCES"):
            before = failed.get(event.path)
            if not (before and before.create and not event.create):
                failed[event.path] = event
        elif not event.error:
            failed.pop(event.path, None)
    return failed


def missing_path(attempt: Attempt, ruled_out: Iterable[str]) -> FailedPath | None:
    """Return the path whose absence most likely ended the attempt, if any.

    `ruled_out` are paths that were created without effect.
    """
    gone = [
        touch
        for touch in failing_calls(attempt.events).values()
        if touch.error == "ENOENT" or touch.write or touch.call == "mkdir"
    ]
    tried = set(ruled_out)
    worst = _worst_touch(attempt, [touch for touch in gone if touch.path not in tried])
    # The program complains about a path that exists this time, so a missing path is not the cause.
    return None if worst and worst.strength < 2 and named_path(attempt, tried) else worst


def named_path(attempt: Attempt, paths: Iterable[str]) -> str | None:
    """Return the first of `paths` that the program named in its output."""
    return next((path for path in sorted(paths) if path in attempt.output), None)


def unreadable_path(attempt: Attempt) -> FailedPath | None:
    """Return the path that the program was not allowed to read, if that ended it."""
    closed = failing_calls(attempt.events).values()
    return _worst_touch(
        attempt,
        [
            touch
            for touch in closed
            if touch.error == "EACCES" and touch.call == "open" and not touch.write
        ],
    )


def _worst_touch(attempt: Attempt, touches: list[Touch]) -> FailedPath | None:
    moved_on = max((e.at for e in attempt.events if _shows_progress(e)), default=0.0)
    found = []
    for touch in touches:
        strength = _touch_strength(touch, attempt.output)
        adjacent = touch.at > moved_on and touch.call != "stat" and "/." not in touch.path
        if strength >= (2 if touch.call == "stat" else 1) or adjacent:
            found.append(FailedPath(touch, strength))
    return max(found, key=lambda c: (c.strength, c.touch.call != "stat", c.touch.at), default=None)


def _touch_strength(touch: Touch, output: str) -> int:
    text = output.replace("No such file or directory", "").lower()
    path, name = touch.path.lower(), posixpath.basename(touch.path).lower()
    if path in text:
        return 3
    # A file name of letters only, such as `host`, may be an ordinary word of the message.
    if not name.isalpha() and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text):
        return 2
    about_log = (touch.create or is_log(touch.path)) and re.search(
        r"\blog(s|ger|ging|file)?\b", text
    )
    about_config = config_rank(touch.path) and re.search(
        r"\bconf(ig(uration)?)?\b|\bsettings\b", text
    )
    return 1 if about_log or (about_config and not touch.write) else 0


def _shows_progress(event: Event) -> bool:
    """Whether this call shows that the program continued: earlier failures did not stop it."""
    if isinstance(event, Connect):
        return event.port > 0 and not event.error
    return (
        isinstance(event, Touch)
        and event.call == "open"
        and not event.error
        and not is_system(event.path)
    )


def made_progress(before: Attempt, after: Attempt) -> bool:
    """Whether the later attempt prints another message, ends otherwise, or makes a new call."""
    messages = [last_words(a.out, a.err) for a in (before, after)]
    calls = [
        set(failing_calls(a.events))
        | {(e.address, e.port) for e in a.events if isinstance(e, (Connect, Bind))}
        for a in (before, after)
    ]
    return not same_but_numbers(*messages) or after.code != before.code or bool(calls[1] - calls[0])
