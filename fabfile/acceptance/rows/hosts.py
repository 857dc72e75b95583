"""The rows that only the hosts can judge, R17, R18 and R20-R22; without a way to them they are
shown as not tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ...control.clocks import Clock
from ...control.counters import EndpointCounts
from ...engine.errors import RunbookError
from ...settings.requirements import (
    BOUNDED_LOG,
    CLOCK_SECONDS,
    CLOCKS,
    DEPLOYMENT,
    FAST_START,
    OBSERVABILITY,
    READY_SECONDS,
    Requirement,
)
from ..host_facts import DatabaseFacts, LogBound, NodeFacts
from ..row import Row, Verdict, not_tried, show_ms

MOST_TOLD = 3
"""Differences that a row names; `fab plan` names all."""

CLOCK_NEXT = "on the host: timedatectl status, then systemctl enable --now systemd-timesyncd"

JUDGED_ON_HOSTS = (OBSERVABILITY, DEPLOYMENT, FAST_START, CLOCKS, BOUNDED_LOG)

Counted = Mapping[str, EndpointCounts] | RunbookError | None
"""What the edges had counted, or why that could not be read; None without a way to them."""


def counted_requests(facts: NodeFacts | None) -> Counted:
    """What the edges have counted so far, to be compared with what they count after the load."""
    if facts is None:
        return None
    try:
        return facts.traffic()
    except RunbookError as error:
        return error


def node_rows(
    facts: NodeFacts | None, before: Counted = None, asked: Mapping[str, int] | None = None
) -> list[Row]:
    """Ask the hosts, if there is a way; a way that breaks is a failure, for the question was asked.

    Args:
        facts: the way to them.
        before: what the edges had counted before the load.
        asked: how many right answers the load got since, by requirement.
    """
    if facts is None:
        why = "needs the hosts; only the address of the service was given"
        return [not_tried(requirement, why) for requirement in JUDGED_ON_HOSTS]

    def traffic() -> Row:
        if isinstance(before, RunbookError):
            raise before
        return traffic_row(before or {}, facts.traffic(), asked or {})

    return [
        _ask_hosts(OBSERVABILITY, traffic),
        _ask_hosts(DEPLOYMENT, lambda: deploy_row(facts.differences(), facts.database())),
        _ask_hosts(FAST_START, lambda: ready_row(facts.ready_seconds())),
        _ask_hosts(CLOCKS, lambda: clock_row(facts.clocks())),
        _ask_hosts(BOUNDED_LOG, lambda: log_row(facts.log_bounds())),
    ]


def _ask_hosts(requirement: Requirement, ask: Callable[[], Row]) -> Row:
    try:
        return ask()
    except RunbookError as error:
        return Row(requirement, Verdict.FAILED, f"could not be read: {error.problem}", error.next)


def ready_row(seconds: Mapping[str, float]) -> Row:
    """R20: each node is ready in time."""
    late = [
        f"{node} took {value:.1f} s" for node, value in seconds.items() if not value < READY_SECONDS
    ]
    notes = (
        [f"the slowest of {len(seconds)} nodes took {max(seconds.values()):.1f} s"]
        if seconds
        else []
    )
    return _make_row(FAST_START, "; ".join(late) or ("" if seconds else "no node reported"), notes)


def log_row(bounds: Mapping[str, LogBound]) -> Row:
    """R22: each node's log has a limit, keeps it, and the disk has room for it."""
    wrong = []
    for node, bound in bounds.items():
        if bound.limit is None:
            wrong.append(f"{node}: {bound.how or 'nothing bounds the log'}")
        elif bound.used > bound.limit:
            wrong.append(
                f"{node}: {_megabytes(bound.used)}, over its limit of {_megabytes(bound.limit)}"
            )
        elif bound.limit - bound.used > bound.free:
            wrong.append(
                f"{node}: the disk is full before the log reaches its limit of"
                f" {_megabytes(bound.limit)}"
            )
    notes = [
        f"{node}: {_megabytes(bound.used)} of at most {_megabytes(bound.limit or 0)}"
        for node, bound in bounds.items()
    ]
    return _make_row(
        BOUNDED_LOG,
        "; ".join(wrong) or ("" if bounds else "no node reported"),
        notes,
        "fab status, then fab plan",
    )


def traffic_row(
    before: Mapping[str, EndpointCounts],
    after: Mapping[str, EndpointCounts],
    asked: Mapping[str, int],
) -> Row:
    """R17: each endpoint that was asked has figures of its own, and they have counted at least
    what we got from it."""
    wrong = []
    for id, n in asked.items():
        if id not in before or id not in after:
            wrong.append(f"{id} has no figures of its own")
        elif (moved := after[id].requests - before[id].requests) < n:
            wrong.append(f"{id}: {n} answers were got, its figures moved by {moved}")
    moved = sum(
        after[id].requests - before[id].requests for id in asked if id in before and id in after
    )
    errors = sum(
        after[id].errors - before[id].errors for id in asked if id in before and id in after
    )
    notes = [
        f"the edges' exporters counted {moved} requests and {errors} errors of {len(asked)}"
        " endpoints meanwhile"
    ]
    return _make_row(
        OBSERVABILITY, "; ".join(wrong) or ("" if asked else "nothing was asked"), notes
    )


def deploy_row(differences: Sequence[str], data: DatabaseFacts | None) -> Row:
    """R18: nothing is left for the one command to do, and what it is to bring about is there:
    the data and its indexes."""
    lacking = list(_missing_data(data)) if data else []
    wrong = [*lacking, *differences[:MOST_TOLD]]
    if len(differences) > MOST_TOLD:
        wrong.append(f"{len(differences) - MOST_TOLD} more differences")
    notes = (
        [", ".join(f"{rows:,} {table}".replace(",", " ") for table, rows in data.rows.items())]
        if data
        else []
    )
    next = "fab plan, then fab deploy"
    if data and lacking:
        next = "inv db.indexes" if data.missing_indexes else "inv db.seed"
    return _make_row(
        DEPLOYMENT, "; ".join(wrong), ["no difference to what fab deploy would make", *notes], next
    )


def _missing_data(data: DatabaseFacts) -> Iterator[str]:
    yield from (f"{table} is empty" for table, rows in data.rows.items() if rows <= 0)
    yield from (f"{table} has no valid index on id" for table in data.missing_indexes)
    if not data.rows:
        yield "no table was found"


def clock_row(clocks: Mapping[str, Clock]) -> Row:
    """R21: each host's clock is less than a second from ours, surely, and somebody keeps it so."""
    wrong, doubts = [], []
    for host, clock in clocks.items():
        off = abs(clock.ahead)
        if off - clock.slack >= CLOCK_SECONDS:
            wrong.append(f"{host} is {off:.1f} s {'ahead' if clock.ahead > 0 else 'behind'}")
        elif off + clock.slack >= CLOCK_SECONDS:
            doubts.append(
                f"{host} answers too slowly to measure: {clock.ahead:+.1f} ± {clock.slack:.1f} s"
            )
        if not clock.keeper:
            doubts.append(f"nothing keeps the clock of {host} right")
    if wrong or not clocks:
        return Row(
            CLOCKS, Verdict.FAILED, "; ".join([*wrong, *doubts]) or "no host reported", CLOCK_NEXT
        )
    most = max(abs(clock.ahead) + clock.slack for clock in clocks.values())
    keepers = ", ".join(sorted({clock.keeper for clock in clocks.values() if clock.keeper}))
    notes = [
        f"{len(clocks)} hosts at most {show_ms(most)} from this machine's clock, transit included;"
        f" kept by {keepers}"
    ]
    more = {
        host: {"ahead_s": round(c.ahead, 4), "slack_s": round(c.slack, 4), "keeper": c.keeper}
        for host, c in clocks.items()
    }
    if doubts:
        return Row(
            CLOCKS,
            Verdict.UNPROVEN,
            "; ".join(doubts),
            CLOCK_NEXT,
            notes=notes[:1] if keepers else [],
            more=more,
        )
    return Row(CLOCKS, Verdict.HELD, notes=notes, more=more)


def _make_row(
    requirement: Requirement, wrong: str, notes: list[str], next: str = "fab plan"
) -> Row:
    if wrong:
        return Row(requirement, Verdict.FAILED, wrong, next)
    return Row(requirement, Verdict.HELD, notes=notes)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
