"""Show what is done at the moment, in one line that the next text replaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

SPINNER_WIDTH = 2
"""Columns of the spinner and the blank after it."""


@contextmanager
def show_live_line(out: Console, text: str = "") -> Iterator[Callable[[str], None]]:
    """Show `text` beside a spinner; yield the function that replaces it by another text.

    A text is cut at the width of the terminal: a line that wraps flickers at each turn of the
    spinner.
    """
    from rich.text import Text

    def fit(text: str) -> Text:
        line = Text(text)
        line.truncate(out.width - SPINNER_WIDTH, overflow="ellipsis")
        return line

    with out.status(fit(text)) as status:
        yield lambda text: status.update(fit(text))
