"""What `{NAME}` in a request stands for: numbers, and texts that no other request has."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from ..settings.endpoint import PLACEHOLDER, Endpoint, Expectation, ValueRule

UUID, TIME = "{uuid}", "{time}"

LATEST = datetime(2023, 11, 21, 15, 37, tzinfo=UTC)
"""The moments of `{time}` lie in the ten years before it."""
YEARS = 10 * 365 * 86400


@dataclass(frozen=True)
class Range:
    """The numbers `first`..`top` of a value.

    `known` is false when a request got no answer or the first rows do not exist; `top` is then the
    usual number, and `why` gives the reason.
    """

    top: int
    first: int = 1
    known: bool = True
    why: str = ""


def rule_range(rule: ValueRule) -> Range:
    """The numbers that the service file names."""
    return Range(rule.last, rule.first)


def is_unique(rule: ValueRule) -> bool:
    """Whether no two requests get the same text."""
    return UUID in rule.text or TIME in rule.text


@dataclass
class ValueSource:
    """Draws values: `rules` and `ranges` by name."""

    rules: Mapping[str, ValueRule]
    ranges: Mapping[str, Range]
    rng: random.Random
    _next: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._next = LATEST - timedelta(seconds=self.rng.randrange(YEARS // 2, YEARS))

    def draw(self, name: str) -> str:
        """A value: any number of its range, any of its texts, or a unique text.

        Raises:
            ValueError: it stands for ids that our own requests created.
        """
        rule = self.rules[name]
        if rule.created_by:
            raise ValueError(f"{{{name}}} is an id of a row that this run created")
        if rule.one_of:
            return self.rng.choice(rule.one_of)
        if rule.text:
            return self._fill_unique(rule.text)
        known = self.ranges.get(name) or rule_range(rule)
        return str(self.rng.randint(known.first, known.top))

    def _fill_unique(self, text: str) -> str:
        if TIME in text:
            text = text.replace(TIME, f"{self._next:%Y-%m-%dT%H:%M:%SZ}")
            self._next += timedelta(seconds=1)
        return text.replace(UUID, uuid.UUID(int=self.rng.getrandbits(128), version=4).hex)


def names_in(endpoint: Endpoint, rules: Mapping[str, ValueRule]) -> tuple[str, ...]:
    """The values that a request of the endpoint needs, each once. Other braces are no values."""
    sample = endpoint.sample
    texts = (endpoint.path, sample.query, sample.body, *sample.headers.values())
    found = (match[1:-1] for text in texts for match in PLACEHOLDER.findall(text))
    return tuple(dict.fromkeys(name for name in found if name in rules))


def fill_text(text: str, values: Mapping[str, str], *, in_url: bool = False) -> str:
    """`text` with the values filled in; other braces stay as they are."""

    def pick(name: str) -> str:
        return quote(values[name], safe="") if in_url else values[name]

    return PLACEHOLDER.sub(
        lambda match: pick(match[0][1:-1]) if match[0][1:-1] in values else match[0], text
    )


def fill_expectation(expect: Expectation, values: Mapping[str, str]) -> Expectation:
    """What the right answer to one request looks like."""
    if not values:
        return expect
    return Expectation(
        status=expect.status,
        contains=fill_text(expect.contains, values),
        not_contains=fill_text(expect.not_contains, values),
        equals=fill_text(expect.equals, values),
        absent=expect.absent,
        repeated=expect.repeated,
    )


def find_missing(names: Iterable[str], rules: Mapping[str, ValueRule]) -> tuple[str, ...]:
    """The names among `names` that stand for rows that our own requests must create first."""
    return tuple(name for name in names if rules[name].created_by)
