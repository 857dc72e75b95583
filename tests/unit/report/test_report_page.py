"""The page of a report: what it holds, that it needs nothing from elsewhere, and that no text of
it can become markup."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from other_sites import NOTICES
from samples import PROGRAM, requirement_of

from fabfile import report
from fabfile.acceptance.export import as_json
from fabfile.acceptance.outcome import CheckOutcome, with_drills
from fabfile.acceptance.plan import QUICK
from fabfile.acceptance.row import Figures, Row, Verdict, not_tried
from fabfile.drills.result import FAILED, HELD, Bound, DrillResult, Mark
from fabfile.engine.errors import RunbookError
from fabfile.report.curves import load_curve
from fabfile.report.formats import format_ms, format_share, spark_lines
from fabfile.settings.requirements import FAST_START, OBSERVABILITY
from fabfile.traffic.sample import Sample
from fabfile.traffic.timeline import LoadPhase, Second, split_seconds

EVIL = '<script>alert("x")</script>'
SAMPLES = [
    Sample("R8", i / 24, i / 24, i / 24, i / 24 + 0.05, 200, "" if i else "status 503")
    for i in range(240)
]
ROWS = [
    Row(
        requirement_of("R8"),
        Verdict.HELD,
        label="GET /api/session/{id}",
        figures=Figures.of(SAMPLES, 10),
        share=0.01,
        p90_bound=0.4,
    ),
    Row(
        OBSERVABILITY,
        Verdict.FAILED,
        f"{EVIL} is missing",
        "fab plan <now>",
        label=f"figures {EVIL}",
        notes=[EVIL],
    ),
    not_tried(FAST_START, "needs the hosts"),
]
OUTCOME = CheckOutcome(
    address="http://10.0.0.1",
    program=PROGRAM,
    plan=QUICK,
    started=0,
    seconds=22.2,
    rows=ROWS,
    ranges={},
    requests=1864,
    lag_p99=0.0042,
    cpu_share=0.18,
    doubtful=False,
    rows_left=[7],
    rows_perhaps_left=0,
    phases=[LoadPhase("peak", 24, 10, split_seconds(SAMPLES, 10))],
)
DRILL = DrillResult(
    "app-500",
    f"Nobody sees it. {EVIL}",
    ("R1", "R2"),
    requests=600,
    rate=60,
    failed={"R6": {"status 503": 3, EVIL: 1}},
    gap_s=0.26,
    detect_s=1.3,
    recover_s=None,
    budget_share=0.667,
    verdict=FAILED,
    why="not back by itself",
    bounds=(Bound("back", "never", "< 60 s", held=False),),
    timeline=tuple(
        Second(t, 60 - 2 * (t == 4), 2 * (t == 4), 0.01, None if t == 5 else 0.1) for t in range(10)
    ),
    marks=(Mark(4.6, "detected"), Mark(4.0, "fault"), Mark(9.0, EVIL)),
)


class Reader(HTMLParser):
    """What a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.texts = (
            Counter[str](),
            list[tuple[str, str]](),
            list[str](),
        )
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def every(self, name: str) -> list[str]:
        return [value for attribute, value in self.attributes if attribute == name]


def write_page(folder: Path, drills: list[DrillResult]) -> Path:
    told = [drill.as_json() for drill in drills]
    return report.write_report(folder, PROGRAM.load, as_json(OUTCOME), told)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "new" / "one"
    assert write_page(folder, [DRILL, replace(DRILL, verdict=HELD)]) == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Reader:
    return Reader((folder / "index.html").read_text())


def test_the_folder_holds_the_page_and_the_same_for_machines(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "report.json"]
    told = json.loads((folder / "report.json").read_text())
    assert told["check"] == json.loads(json.dumps(as_json(OUTCOME)))
    assert [drill["verdict"] for drill in told["drills"]] == ["FAILED", "held"]
    assert told["check"]["phases"][0]["timeline"][0] == {
        "t": 0,
        "ok": 23,
        "failed": 1,
        "p50": 0.05,
        "p90": 0.05,
        "p99": 0.05,
    }


def test_the_page_needs_nothing_from_elsewhere(page: Reader, folder: Path) -> None:
    for name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action"):
        assert all(value.startswith("#") for value in page.every(name)), name
    text = (folder / "index.html").read_text()
    assert not re.search(r"@import|url\((?!#)", text)
    assert set(re.findall(r"https?://[^\s<\",]*", text)) == {"http://10.0.0.1"}, (
        "the service's own address, as text"
    )
    assert not page.tags.keys() & {"script", "link", "iframe", "img", "object", "base"}
    assert "default-src 'none'" in " ".join(page.every("content"))


@pytest.mark.parametrize("drills", [[], [DRILL]], ids=["without drills", "with drills"])
def test_the_page_says_that_nodes_keep_state_of_their_own(
    drills: list[DrillResult], tmp_path: Path
) -> None:
    outcome = with_drills(replace(OUTCOME, program=NOTICES, rows=[]), drills, why_none="no lab")
    told = [drill.as_json() for drill in drills]
    page = report.write_report(tmp_path / "page", NOTICES.load, as_json(outcome), told)
    text = Reader(page.read_text()).text
    assert text.count("a user's next request may meet the other node") == 1


def test_no_text_becomes_markup(page: Reader) -> None:
    assert page.tags["script"] == 0
    assert page.text.count(EVIL) >= 6


def test_every_id_is_there_once_and_every_reference_leads_to_one(
    page: Reader, folder: Path
) -> None:
    ids = Counter(page.every("id"))
    assert max(ids.values()) == 1
    references = [value[1:] for value in page.every("href")] + page.every("aria-labelledby")
    references += re.findall(r"url\(#([^)]*)\)", (folder / "index.html").read_text())
    assert references
    assert set(references) <= ids.keys()


def test_every_picture_has_a_description(page: Reader) -> None:
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert (
        "peak load, 24 requests per second for 10 s: 239 requests answered, 1 failed; p90 per"
        " second from 50 ms to 50 ms" in labels
    )
    assert any(text.startswith("drill app-500: 598 requests answered, 2 failed") for text in labels)
    assert page.tags["svg"] == page.every("role").count("img") - 2, (
        "all pictures, and a sign at each of two bounds"
    )


def test_the_table_says_what_was_found(page: Reader) -> None:
    assert (
        "R8 GET /api/session/{id} p90 < 0.4 s, ≤ 1 % errors 240 1 2 % 50 ms 50 ms 50 ms"
        " p90 50 ms, 1 of 240 failed ✓ held" in page.text
    )
    assert "R20 fast start ready in < 5 s needs the hosts – not tried" in page.text
    assert f"✗ failed R17 figures {EVIL} : {EVIL} is missing Next: fab plan <now>" in page.text
    assert "1 ✓ held 1 ✗ failed 1 – not tried" in page.text
    assert "Rows created by this check that still exist: 7." in page.text


def test_a_drill_says_what_was_found(page: Reader) -> None:
    assert "app-500 600 4 0.3 s 1.3 s – 67 % ✗ failed" in page.text
    assert "fault at 4.0 s detected at 4.6 s" in page.text, (
        "in the order of time, as they are numbered"
    )
    assert "back: never allowed: < 60 s" in page.text
    assert "Failed: R6 status 503 ×3" in page.text


def test_drills_alone_make_a_page(tmp_path: Path) -> None:
    page = Reader(report.write_report(tmp_path, PROGRAM.load, None, [DRILL.as_json()]).read_text())
    assert "Requirements" not in page.text
    assert "0 ✓ held 1 ✗ failed" in page.text


def test_the_json_of_an_acceptance_does_as_well(tmp_path: Path, folder: Path) -> None:
    told = json.loads((folder / "report.json").read_text())["check"]
    report.write_report(tmp_path, PROGRAM.load, told, ())
    assert json.loads((tmp_path / "report.json").read_text())["check"] == told


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunbookError, match="file cannot be written: file exists"):
        report.refuse_bad_folder(tmp_path / "file")
    with pytest.raises(RunbookError, match="cannot be written"):
        report.write_report(tmp_path / "file" / "below", PROGRAM.load, None, ())


# -- curves


def second(t: int, ok: int = 60, failed: int = 0, p90: float | None = 0.1) -> dict[str, Any]:
    return {"t": t, "ok": ok, "failed": failed, "p50": p90 and p90 / 2, "p90": p90, "p99": p90}


def draw(timeline: list[dict[str, Any]], marks: Sequence[float] = ()) -> str:
    return load_curve(timeline, name="a", description="a load", rate=60, bound=0.4, marks=marks)


def test_failures_are_hatched_and_marks_are_numbered() -> None:
    plain = draw([second(t) for t in range(20)])
    marked = draw([second(t, failed=t == 7) for t in range(20)], [7.2, 7.3, 15.0])
    assert "pattern" not in plain
    assert "<pattern" in marked
    assert [n for n in "1234" if f">{n}</text>" in marked.replace(" ", "")] == ["1", "2", "3"]
    assert not re.search(r"#0000|font-family|<style|<metadata|DOCTYPE", plain + marked), (
        "all is the page's to choose"
    )


def test_numbers_of_marks_do_not_lie_on_each_other() -> None:
    drawn = draw([second(t) for t in range(100)], [50.0, 50.1, 50.2])
    places = [
        float(x)
        for x, n in re.findall(r'<text[^>]*x="([\d.]+)"[^>]*>\s*(\d)\s*</text>', drawn)
        if n in "123"
    ][-3:]
    assert all(later - early > 10 for early, later in pairwise(places)), places


@pytest.mark.parametrize(
    "timeline",
    [[second(0)], [second(0, 0, 60, None)], [second(t, 0, 0, None) for t in range(5)]],
    ids=["short", "failed", "empty"],
)
def test_strange_loads_can_be_drawn(timeline: list[dict[str, Any]]) -> None:
    assert draw(timeline).startswith('<svg role="img" aria-label="a load"')


def test_seconds_without_a_request_are_seconds() -> None:
    samples = [Sample("R6", at, at, at, at + 0.2) for at in (0.1, 0.9, 3.5)] + [
        Sample("R6", 3.6, 3.6, 3.6, 9, 0, "timed out")
    ]
    seen = split_seconds(samples, 5)
    assert [(one.t, one.ok, one.failed) for one in seen] == [
        (0, 2, 0),
        (1, 0, 0),
        (2, 0, 0),
        (3, 1, 1),
        (4, 0, 0),
    ]
    assert [one.p90 for one in seen] == [pytest.approx(0.2), None, None, pytest.approx(0.2), None]


# -- figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 %"),
        (0.0095, "0.95 %"),
        (0.00951, "0.96 %"),
        (0.3334, "34 %"),
        (1.0, "100 %"),
        (0.000021, "0.0021 %"),
        (2.5, "250 %"),
        (None, ""),
    ],
)
def test_a_bound_is_rounded_up(value: float | None, text: str) -> None:
    assert format_share(value) == text


def test_latencies() -> None:
    assert [format_ms(value) for value in (None, 4.4, 999.0, 1600.0)] == [
        "",
        "4 ms",
        "999 ms",
        "1.6 s",
    ]


def test_a_small_curve_breaks_where_there_was_no_answer() -> None:
    assert spark_lines([0.0, 400.0, None, 200.0, math.nextafter(400, 500)], 400) == [
        "7.2,18.0 21.6,0.0",
        "50.4,9.0 64.8,0.0",
    ]
