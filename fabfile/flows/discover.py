"""`fab app.discover`: find out what the binary needs to run, and print each attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..console.json_file import write_json
from ..console.live_line import show_live_line
from ..console.rollup import open_console, show_outcome
from ..discovery import store as discovery_store
from ..engine.converge import Converger, State
from ..engine.errors import DIFFERS, OK, RunbookError
from ..engine.files import explain_local_file, replace_file
from ..engine.host import Node
from ..engine.journal import Run
from ..engine.link import Link
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..roles import app, base
from ..rollout import binary
from ..settings.program_texts import ProgramTexts
from ..settings.reach import open_fleet
from ..settings.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from ..discovery.skeleton import FoundProgram


def discover_program(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Run discovery on the first app node (or the named one), print its attempts and what it found,
    and keep the facts.

    Raises:
        RunbookError: the binary needs something that only a person can provide, or a host is
        locked or unreachable.
    """
    from ..discovery import report

    out = open_console(json)
    started = time.monotonic()
    node = _pick_node(settings, names)
    with _open_discovery(settings, node, out) as (link, run, show):
        discovery = discovery_store.find_facts(settings, link, run, out, show)
    report.show_discovery(out, discovery)
    seconds = round(time.monotonic() - started, 2)
    write_json({"host": node.name, "seconds": seconds, **report.as_dict(discovery)}, json)
    return OK


def describe_program(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Run discovery as `discover_program` does, of a program that has no service file yet, and
    write what was found into the folder that `settings.program_folder` names.

    Returns:
        0 if the program served, 2 if a person must say more before it can.

    Raises:
        RunbookError: the folder cannot be written, or a host is locked or unreachable.
    """
    from ..discovery import Stopped, report
    from ..discovery.skeleton import FoundProgram

    out = open_console(json)
    node = _pick_node(settings, names)
    with _open_discovery(settings, node, out) as (link, run, show):
        texts = ProgramTexts(settings, node)
        try:
            found = discovery_store.discover_on(texts, link, run, show, ask_pages=True)
        except Stopped as stopped:
            out.print(report.trail_table(stopped.trail), "")
            ended = FoundProgram(stopped.hints, None, stopped.problem, stopped.next)
        else:
            report.show_discovery(out, found)
            ended = FoundProgram(found.hints, found.facts)
    written = _write_folder(settings, ended)
    _say_what_next(out, settings, ended)
    write_json({"host": node.name, "served": ended.facts is not None, "files": written}, json)
    return OK if ended.facts else DIFFERS


def _write_folder(settings: Settings, ended: FoundProgram) -> list[str]:
    """Write the service file and its templates; return their paths."""
    from ..discovery.skeleton import write_skeleton

    folder = settings.program_folder
    try:
        named = str(folder.relative_to(settings.path.parent))
    except ValueError:
        named = str(folder)
    files = write_skeleton(settings.program.name, named, ended)
    try:
        folder.mkdir(parents=True)
        for name, text in files.items():
            replace_file(folder / name, text)
    except OSError as error:
        raise explain_local_file(error, "what was found is only in the output above") from None
    return [str(folder / name) for name in files]


def _say_what_next(out: Console, settings: Settings, ended: FoundProgram) -> None:
    """Print where the file is, and what its reader has to do."""
    file = settings.program_folder / "service.toml"
    if ended.problem:
        out.print(f"The program did not serve: {ended.problem}", markup=False)
    out.print(f"Written: {file}", markup=False)
    out.print(f"  next: edit {file}: FILL IN and CHECK mark what a person must say", markup=False)


def _pick_node(settings: Settings, names: Sequence[str]) -> Node:
    """Return the first app node, or the named one."""
    nodes = [node for node in settings.inventory.select(names, ("app",)) if "app" in node.roles]
    if not nodes:
        raise RunbookError(
            "none of these hosts is an app node",
            "the binary runs on app nodes only",
            "fab app.discover",
        )
    return nodes[0]


@contextmanager
def _open_discovery(
    settings: Settings, node: Node, out: Console
) -> Iterator[tuple[Link, Run, Callable[[str], None]]]:
    """Lock the host, and bring it as far as the binary needs it; yield its link, the run and what
    shows the progress."""
    run = Run("discover", settings.state / "runs")
    with (
        ScriptLog(run),
        open_fleet(settings, [node]) as fleet,
        show_live_line(out) as show,
        Lock(list(fleet.links.values()), run),
    ):
        link = fleet.link(node)
        _install_program(settings, link, run, out, show)
        yield link, run, show


def _install_program(
    settings: Settings, link: Link, run: Run, out: Console, progress: Callable[[str], None]
) -> None:
    """Bring the host as far as the binary needs it to be run once."""
    converger = Converger(link, run, on_outcome=lambda outcome: None, progress=progress)
    steps = [*base.base_steps(), *app.ground_steps(settings, binary.fetch_binary(settings))]
    for outcome in converger.apply(steps):
        if outcome.state in (State.CHANGED, State.FAILED):
            show_outcome(out, link.name, outcome)
        if outcome.error:
            raise outcome.error
