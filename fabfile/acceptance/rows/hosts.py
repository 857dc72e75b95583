"""The rows that only the hosts can show, R17, R18 and R20-R22."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ...control.clocks import Clock
from ...control.counters import EndpointCounts
from ...engine.errors import RunbookError
from ...engine.messages import plural, show_megabytes
from ...settings.bounds import CLOCK_SECONDS, READY_SECONDS
from ...settings.requirements import (
    BOUNDED_LOG,
    CLOCKS,
    DEPLOYMENT,
    FAST_START,
    OBSERVABILITY,
    Requirement,
)
from ..host_facts import DatabaseFacts, LogBound, NodeFacts
from ..row import Row, Verdict, not_tried, show_ms

SHOWN_DIFFERENCES = 3
"""How many differences a row names; `fab plan` lists all."""

CLOCK_NEXT = "on the host: timedatectl status, then systemctl enable --now systemd-timesyncd"

JUDGED_ON_HOSTS = (OBSERVABILITY, DEPLOYMENT, FAST_START, CLOCKS, BOUNDED_LOG)

Counted = Mapping[str, EndpointCounts] | RunbookError | None
"""What the edges have counted, by id of the endpoint, or why it is not known; None without access
to the hosts."""


def count_requests(facts: NodeFacts | None) -> Counted:
    """What the edges have counted before the load; the row compares it with the count after."""
    if facts is None:
        return None
    try:
        return facts.traffic()
    except RunbookError as error:
        return error


def host_rows(
    facts: NodeFacts | None,
    counted_before: Counted = None,
    answered: Mapping[str, int] | None = None,
) -> list[Row]:
    """Ask the hosts. If that fails, the row fails: the check was asked to judge it.

    Args:
        facts: access to the hosts; None gives rows that were not tried.
        counted_before: what the edges had counted before the load.
        answered: how many right answers the check got since then, by id of the endpoint.
    """
    if facts is None:
        why = "needs the hosts; only the address of the service was given"
        return [not_tried(requirement, why) for requirement in JUDGED_ON_HOSTS]

    def judge_traffic() -> Row:
        if isinstance(counted_before, RunbookError):
            raise counted_before
        return traffic_row(counted_before or {}, facts.traffic(), answered or {})

    return [
        _row_or_error(OBSERVABILITY, judge_traffic),
        _row_or_error(DEPLOYMENT, lambda: deploy_row(facts.differences(), facts.database())),
        _row_or_error(FAST_START, lambda: ready_row(facts.ready_seconds())),
        _row_or_error(CLOCKS, lambda: clock_row(facts.clocks())),
        _row_or_error(BOUNDED_LOG, lambda: log_row(facts.log_bounds())),
    ]


def _row_or_error(requirement: Requirement, judge: Callable[[], Row]) -> Row:
    try:
        return judge()
    except RunbookError as error:
        why = f"could not be read: {error.problem}"
        return Row(requirement, Verdict.FAILED, why, error.next)


def ready_row(seconds_by_node: Mapping[str, float]) -> Row:
    """R20: each node is ready in time."""
    if not seconds_by_node:
        return _failed_or_held(FAST_START, ["no node reported"])
    late = [
        f"{node} took {seconds:.1f} s"
        for node, seconds in seconds_by_node.items()
        if not seconds < READY_SECONDS  # this way round, NaN counts as late
    ]
    slowest = max(seconds_by_node.values())
    note = f"the slowest of {len(seconds_by_node)} nodes took {slowest:.1f} s"
    return _failed_or_held(FAST_START, late, [note])


def log_row(bounds: Mapping[str, LogBound]) -> Row:
    """R22: each node's log has a limit and keeps it, and the disk has room for it."""
    problems = [] if bounds else ["no node reported"]
    notes = []
    for node, bound in bounds.items():
        if problem := _log_problem(bound):
            problems.append(f"{node}: {problem}")
        notes.append(
            f"{node}: {show_megabytes(bound.used)} of at most {show_megabytes(bound.limit or 0)}"
        )
    return _failed_or_held(BOUNDED_LOG, problems, notes, next="fab status, then fab plan")


def _log_problem(bound: LogBound) -> str:
    if bound.limit is None:
        return bound.how or "nothing bounds the log"
    if bound.used > bound.limit:
        return f"{show_megabytes(bound.used)}, over its limit of {show_megabytes(bound.limit)}"
    if bound.limit - bound.used > bound.free:
        limit = show_megabytes(bound.limit)
        return f"the disk is full before the log reaches its limit of {limit}"
    return ""


def traffic_row(
    before: Mapping[str, EndpointCounts],
    after: Mapping[str, EndpointCounts],
    answered: Mapping[str, int],
) -> Row:
    """R17: each endpoint has counters of its own, and they counted at least our requests.

    Other users may have made more, so a larger count is right.
    """
    problems = [] if answered else ["no request was made"]
    requests, errors = 0, 0
    for id, count in answered.items():
        if id not in before or id not in after:
            problems.append(f"{id} has no counter of its own")
            continue
        counted = after[id].requests - before[id].requests
        if counted < count:
            problems.append(
                f"{id}: {count} requests were answered, its counter changed by {counted}"
            )
        requests += counted
        errors += after[id].errors - before[id].errors
    note = (
        f"meanwhile the edges' exporters counted {requests} requests and {errors} errors of"
        f" {len(answered)} endpoints"
    )
    return _failed_or_held(OBSERVABILITY, problems, [note])


def deploy_row(differences: Sequence[str], data: DatabaseFacts | None) -> Row:
    """R18: a deploy would change nothing, and the data and its indexes exist.

    Args:
        differences: what a deploy would change.
        data: the state of the data, None if it was not read.
    """
    missing = list(_missing_data(data)) if data else []
    problems = [*missing, *differences[:SHOWN_DIFFERENCES]]
    if len(differences) > SHOWN_DIFFERENCES:
        problems.append(f"{len(differences) - SHOWN_DIFFERENCES} more differences")
    notes = ["no difference to what fab deploy would make"]
    if data:
        filled = {table: rows for table, rows in data.rows.items() if rows > 0}
        counts = [f"{rows:,} {table}".replace(",", " ") for table, rows in filled.items()]
        notes.append(", ".join(counts))
    next = "fab plan, then fab deploy"
    if data and missing:
        next = "inv db.indexes" if data.missing_indexes else "inv db.seed"
    return _failed_or_held(DEPLOYMENT, problems, notes, next=next)


def _missing_data(data: DatabaseFacts) -> Iterator[str]:
    seeded = data.seeded or list(data.rows)
    yield from (f"{table} is empty" for table in seeded if data.rows.get(table, 0) <= 0)
    yield from (f"{table} has no valid index on id" for table in data.missing_indexes)
    if not data.rows and not data.seeded:
        yield "no table was found"


def clock_row(clocks: Mapping[str, Clock]) -> Row:
    """R21: each clock is surely less than a second off, and a time service keeps it so."""
    wrong, doubts = [], []
    for host, clock in clocks.items():
        if clock.certain >= CLOCK_SECONDS:
            side = "ahead" if clock.ahead > 0 else "behind"
            wrong.append(f"{host} is {abs(clock.ahead):.1f} s {side}")
        elif clock.possible >= CLOCK_SECONDS:
            doubts.append(
                f"{host} answers too slowly to measure: {clock.ahead:+.1f} ± {clock.slack:.1f} s"
            )
        if not clock.keeper:
            doubts.append(f"no time service keeps the clock of {host} right")
    if not clocks:
        wrong.append("no host reported")
    if wrong:
        return Row(CLOCKS, Verdict.FAILED, "; ".join([*wrong, *doubts]), CLOCK_NEXT)
    more = {
        host: {"ahead_s": round(c.ahead, 4), "slack_s": round(c.slack, 4), "keeper": c.keeper}
        for host, c in clocks.items()
    }
    keepers = sorted({clock.keeper for clock in clocks.values() if clock.keeper})
    notes = [_describe_clocks(clocks, keepers)] if keepers else []
    if doubts:
        why = "; ".join(doubts)
        return Row(CLOCKS, Verdict.UNPROVEN, why, CLOCK_NEXT, notes=notes, more=more)
    return Row(CLOCKS, Verdict.HELD, notes=notes, more=more)


def _describe_clocks(clocks: Mapping[str, Clock], keepers: Sequence[str]) -> str:
    largest = max(clock.possible for clock in clocks.values())
    return (
        f"{plural(len(clocks), 'host')} at most {show_ms(largest)} from this machine's clock,"
        f" transit included; kept by {', '.join(keepers)}"
    )


def _failed_or_held(
    requirement: Requirement,
    problems: Sequence[str],
    notes: Sequence[str] = (),
    *,
    next: str = "fab plan",
) -> Row:
    if problems:
        return Row(requirement, Verdict.FAILED, "; ".join(problems), next)
    return Row(requirement, Verdict.HELD, notes=notes)
