"""R1 and R2 from what drills have found: only what was seen speaks for them."""

from __future__ import annotations

from typing import Any

import pytest
from other_sites import NOTICES
from samples import PROGRAM

from fabfile.acceptance.row import Verdict
from fabfile.acceptance.rows.drills import OWN_STATE, drill_rows, loss_row, recovery_row
from fabfile.drills.result import FAILED as BROKE
from fabfile.drills.result import HELD as STOOD
from fabfile.drills.result import DrillResult
from fabfile.engine.errors import Locked

HELD, FAILED, UNPROVEN, NOT_TRIED = (
    Verdict.HELD,
    Verdict.FAILED,
    Verdict.UNPROVEN,
    Verdict.NOT_TRIED,
)


def drill(name: str = "app-killed", verdict: str = STOOD, **more: Any) -> DrillResult:
    facts = {"requirements": ("R1", "R2"), "requests": 3600, "recover_s": 4.0} | more
    return DrillResult(name, "hypothesis", verdict=verdict, **facts)


def lost(count: int) -> dict[str, dict[str, int]]:
    return {"R6": {"status 503": count}}


@pytest.mark.parametrize(
    ("drills", "verdict", "why"),
    [
        ([drill(), drill("app-hung")], HELD, ""),
        ([drill(failed=lost(3))], HELD, ""),
        (
            [drill(verdict=BROKE, why="3 GETs failed", failed=lost(3)), drill("app-hung")],
            FAILED,
            "app-killed: 3 GETs failed",
        ),
        ([drill(verdict=BROKE, why="it; was; bad")], FAILED, "app-killed: it, and 2 more"),
        # 1 % of all together, but more of one: whatever the drill's own verdict.
        (
            [drill(failed=lost(40)), drill("app-hung")],
            FAILED,
            "app-killed: 40 of 3600 failed, longest gap 0.0 s",
        ),
        ([drill(requests=100)], UNPROVEN, "0 errors of 100: at most 0 would prove ≤ 1 %"),
        ([drill(verdict="not tried", why="no lab")], NOT_TRIED, "app-killed: no lab"),
        ([drill(requirements=("R2",))], NOT_TRIED, "no drill tests R1"),
    ],
)
def test_loss_of_a_node(drills: list[DrillResult], verdict: Verdict, why: str) -> None:
    row = loss_row(PROGRAM.load, drills)
    assert (row.verdict, row.why) == (verdict, why)


def test_a_loss_has_the_figures_of_all_drills_that_were_tried() -> None:
    row = loss_row(
        PROGRAM.load,
        [
            drill(failed=lost(2)),
            drill("app-500", failed=lost(1)),
            drill("x", verdict="not tried", requests=9),
        ],
    )
    assert (row.figures.n, row.figures.errors, row.figures.kinds) == (7200, 3, {"status 503": 3})
    assert 0.0004 < row.figures.error_upper < 0.01
    assert row.figures.p90 is None


@pytest.mark.parametrize(
    ("drills", "verdict", "why"),
    [
        ([drill(), drill("app-hung", recover_s=59.9)], HELD, ""),
        ([drill(recover_s=60.0)], FAILED, "app-killed: recovered only after 60 s"),
        (
            [drill(), drill("app-500", BROKE, recover_s=None, why="still DOWN")],
            FAILED,
            "app-500: did not recover",
        ),
        (
            [drill(), drill("app-500", recover_s=None)],
            UNPROVEN,
            "app-500 measured no recovery time",
        ),
        (
            [drill(verdict="not tried", recover_s=None, why="no lab")],
            NOT_TRIED,
            "app-killed: no lab",
        ),
        # A drill may break a bound of R1 and still show that the node recovered.
        ([drill(verdict=BROKE, why="3 GETs failed")], HELD, ""),
    ],
)
def test_a_failed_node_is_back(drills: list[DrillResult], verdict: Verdict, why: str) -> None:
    row = recovery_row(drills)
    assert (row.verdict, row.why) == (verdict, why)


def test_both_rows_are_there_whatever_happened() -> None:
    rows = drill_rows(PROGRAM, [], why_none="not asked for")
    assert [(row.id, row.verdict, row.why) for row in rows] == [
        ("R1", NOT_TRIED, "not asked for"),
        ("R2", NOT_TRIED, "not asked for"),
    ]
    locked = drill_rows(PROGRAM, [], error=Locked("node1 is locked by ops", "", "fab status"))
    assert [(row.verdict, row.why) for row in locked] == [
        (FAILED, "could not be tried: node1 is locked by ops")
    ] * 2
    assert [row.verdict for row in drill_rows(PROGRAM, [drill()])] == [HELD, HELD]


def test_what_a_node_keeps_for_itself_is_said_whatever_happened() -> None:
    locked = Locked("node1 is locked by ops", "", "fab status")
    for drills, error in (([], None), ([drill()], None), ([], locked)):
        loss, recovery = drill_rows(NOTICES, drills, error=error)
        assert loss.notes[-1] == OWN_STATE
        assert OWN_STATE not in recovery.notes
        usual, _ = drill_rows(PROGRAM, drills, error=error)
        assert list(loss.notes) == [*usual.notes, OWN_STATE]
