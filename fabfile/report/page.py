"""From the JSON of a report to its page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings.requirements import requirement_place
from .curves import load_curve

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).resolve().parent
SIGNS = {"held": "✓", "failed": "✗", "not proven": "?", "not tried": "–"}
"""A verdict's sign, in the order in which verdicts are counted: nothing is told by colour alone."""

SPARK = (72.0, 18.0)
"""Width and height of a row's small curve; its height is the bound on the latency."""

Json = Mapping[str, Any]


def render_page(data: Json) -> str:
    """The whole page; `data` is what report.json holds."""
    check, drills = data["check"], data["drills"]
    rows = check["rows"] if check else []
    return _page_template().render(
        made=format_moment(data["made"]),
        check=check,
        began=format_moment(check["started"]) if check else "",
        title=f"Acceptance of {check['address']}" if check else "Drills",
        counts=_count_rows(
            [*rows, *({"verdict": drill["verdict"]} for drill in drills if not check)]
        ),
        rows=rows,
        remarks=row_remarks(rows),
        phases=[_phase_picture(phase) for phase in check["phases"]] if check else [],
        drills=[_drill_row(place, drill) for place, drill in enumerate(drills, start=1)],
        signs=SIGNS,
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
        moment=format_moment,
        spark=spark_lines,
    )
    return environment.get_template("page.html")


def _count_rows(rows: Sequence[Json]) -> list[tuple[str, int]]:
    seen = Counter(row["verdict"].lower() for row in rows)
    return [(verdict, seen[verdict]) for verdict in SIGNS if seen[verdict] or verdict == "held"]


def row_remarks(rows: Sequence[Json]) -> list[tuple[str, str]]:
    """What rows with figures note: each text once, with the ids of the rows it is of. (Others
    say it in their line.)"""
    said: dict[str, list[str]] = {}
    for row in rows:
        fresh = row["fresh"]
        likely = (
            [f"{fresh['state']}: {fresh['because']}"] if fresh and fresh["state"] != "fresh" else []
        )
        for text in [*row["notes"], *likely] if row["n"] else []:
            said.setdefault(text, []).append(row["id"])
    return [(", ".join(dict.fromkeys(ids)), text) for text, ids in said.items()]


def _phase_picture(phase: Json) -> dict[str, Any]:
    """A load's picture, and what it shows in words."""
    timeline = phase["timeline"]
    told = (
        f"{phase['name']} load, {phase['rate']:g} requests a second for {phase['seconds']:g} s:"
        f" {_describe_curve(timeline)}"
    )
    return {
        "name": phase["name"],
        "told": told,
        "svg": _curve_svg(f"phase-{phase['name']}", told, timeline, phase["rate"]),
    }


def _drill_row(place: int, drill: Json) -> dict[str, Any]:
    """A drill's row, with its picture; marks are numbered in it as they are listed beside it."""
    marks = sorted(drill["marks"], key=lambda mark: mark["t"])
    told = f"drill {drill['name']}: {_describe_curve(drill['timeline'])}"
    moments = [mark["t"] for mark in marks]
    kinds = [
        f"{endpoint} {kind} ×{count}"
        for endpoint, some in sorted(
            drill["failed"].items(), key=lambda item: requirement_place(item[0])
        )
        for kind, count in some.items()
    ]
    return {
        **drill,
        "verdict": drill["verdict"].lower(),
        "failures": sum(sum(some.values()) for some in drill["failed"].values()),
        "kinds": kinds,
        "marks": marks,
        "told": told,
        "svg": _curve_svg(f"picture-{place}", told, drill["timeline"], drill["rate"], moments),
    }


def _curve_svg(
    name: str, told: str, timeline: Sequence[Json], rate: float, marks: Sequence[float] = ()
) -> str:
    return load_curve(name, told, timeline, rate, marks) if timeline else ""


def _describe_curve(timeline: Sequence[Json]) -> str:
    """A picture in words, for those who do not see it."""
    ok, failed = (sum(second[key] for second in timeline) for key in ("ok", "failed"))
    p90s = [second["p90"] for second in timeline if second["p90"] is not None]
    if not p90s:
        return f"{failed} requests failed, none was answered"
    return (
        f"{format_number(ok)} requests answered, {format_number(failed)} failed; p90 by the second"
        f" from {format_ms(1e3 * min(p90s))} to {format_ms(1e3 * max(p90s))}"
    )


# -- figures as people read them


def format_ms(value: float | None) -> str:
    """Milliseconds; nothing for None."""
    if value is None:
        return ""
    return f"{value:.0f} ms" if value < 999.5 else f"{value / 1000:.1f} s"


def format_seconds(value: float | None) -> str:
    """Seconds; a dash for None."""
    return "–" if value is None else f"{value:.1f} s"


def format_share(value: float | None) -> str:
    """A share of 1 in per cent, rounded up at two digits, for it is a bound; nothing for None."""
    if value is None:
        return ""
    if not value:
        return "0 %"
    digits = max(0, 1 - math.floor(math.log10(100 * value)))
    return f"{math.ceil(round(100 * value * 10**digits, 6)) / 10**digits:g} %"


def format_number(value: int) -> str:
    """With narrow spaces between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def format_moment(told: str | float) -> str:
    """An ISO time, or seconds since 1970, in UTC."""
    at = (
        datetime.fromtimestamp(told, UTC)
        if isinstance(told, int | float)
        else datetime.fromisoformat(told)
    )
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def spark_lines(line: Sequence[float | None], bound: float) -> list[str]:
    """Polylines of a small curve: `line` in ms, as high as `bound` allows; it breaks where there
    was no answer."""
    return [" ".join(points) for points in _unbroken_runs(line, bound) if points]


def _unbroken_runs(line: Sequence[float | None], bound: float) -> Iterator[list[str]]:
    width, height = SPARK
    points: list[str] = []
    for place, value in enumerate(line):
        if value is None:
            yield points
            points = []
        else:
            x = width * (place + 0.5) / len(line)
            points.append(f"{x:.1f},{height * (1 - min(value, bound) / bound):.1f}")
    yield points
