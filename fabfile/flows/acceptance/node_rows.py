"""The rows that only the hosts can judge, R18, R20 and R22; without a way to them they are shown as not tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...engine.errors import RunbookError
from .facts import DatabaseFacts, LogBound, NodeFacts
from .row import Row, Verdict, not_tried

READY_SECONDS = 5.0
"""R20."""

READY = ("R20", "fast start", "ready in < 5 s")
LOG = ("R22", "bounded log", "cannot fill the disk")
DATA = ("R18", "data and indexes", "seeded, an index on id")


def node_rows(facts: NodeFacts | None) -> list[Row]:
    """Ask the hosts, if there is a way; a way that breaks is a failure, for the question was asked."""
    if facts is None:
        why = "needs the hosts; only the address of the service was given"
        return [not_tried(*READY, why), not_tried(*LOG, why)]
    rows = [_asked(READY, lambda: ready_row(facts.ready_seconds())), _asked(LOG, lambda: log_row(facts.log_bounds()))]
    data = _asked(DATA, lambda: database_row(facts.database()))
    return [data, *rows] if data.verdict is not Verdict.NOT_TRIED else rows


def _asked(what: tuple[str, str, str], ask: Callable[[], Row]) -> Row:
    try:
        return ask()
    except RunbookError as error:
        return Row(*what, Verdict.FAILED, f"could not be read: {error.seen}", error.next)


def ready_row(seconds: Mapping[str, float]) -> Row:
    """R20: each node is ready in time."""
    late = [f"{node} took {value:.1f} s" for node, value in seconds.items() if not value < READY_SECONDS]
    notes = [f"the slowest of {len(seconds)} nodes took {max(seconds.values()):.1f} s"] if seconds else []
    return _told(READY, "; ".join(late) or ("" if seconds else "no node told"), notes)


def log_row(bounds: Mapping[str, LogBound]) -> Row:
    """R22: each node's log has a limit, keeps it, and the disk has room for it."""
    wrong = []
    for node, bound in bounds.items():
        if bound.limit is None:
            wrong.append(f"{node}: {bound.how or 'nothing bounds the log'}")
        elif bound.used > bound.limit:
            wrong.append(f"{node}: {_mb(bound.used)}, over its limit of {_mb(bound.limit)}")
        elif bound.limit - bound.used > bound.free:
            wrong.append(f"{node}: the disk is full before the log reaches its limit of {_mb(bound.limit)}")
    notes = [f"{node}: {_mb(bound.used)} of at most {_mb(bound.limit or 0)}" for node, bound in bounds.items()]
    return _told(LOG, "; ".join(wrong) or ("" if bounds else "no node told"), notes)


def database_row(found: DatabaseFacts | None) -> Row:
    """R18, as far as it can be seen: the data is there and its indexes are valid."""
    if found is None:
        return not_tried(*DATA, "the database was not looked at")
    wrong = [f"{table} is empty" for table, rows in found.rows.items() if rows <= 0]
    wrong += [f"{table} has no valid index on id" for table in found.missing_indexes]
    next = "inv db.indexes" if found.missing_indexes else "inv db.seed"
    notes = [", ".join(f"{rows:,} {table}".replace(",", " ") for table, rows in found.rows.items())]
    return _told(DATA, "; ".join(wrong) or ("" if found.rows else "no table was found"), notes, next)


def _told(what: tuple[str, str, str], wrong: str, notes: list[str], next: str = "fab plan") -> Row:
    if wrong:
        return Row(*what, Verdict.FAILED, wrong, next)
    return Row(*what, Verdict.HELD, notes=notes)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
