"""`fab runbook`: print the pages of docs/runbook/, one for each problem."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..console.rollup import open_console
from ..engine.errors import OK, RunbookError
from ..settings.paths import app_unit
from ..settings.project import PROJECT
from ..settings.settings import Settings
from ..settings.site_file import load_settings

PAGES = PROJECT / "docs/runbook"


def list_pages() -> dict[str, str]:
    """The title of each page, by name."""
    return {page.stem: _read_title(page) for page in sorted(PAGES.glob("[a-z]*.md"))}


def show_pages() -> int:
    """Print the name and the title of each page."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("page", "what is wrong"):
        table.add_column(heading)
    for name, title in list_pages().items():
        table.add_row(name, title)
    out = open_console()
    out.print(table)
    out.print("\n[dim]One page: fab runbook NAME. Nothing known yet: fab status[/]")
    return OK


def show_page(name: str, settings: Settings | None, hosts: Sequence[str]) -> int:
    """Print one page, with this site's names in its commands.

    Raises:
        RunbookError: there is no page of this name.
    """
    known = list_pages()
    if name not in known:
        similar = difflib.get_close_matches(name, known, 1)
        raise RunbookError(
            f"there is no page called {name}",
            f"the pages are {', '.join(known)}",
            f"fab runbook {similar[0]}" if similar else "fab runbook",
        )
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    print_page(open_console(), fill_page(text, find_names(settings, hosts)))
    return OK


def print_page(out: Console, text: str) -> None:
    """Print a page's headings, paragraphs and commands."""
    for paragraph in re.split(r"\n{2,}(?!    )|\n(?=\n    )", text.strip()):
        if paragraph.startswith("#"):
            out.print(Text(paragraph.lstrip("# "), style="bold"))
        elif paragraph.lstrip("\n").startswith("    "):
            # Neither wrapped nor cut, so that a command can be copied.
            for line in paragraph.strip("\n").splitlines():
                command, mark, comment = line.partition(" # ")
                styled = Text.assemble((command, "cyan"), (mark + comment, "dim"))
                out.print(styled, soft_wrap=True)
        else:
            out.print(Text(" ".join(paragraph.split())))
        out.print()


def find_settings() -> Settings | None:
    """The site's settings; None if they are missing or wrong, because a page must be shown even
    then."""
    try:
        return load_settings()
    except RunbookError:
        return None


def find_names(settings: Settings | None, hosts: Sequence[str]) -> dict[str, str]:
    """The names that replace the words in capitals on a page. Unknown words are left out, and the
    page keeps them."""
    names: dict[str, str] = {}
    if settings:
        names["APP"] = app_unit(settings).removesuffix(".service")
        databases = settings.inventory.having("postgres")
        if databases:
            names["DB"] = databases[0].name
        if settings.edge.address:
            names["ADDRESS"] = settings.edge.address
    if len(hosts) == 1:
        names |= dict.fromkeys(("NODE", "EDGE", "HOST"), hosts[0])
    return names


def fill_page(text: str, names: Mapping[str, str]) -> str:
    """The page with each word of `names` replaced."""
    if not names:
        return text
    words = "|".join(names)
    return re.sub(rf"\b({words})\b", lambda found: names[found[1]], text)


def _read_title(page: Path) -> str:
    first = page.read_text(encoding="utf-8").partition("\n")[0]
    return first.partition(": ")[2]
