"""The menu of `fab drill.*`: break something on purpose, under load, and see whether users notice.

A lab's hosts are there for it; on any other site a drill must be asked for with --yes-really.
"""

from __future__ import annotations

from typing import Any

from invoke import Collection, Task, task

from ..console.task import not_dry, run_as_task

JSON = {"json": "also write the result as JSON to this file (- for stdout)"}
OPTIONS = {
    **JSON,
    "report": "leave a page with the results, curves and all, in this folder",
    "without": "take a safety net away first: healer, retries, proof or guard; it is put back afterwards",
    "yes-really": "also on a site that is no lab",
}

NAMES = {
    "app-killed": "The app of one node is killed.",
    "app-hung": "The app of one node hangs (SIGSTOP).",
    "app-500": "The app of one node answers 500 to everything (poison).",
    "app-leak": "The app of one node leaks memory (poison).",
    "app-panic": "The app of one node panics (poison).",
    "app-slow": "The app of one node runs at a tenth of its speed.",
    "node-off": "One app node loses its power (lab only).",
    "node-cut": "One app node is cut off: every packet is dropped.",
    "node-rejected": "One app node refuses every connection.",
    "both-killed": "The apps of all nodes are killed at once.",
    "both-ill": "The apps of all nodes answer 500 at once (poison).",
    "slow-start": "The app of one node hangs, and its start takes 30 s.",
    "log-disk-full": "One app cannot write its log: its disk is full.",
    "healer-killed": "The healer of one node is killed, then its app hangs.",
    "recycle": "One app reaches the age at which its healer starts it anew.",
    "both-old": "Both apps reach that age at once, and a start takes 30 s.",
    "one-node-alone": "One node must do for 120 requests a second.",
    "db-restarted": "The database is restarted.",
    "db-killed": "The database is killed.",
    "db-exhausted": "The database takes no connection from the app.",
    "db-starved": "The database runs for a twentieth of the time.",
    "haproxy-killed": "The balancer of the edge that serves is killed.",
    "nginx-killed": "The nginx of the edge that serves is killed.",
    "haproxy-hung": "The balancer of the edge that serves hangs (SIGSTOP).",
    "nginx-hung": "The nginx of the edge that serves hangs (SIGSTOP).",
    "edge-off": "The edge that serves loses its power (lab only).",
    "edge-cut": "The edge that serves is cut off.",
    "refresher-dead": "The refresher of the edge that serves is stopped.",
    "deploy-under-load": "A deploy restarts every node (lab only).",
    "bad-release": "A deploy brings a release with slow reads (lab only).",
    "certificate-rotation": "Both edges get a new certificate.",
    "clock-wrong": "One node's clock is 90 s ahead (not in containers).",
}
"""Every drill and what happens in it. (A test holds it against flows/drills/catalogue.py, which the menu does not load.)"""


@task(name="list", help=JSON)
@run_as_task
def list_drills(c: Any, json: str | None = None) -> int:
    """Show every drill: what is believed, under which load, how it ends, for which requirement."""
    from ..flows.drill import list_drills as run

    return run(json)


@task(name="all", help=OPTIONS)
@run_as_task
def all_drills(c: Any, json: str | None = None, report: str = "", without: str = "", yes_really: bool = False) -> int:
    """Make every drill, one after the other (a quarter of an hour), and show the table of figures. Exit 1 when one did not hold.

    fab drill.all --report out           with a page to look at
    fab drill.all --without healer       the right ones must fail then
    """
    return run_named_drills(c, [], json, report, without, yes_really)


@task(help={"name": "only this drill (may be given several times)", **JSON}, iterable=["name"])
@run_as_task
def history(c: Any, name: list[str], json: str | None = None) -> int:
    """Show how drills went over time: one sign each, the newest figures, the last verdict."""
    from ..flows.drill import show_past_drills as run
    from ..settings.settings import load_settings

    return run(load_settings(), name, json)


def run_named_drills(c: Any, names: list[str], json: str | None, report: str, without: str, yes_really: bool) -> int:
    """Run the drills called `names`; the exit code."""
    not_dry(c, "fab drill")
    from ..flows.drill import run_drills
    from ..settings.settings import load_settings

    return run_drills(load_settings(), names, json=json, report=report, without=without, yes_really=yes_really)


def make_drill_task(name: str, told: str) -> Task[Any]:
    """The task `drill.NAME`."""

    @run_as_task
    def one(c: Any, json: str | None = None, report: str = "", without: str = "", yes_really: bool = False) -> int:
        return run_named_drills(c, [name], json, report, without, yes_really)

    one.__doc__ = f"""{told}

    Load first, until nothing fails; then the fault; then the repair, also after Ctrl-C; then the verdict. Exit 1 when it did
    not hold. What is believed and when it is broken off: fab drill.list
    """
    made: Task[Any] = task(name=name, help=OPTIONS)(one)
    return made


namespace = Collection("drill", list_drills, all_drills, history, *(make_drill_task(*drill) for drill in NAMES.items()))
