"""`fab app.discover`: find out what the binary wants, and show the way there."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..console.json_file import write_json
from ..console.rollup import open_console, show_outcome
from ..discovery import store as knowledge
from ..engine.converge import Converger, State
from ..engine.errors import OK, RunbookError
from ..engine.journal import Run
from ..engine.lock import Lock
from ..engine.script_log import ScriptLog
from ..roles import app, base
from ..rollout import binary
from ..settings.reach import open_fleet
from ..settings.settings import Settings


def discover_program(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Run discovery on the first app node (or the one named), print the trail and the settings
    found, remember them.

    Raises:
        RunbookError: the binary asks for something only a person can give; locked; unreachable.
    """
    from ..discovery import report

    out, started = open_console(json), time.monotonic()
    nodes = [node for node in settings.inventory.select(names, ("app",)) if "app" in node.roles]
    if not nodes:
        raise RunbookError(
            "none of these hosts is an app node", "the binary runs on app nodes", "fab app.discover"
        )
    node = nodes[0]
    run = Run("discover", settings.state / "runs")
    with (
        ScriptLog(run),
        open_fleet(settings, [node]) as fleet,
        out.status("") as status,
        Lock(list(fleet.links.values()), run),
    ):
        converger = Converger(
            fleet.link(node), run, lambda outcome: None, lambda text: status.update(text)
        )
        for outcome in converger.apply(
            [*base.base_steps(), *app.ground_steps(settings, binary.fetch_binary(settings))]
        ):
            if outcome.state in (State.CHANGED, State.FAILED):
                show_outcome(out, node.name, outcome)
            if outcome.error:
                raise outcome.error
        discovery = knowledge.find_facts(
            settings, fleet.link(node), run, out, lambda text: status.update(text)
        )
    report.show_discovery(out, discovery)
    write_json(
        {
            "host": node.name,
            "seconds": round(time.monotonic() - started, 2),
            **report.as_dict(discovery),
        },
        json,
    )
    return OK
