"""The rows that the network alone can judge, R3-R13 and R19; each verdict is a pure function of
what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...settings.bingo import SERVICE
from ...traffic.load import Load
from ...traffic.retry import failed_alone
from ...traffic.sample import Sample
from ...traffic.stats import percentile_of
from ..freshness import Fresh, Freshness
from ..row import Figures, Row, Verdict, judge_figures, not_tried, show_ms

CARRIED = 0.99
"""R3: the least share of the offered rate that must come back right and in time."""

GRACE = 1.0
"""Seconds after a phase in which its last answers still count as carried."""

SEARCHING = 0.03
"""Seconds for one row, alone, from which it looks as if it had been searched for."""

INDEXES = "inv db.indexes"
STATUS = "fab status"
SEEK = "fab plan, and look for a cache on the way"


def slow_alone(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Which of R6-R8 are slow even when nobody else asks, with their median; as rows that must be
    searched for are.

    Under load everything waits for the processor that a search takes, so the load cannot tell whose
    index is missing.
    """
    medians = {id: percentile_of(sorted(times), 0.5) for id, times in seconds.items() if times}
    quickest = min(medians.values(), default=0.0)
    return {id: median for id, median in medians.items() if median > max(SEARCHING, 5 * quickest)}


def single_row(
    id: str,
    name: str,
    load: Load,
    fresh: Freshness | None,
    searching: Mapping[str, float],
    *,
    proof: bool,
) -> Row:
    """R4-R8 at peak: errors, p90, never cached. `searching` is what is slow alone."""
    samples = [s for s in load.samples if s.endpoint == id]
    figures = Figures.of(samples, load.seconds)
    verdict, why = judge_figures(figures, 0.01, timed=True, proof=proof)
    next = "" if verdict is Verdict.HELD else INDEXES if id in searching else STATUS
    notes = (
        [f"even asked alone it takes {show_ms(searching[id])}: is its index there?"]
        if id in searching
        else []
    )
    if notes and verdict is not Verdict.HELD:
        why, notes = f"{why}; {notes[0]}", []
    if id == "R5":
        fresh = _no_answer_too_fast(samples, fresh)
    row = Row(
        id,
        name,
        "p90 < 0.4 s, ≤ 1 % errors",
        verdict,
        why,
        next,
        figures,
        0.01,
        timed=True,
        notes=notes,
    )
    return _never_cached(row, samples, fresh)


def with_those_alone(row: Row, alone: Sequence[Sample], load: Load, problems: Sequence[str]) -> Row:
    """The row of R4-R8, when what was asked outside the load counts too: `problems` are
    questions without an answer."""
    samples = [s for s in load.samples if s.endpoint == row.id]
    wrong = "; ".join(problems) or failed_alone(alone, samples, row.share or 0.0)
    if not wrong:
        return row
    why = "; ".join(filter(None, [wrong, row.why]))
    return replace(row, verdict=Verdict.FAILED, why=why, next=row.next or STATUS)


def _no_answer_too_fast(samples: Sequence[Sample], fresh: Freshness | None) -> Freshness | None:
    """R5 sleeps in the database; an answer in a quarter of that time has not been there."""
    if fresh is None or not fresh.floor:
        return fresh
    fast = [s.done - s.sent for s in samples if s.ok and s.done - s.sent < fresh.floor / 4]
    if not fast:
        return fresh
    because = (
        f"{len(fast)} of {len(samples)} came in under {show_ms(fresh.floor / 4)}, the app takes"
        f" {show_ms(fresh.floor)}"
    )
    return Freshness(Fresh.CACHED, because, fresh.floor)


def list_row(
    id: str, name: str, samples: Sequence[Sample], fresh: Freshness | None, share: float
) -> Row:
    """R9-R11: one at a time, errors, never cached."""
    figures = Figures.of(samples)
    verdict, why = judge_figures(figures, share, timed=False, proof=False)
    next = "inv db.tune" if verdict is Verdict.FAILED else ""
    asked = f"≤ {share * 100:.0f} % errors, one by one"
    row = Row(id, name, asked, verdict, why, next, figures, share)
    if fresh and fresh.state is Fresh.UNKNOWN and figures.n - figures.errors == 1:
        # A quick run asks a slow list only once.
        return replace(row, notes=["whether it is fresh was not tried: asked only once"])
    return _never_cached(row, samples, fresh)


def _never_cached(row: Row, samples: Sequence[Sample], fresh: Freshness | None) -> Row:
    """The row with what is known of its freshness; a single cached answer makes it fail."""
    marked = [s.mark for s in samples if s.mark]
    if marked:
        fresh = Freshness(
            Fresh.CACHED, f"{len(marked)} of {len(samples)} answers say so themselves ({marked[0]})"
        )
    if fresh is None or fresh.state in (Fresh.PROVEN, Fresh.LIKELY):
        return replace(row, fresh=fresh)
    if fresh.state is Fresh.CACHED:
        why = "; ".join(filter(None, (f"it is cached: {fresh.because}", row.why)))
        return replace(row, fresh=fresh, verdict=Verdict.FAILED, why=why, next=SEEK)
    if row.verdict is Verdict.HELD:
        return replace(
            row,
            fresh=fresh,
            verdict=Verdict.UNPROVEN,
            why=f"not known to be fresh: {fresh.because}",
        )
    return replace(row, fresh=fresh)


def rate_row(name: str, load: Load, searching: Mapping[str, float], *, proof: bool) -> Row:
    """R3: the offered rate is carried, by all endpoints together. `searching` is what is slow
    alone."""
    figures = Figures.of(load.samples, load.seconds)
    verdict, why = judge_figures(figures, 0.01, timed=False, proof=proof)
    offered = len(load.samples)
    carried = sum(s.ok and s.done <= load.seconds + GRACE for s in load.samples)
    if not offered or carried < CARRIED * offered:
        rate = carried / load.seconds if load.seconds else 0.0
        text = f"{rate:.1f} of {load.rate:.0f} requests/s were carried"
        verdict, why = Verdict.FAILED, "; ".join(filter(None, (text, why)))
    next = (
        ""
        if verdict is Verdict.HELD
        else INDEXES
        if searching
        else f"{STATUS}: are all nodes serving?"
    )
    name = f"{name}, {load.rate:.0f}/s for {load.seconds:g} s"
    return Row(
        "R3",
        name,
        "carried, ≤ 1 % errors",
        verdict,
        why,
        next,
        figures,
        0.01,
        notes=_load_doubts(load),
    )


def _load_doubts(load: Load) -> list[str]:
    if not load.doubtful:
        return []
    return [
        f"this machine was too busy and asked {show_ms(load.lag_p99)} late (p99): the service is"
        " better than its figures"
    ]


def write_row(
    id: str, name: str, samples: Sequence[Sample], problems: Sequence[str], refusal: str = ""
) -> Row:
    """R12 and R13: errors, and that what was written is there, and what was deleted is gone."""
    asked, figures = "≤ 1 % errors", Figures.of(samples)
    if not samples and not problems and refusal:
        return not_tried(id, name, asked, refusal)
    verdict, why = judge_figures(figures, 0.01, timed=False, proof=False)
    if not samples:
        why = "" if problems else "no session could be made"
    if problems:
        verdict, why = Verdict.FAILED, "; ".join(filter(None, (*problems, why)))
    return Row(
        id, name, asked, verdict, why, STATUS if verdict is Verdict.FAILED else "", figures, 0.01
    )


def ping_row(samples: Sequence[Sample]) -> Row:
    """R19: 200 and the app's own word. The other half, 500 when ill, shows only while a node is
    ill."""
    figures = Figures.of(samples)
    verdict, why = judge_figures(figures, 0.0, timed=False, proof=False)
    next = STATUS if verdict is Verdict.FAILED else ""
    notes = ["" if figures.errors else "200 `pong` seen; a 500 shows only while a node is ill"]
    return Row(
        "R19",
        SERVICE.only_one("health").title,
        "200 pong, untouched",
        verdict,
        why,
        next,
        figures,
        notes=[n for n in notes if n],
    )
