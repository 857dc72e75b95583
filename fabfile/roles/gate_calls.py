"""What the gate asks of a new release on its node: the health pages, and the endpoints with `gate`.

`app-gate` (configs/app/app-gate) knows a call by its argument. Where plain GETs with a number at
their end are enough, the argument is the path. Else the script has each call by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..settings.endpoint import PLACEHOLDER, Endpoint, ValueRule
from ..settings.paths import SETTINGS
from ..settings.service import HealthPage, Service
from .health_page import checks_body, is_plain, list_headers
from .health_script import match_in_bash, quote_bash

HEADERS = f"{SETTINGS}/gate-headers"
"""On an app node: the headers of every sample request, which may be secret. Only root reads it."""

LIVE, DATABASE = "live", "database"
"""The arguments of the health pages, where a path is not enough."""


@dataclass(frozen=True)
class GateCall:
    """One call of the gate. Its texts are words of bash; `$2` in them is the number of a row."""

    argument: str
    title: str
    right: tuple[int, ...]
    """Statuses of a right answer."""
    absent: tuple[int, ...] = ()
    """Statuses that are right too, whatever the body is: a user may have deleted the row. They show
    that the database was read."""
    method: str = "GET"
    path: str = ""
    content: str = ""
    headers: str = ""
    """Headers that are no secret, each with its line end."""
    signed: bool = False
    """Whether it needs the headers of the file HEADERS, too."""
    condition: str = ""
    """Whether `$body` is right; empty: any."""

    def is_named_by(self, word: str) -> bool:
        """Whether `word` in the output of `app-gate` is this call."""
        return word == self.argument or (
            self.argument.endswith("/") and word.startswith(self.argument)
        )


def list_pages(service: Service) -> list[GateCall]:
    """The health pages, the database's last."""
    named = needs_names(service)
    pages = {LIVE: service.health.live, DATABASE: service.health.database}
    return [_page_call(name, page, named=named) for name, page in pages.items() if page]


def list_reads(service: Service) -> list[GateCall]:
    """Cheap reads. The gate watches them once the data and their indexes exist."""
    named = needs_names(service)
    return [_read_call(service, one, named=named) for one in service.endpoints if one.gate]


def needs_names(service: Service) -> bool:
    """Whether a path does not say all of each call."""
    pages = [page for page in (service.health.live, service.health.database) if page]
    return (
        bool(service.load.headers)
        or not all(is_plain(page) and not checks_body(page) for page in pages)
        or not all(_is_plain_read(service, one) for one in service.endpoints if one.gate)
    )


def _is_plain_read(service: Service, endpoint: Endpoint) -> bool:
    """Whether it is a GET of a path with a number at its end, and its status tells a right answer.
    (That the body is about the asked row is a question of `fab check`.)"""
    rule = service.values.get(endpoint.value, ValueRule())
    return (
        endpoint.request_method == "GET"
        and endpoint.path == f"{endpoint.prefix}{{{endpoint.value}}}"
        and not (rule.text or rule.one_of)
        and not (endpoint.sample.query or endpoint.sample.headers)
        and not (endpoint.expect.equals or endpoint.expect.not_contains)
    )


def _page_call(name: str, page: HealthPage, *, named: bool) -> GateCall:
    return GateCall(
        name if named else page.path,
        f"{page.method} {page.path}",
        page.status,
        method=page.method,
        path=quote_bash(page.path),
        content=quote_bash(page.content),
        headers=_header_lines(list_headers(page)),
        condition=match_in_bash(page.equals, page.body, page.not_contains),
    )


def _read_call(service: Service, endpoint: Endpoint, *, named: bool) -> GateCall:
    sample, expect = endpoint.sample, endpoint.expect
    query = f"?{sample.query}" if sample.query else ""
    kind = {"Content-Type": "application/json"} if sample.body else {}
    return GateCall(
        endpoint.name if named else endpoint.prefix,
        endpoint.title,
        expect.status,
        expect.absent,
        method=endpoint.request_method,
        path=_fill_word(service, f"{endpoint.path}{query}"),
        content=_fill_word(service, sample.body),
        headers=_header_lines(kind | sample.headers),
        signed=bool(service.load.headers),
        condition=match_in_bash(
            expect.equals, expect.contains, expect.not_contains, partial(_fill_word, service)
        ),
    )


def _header_lines(headers: dict[str, str]) -> str:
    return quote_bash("".join(f"{name}: {value}\r\n" for name, value in headers.items()))


def _fill_word(service: Service, text: str) -> str:
    """`text` as a word of bash, with a value for each declared placeholder."""
    word, end = "", 0
    for found in PLACEHOLDER.finditer(text):
        if rule := service.values.get(found.group()[1:-1]):
            word += quote_bash(text[end : found.start()]) + _value_word(rule)
            end = found.end()
    return word + quote_bash(text[end:])


def _value_word(rule: ValueRule) -> str:
    if rule.one_of:
        return quote_bash(rule.one_of[0])
    if rule.text:
        text = rule.text.replace("{uuid}", "gate-").replace("{time}", "2000-01-01T00:00:00Z")
        return quote_bash(text) + '"$2"'
    return f'"$(({rule.first} + $2 - 1))"' if rule.first > 1 else '"$2"'
