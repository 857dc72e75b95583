"""Discovery: find out what an unknown program needs and does, by running it under strace as its
unprivileged user.

    program = Program("/path/to/binary", "its-user")
    found = find_out(link, program, content_for=lambda path, default: default)
    found.facts.port, found.facts.config, found.facts.logs, found.facts.reject …

`strace` reads the lines of strace, `decide` chooses the next action after an attempt (both pure),
`host` and `attempt.sh` work on the host, `program_setup` is how the program is run at present,
`learning` reads its help, `loop` is the loop, `facts` and `hints` collect what was learned, and
`report` shows it.
"""

from __future__ import annotations

from .model import Destination, Discovery, Facts, GivenValue, Hints, Program, TrailRow
from .search import find_out
from .stopped import Stopped
from .wanted_files import ContentFor

__all__ = [
    "ContentFor",
    "Destination",
    "Discovery",
    "Facts",
    "GivenValue",
    "Hints",
    "Program",
    "Stopped",
    "TrailRow",
    "find_out",
]
