"""The menu of `fab drill.*`: break something on purpose under load, and check what users notice.

On a site that is no lab, a drill needs --yes-really.
"""

from __future__ import annotations

from typing import Any

from invoke import Collection, Task, task

from ..console.task import JSON, VERBOSE, refuse_dry_run, run_as_task

OPTIONS = {
    **JSON,
    "report": "also write a page with the results and their curves into this folder",
    "without": (
        "switch off a safety net first: healer, retries, proof or guard; it is restored afterwards"
    ),
    "yes-really": "run it even on a site that is no lab",
    **VERBOSE,
}

NAMES = {
    "app-killed": "One app is killed.",
    "app-hung": "One app hangs (SIGSTOP).",
    "app-500": "One app answers 500 to everything.",
    "app-leak": "One app leaks memory.",
    "app-panic": "One app panics.",
    "app-slow": "One app runs at a tenth of its speed.",
    "node-off": "One app node loses power (lab only).",
    "node-cut": "One app node is cut off: packets are dropped.",
    "node-rejected": "One app node refuses every connection.",
    "both-killed": "The apps of all nodes are killed at once.",
    "both-ill": "The apps of all nodes answer 500 at once.",
    "slow-start": "One app hangs; its start takes 30 s.",
    "log-disk-full": "One app cannot log: its disk is full.",
    "healer-killed": "One healer is killed, then its app hangs.",
    "recycle": "One app reaches its maximum age.",
    "both-old": "Both apps reach their maximum age; slow start.",
    "one-node-alone": "One node alone gets 120 requests per second.",
    "db-restarted": "The database is restarted.",
    "db-killed": "The database is killed.",
    "db-exhausted": "The database accepts no new connections.",
    "db-starved": "The database gets a twentieth of its CPU time.",
    "haproxy-killed": "The serving edge's HAProxy is killed.",
    "nginx-killed": "The serving edge's nginx is killed.",
    "haproxy-hung": "The serving edge's HAProxy hangs (SIGSTOP).",
    "nginx-hung": "The serving edge's nginx hangs (SIGSTOP).",
    "edge-off": "The serving edge loses power (lab only).",
    "edge-cut": "The serving edge is cut off.",
    "refresher-dead": "The serving edge's refresher is stopped.",
    "deploy-under-load": "A deploy restarts every node (lab only).",
    "bad-release": "A release has slow reads (lab only).",
    "certificate-rotation": "Both edges get a new certificate.",
    "clock-wrong": "One clock is 90 s ahead (not in containers).",
}
"""Every drill and what happens in it. Written out here, because loading drills/catalogue/ would
slow down `fab --list`; a test compares both."""


@task(name="list", help=JSON)
@run_as_task
def list_drills(c: Any, json: str | None = None) -> int:
    """Show every drill with its hypothesis and load.

    Also its duration, its abort condition and the requirements that it tests.
    """
    from ..flows.drill import list_drills as run

    return run(json)


@task(name="all", help=OPTIONS)
@run_as_task
def all_drills(
    c: Any,
    json: str | None = None,
    report: str = "",
    without: str = "",
    yes_really: bool = False,
    verbose: bool = False,
) -> int:
    """Run every drill; it takes 15 minutes.

    One after the other. Exit 1 when a hypothesis did not hold.

    fab drill.all --report out           also a page with curves
    fab drill.all --without healer       the drills that need the healer must fail then
    """
    return run_named_drills(c, [], json=json, report=report, without=without, yes_really=yes_really)


@task(help={"name": "only this drill (may be given several times)", **JSON}, iterable=["name"])
@run_as_task
def history(c: Any, name: list[str], json: str | None = None) -> int:
    """Show the results of drills over time.

    One sign for each run, the latest figures and the latest verdict.
    """
    from ..flows.drill import show_past_drills as run
    from ..settings.site_file import load_settings

    return run(load_settings(), name, json)


def run_named_drills(
    c: Any, names: list[str], *, json: str | None, report: str, without: str, yes_really: bool
) -> int:
    """Run the drills called `names` (all, if empty); returns the exit code."""
    refuse_dry_run(c, "fab drill")
    from ..flows.drill import run_drills
    from ..settings.site_file import load_settings

    return run_drills(
        load_settings(), names, json=json, report=report, without=without, yes_really=yes_really
    )


def make_drill_task(name: str, fault: str) -> Task[Any]:
    """Make the task `drill.NAME`; `fault` is the first line of its help."""

    @run_as_task
    def run_drill(
        c: Any,
        json: str | None = None,
        report: str = "",
        without: str = "",
        yes_really: bool = False,
        verbose: bool = False,
    ) -> int:
        return run_named_drills(
            c, [name], json=json, report=report, without=without, yes_really=yes_really
        )

    run_drill.__doc__ = f"""{fault}

    Load until no request fails; then the fault; then the repair, even after Ctrl-C; then the
    verdict. Exit 1 when the hypothesis did not hold. Hypothesis and abort condition: fab drill.list
    """
    drill_task: Task[Any] = task(name=name, help=OPTIONS)(run_drill)
    return drill_task


namespace = Collection(
    "drill", list_drills, all_drills, history, *(make_drill_task(*drill) for drill in NAMES.items())
)
