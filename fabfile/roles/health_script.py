"""Conditions on the answer of a health page, in the language of HAProxy's scripts (Lua)."""

from __future__ import annotations

from collections.abc import Sequence

from ..settings.service import HealthPage
from .health_page import quote_haproxy


def quote_lua(text: str) -> str:
    """`text` as a string of Lua."""
    return quote_haproxy(text).replace("\\$", "$")


def is_among(statuses: Sequence[int], variable: str = "status") -> str:
    """Whether `variable` is one of the statuses."""
    return " or ".join(f"{variable} == {status}" for status in dict.fromkeys(statuses))


def is_right(page: HealthPage, variable: str = "said") -> str:
    """Whether the body in `variable` is that of a right answer."""
    body = f'({variable} or "")'
    conditions = []
    if page.equals:
        conditions.append(f'{body}:gsub("%s+$", "") == {quote_lua(page.equals)}')
    if page.body:
        conditions.append(f"{body}:find({quote_lua(page.body)}, 1, true)")
    if page.not_contains:
        conditions.append(f"not {body}:find({quote_lua(page.not_contains)}, 1, true)")
    return " and ".join(conditions)
