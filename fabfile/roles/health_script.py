"""Conditions on an answer, in the languages of HAProxy's scripts (Lua) and of the hosts' scripts
(bash)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


BASH = str.maketrans({"\\": "\\\\", "'": "\\'", "\r": "\\r", "\n": "\\n"})
"""How characters are written between $' and ' in bash."""


def quote_bash(text: str) -> str:
    """`text` as a word of bash."""
    return f"$'{text.translate(BASH)}'"


def match_in_bash(
    equals: str, contains: str, not_contains: str, quote: Callable[[str], str] = quote_bash
) -> str:
    """Whether the text in `$body` is that of a right answer; empty if any is.

    Args:
        equals: the whole text, but for the end of its last line; empty: any. So are the next two.
        contains: a text in it.
        not_contains: a text that is not in it.
        quote: makes a word of bash of each.
    """
    conditions = []
    if equals:
        conditions.append(f"[[ ${{body%$'\\n'}} == {quote(equals)} ]]")
    if contains:
        conditions.append(f"[[ $body == *{quote(contains)}* ]]")
    if not_contains:
        conditions.append(f"[[ $body != *{quote(not_contains)}* ]]")
    return " && ".join(conditions)
