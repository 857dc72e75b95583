"""Usual pages of programs, and what their answers say: pure."""

from __future__ import annotations

from collections.abc import Sequence

from .model import Page

NOWHERE = "/no-such-page-of-the-runbook"
"""A path that no program has."""

USUAL = (
    *("/livez", "/liveness", "/live", "/ping", "/healthz", "/health", "/api/health", "/v1/health"),
    *("/version", "/status", "/healthcheck", "/readyz", "/readiness", "/ready", "/metrics"),
    *("/robots.txt", "/"),
)
"""The pages to ask for. Those that need no database, by their names, come first."""

_NEEDS_DATABASE = ("/healthcheck", "/readyz", "/readiness", "/ready")


def answers_everything(pages: Sequence[Page]) -> bool:
    """Whether a path that does not exist answers 200 too: then a status says nothing."""
    return any(page.path == NOWHERE and page.status == 200 for page in pages)


def served_pages(pages: Sequence[Page]) -> tuple[Page, ...]:
    """Return the pages with status 200 and another answer than a path that does not exist."""
    nowhere = next((page for page in pages if page.path == NOWHERE), Page(NOWHERE, 404, 0, ""))
    return tuple(
        page
        for page in pages
        if page.status == 200 and (page.status, page.body) != (nowhere.status, nowhere.body)
    )


def pick_live_page(pages: Sequence[Page]) -> Page | None:
    """Return the page that most likely says that the process is healthy."""
    return next((page for page in served_pages(pages)), None)


def pick_database_page(pages: Sequence[Page]) -> Page | None:
    """Return the page that most likely needs the database."""
    return next((page for page in served_pages(pages) if page.path in _NEEDS_DATABASE), None)


def short_body(page: Page) -> str:
    """Return the body if it is a short line of text that can be compared as a whole; else ""."""
    body = page.body.strip()
    return body if body.isprintable() and 0 < len(body) <= 40 else ""
