"""What people and machines get to see of an outcome."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from other_sites import NOTICES
from rich.console import Console
from samples import PROGRAM, requirement_of

from fabfile.acceptance.export import as_json, refuse_bad_path
from fabfile.acceptance.freshness import Fresh, Freshness
from fabfile.acceptance.outcome import CheckOutcome, with_drills
from fabfile.acceptance.plan import QUICK
from fabfile.acceptance.progress import LiveView
from fabfile.acceptance.row import Figures, Row, Verdict, not_tried
from fabfile.acceptance.table import show_outcome_table, sparkline
from fabfile.console.json_file import write_json
from fabfile.engine.errors import RunbookError
from fabfile.settings.requirements import BOUNDED_LOG, FAST_START
from fabfile.traffic.sample import Sample
from fabfile.traffic.values import Range

SESSION, MOVIE_LIST = requirement_of("R8"), requirement_of("R9")
SAMPLES = [
    Sample("R8", i / 24, i / 24, i / 24, i / 24 + 0.5, 200, "" if i else "status [503]")
    for i in range(240)
]
FIGURES = Figures.of(SAMPLES, 10, bound=0.4)
SLOW = Row(
    SESSION,
    Verdict.FAILED,
    "p90 is 500 ms",
    "inv db.indexes",
    figures=FIGURES,
    share=0.01,
    p90_bound=0.4,
)
LIKELY = Freshness(Fresh.LIKELY, "its Date moves on")
LIST = Row(
    MOVIE_LIST,
    Verdict.HELD,
    figures=Figures.of(SAMPLES[1:7]),
    fresh=LIKELY,
)
AWAY = [
    not_tried(FAST_START, "needs the hosts"),
    not_tried(BOUNDED_LOG, "needs the hosts"),
]


def outcome(rows: Sequence[Row]) -> CheckOutcome:
    ranges = {
        "R6": Range(29_019),
        "R8": Range(5000, why="5000 rows, usual are 5000000"),
    }
    return CheckOutcome(
        address="http://10.0.0.1",
        program=PROGRAM,
        plan=QUICK,
        started=0,
        seconds=22.2,
        rows=rows,
        ranges=ranges,
        requests=1864,
        lag_p99=0.0042,
        cpu_share=0.18,
        doubtful=False,
        rows_left=[7, 9],
        rows_perhaps_left=1,
    )


def shown(rows: Sequence[Row], width: int = 132) -> str:
    screen = io.StringIO()
    show_outcome_table(outcome(rows), Console(file=screen, width=width))
    return screen.getvalue()


def test_a_failure_says_what_was_seen_and_what_to_do() -> None:
    text = shown([SLOW])
    assert "✗ R8 GET /api/session/{id}: p90 is 500 ms" in text
    assert "worst 10 s: from second 0, 1 errors of 240, p90 500 ms" in text
    assert "next: inv db.indexes" in text
    assert "proven with" not in text


def test_remarks_are_said_once_for_all_rows_they_are_of() -> None:
    text = shown([LIST, *AWAY])
    assert "· R20, R22 not tried: needs the hosts" in text
    assert "· R9 likely fresh: its Date moves on" in text
    assert (
        "! 2 rows created by this check still exist: 7, 9; 1 more may exist, their ids are"
        " not known" in text
    )
    assert "· not the usual number of rows: R8 has 5 000" in text
    assert (
        "1 held, 2 not tried · 1 864 requests in 22 s"
        " · load generator lag 4.2 ms (p99), 18 % of a core"
    ) in text


def test_state_of_a_single_node_is_said_to_people_and_machines() -> None:
    found = with_drills(replace(outcome([]), program=NOTICES), [], why_none="not asked for")
    screen = io.StringIO()
    show_outcome_table(found, Console(file=screen, width=500))
    note = 'R1 not judged: each node keeps what users give it (nodes.state = "own"). The other node'
    assert note in screen.getvalue()
    (told,) = [row["notes"] for row in as_json(found)["rows"] if row["notes"]]
    assert "does not have it, and a user's next request may meet the other node" in told[0]


@pytest.mark.parametrize("width", [80, 100, 120, 140])
def test_every_width_shows_every_verdict_in_whole_words(width: int) -> None:
    text = shown([SLOW, LIST, *AWAY], width)
    table = text[: text.index("✗")]
    assert max(map(len, text.splitlines())) <= width
    for word in ("R8", "GET /api/session/{id}", "FAILED", "held", "not tried"):
        assert word in table
    assert ("p90 trend" in table) == (width >= 120)


def test_a_time_line_is_full_at_the_bound() -> None:
    assert (
        sparkline([0.0, 0.2, 0.39, 0.4, math.inf, None], 0.4)
        == "[green]▁[/][green]▅[/][green]█[/][red]█[/][red]█[/] "
    )


def test_json_has_every_requirement_and_no_infinity() -> None:
    broken = replace(SLOW, figures=Figures.of([s._replace(error="timed out") for s in SAMPLES], 10))
    told = json.loads(json.dumps(as_json(outcome([broken, LIST, *AWAY])), allow_nan=False))
    assert [row["id"] for row in told["rows"]] == ["R8", "R9", "R20", "R22"]
    assert [row["held"] for row in told["rows"]][:2] == [False, True]
    assert told["ok"] is False
    first = told["rows"][0]
    assert (first["n"], first["errors"], first["error_kinds"]) == (240, 240, {"timed out": 240})
    assert first["p90_ms"] is None
    assert first["p90_bound_ms"] == 400
    assert told["rows"][1]["fresh"] == {"state": "likely fresh", "because": "its Date moves on"}
    assert told["rows"][3]["verdict"] == "not tried"


def test_json_goes_to_a_file_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(as_json(outcome([LIST])), str(path))
    assert json.loads(path.read_text())["rows"][0]["id"] == "R9"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "x.json"):
        with pytest.raises(RunbookError, match="cannot be written"):
            refuse_bad_path(str(path))
    refuse_bad_path("-")
    refuse_bad_path(str(tmp_path / "x.json"))


def test_a_console_that_is_no_terminal_gets_a_line_a_phase() -> None:
    screen = io.StringIO()
    with LiveView(Console(file=screen, width=100)) as view:
        view.phase("which ids exist", 0)
        view.phase("ping", 2)
        view.saw(SAMPLES[0])
        view.saw(SAMPLES[1])
    assert screen.getvalue().splitlines() == ["which ids exist", "ping: 2 requests, 1 errors"]


def test_a_terminal_sees_errors_and_p90_while_they_come() -> None:
    screen = io.StringIO()
    with LiveView(Console(file=screen, width=100, force_terminal=True)) as view:
        view.phase("ping", 2)
        view.saw(SAMPLES[1])
    assert "0 errors" in screen.getvalue()
    assert "500 ms" in screen.getvalue()
