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

    Read-only, and takes a second. One line for each host, then each problem with the command to
    type below it. A red problem (✗) is one that users may notice; a yellow one (!) needs a person,
    but users do not notice it yet. The last line names the incident that fits, if there is one.

    Exit 0: all well. 1: something is down, and its cause is not known. 2: the cause is known, or
    something needs a person later (a drain, a pending restart). 4: a host is unreachable.

    fab status                   every host
    fab -H node1,edge1 status    only these
    fab status --watch           again every 3 s
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
        "port": "the port on this machine to listen at; 0: any free port",
        "grafana": "instead write dashboards and provisioning for Grafana into this folder",
    }
)
@run_as_task
def dashboard(c: Any, port: str = "8800", grafana: str = "") -> int:
    """Open the dashboards through ssh, until Ctrl-C.

    Prints the address to open in a browser. It can be reached from this machine only. The site
    needs a host with the role monitoring.
    """
    from pathlib import Path

    from ..flows.dashboard import parse_port, show_dashboard, write_grafana_files
    from ..settings.site_file import load_settings

    if grafana:
        return write_grafana_files(load_settings(), Path(grafana))
    return show_dashboard(load_settings(), port=parse_port(port))


@task(help={"reason": "why; fab status shows it until the host is undrained", **VERBOSE})
@run_as_task
def drain(c: Any, reason: str = "", verbose: bool = False) -> int:
    """Take hosts out of service; no request fails.

    App nodes or an edge, named by -H. Waits until they are idle. The last app node or edge that
    serves is never drained. The hosts stay out, also after a deploy, until fab undrain.

    fab -H node1 drain           no edge sends it new requests
    fab -H edge1 drain           its users move to the other edge first
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

    A floating address stays where it is: an undrained edge takes it only when the holder fails.
    A balancer of the provider sends users there again after its next health checks.
    """
    refuse_dry_run(c, "fab undrain")
    from ..flows.drain import undrain_hosts as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c))


@task(
    help={
        "replace": "replace a pinned key that differs (a host was reinstalled)",
        "yes": "pin without a question; compare the keys in another way first",
    }
)
@run_as_task
def trust(c: Any, replace: bool = False, yes: bool = False) -> int:
    """Show the hosts' ssh keys, and pin them.

    Every other task refuses unknown and changed keys. Compare each key with the one that the host
    shows on its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

    fab trust                       every host
    fab -H node1 trust --replace    one that was reinstalled
    """
    refuse_dry_run(c, "fab trust")
    from ..flows.trust import pin_keys as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), replace=replace, yes=yes)
