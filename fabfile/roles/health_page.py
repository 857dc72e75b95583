"""The health pages of the program, as the balancer, its Lua scripts and the hosts' scripts ask
them."""

from __future__ import annotations

import re

from ..settings.service import Health, HealthPage


def is_plain(page: HealthPage) -> bool:
    """Whether the path says all of the request."""
    return page.method == "GET" and not page.headers and not page.content


def name_page(page: HealthPage) -> str:
    """The path; with the method if the path does not say all of the request."""
    return page.path if is_plain(page) else f"{page.method} {page.path}"


def checks_body(page: HealthPage) -> bool:
    """Whether the status alone does not tell a right answer."""
    return bool(page.equals or page.body or page.not_contains)


def list_headers(page: HealthPage) -> dict[str, str]:
    """The headers of the request that its protocol does not need."""
    kind = {"Content-Type": "application/json"} if page.content else {}
    return kind | page.headers


def list_well(health: Health) -> list[int]:
    """The statuses of the live page that mean that the process is well."""
    return list(dict.fromkeys([*health.live.status, *health.busy]))


def write_request(page: HealthPage) -> str:
    """The request as it goes over the network. HTTP/1.0, so that the program closes the connection
    at the end of its answer."""
    length = {"Content-Length": str(len(page.content.encode()))} if page.content else {}
    headers = {"Host": "localhost"} | length | list_headers(page)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{page.method} {page.path} HTTP/1.0", *lines, "", page.content])


def match_answer(health: Health) -> str:
    """A regular expression (PCRE) for the whole answer of a process that is well: the live page as
    it must be, or a status at its limit."""
    page = health.live
    right = f"(?:{'|'.join(map(str, page.status))}) "
    if page.body:
        right += rf"[\s\S]*\r\n\r\n[\s\S]*{re.escape(page.body)}"
    if page.equals:
        right += rf"[\s\S]*\r\n\r\n{re.escape(page.equals)}\s*$"
    busy = "".join(f"|{status} " for status in health.busy)
    return rf"^HTTP/1\.[01] (?:{right}{busy})"


ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\r": "\\r", "\n": "\\n"})
"""How characters are written between double quotes in haproxy.cfg."""


def quote_haproxy(text: str) -> str:
    """`text` as a quoted word of haproxy.cfg."""
    return f'"{text.translate(ESCAPES)}"'
