"""The pages of a program in its service file: health, and the first endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .model import Page
from .pages import answers_everything, pick_database_page, pick_live_page, served_pages, short_body

_TITLE = re.compile(r"<title>([^<>\"\\]{1,60})", re.IGNORECASE)


def describe_pages(pages: Sequence[Page]) -> dict[str, Any]:
    """Return what the answers of the program say about its health and its first endpoint."""
    everything = answers_everything(pages)
    home = next((page for page in pages if page.path == "/"), None)
    live = home if everything else pick_live_page(pages)
    database = pick_database_page(pages)
    first = home if home and home.status in (200, 301, 302, 303, 307, 308) else live
    return {
        "everything": everything,
        "live": _describe_page(live, everything) if live else "",
        "database_page": _describe_page(database, everything, needs_database=True)
        if database and database != live
        else "",
        "pages": [_summarise_page(page) for page in served_pages(pages)],
        "endpoint": {
            "name": "home" if first in (home, None) else "live",
            "path": first.path if first else "/",
            "status": first.status if first else 200,
        },
    }


def _describe_page(page: Page, everything: bool, *, needs_database: bool = False) -> str:
    """Return the page as an inline table of `[health]`."""
    parts = [f"path = {json.dumps(page.path)}", f"status = [{page.status}]"]
    if text := _find_constant_text(page, everything):
        parts.append(f"body = {json.dumps(text, ensure_ascii=False)}")
    if needs_database:
        parts.append("unavailable = [500, 503]")
    return f"{{ {', '.join(parts)} }}"


def _find_constant_text(page: Page, everything: bool) -> str:
    """Return a text of the page that the next release will have, too; "" if none is certain."""
    body = short_body(page)
    if body and not re.search(r"\d", body):  # a version, a number of seconds
        return body
    title = _TITLE.search(page.body) if everything else None
    return title[1] if title else ""


def _summarise_page(page: Page) -> str:
    body = short_body(page)
    return f"{page.path}  {page.status} in {page.seconds:.2f} s" + (f"  {body}" if body else "")
