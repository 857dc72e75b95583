"""The menu of `fab`: what was done, and what was logged."""

from __future__ import annotations

from typing import Any

from invoke import task

from ..console.task import JSON, VERBOSE, hosts_of, run_as_task


@task(
    auto_shortflags=False,  # `-h` must stay the help
    help={
        "host": "only this host, as -H; several with commas",
        "since": "an age (10m, 2h, 7d) or a time in UTC (2026-11-29T01:30)",
        "task": "only this task, such as deploy, app.restart, drill or healer",
        "failed": "only what failed or was not finished",
        **JSON,
        **VERBOSE,
    },
)
@run_as_task
def history(
    c: Any,
    host: str = "",
    since: str = "7d",
    task: str = "",
    failed: bool = False,
    json: str | None = None,
    verbose: bool = False,
) -> int:
    """Show who did what, when, and with which result.

    Reads the journal of each host, what healers did, and the runs of this controller.

    fab history                          of 7 days
    fab history --host node1 --since 2h
    fab history --failed
    """
    from ..flows.history import HistoryFilter, show_history
    from ..settings.site_file import load_settings

    names = [*hosts_of(c), *filter(None, host.split(","))]
    return show_history(load_settings(), names, HistoryFilter(since, task, failed), json)
