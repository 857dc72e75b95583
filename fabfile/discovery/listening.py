"""A program that listens on the loopback interface only: no edge would reach it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .help_options import Option
from .model import GivenValue, Variable

_WIDE = "0.0.0.0"
_ADDRESS = {"host", "hostname", "address", "addr", "bind", "listen", "interface", "ip"}
_OTHER = {
    *("grpc", "metrics", "profile", "profiler", "debug", "admin", "smtp", "https", "tls", "unix"),
    *("database", "db", "postgres", "redis", "proxy", "external", "public", "base", "url", "mode"),
    *("allowed", "remote", "upstream", "socket", "pid", "email", "mail"),
}
_LOCAL = re.compile(r"127\.0\.0\.1|localhost|\[?::1\]?")

CHOICE_LIMIT = 4
"""The most ways that are tried."""


@dataclass(frozen=True)
class AddressChoice:
    """A way to make a program listen on all addresses: arguments, or an environment variable."""

    args: tuple[str, ...] = ()
    variable: str = ""
    given: GivenValue | None = None

    def __str__(self) -> str:
        return f"{self.variable}={self.given.value}" if self.given else " ".join(self.args)


def address_choices(
    options: Iterable[Option], variables: Iterable[Variable], port: int
) -> tuple[AddressChoice, ...]:
    """Return the ways to try, the most likely first: what has a loopback address as its default,
    then what is called like an address; an option before a variable."""
    ranked: list[tuple[int, AddressChoice]] = []
    for option in options:
        if option.argument and f"127.0.0.1:{port}" in option.description and not option.default:
            ranked.append((0, AddressChoice(args=(option.name, f"{_WIDE}:{port}"))))
        elif option.argument and _names_address(option.words):
            for value in _wide_values(option.default, option.words, port):
                choice = AddressChoice(args=(option.name, value))
                ranked.append((0 if _LOCAL.search(option.default) else 2, choice))
    for variable in variables:
        words = frozenset(variable.name.lower().split("_"))
        if _names_address(words):
            for value in _wide_values(variable.value, words, port):
                given = GivenValue(value, _write_listen_text(value, port))
                choice = AddressChoice(variable=variable.name, given=given)
                ranked.append((1 if _LOCAL.search(variable.value) else 3, choice))
    ranked.sort(key=lambda entry: entry[0])
    return tuple(choice for _, choice in ranked)[:CHOICE_LIMIT]


def name_address_ways(options: Iterable[Option], variables: Iterable[Variable]) -> tuple[str, ...]:
    """Return the options and variables whose names say that they set the address or port."""
    named = [(o.name, o.words) for o in options if o.argument]
    named += [(v.name, frozenset(v.name.lower().split("_"))) for v in variables]
    ways = [name for name, words in named if words & (_ADDRESS | {"port"}) and not words & _OTHER]
    return tuple(dict.fromkeys(ways))[:CHOICE_LIMIT]


def _names_address(words: frozenset[str]) -> bool:
    return bool(words & _ADDRESS) and not words & _OTHER


def _wide_values(default: str, words: frozenset[str], port: int) -> tuple[str, ...]:
    """Return the values to try, with or without a port as its default has it."""
    if _LOCAL.fullmatch(default) or words & {"host", "hostname", "ip", "interface"}:
        return (_WIDE,)
    if re.search(r":\d+$", default):
        return (f"{_WIDE}:{port}",)
    return (f"{_WIDE}:{port}", _WIDE)


def _write_listen_text(value: str, port: int) -> str:
    """Return the text for a service file: it takes the port from `[listen]`."""
    return value.replace(f":{port}", ":{{ listen.port }}")
