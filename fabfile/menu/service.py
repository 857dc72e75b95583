"""The menu of `fab`: check the service, and discover and restart the program."""

from __future__ import annotations

from typing import Any

from invoke import task

from ..console.task import JSON, VERBOSE, hosts_of, refuse_dry_run, run_as_task


@task(
    help={
        **JSON,
        "quick": "a short run of half a minute that proves less",
        "address": "check this address instead of the site's, over https too if it has no port",
        "tls": "with --address: the https address of that service, as https://HOST[:PORT]",
        "report": (
            "also write a page with the same content and its curves into this folder:"
            " DIR/index.html, DIR/report.json"
        ),
        "drills": "break app nodes on purpose for R1 and R2; a full run in a lab always does",
        "cache-minutes": (
            "test the cache this long, with idle gaps of up to 90 s (default: as long as the run)"
        ),
        **VERBOSE,
    }
)
@run_as_task
def check(
    c: Any,
    quick: bool = False,
    address: str = "",
    tls: str = "",
    cache_minutes: str = "",
    drills: bool = False,
    report: str = "",
    json: str | None = None,
    verbose: bool = False,
) -> int:
    """Measure the service under load against R1-R22.

    R1-R22 are the requirements in docs/requirements.md. The load is real: up to 120 requests per
    second at the site's own address, for some minutes. Sessions that it creates are deleted.

    Exit 0: every requirement held or was not tried. 1: one failed or is not proven. 4: unreachable.

    fab check                            everything; a lab's app nodes are also broken (R1, R2)
    fab check --quick                    half a minute, proves less
    fab check --report report/           also a page with curves
    fab check --address 192.0.2.10       any address; R1, R2 and the hosts are not judged
    """
    from ..flows.check import CheckOptions
    from ..flows.check import check_service as run

    options = CheckOptions(
        quick=quick,
        json=json,
        report=report,
        drills=drills,
        tls=tls,
        cache_minutes=cache_minutes,
    )
    return run(address, options)


@task(
    help={
        **JSON,
        "write": "a new folder for the service file of this binary, like services/NAME",
        **VERBOSE,
    }
)
@run_as_task
def app_discover(c: Any, json: str | None = None, write: str = "", verbose: bool = False) -> int:
    """Find out what the binary needs to run.

    Runs it under strace on an app node, and provides what is missing, until it serves: files,
    configuration, log, port. fab deploy does this too for a binary that it does not know.

    With --write it begins a service file for a binary that has none, with what it found, and marks
    what only a person can say. The folder must be new. Its name becomes that of the program.

    Exit 2, with --write: the program did not serve yet; the file says what it wants.

    fab app.discover                            the program of the site file
    fab app.discover --write services/feeds     a program that nobody has described yet
    """
    refuse_dry_run(c, "fab app.discover")
    from ..flows import discover
    from ..settings.new_program import load_new_program
    from ..settings.site_file import load_settings

    if write:
        return discover.describe_program(load_new_program(write), hosts_of(c), json)
    return discover.discover_program(load_settings(), hosts_of(c), json)


@task(help={"reason": "why; kept in the journal", **VERBOSE})
@run_as_task
def app_restart(c: Any, reason: str = "", verbose: bool = False) -> int:
    """Restart the app, one node at a time, drained.

    No request fails: a node is drained first, and is put back when it serves.

    fab app.restart              every app node
    fab -H node1 app.restart     only this node
    """
    refuse_dry_run(c, "fab app.restart")
    from ..flows.restart import restart_apps as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), reason=reason)
