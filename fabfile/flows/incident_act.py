"""The act of `fab incident.NAME`: ask once, do it, and see whether the cause is gone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..engine.errors import OK, RunbookError
from ..engine.journal import Run, append_lines
from ..engine.link import Link
from ..engine.lock import Lock
from ..engine.psql import psql, rows
from ..engine.script_log import ScriptLog
from ..engine.shell import Reading, q
from ..engine.sqltext import quote_literal
from ..engine.waiting import wait_until
from ..incidents.acts import IncidentAct, Verb
from ..incidents.hypotheses import Hypothesis
from ..rollout.certificates import renew_certificate
from ..rollout.deploy import DeployOptions, deploy_hosts
from ..settings.reach import open_fleet
from ..settings.settings import Settings
from .restart import restart_apps
from .rollback import roll_back

if TYPE_CHECKING:
    from rich.console import Console

GONE_SECONDS = 60.0
"""A restarted app is ready within 5 s and seen up by the edges soon after; a minute leaves room for
a database that recovers first."""


def may_act(out: Console, *, yes: bool) -> bool:
    """Whether the operator wants the act: `yes`, or the answer to a question on `out`.

    Without a terminal nobody can answer, so the answer is no.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        out.print("nothing was done: there is no terminal to ask on; --yes acts without a question")
        return False
    try:
        # Not as the prompt of `input`: stdout may belong to the JSON.
        out.print("Do it now? [yes/no] ", end="", markup=False)
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        return False


def carry_out_act(
    settings: Settings,
    act: IncidentAct,
    out: Console,
    read_causes: Callable[[], Sequence[Hypothesis]],
    *,
    reason: str,
) -> bool:
    """Do `act`; return whether its cause is gone.

    Args:
        settings: the site.
        act: what to do.
        out: where the progress goes.
        read_causes: reads the hosts again, and returns what is left of the incident.
        reason: why; kept in the journal of each host.

    Raises:
        RunbookError: the act failed, the hosts are locked, or a host cannot be reached.
    """
    before = time.monotonic()
    _PERFORMERS[act.verb](settings, act, reason)
    out.print("[dim]the act is done; reading the hosts again[/]")
    left: list[Hypothesis] = []

    def is_gone() -> bool:
        left[:] = [cause for cause in read_causes() if cause.host in act.hosts]
        return not left

    gone = wait_until(is_gone, seconds=GONE_SECONDS, every=1.0)
    for cause in left:
        out.print(f"after   {cause.host}: {cause.evidence}", markup=False)
    if gone:
        out.print(f"after   gone, {time.monotonic() - before:.1f} s after the act began")
    return gone


def _restart_app(settings: Settings, act: IncidentAct, reason: str) -> None:
    restart_apps(settings, act.hosts, reason=reason)


def _deploy(settings: Settings, act: IncidentAct, reason: str) -> None:
    _require(deploy_hosts(settings, act.hosts, DeployOptions(reason=reason)), act)


def _build_indexes(settings: Settings, act: IncidentAct, reason: str) -> None:
    options = DeployOptions(task="db.indexes", phases=("indexes",), reason=reason)
    _require(deploy_hosts(settings, [], options), act)


def _roll_back(settings: Settings, act: IncidentAct, reason: str) -> None:
    _require(roll_back(settings, [], "", DeployOptions(reason=reason)), act)


def _renew(settings: Settings, act: IncidentAct, reason: str) -> None:
    _require(renew_certificate(settings, force=False, dry=False, json=None), act)


def _restart_unit(settings: Settings, act: IncidentAct, reason: str) -> None:
    unit = q(act.subject)
    script = f"systemctl reset-failed {unit}\nsystemctl restart {unit}"
    _run_on_hosts(settings, act, reason, lambda link: link.run(script, timeout=150))


def _end_session(settings: Settings, act: IncidentAct, reason: str) -> None:
    pid, _, since = act.subject.partition(" ")
    # A pid may be another session's by now: the start of its transaction tells.
    query = (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {int(pid)}"
        f" AND xact_start::timestamptz(0)::text = {quote_literal(since)};"
    )

    def end(link: Link) -> None:
        result = link.run(psql(settings.database.name, query))
        if "t" not in rows(Reading(result.out, result.code)).split():
            raise RunbookError(
                f"{link.name}: session {pid} has ended already, or began another transaction",
                "nothing was ended, so that no other session's work is lost",
                "fab incident.db-locked",
            )

    _run_on_hosts(settings, act, reason, end)


def _run_on_hosts(
    settings: Settings, act: IncidentAct, reason: str, work: Callable[[Link], object]
) -> None:
    """Do `work` on the hosts of `act`, under the lock, with an entry in each host's journal."""
    run = Run("incident.act", settings.state / "runs", reason)
    nodes = settings.inventory.select(act.hosts, ())
    with (
        ScriptLog(run),
        open_fleet(settings, nodes) as fleet,
        Lock(list(fleet.links.values()), run),
    ):
        for node in nodes:
            link = fleet.link(node)
            step = f"{act.verb}: {act.subject}"
            link.run(append_lines(run.entry("begin", step, act.sentence)))
            work(link)
            link.run(append_lines(run.entry("changed", step, act.sentence)))


def _require(code: int, act: IncidentAct) -> None:
    """Raise unless a deploy ended well."""
    if code != OK:
        raise RunbookError(
            f"the act failed: {act.sentence} (exit {code})",
            "the cause is still there; what failed is shown above",
            "fab incident.triage",
            code,
        )


_PERFORMERS: Mapping[Verb, Callable[[Settings, IncidentAct, str], None]] = {
    Verb.RESTART_APP: _restart_app,
    Verb.RESTART_UNIT: _restart_unit,
    Verb.END_SESSION: _end_session,
    Verb.BUILD_INDEXES: _build_indexes,
    Verb.DEPLOY: _deploy,
    Verb.ROLL_BACK: _roll_back,
    Verb.RENEW_CERTIFICATE: _renew,
}
