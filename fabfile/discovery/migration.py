"""Whether a program ended because its tables do not fit: pure."""

from __future__ import annotations

import re

from .model import Attempt
from .output import is_help, notable_lines

_WANTED = re.compile(
    r"schema (?:version )?(?:is |does |did )?(?:not|out.?dated|out of date|old|behind|mismatch)"
    r"|(?:pending|unapplied|missing|run|apply|need\w*|required?)\b.*\bmigrat(?:e|ions?)\b"
    r"|\bmigrat(?:e|ions?)\b.*\b(?:pending|required|needed|missing|first|not (?:been )?applied)"
    r'|\brelation "?[\w.]+"? does not exist|\bno such table\b|\bundefined table\b'
    r"|\bdatabase (?:is |has )?not (?:been )?(?:initiali[sz]ed|migrated|prepared)\b",
    re.IGNORECASE,
)


def migration_message(attempt: Attempt) -> str:
    """Return the line in which a program that ended asks for a migration; "" if there is none."""
    if attempt.outcome != "exited" or attempt.code == 0 or is_help(attempt.output):
        return ""
    lines = notable_lines(attempt.err) + notable_lines(attempt.out)
    return next((line for line in lines if _WANTED.search(line)), "")
