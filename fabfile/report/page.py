"""Render the report page from the data in report.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings.load import PromisedLoad
from .curves import load_curve
from .formats import (
    SPARK_HEIGHT,
    SPARK_WIDTH,
    format_ms,
    format_number,
    format_seconds,
    format_share,
    format_time,
    spark_lines,
)

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).resolve().parent

VERDICT_SIGNS = {"held": "✓", "failed": "✗", "not proven": "?", "not tried": "–"}
"""A sign for each verdict, so that colour is never the only hint. The page counts verdicts in
this order."""

NOTED_LAG_S = 0.02
"""The page mentions a load generator that was later than this (p99, seconds): such a lag is a
visible part of the latencies."""

Json = Mapping[str, Any]


def render_page(data: Json, load: PromisedLoad) -> str:
    """The whole page as HTML; `data` is the content of report.json, `load` what the service
    promises."""
    check, drills = data["check"], data["drills"]
    rows = check["rows"] if check else []
    phases = check["phases"] if check else []
    return _page_template().render(
        made=format_time(data["made"]),
        check=check,
        began=format_time(check["started"]) if check else "",
        title=f"Acceptance of {check['address']}" if check else "Drills",
        counts=_count_verdicts(rows if check else drills),
        rows=rows,
        remarks=collect_remarks(rows),
        phases=[_phase_picture(phase, load) for phase in phases],
        drills=[_drill_view(number, drill, load) for number, drill in enumerate(drills, start=1)],
        signs=VERDICT_SIGNS,
        bound_ms=load.p90_ms,
        error_budget=load.error_share,
        noted_lag_s=NOTED_LAG_S,
        spark_width=SPARK_WIDTH,
        spark_height=SPARK_HEIGHT,
        css=(HERE / "page.css").read_text(encoding="utf-8"),
    )


@cache
def _page_template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ms=format_ms,
        s=format_seconds,
        share=format_share,
        number=format_number,
        spark=spark_lines,
    )
    return environment.get_template("page.html")


def _count_verdicts(results: Sequence[Json]) -> list[tuple[str, int]]:
    """How many rows or drills have each verdict; "held" is always counted, even if 0."""
    counts = Counter(result["verdict"].lower() for result in results)
    return [
        (verdict, counts[verdict])
        for verdict in VERDICT_SIGNS
        if counts[verdict] or verdict == "held"
    ]


def collect_remarks(rows: Sequence[Json]) -> list[tuple[str, str]]:
    """The notes of rows with figures as (row ids, text), each text once.

    Rows without figures are left out: the page shows their notes in the row.
    """
    ids_by_text: dict[str, list[str]] = {}
    for row in rows:
        if not row["n"]:
            continue
        texts = list(row["notes"])
        fresh = row["fresh"]
        if fresh and fresh["state"] != "fresh":
            texts.append(f"{fresh['state']}: {fresh['because']}")
        for text in texts:
            ids_by_text.setdefault(text, []).append(row["id"])
    return [(", ".join(dict.fromkeys(ids)), text) for text, ids in ids_by_text.items()]


def _phase_picture(phase: Json, load: PromisedLoad) -> dict[str, Any]:
    """A load phase's curve and its description."""
    description = (
        f"{phase['name']} load, {phase['rate']:g} requests per second for {phase['seconds']:g} s:"
        f" {_describe_timeline(phase['timeline'])}"
    )
    return {
        "name": phase["name"],
        "description": description,
        "svg": _curve_svg(f"phase-{phase['name']}", description, phase, load),
    }


def _drill_view(number: int, drill: Json, load: PromisedLoad) -> dict[str, Any]:
    """A drill as the page shows it, with its curve.

    Marks are sorted by time, because the curve numbers them in the order of the list beside it.
    """
    marks = sorted(drill["marks"], key=lambda mark: mark["t"])
    description = f"drill {drill['name']}: {_describe_timeline(drill['timeline'])}"
    svg = _curve_svg(f"picture-{number}", description, drill, load, [mark["t"] for mark in marks])
    return {
        **drill,
        "verdict": drill["verdict"].lower(),
        "failures": sum(sum(kinds.values()) for kinds in drill["failed"].values()),
        "kinds": _failure_kinds(drill["failed"]),
        "marks": marks,
        "description": description,
        "svg": svg,
    }


def _failure_kinds(failed: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Failures by endpoint and kind, in the order of the result."""
    counts = ((id, *item) for id, kinds in failed.items() for item in kinds.items())
    return [f"{id} {kind} ×{count}" for id, kind, count in counts]


def _curve_svg(
    name: str, description: str, run: Json, load: PromisedLoad, marks: Sequence[float] = ()
) -> str:
    """The curve of a phase or drill; empty if its load never started."""
    if not run["timeline"]:
        return ""
    return load_curve(
        run["timeline"],
        name=name,
        description=description,
        rate=run["rate"],
        bound=load.latency_bound,
        marks=marks,
    )


def _describe_timeline(timeline: Sequence[Json]) -> str:
    """A curve in words, for readers who cannot see it."""
    answered = sum(second["ok"] for second in timeline)
    failed = sum(second["failed"] for second in timeline)
    p90s = [second["p90"] for second in timeline if second["p90"] is not None]
    if not p90s:
        return f"{failed} requests failed, none was answered"
    return (
        f"{format_number(answered)} requests answered, {format_number(failed)} failed; p90 per"
        f" second from {format_ms(1e3 * min(p90s))} to {format_ms(1e3 * max(p90s))}"
    )
