"""The file of rules for Prometheus, for one site. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..settings.paths import OURS
from ..settings.settings import Settings
from .burning import SLOW_STEP, burn_rules, rate_rules
from .causes import cause_rules
from .rule import write_group, write_rules

FAST = ("30s", "2m")
"""Windows whose rates are computed at every scrape."""


def render_rules(settings: Settings, unit_pages: Mapping[str, str]) -> str:
    """Recorded rates, then symptoms, then causes. `unit_pages`: see `cause_rules`."""
    rates = list(rate_rules(settings.program))
    burns = list(burn_rules(settings.program))
    fast = [rule for rule in rates if rule.name.endswith(FAST)]
    quick = [rule for rule in burns if rule.labels["window"] in FAST]
    return write_rules(
        [
            write_group("users now", [*fast, *quick]),
            write_group(
                "users over time",
                [
                    *(rule for rule in rates if rule not in fast),
                    *(rule for rule in burns if rule not in quick),
                ],
                f"{SLOW_STEP}s",
            ),
            write_group("causes", cause_rules(settings, unit_pages)),
        ],
        f"{OURS}: objectives of {settings.program.name}, and what may break them.",
    )
