"""The menu of `fab`: tasks for the engineer on call."""

from __future__ import annotations

import sys
from typing import Any

from invoke import task

from ..console.task import JSON, VERBOSE, hosts_of, name_follows, refuse_dry_run, run_as_task


@task(
    help={
        **JSON,
        "watch": "show it again every few seconds, until Ctrl-C",
        "verbose": (
            "also every unit, what each balancer sees, and (on stderr) each script as it ends"
        ),
    }
)
@run_as_task
def status(c: Any, json: str | None = None, verbose: bool = False, watch: bool = False) -> int:
    """Show the hosts and their problems.

    One line for each host, then each problem with the command to type.

    Exit 0: all well. 1: something is down. 2: a cause was found, or something needs attention (a
    drain, a full disk). 4: unreachable.
    """
    from ..flows.status import show_status as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), json, verbose=verbose, watch=watch)


@task(
    positional=["name"] if name_follows("runbook", sys.argv) else [],
    help={"name": "the page; without it, all pages are listed"},
)
@run_as_task
def runbook(c: Any, name: str | None = None) -> int:
    """Show what to do about a problem, page by page.

    fab runbook                       every page
    fab runbook app-down              one page, with this site's names in its commands
    fab -H node1 runbook app-down     also with this host's name
    """
    from ..flows.runbook import find_settings, show_page, show_pages

    return show_page(name, find_settings(), hosts_of(c)) if name else show_pages()


@task(
    help={
        "port": "of this machine; 0 takes any free one",
        "grafana": "instead write dashboards and provisioning for Grafana into this folder",
    }
)
@run_as_task
def dashboard(c: Any, port: int = 8800, grafana: str = "") -> int:
    """Open the dashboards through ssh, until Ctrl-C.

    Prints the address to open in a browser. Nothing of it can be reached from elsewhere.
    """
    from pathlib import Path

    from ..flows.dashboard import show_dashboard, write_grafana_files
    from ..settings.site_file import load_settings

    if grafana:
        return write_grafana_files(Path(grafana))
    return show_dashboard(load_settings(), port=port)


@task(help={"reason": "why; fab status shows it until the host is undrained", **VERBOSE})
@run_as_task
def drain(c: Any, reason: str = "", verbose: bool = False) -> int:
    """Take hosts out of service; no request fails.

    App nodes or an edge, for example: fab -H node1 drain. Waits until they are idle.

    fab -H node1 drain           no edge sends it new requests
    fab -H edge1 drain           the floating address moves first; open connections finish
    """
    refuse_dry_run(c, "fab drain")
    from ..flows.drain import drain_hosts as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), reason=reason)


@task(help=VERBOSE)
@run_as_task
def undrain(c: Any, verbose: bool = False) -> int:
    """Put drained hosts back into service.

    For example: fab -H node1 undrain. Waits until every edge sees the node up.

    The floating address stays where it is: an undrained edge takes it only when the holder fails.
    """
    refuse_dry_run(c, "fab undrain")
    from ..flows.drain import undrain_hosts as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c))


@task(help={"replace": "replace a pinned key that differs", "yes": "do not ask"})
@run_as_task
def trust(c: Any, replace: bool = False, yes: bool = False) -> int:
    """Show the hosts' ssh keys, and pin them.

    Every other task refuses unknown and changed keys.
    """
    refuse_dry_run(c, "fab trust")
    from ..flows.trust import pin_keys as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), replace=replace, yes=yes)
