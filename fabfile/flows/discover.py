"""`fab app.discover`: find out what the binary needs to run, and print each attempt."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..console.json_file import write_json
from ..console.rollup import open_console, show_outcome
from ..discovery import store as discovery_store
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
        out.status("") as status,
        Lock(list(fleet.links.values()), run),
    ):
        link = fleet.link(node)
        converger = Converger(
            link,
            run,
            on_outcome=lambda outcome: None,
            progress=lambda text: status.update(text),
        )
        steps = [*base.base_steps(), *app.ground_steps(settings, binary.fetch_binary(settings))]
        for outcome in converger.apply(steps):
            if outcome.state in (State.CHANGED, State.FAILED):
                show_outcome(out, node.name, outcome)
            if outcome.error:
                raise outcome.error
        discovery = discovery_store.find_facts(
            settings, link, run, out, lambda text: status.update(text)
        )
    report.show_discovery(out, discovery)
    seconds = round(time.monotonic() - started, 2)
    write_json({"host": node.name, "seconds": seconds, **report.as_dict(discovery)}, json)
    return OK
