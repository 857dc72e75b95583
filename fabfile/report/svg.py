"""Turn a matplotlib figure into an <svg> element that fits into an HTML page."""

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
"""Placeholder colours. `inline_svg` replaces each with the CSS variable of the same name, because
the page has other colours in dark mode and in print."""


def inline_svg(figure: Figure, *, name: str, description: str) -> str:
    """The figure as an <svg> element.

    Args:
        figure: drawn with the colours of INK and no others.
        name: a word that is unique on the page; all ids begin with it.
        description: what the picture shows, for readers who cannot see it.
    """
    svg = _strip_document(_render_svg(figure, name))
    svg = _prefix_ids(svg, name)
    for colour, placeholder in INK.items():
        svg = svg.replace(placeholder, f"var(--{colour})")
    label = escape(description, quote=True)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()


def _render_svg(figure: Figure, name: str) -> str:
    """matplotlib's SVG document."""
    import matplotlib

    document = StringIO()
    # "none" keeps text as text, so that the page's own font applies. The salt makes the ids depend
    # on the content alone: the same report gives the same page.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        metadata = {"Date": None, "Creator": None}
        figure.savefig(document, format="svg", transparent=True, metadata=metadata)
    return document.getvalue()


def _strip_document(document: str) -> str:
    """The <svg> element without what only a document of its own needs."""
    svg = document[document.index("<svg") :]
    # The style sheet must go: inside a page it would apply to the whole page.
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r"\s+", " ", svg)
    end = svg.index(">")
    # Without width and height the picture takes the width of its column.
    root = re.sub(r'\s(?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", svg[:end])
    svg = root + svg[end:]
    return re.sub(r"font-family: [^;\"]*;?", "", svg)


def _prefix_ids(svg: str, name: str) -> str:
    """Make ids and the references to them unique on the page."""
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    return re.sub(r'href="#', f'href="#{name}-', svg)
