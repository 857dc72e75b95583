"""Draw a load as curves: latency and request rate for each second, with numbered marks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from .formats import format_ms
from .svg import INK, inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (4.8, 3.1)
"""Width and height in inches. Text of 9 points stays readable on a phone, where the picture is
as wide as the screen."""

STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "text.color": INK["text"],
    "axes.edgecolor": INK["grid"],
    "axes.labelcolor": INK["faint"],
    "axes.titlecolor": INK["text"],
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK["grid"],
    "grid.linewidth": 0.5,
    "xtick.color": INK["grid"],
    "ytick.color": INK["grid"],
    "xtick.labelcolor": INK["faint"],
    "ytick.labelcolor": INK["faint"],
    "hatch.color": INK["bad"],
    "hatch.linewidth": 1.2,
}


def load_curve(
    timeline: Sequence[Mapping[str, Any]],
    *,
    name: str,
    description: str,
    rate: float,
    bound: float,
    marks: Sequence[float] = (),
) -> str:
    """A load as an <svg> element: latency with its bound above, answered and failed requests below.

    Args:
        timeline: one entry for each second, as in the JSON: t, ok and failed, and p50 and p90 in
            seconds, or None if no request of that second was answered.
        name: a word that is unique on the page; it becomes part of the ids.
        description: what the picture shows, in words.
        rate: the offered requests per second.
        bound: the latency bound in seconds.
        marks: moments in seconds. The picture numbers them from 1, in this order.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout=ConstrainedLayoutEngine(h_pad=0.03, w_pad=0.03))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.25, 1))
        _draw_latency(upper, timeline, bound * 1000, marked=bool(marks))
        _draw_rate(lower, timeline, rate)
        end = max(timeline[-1]["t"] + 1, 1)
        # A mark may come after the last answer; 1 % more keeps its line inside the panel.
        lower.set_xlim(0, max(end, *marks) * 1.01 if marks else end)
        _draw_marks(upper, lower, marks)
        return inline_svg(figure, name=name, description=description)


def _draw_latency(
    axes: Axes, timeline: Sequence[Mapping[str, Any]], bound: float, *, marked: bool
) -> None:
    """Draw median, p90 and the bound (milliseconds), with a gap for each second without a right
    answer."""
    times = [second["t"] + 0.5 for second in timeline]
    p50 = [_to_ms(second["p50"]) for second in timeline]
    p90 = [_to_ms(second["p90"]) for second in timeline]
    axes.plot(times, p90, color=INK["time"], linewidth=1.8, marker="o", markersize=1.8)
    axes.plot(times, p50, color=INK["time"], linewidth=0.9, alpha=0.75)
    highest = max((value for value in p90 if not math.isnan(value)), default=0.0)
    axes.set_ylim(0, max(1.15 * highest, 1.2 * bound))
    axes.axhline(bound, color=INK["faint"], linewidth=0.9, linestyle=(0, (4, 3)))
    axes.locator_params(axis="y", nbins=4)
    title = f"latency in ms: p90 thick, median thin, {format_ms(bound)} dashed"
    axes.set_title(title, pad=19 if marked else 4)  # the numbers of the marks need the space


def _to_ms(seconds: float | None) -> float:
    return math.nan if seconds is None else seconds * 1000  # matplotlib draws NaN as a gap


def _draw_rate(axes: Axes, timeline: Sequence[Mapping[str, Any]], rate: float) -> None:
    """Draw answered requests as an area, and failed ones hatched on top of it."""
    edges = [*(second["t"] for second in timeline), timeline[-1]["t"] + 1]
    answered = [second["ok"] for second in timeline]
    failed = [second["failed"] for second in timeline]
    total = [below + above for below, above in zip(answered, failed, strict=True)]
    axes.stairs(answered, edges, fill=True, color=INK["good"], linewidth=0)
    # One shape for each stretch of seconds with failures: a single shape would draw its outline
    # along the seconds without any.
    for has_failures, group in groupby(range(len(failed)), key=lambda index: failed[index] > 0):
        if not has_failures:
            continue
        indexes = list(group)
        first, after = indexes[0], indexes[-1] + 1
        axes.stairs(
            total[first:after],
            edges[first : after + 1],
            baseline=answered[first:after],
            fill=True,
            facecolor="none",
            edgecolor=INK["bad"],
            hatch="/////",
            linewidth=0.9,
        )
    axes.set_ylim(0, max(1.12 * max(total, default=0), 1.12 * rate, 1))
    axes.locator_params(axis="y", nbins=4)
    axes.set_title("requests due each second: answered solid, failed hatched")
    axes.set_xlabel("seconds", labelpad=1)


def _draw_marks(upper: Axes, lower: Axes, marks: Sequence[float]) -> None:
    """Draw a numbered line through both panels for each mark; numbers never overlap."""
    right = lower.get_xlim()[1]
    label_x = -math.inf
    for number, moment in sorted(enumerate(marks, start=1), key=lambda pair: pair[1]):
        for axes in (upper, lower):
            axes.axvline(moment, color=INK["text"], linewidth=0.9, linestyle=(0, (1.5, 1.5)))
        label_x = max(moment, label_x + 0.05 * right)  # a label is about 4 % of the width
        upper.annotate(
            str(number),
            (moment, 1.0),
            (label_x, 1.055),
            xycoords=("data", "axes fraction"),
            textcoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
            color=INK["text"],
            bbox={
                "boxstyle": "circle,pad=0.18",
                "fill": False,
                "edgecolor": INK["text"],
                "linewidth": 0.8,
            },
            annotation_clip=False,
        )
