"""The menu of `fab`: deploy a release and go back to an earlier one."""

from __future__ import annotations

from typing import Any

from invoke import task

from ..console.task import JSON, VERBOSE, hosts_of, is_dry, run_as_task


@task(
    help={
        **JSON,
        "reason": "why; shown to anybody who finds the hosts locked",
        "take-over": "break the lock of a dead run",
        "with-downtime": "allow a migration that stops the app and leads to no way back",
        **VERBOSE,
    }
)
@run_as_task
def deploy(
    c: Any,
    json: str | None = None,
    reason: str = "",
    take_over: bool = False,
    with_downtime: bool = False,
    verbose: bool = False,
) -> int:
    """Make the hosts as the site file says.

    Reads every host first, and changes only what differs: a second deploy changes nothing. App
    nodes and edges are changed one at a time, drained first, so that no request fails. A new
    release must pass the gate; if it fails, the nodes go back to the release before.

    Exit 0: done, and the service works. 1: failed. 2: done, but a public authority issued no
    certificate. 3: another run works on the hosts. 4: a host is
    unreachable. 5: rolled back.

    fab plan                     first: see what would change
    fab deploy                   every host
    fab -H node1,node2 deploy    only these, as one rollout
    """
    from ..rollout.certificates import deploy_and_renew as run
    from ..rollout.options import DeployOptions
    from ..settings.site_file import load_settings

    options = DeployOptions(
        dry=is_dry(c),
        take_over=take_over,
        with_downtime=with_downtime,
        reason=reason,
        json=json,
    )
    return run(load_settings(), hosts_of(c), options)


@task(help={**JSON, **VERBOSE})
@run_as_task
def preflight(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Judge hosts and network before a deploy.

    Changes nothing. Reads each host: login, Debian, kernel, clock, disks, memory, packages, its
    address and ports. Then it tries every connection between the hosts that the service needs.
    Where nothing listens yet, it opens the port for some seconds. It names every problem, with the
    command to type. fab deploy does the same on hosts that it has never changed.

    Exit 0: every check held or was not tried. 1: one did not hold. 4: a host is unreachable.

    fab preflight                every host
    fab -H db1 preflight         only this host
    """
    from ..flows.preflight import check_hosts as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), json)


@task(
    help={
        "commands": "also show the commands of each change, without secrets and content of files",
        **JSON,
        **VERBOSE,
    }
)
@run_as_task
def plan(c: Any, commands: bool = False, json: str | None = None, verbose: bool = False) -> int:
    """Show what deploy would change; change nothing.

    One sentence for each change, with the differences of files, then a table: "right" counts what
    needs no change. Diffs show no secrets.

    Exit 0: nothing to change. 2: something differs. 1: a host needs a manual fix before a deploy.
    4: a host is unreachable.

    fab plan                     every host
    fab -H edge1 plan            only this host
    fab plan --commands          also what would run on the hosts
    """
    from ..rollout.deploy import DeployOptions
    from ..rollout.deploy import deploy_hosts as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), DeployOptions(dry=True, json=json, commands=commands))


@task(help={**JSON, **VERBOSE})
@run_as_task
def releases(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Show the releases on each app node.

    The running one is marked; each has the time when it last passed the gate. Exit 2 when the nodes
    run different releases.
    """
    from ..flows.rollback import show_releases as run
    from ..settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), json)


@task(
    help={
        **JSON,
        "to": (
            "the release, or the beginning of its id (default: the release proven before the"
            " current one)"
        ),
        "reason": "why; shown to anybody who finds the hosts locked",
        "take-over": "break the lock of a dead run",
        **VERBOSE,
    }
)
@run_as_task
def rollback(
    c: Any,
    to: str = "",
    json: str | None = None,
    reason: str = "",
    take_over: bool = False,
    verbose: bool = False,
) -> int:
    """Go back to an earlier release of the app.

    It must still be on the nodes. One node at a time, drained, through the gate; no request fails.

    The site file does not change: the next fab deploy deploys the release that it pins.
    """
    from ..flows.rollback import roll_back as run
    from ..rollout.deploy import DeployOptions
    from ..settings.site_file import load_settings

    options = DeployOptions(dry=is_dry(c), take_over=take_over, reason=reason, json=json)
    return run(load_settings(), hosts_of(c), to, options)
