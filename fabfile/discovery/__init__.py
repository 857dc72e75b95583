"""Discovery: find out what an unknown program needs and does, by running it under strace as its
unprivileged user.

    program = Program("/path/to/binary", "its-user")
    found = find_out(link, program, content_for=lambda path, default: default)
    found.facts.port, found.facts.config, found.facts.logs, found.facts.reject …

`strace` reads the lines of strace, `decide` chooses the next action after an attempt (both pure),
`host` and `attempt.sh` work on the host, `search` is the loop, `facts` collects the facts, and
`report` shows them.
"""

from __future__ import annotations

from .model import Destination, Discovery, Facts, Program, TrailRow
from .search import Stopped, find_out
from .wanted_files import ContentFor

__all__ = [
    "ContentFor",
    "Destination",
    "Discovery",
    "Facts",
    "Program",
    "Stopped",
    "TrailRow",
    "find_out",
]
