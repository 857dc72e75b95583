"""The menu of `fab`: what an engineer on call types. Each task says what it does, touches and
returns; the doing is in flows/.

Exit codes of every task: 0 right or done, 1 failed, 2 differences found, 3 locked, 4 unreachable, 5
rolled back.
"""

from __future__ import annotations

from typing import Any

from invoke import Collection, task

from .console.task import VERBOSE, hosts_of, is_dry, not_dry, run_as_task
from .engine.terminal import accept_any_encoding
from .menu import drills

accept_any_encoding()  # before `fab --list` prints

JSON = {"json": "also write the result as JSON to this file (- for stdout)"}


@task(
    help={
        **JSON,
        "reason": "why; shown to whoever finds the lock",
        "take-over": "break the lock of a run that is dead",
        **VERBOSE,
    }
)
@run_as_task
def deploy(
    c: Any,
    json: str | None = None,
    reason: str = "",
    take_over: bool = False,
    verbose: bool = False,
) -> int:
    """Deploy database, app and edge; idempotent.

    App nodes and edges are worked on one at a time, drained first, so no request fails.

    fab deploy                   every host
    fab -H node1,node2 deploy    only these, as one rollout
    """
    from .rollout.deploy import DeployOptions
    from .rollout.deploy import deploy_hosts as run
    from .settings.site_file import load_settings

    options = DeployOptions(dry=is_dry(c), take_over=take_over, reason=reason, json=json)
    return run(load_settings(), hosts_of(c), options)


@task(
    help={
        "commands": "also show the commands of each change; files' content and secrets left out",
        **JSON,
        **VERBOSE,
    }
)
@run_as_task
def plan(c: Any, commands: bool = False, json: str | None = None, verbose: bool = False) -> int:
    """Show what deploy would change; change nothing.

    One sentence a change, with diffs. Exit 2 when something differs.
    """
    from .rollout.deploy import DeployOptions
    from .rollout.deploy import deploy_hosts as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), DeployOptions(dry=True, json=json, commands=commands))


@task(
    help={
        **JSON,
        "verbose": (
            "also every unit, what each balancer sees, and (on stderr) each script as it ends"
        ),
    }
)
@run_as_task
def status(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Show the hosts and their problems.

    One line a host; then only what is wrong, each with the command to type.

    Exit 0: all well. 1: something is down. 2: a cause was found, or something waits (a drain, a
    full disk). 4: unreachable.
    """
    from .flows.status import show_status as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), json, verbose=verbose)


@task(help={"reason": "why; shown by status until it is undrained", **VERBOSE})
@run_as_task
def drain(c: Any, reason: str = "", verbose: bool = False) -> int:
    """Take hosts out of service; no request fails.

    App nodes or an edge, for example: fab -H node1 drain. Waits until they are idle.

    fab -H node1 drain           no edge sends it new requests
    fab -H edge1 drain           the floating address moves first; open connections finish
    """
    not_dry(c, "fab drain")
    from .flows.drain import drain_hosts as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), reason=reason)


@task(help=VERBOSE)
@run_as_task
def undrain(c: Any, verbose: bool = False) -> int:
    """Put drained hosts back into service.

    For example: fab -H node1 undrain. Waits until every edge sees a node up.

    The floating address stays where it is: an edge that is put back may have it again, and does not
    ask for it.
    """
    not_dry(c, "fab undrain")
    from .flows.drain import undrain_hosts as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c))


@task(help={"replace": "replace a pinned key that differs", "yes": "do not ask"})
@run_as_task
def trust(c: Any, replace: bool = False, yes: bool = False) -> int:
    """Show the hosts' ssh keys, and pin them.

    Every other task refuses unknown and changed keys.
    """
    not_dry(c, "fab trust")
    from .flows.trust import pin_keys as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), replace=replace, yes=yes)


@task(
    help={
        **JSON,
        "quick": "a short run: seconds instead of minutes, proving less",
        "address": "check this address instead of the site's; https at the same host",
        "tls": "with --address: where that service answers over TLS, as https://HOST[:PORT]",
        "report": (
            "also write a page with the same content and its curves into this folder:"
            " DIR/index.html, DIR/report.json"
        ),
        "drills": "fail app nodes on purpose for R1 and R2; a lab's full run does it unasked",
        "cache-minutes": (
            "look at the cache for so long, with idle gaps of up to 90 s (default: 2.5, quick 0.3)"
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

    fab check                    everything; in a lab app nodes are failed on purpose (R1, R2)
    fab check --quick            half a minute, proving less
    fab check --report report/   also a page with curves
    """
    from .flows.check import CheckOptions
    from .flows.check import check_service as run

    options = CheckOptions(quick, json, report, drills, tls, cache_minutes)
    return run(address, options)


@task(help={**JSON, **VERBOSE})
@run_as_task
def app_discover(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Find out what the binary needs to run.

    Runs it under strace on an app node: configuration, log, port, outbound calls.
    """
    not_dry(c, "fab app.discover")
    from .flows.discover import discover_program as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), json)


@task(help={"reason": "why; kept in the journal", **VERBOSE})
@run_as_task
def app_restart(c: Any, reason: str = "", verbose: bool = False) -> int:
    """Restart the app, one node at a time, drained.

    For example: fab -H node1 app.restart. No request fails.
    """
    not_dry(c, "fab app.restart")
    from .flows.restart import restart_apps as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), reason=reason)


@task(help={**JSON, **VERBOSE})
@run_as_task
def releases(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Show the releases on each app node.

    Which one runs, and when each last passed the gate there. Exit 2 when nodes differ.
    """
    from .flows.rollback import show_releases as run
    from .settings.site_file import load_settings

    return run(load_settings(), hosts_of(c), json)


@task(
    help={
        **JSON,
        "to": (
            "the release to go to, or how it begins (default: the one proven before the one that"
            " runs)"
        ),
        "reason": "why; shown to whoever finds the lock",
        "take-over": "break the lock of a run that is dead",
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

    One that is still on the nodes: one node at a time, drained, through the gate. No request fails.

    The site file stays as it is: the next fab deploy deploys what it pins.
    """
    from .flows.rollback import roll_back as run
    from .rollout.deploy import DeployOptions
    from .settings.site_file import load_settings

    options = DeployOptions(dry=is_dry(c), take_over=take_over, reason=reason, json=json)
    return run(load_settings(), hosts_of(c), to, options)


namespace = Collection(deploy, plan, status, drain, undrain, trust, check, releases, rollback)
namespace.add_collection(Collection("app", discover=app_discover, restart=app_restart))
namespace.add_collection(drills.namespace, "drill")
