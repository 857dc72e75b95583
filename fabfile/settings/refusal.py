"""Why a service file is refused."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """A key of a service file that cannot be meant."""

    problem: str
    """The key, what was seen, and what is allowed."""
    why: str


def not_supported(key: str, seen: str, allowed: str, why: str) -> Refusal:
    """A refusal of something that the schema has and this version cannot do."""
    return Refusal(f'{key} = "{seen}" is not supported yet; allowed is {allowed}', why)
