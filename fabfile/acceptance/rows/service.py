"""The rows that the network alone can judge, R3-R13 and R19; each verdict is a pure function of
what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...settings.requirements import DB_DUMMY, LOAD, PING, Requirement
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

SEQ_SCAN_SECONDS = 0.03
"""On an idle service, a single-row read slower than this suggests a missing index."""

INDEXES = "inv db.indexes"
STATUS = "fab status"
SEEK = "fab plan, and look for a cache on the way"


def suspected_missing_indexes(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Endpoints that are slow even without load, with their median in seconds.

    Under load every query waits for the processor that a sequential scan takes, so the load cannot
    tell whose index is missing.

    Args:
        seconds: the times of single-row reads on an idle service, by requirement id.
    """
    medians = {id: percentile_of(sorted(times), 0.5) for id, times in seconds.items() if times}
    quickest = min(medians.values(), default=0.0)
    bound = max(SEQ_SCAN_SECONDS, 5 * quickest)
    return {id: median for id, median in medians.items() if median > bound}


def single_row(
    requirement: Requirement,
    label: str,
    load: Load,
    *,
    fresh: Freshness | None,
    suspects: Mapping[str, float],
    proof: bool,
) -> Row:
    """A single answer at peak: errors, p90, never cached. `suspects` are the missing indexes."""
    id, share = requirement.id, requirement.error_share
    samples = [s for s in load.samples if s.endpoint == id]
    figures = Figures.of(samples, load.seconds)
    verdict, why = judge_figures(figures, share, timed=True, proof=proof)
    next = "" if verdict is Verdict.HELD else INDEXES if id in suspects else STATUS
    notes = (
        [f"even asked alone it takes {show_ms(suspects[id])}: is its index there?"]
        if id in suspects
        else []
    )
    if notes and verdict is not Verdict.HELD:
        why, notes = f"{why}; {notes[0]}", []
    if requirement is DB_DUMMY:
        fresh = _no_answer_too_fast(samples, fresh)
    row = Row(
        requirement,
        verdict,
        why,
        next,
        label=label,
        figures=figures,
        share=share,
        timed=True,
        notes=notes,
    )
    return _never_cached(row, samples, fresh)


def with_those_alone(row: Row, alone: Sequence[Sample], load: Load, problems: Sequence[str]) -> Row:
    """The row of a single answer, when what was asked outside the load counts too: `problems` are
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
    requirement: Requirement, label: str, samples: Sequence[Sample], fresh: Freshness | None
) -> Row:
    """A whole list: one at a time, errors, never cached."""
    figures, share = Figures.of(samples), requirement.error_share
    verdict, why = judge_figures(figures, share, timed=False, proof=False)
    next = "inv db.tune" if verdict is Verdict.FAILED else ""
    row = Row(requirement, verdict, why, next, label=label, figures=figures, share=share)
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


def rate_row(name: str, load: Load, suspects: Mapping[str, float], *, proof: bool) -> Row:
    """The offered rate is carried, by all endpoints together. `suspects` are the missing
    indexes."""
    figures, share = Figures.of(load.samples, load.seconds), LOAD.error_share
    verdict, why = judge_figures(figures, share, timed=False, proof=proof)
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
        if suspects
        else f"{STATUS}: are all nodes serving?"
    )
    return Row(
        LOAD,
        verdict,
        why,
        next,
        label=f"{name}, {load.rate:.0f}/s for {load.seconds:g} s",
        figures=figures,
        share=share,
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
    requirement: Requirement,
    label: str,
    samples: Sequence[Sample],
    problems: Sequence[str],
    refusal: str = "",
) -> Row:
    """A write: errors, and that what was written is there, and what was deleted is gone."""
    figures, share = Figures.of(samples), requirement.error_share
    if not samples and not problems and refusal:
        return not_tried(requirement, refusal, label)
    verdict, why = judge_figures(figures, share, timed=False, proof=False)
    if not samples:
        why = "" if problems else "no session could be made"
    if problems:
        verdict, why = Verdict.FAILED, "; ".join(filter(None, (*problems, why)))
    next = STATUS if verdict is Verdict.FAILED else ""
    return Row(requirement, verdict, why, next, label=label, figures=figures, share=share)


def ping_row(samples: Sequence[Sample]) -> Row:
    """200 and the app's own word. The other half, 500 when ill, shows only while a node is
    ill."""
    figures = Figures.of(samples)
    verdict, why = judge_figures(figures, PING.error_share, timed=False, proof=False)
    next = STATUS if verdict is Verdict.FAILED else ""
    notes = ["" if figures.errors else "200 `pong` seen; a 500 shows only while a node is ill"]
    kept = [note for note in notes if note]
    return Row(PING, verdict, why, next, label="GET /ping", figures=figures, notes=kept)
