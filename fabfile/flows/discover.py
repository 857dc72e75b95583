"""`fab app.discover`: find out what the binary needs to run, and print each attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..console.json_file import write_json
from ..console.live_line import show_live_line
from ..console.rollup import open_console, show_outcome
from ..discovery import store as discovery_store
from ..engine.converge import Converger, State
from ..engine.errors import OK, RunbookError
from ..engine.journal import Run
from ..engine.link import Link
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..roles import app, base
from ..rollout import binary
from ..settings.reach import open_fleet
from ..settings.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console


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
    nodes = [node for node in settings.inventory.select(names, ("app",)) if "app" in node.roles]
    if not nodes:
        raise RunbookError(
            "none of these hosts is an app node",
            "the binary runs on app nodes only",
            "fab app.discover",
        )
    node = nodes[0]
    run = Run("discover", settings.state / "runs")
    with (
        ScriptLog(run),
        open_fleet(settings, [node]) as fleet,
        show_live_line(out) as show,
        Lock(list(fleet.links.values()), run),
    ):
        link = fleet.link(node)
        _install_program(settings, link, run, out, show)
        discovery = discovery_store.find_facts(settings, link, run, out, show)
    report.show_discovery(out, discovery)
    seconds = round(time.monotonic() - started, 2)
    write_json({"host": node.name, "seconds": seconds, **report.as_dict(discovery)}, json)
    return OK


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
