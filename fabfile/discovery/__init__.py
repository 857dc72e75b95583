"""Discovery: what an unknown program wants and does, found by running it under strace as its
unprivileged user.

    found = discover(link, Program("/path/to/binary", "its-user"), content_for=lambda path, default:
    default) found.facts.port, found.facts.config, found.facts.logs, found.facts.reject …

`trace` reads strace's lines, `judge` decides what follows from an attempt (both pure), `node` and
`attempt.sh` work on the host, `search` is the loop, `gather` makes the facts, `report` shows them.
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
