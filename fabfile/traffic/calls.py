"""The requests of a service: one maker for all of its endpoints."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from math import ceil, gcd

from ..settings.endpoint import Endpoint, Expectation
from ..settings.service import Service
from .client import Request
from .values import (
    Range,
    ValueSource,
    fill_expectation,
    fill_text,
    find_missing,
    names_in,
)

LIVE = "live"
"""The id of requests for the live page where no endpoint has its path."""

RequestMaker = Callable[[], Request]


class CallMaker:
    """Makes requests of `program`.

    `ranges`: the numbers that exist, by value; a value that is not in it has those of the service
    file. A new range counts from then on.
    """

    def __init__(self, program: Service, ranges: dict[str, Range], rng: random.Random) -> None:
        self.program, self.ranges, self.rng = program, ranges, rng
        self._source = ValueSource(program.values, ranges, rng)

    def make(self, endpoint: Endpoint, fixed: Mapping[str, str] | None = None) -> Request:
        """A request of an endpoint, with the values `fixed` and all others drawn.

        Raises:
            ValueError: it needs the id of a row that this run created, and `fixed` has none.
        """
        sample, values = endpoint.sample, dict(fixed or {})
        for name in names_in(endpoint, self.program.values):
            if name not in values:
                values[name] = self._source.draw(name)
        path = fill_text(endpoint.path, values, in_url=True)
        query = fill_text(sample.query, values, in_url=True)
        return Request(
            endpoint.id,
            "GET" if endpoint.request_method == "*" else endpoint.request_method,
            f"{path}?{query}" if query else path,
            body=fill_text(sample.body, values).encode() if sample.body else None,
            expect=fill_expectation(endpoint.expect, values),
            headers=tuple((key, fill_text(text, values)) for key, text in sample.headers.items()),
            values=values,
        )

    def live_call(self) -> Request:
        """A request for the live page. The edge passes it on unchanged, so its answer comes from
        the app."""
        page = self.program.health.live
        headers = tuple(page.headers.items())
        for endpoint in self.program.endpoints:
            if (endpoint.path, endpoint.request_method) == (page.path, page.method):
                request = self.make(endpoint)
                return request._replace(headers=(*headers, *request.headers))
        expect = Expectation(
            status=page.status,
            contains=page.body,
            not_contains=page.not_contains,
            equals=page.equals,
        )
        body = page.content.encode() if page.content else None
        return Request(LIVE, page.method, page.path, body, expect, headers)

    def maker_of(self, endpoint: Endpoint) -> RequestMaker:
        """What makes requests of one endpoint, each with other values."""
        return partial(self.make, endpoint)

    def load_endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints of a load that only asks: those with a weight that need no row of ours, and
        are neither the live page, nor costly, nor cached."""
        return tuple(
            endpoint
            for endpoint in self.program.measured
            if endpoint.sample.weight
            and self.program.find_kind(endpoint) not in NOT_IN_A_LOAD
            and not self.needs_own_row(endpoint)
        )

    def needs_own_row(self, endpoint: Endpoint) -> bool:
        """Whether its requests name a row that this run created."""
        rules = self.program.values
        return bool(find_missing(names_in(endpoint, rules), rules))


NOT_IN_A_LOAD = ("health", "cached", "list", "create", "delete")
"""Kinds of endpoints that have a phase of their own in a check."""

LEAST_SHARE = 20
"""In a check's load each endpoint has at least one of so many requests: 360 of the 7200 of a full
run, and 299 without an error prove "at most 1 %"."""


def load_shares(weights: Mapping[str, int]) -> dict[str, int]:
    """How many of each block of requests an endpoint gets: its weight, but never less than one of
    LEAST_SHARE; divided by what all have in common."""
    least = ceil(sum(weights.values()) / LEAST_SHARE)
    shares = {name: max(weight, least) for name, weight in weights.items()}
    common = gcd(*shares.values()) or 1
    return {name: share // common for name, share in shares.items()}
