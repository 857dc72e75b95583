"""Causes and lost spares, of the service and of its hosts.

An alert bears the name of its page in docs/runbook/. The label `what` tells apart two of one page.
Only what takes users' service or its last spare away calls somebody (`page`); all else informs.
What heals by itself within the healer's minute (R2) calls nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..settings.settings import Settings
from .edges import edge_rules
from .hosts import host_rules, own_rules, unit_rules
from .parts import app_rules, database_rules, lost_rules
from .rule import AlertRule


def cause_rules(settings: Settings, unit_pages: Mapping[str, str]) -> Iterator[AlertRule]:
    """Every rule about what may hurt users, or already does. `unit_pages`: the page of a unit that
    has one of its own."""
    yield from lost_rules(settings)
    yield from app_rules()
    yield from edge_rules(settings)
    if settings.program.database:
        yield from database_rules(settings)
    yield from unit_rules(unit_pages)
    yield from host_rules(settings)
    yield from own_rules()
