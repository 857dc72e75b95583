"""The curves of the page: latency and request rate of a load, second by second, with what
happened marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..settings.requirements import LATENCY_BOUND
from .svg import INK, inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (4.8, 3.1)
"""Inches. Letters of 9 points in it can still be read on a phone, where it is as wide as the
screen."""

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
    name: str,
    told: str,
    timeline: Sequence[Mapping[str, Any]],
    rate: float,
    marks: Sequence[float] = (),
) -> str:
    """A load as an <svg>: above p50 and p90 in time with the bound, below what was answered and
    what failed.

    Args:
        name: a word that no other picture of the page has.
        told: what it shows, in words.
        timeline: seconds as in the JSON: t, ok, failed, and p50 and p90 in seconds or None.
        rate: requests per second that were offered.
        marks: moments in seconds, numbered on the picture from 1.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout=ConstrainedLayoutEngine(h_pad=0.03, w_pad=0.03))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.25, 1))
        _draw_latency(upper, timeline, marked=bool(marks))
        _draw_rate(lower, timeline, rate)
        last = max(timeline[-1]["t"] + 1, 1)
        lower.set_xlim(0, max(last, *marks) * 1.01 if marks else last)
        _draw_marks(upper, lower, marks)
        return inline_svg(figure, name, told)


def _draw_latency(axes: Axes, timeline: Sequence[Mapping[str, Any]], *, marked: bool) -> None:
    """Median and p90; a gap where a second had no right answer."""
    at = [second["t"] + 0.5 for second in timeline]
    p50, p90 = ([_to_ms(second[key]) for second in timeline] for key in ("p50", "p90"))
    bound = LATENCY_BOUND * 1000
    axes.plot(at, p90, color=INK["time"], linewidth=1.8, marker="o", markersize=1.8)
    axes.plot(at, p50, color=INK["time"], linewidth=0.9, alpha=0.75)
    highest = max((value for value in p90 if value == value), default=0.0)
    axes.set_ylim(0, max(1.15 * highest, 1.2 * bound))
    axes.axhline(bound, color=INK["faint"], linewidth=0.9, linestyle=(0, (4, 3)))
    axes.locator_params(axis="y", nbins=4)
    axes.set_title("latency in ms: p90 thick, median thin, 400 ms dashed", pad=19 if marked else 4)


def _to_ms(seconds: float | None) -> float:
    return float("nan") if seconds is None else seconds * 1000


def _draw_rate(axes: Axes, timeline: Sequence[Mapping[str, Any]], rate: float) -> None:
    """Right answers as an area, failures on top of it, hatched, a piece for each stretch of
    them."""
    edges = [*(second["t"] for second in timeline), timeline[-1]["t"] + 1]
    ok, failed = ([second[key] for second in timeline] for key in ("ok", "failed"))
    axes.stairs(ok, edges, fill=True, color=INK["good"], linewidth=0)
    for broken, run in groupby(range(len(failed)), key=lambda place: failed[place] > 0):
        if broken:
            first, *_, last = [*run] * 2
            stretch = slice(first, last + 1)
            top = [
                below + height for below, height in zip(ok[stretch], failed[stretch], strict=True)
            ]
            red: dict[str, Any] = {
                "facecolor": "none",
                "edgecolor": INK["bad"],
                "hatch": "/////",
                "linewidth": 0.9,
            }
            axes.stairs(top, edges[first : last + 2], baseline=ok[stretch], fill=True, **red)
    most = max((a + b for a, b in zip(ok, failed, strict=True)), default=0)
    axes.set_ylim(0, max(1.12 * most, 1.12 * rate, 1))
    axes.locator_params(axis="y", nbins=4)
    axes.set_title("requests due each second: answered solid, failed hatched")
    axes.set_xlabel("seconds", labelpad=1)


def _draw_marks(upper: Axes, lower: Axes, marks: Sequence[float]) -> None:
    """Numbered lines through both panels; numbers that would lie on each other step aside."""
    right = lower.get_xlim()[1]
    taken: list[float] = []
    for number, moment in sorted(enumerate(marks, start=1), key=lambda pair: pair[1]):
        for axes in (upper, lower):
            axes.axvline(moment, color=INK["text"], linewidth=0.9, linestyle=(0, (1.5, 1.5)))
        place = max(moment, taken[-1] + 0.05 * right) if taken else moment
        taken.append(place)
        upper.annotate(
            str(number),
            (moment, 1.0),
            (place, 1.055),
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
