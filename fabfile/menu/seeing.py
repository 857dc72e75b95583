"""The menu of `fab`: what was done, what was logged, and what users ask for now."""

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


@task(
    auto_shortflags=False,
    help={
        "host": "only this host, as -H; several with commas",
        "unit": "only units with this in their name, such as haproxy",
        "endpoint": "only requests of this endpoint (that failed, were asked again, or were slow)",
        "status": "only requests with this status; 5xx is each from 500 on",
        "request": "only the request with this id: the header X-Request-ID of the answer",
        "errors": "only errors, and requests that failed or were asked again",
        "since": "an age (10m, 2h, 7d) or a time in UTC (2026-11-29T01:30)",
        "follow": "show new lines as they come, until Ctrl-C",
        **JSON,
        **VERBOSE,
    },
)
@run_as_task
def logs(
    c: Any,
    host: str = "",
    unit: str = "",
    endpoint: str = "",
    status: str = "",
    request: str = "",
    errors: bool = False,
    since: str = "15m",
    follow: bool = False,
    json: str | None = None,
    verbose: bool = False,
) -> int:
    """Show the logs of all hosts, merged by time.

    The journal of our units, PostgreSQL's log, and requests that failed, were asked again, or were
    slow. Other requests are logged nowhere.

    fab logs --errors --since 2h
    fab logs --request 351edcab6414dd9b13e04afad68ad467
    """
    from ..flows.logs import follow_logs, show_logs
    from ..records.log_line import LogFilter
    from ..settings.site_file import load_settings

    names = [*hosts_of(c), *filter(None, host.split(","))]
    wanted = LogFilter(unit, endpoint, status, request, errors)
    if follow:
        return follow_logs(load_settings(), names, wanted)
    return show_logs(load_settings(), names, wanted, since, json)


@task(
    help={
        "every": "seconds between two readings (0.5 to 60)",
        "once": "print the rates of one interval and end; so it is without a terminal, too",
        "json": "write the rates of one interval as JSON to this file (- for stdout)",
        **VERBOSE,
    },
)
@run_as_task
def top(
    c: Any,
    every: str = "2",
    once: bool = False,
    json: str | None = None,
    verbose: bool = False,
) -> int:
    """Show live rates per edge, node and endpoint.

    Reads the counters of HAProxy on each edge; no monitoring host is needed. With one, an edge also
    counts what users get at nginx: answers from the cache, and how long answers take.

    "errors" is the share of answers with 5xx; at a node also of broken connections and retries.
    "queue" waits for a node, "open" is being answered.

    `q` or Ctrl-C ends it. Exit 4 when an edge could not be read at the end.

    fab top                      every edge
    fab -H edge1 top --once      one edge, one interval
    """
    from ..flows.top import TopOptions, show_top
    from ..settings.site_file import load_settings

    return show_top(load_settings(), hosts_of(c), TopOptions(every, once, json))
