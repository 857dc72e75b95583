"""The entry of discovery: `find_out`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..engine.errors import RunbookError
from .help_text import Commands
from .host import KeepTrace, ProgramHost
from .loop import DiscoveryLoop
from .model import Discovery, Program, ValueFor
from .output import secret_masker
from .program_setup import ProgramSetup
from .state import SearchState, no_value
from .stopped import Stopped
from .wanted_files import ContentFor, WantedFiles

if TYPE_CHECKING:
    from ..engine.link import Link

DEADLINE_SECONDS = 45.0
"""How long an attempt may take."""


def find_out(
    link: Link,
    program: Program,
    *,
    content_for: ContentFor,
    value_for: ValueFor = no_value,
    files: Sequence[str] = (),
    directories: Sequence[str] = (),
    ask_pages: bool = False,
    known: Sequence[tuple[str, int]] = (),
    mask: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
    keep: KeepTrace | None = None,
    deadline: float = DEADLINE_SECONDS,
) -> Discovery:
    """Run `program` on the host of `link`, create what it needs, and return its facts once it
    serves.

    Only the files and directories that it needs stay behind: no process, no firewall rule,
    no trace. A running instance of it is not disturbed.

    Args:
        content_for: gives the content of the files that it needs.
        value_for: gives the values of environment variables that it asks for.
        files: paths that exist before the first attempt, with the content that `content_for` gives.
        directories: directories of the program's user that exist before the first attempt.
        ask_pages: whether a program that serves is run once more, and asked for usual pages.
        known: services that it is meant to reach (its database): calls there are never rejected.
        mask: texts that must not appear in anything that is shown.
        progress: called with each conclusion, a sentence.
        keep: called with a file name and the text of each trace (it holds no data, only names of
            files and addresses).
        deadline: seconds that an attempt may take.

    Raises:
        Stopped: a person must act; the error has the trail.
        RunbookError: the host lacks a tool, the user or the program.
    """
    clean = secret_masker(mask)
    node = ProgramHost(link, program, clean, keep)
    setup = ProgramSetup(node, WantedFiles(node, program, content_for), deadline)
    state = SearchState(program, Commands(), node.resolve(known), value_for=value_for)
    loop = DiscoveryLoop(setup, state, clean=clean, progress=progress or (lambda _: None))
    try:
        loop.provide_files(files, directories)
        found = loop.run()
        return loop.ask_for_pages(found) if ask_pages else found
    except RunbookError as error:
        parts = RunbookError(clean(error.problem), clean(error.why), clean(error.next), error.code)
        raise Stopped(parts, loop.rows, loop.build_hints()) from None
