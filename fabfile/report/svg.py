"""matplotlib's SVG made fit to stand inside a page: themed by it, named apart from its other
pictures, without metadata."""

from __future__ import annotations

import re
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = {
    "text": "#000001",
    "faint": "#000002",
    "grid": "#000003",
    "good": "#000004",
    "time": "#000005",
    "bad": "#000006",
}
"""Stand-ins that curves are drawn with, by the page's own colour; it has others in the dark and
on paper."""


def inline_svg(figure: Figure, name: str, told: str) -> str:
    """The figure as an <svg> element.

    Args:
        figure: drawn with the colours of INK and no others.
        name: a word that no other picture of the page has; its ids begin with it.
        told: what it shows, for those who do not see it.
    """
    import matplotlib

    out = StringIO()
    # Text stays text, in the page's own typeface; ids depend on the content alone.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = out.getvalue()
    text = text[text.index("<svg") :]
    # Its style sheet would rule the whole page.
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r"\s+", " ", text)
    text = (
        re.sub(r'\s(?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", text[: text.index(">")])
        + text[text.index(">") :]
    )
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    for colour, stand_in in INK.items():
        text = text.replace(stand_in, f"var(--{colour})")
    return text.replace(
        "<svg", f'<svg role="img" aria-label="{escape(told, quote=True)}"', 1
    ).strip()
