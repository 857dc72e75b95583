"""What a service file may not say of its calls: values, endpoints, what is kept and repeated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from .endpoint import PLACEHOLDER, Endpoint, ValueRule
from .refusal import Refusal, not_supported
from .service import Service

Rule = Callable[[Service], Iterator[Refusal]]

MADE_UP = {"uuid", "time"}
"""What a text value may hold in braces: made for each request."""


def refuse_streams(service: Service) -> Iterator[Refusal]:
    """Streams, and endpoints that tie a client to a node."""
    for number, endpoint in enumerate(service.endpoints):
        key = f"endpoint[{number}]"
        if endpoint.stream:
            why = (
                "a drain would cut its clients off, and the balancer ends an answer that is silent"
                " for 2 s"
            )
            yield not_supported(
                f"{key}.stream of {endpoint.name}", endpoint.stream, 'none (stream = "")', why
            )
        if endpoint.sticky:
            why = "each request may go to another node than the one before"
            yield not_supported(
                f"{key}.sticky of {endpoint.name}", endpoint.sticky, 'none (sticky = "")', why
            )


def refuse_double_names(service: Service) -> Iterator[Refusal]:
    """Two endpoints with one name or one requirement."""
    for key in ("name", "requirement"):
        seen: dict[str, int] = {}
        for number, endpoint in enumerate(service.endpoints):
            value = getattr(endpoint, key)
            if value and value in seen:
                yield Refusal(
                    f"endpoint[{number}].{key} must differ from that of the others, but"
                    f" endpoint[{seen[value]}] is {value} too",
                    "each has its own backend and its own row in reports",
                )
            seen.setdefault(value, number)


def refuse_unknown_values(service: Service) -> Iterator[Refusal]:
    """`{NAME}` without a `[value]` of that name."""
    known = ", ".join(service.values) or "none"
    for number, endpoint in enumerate(service.endpoints):
        for key, text in _filled_texts(endpoint):
            for name in _names_in(text):
                if name not in service.values:
                    yield Refusal(
                        f"endpoint[{number}].{key} of {endpoint.name} names {{{name}}}, which is no"
                        f" value; known are {known}",
                        "nobody would know what to put in its place",
                    )


def refuse_wrong_values(service: Service) -> Iterator[Refusal]:
    """Values without a source or with two, and names in them that do not exist."""
    names = [endpoint.name for endpoint in service.endpoints]
    for name, rule in service.values.items():
        key = f"value.{name}"
        sources = _list_sources(rule)
        if len(sources) > 1:
            yield Refusal(
                f"{key} must have one source, not {' and '.join(sources)}", "they would contradict"
            )
        if rule.last < rule.first:
            yield Refusal(
                f"{key}.to must be at least {rule.first} (its from), not {rule.last}",
                "there is no number between them",
            )
        if strange := [found for found in _names_in(rule.text) if found not in MADE_UP]:
            yield Refusal(
                f"{key}.text names {{{strange[0]}}}; a text may hold {{uuid}} and {{time}}",
                "nobody would know what to put in its place",
            )
        if rule.created_by and rule.created_by not in names:
            yield Refusal(
                f"{key}.created_by must be the name of an endpoint, not {rule.created_by!r}; known"
                f" are {', '.join(names)}",
                "its answers give the value",
            )
        above = rule.greater_than_max_of
        ranges = [other for other, kind in service.values.items() if "from" in _list_sources(kind)]
        if above and above not in ranges:
            yield Refusal(
                f"{key}.greater_than_max_of must be a value with from and to, not {above!r}",
                "ids up to its highest number belong to users",
            )


def refuse_samples_without_range(service: Service) -> Iterator[Refusal]:
    """Sample requests with a value that has no source."""
    for number, endpoint in enumerate(service.endpoints):
        if not endpoint.sample.weight:
            continue
        texts = [text for key, text in _filled_texts(endpoint) if not key.startswith("expect")]
        for name in dict.fromkeys(name for text in texts for name in _names_in(text)):
            if name in service.values and not _list_sources(service.values[name]):
                yield Refusal(
                    f"endpoint[{number}].sample.weight of {endpoint.name} is"
                    f" {endpoint.sample.weight}, but value.{name} has no from and to, text, one_of"
                    " or created_by",
                    "its requests could not be made",
                )


def refuse_repeated_creations(service: Service) -> Iterator[Refusal]:
    """A creation that may be repeated, although nobody would see that it ran twice."""
    makers = {rule.created_by for rule in service.values.values()}
    for number, endpoint in enumerate(service.endpoints):
        visible = endpoint.expect.repeated or endpoint.expect.absent
        if endpoint.name in makers and endpoint.idempotent and not visible:
            yield Refusal(
                f"endpoint[{number}].idempotent of {endpoint.name} is true, but its expect has"
                " neither repeated nor absent",
                "it creates something: a second creation would not be seen",
            )


def refuse_hidden_endpoints(service: Service) -> Iterator[Refusal]:
    """Endpoints that no request reaches, because one before them matches first."""
    for number, endpoint in enumerate(service.endpoints):
        for other, before in enumerate(service.endpoints[:number]):
            if not _covers(before, endpoint, service.values):
                continue
            same = _shape(before.path) == _shape(endpoint.path)
            # The balancer looks at the method only where two endpoints have the same path.
            if same and before.method not in ("*", endpoint.method):
                continue
            what = "has the same method and path as" if same else "is always matched first by"
            yield Refusal(
                f"endpoint[{number}].path of {endpoint.name} ({endpoint.method} {endpoint.path})"
                f" {what} endpoint[{other}], {before.name} ({before.method} {before.path})",
                "no request would reach it; the first endpoint that matches wins, so the narrower"
                " one comes first",
            )


def refuse_shared_answers(service: Service) -> Iterator[Refusal]:
    """A cache for answers that depend on who asks."""
    for number, endpoint in enumerate(service.endpoints):
        missing = [
            name
            for name in service.load.headers
            if endpoint.cache and name.lower() not in map(str.lower, endpoint.cache.vary)
        ]
        if missing:
            yield Refusal(
                f"endpoint[{number}].cache.vary of {endpoint.name} must name {missing[0]}, which"
                " load.headers sends",
                "a cached answer to one user must not go to another",
            )


def _list_sources(rule: ValueRule) -> list[str]:
    """The keys that say where the value comes from."""
    given = {
        "from": (rule.first, rule.last) != (0, 0),
        "text": rule.text,
        "one_of": rule.one_of,
        "created_by": rule.created_by,
    }
    return [name for name, value in given.items() if value]


def _filled_texts(endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    """Every text of the endpoint in which values are filled in, by its key."""
    sample, expect = endpoint.sample, endpoint.expect
    yield "path", endpoint.path
    yield "sample.query", sample.query
    yield "sample.body", sample.body
    yield from ((f"sample.headers.{name}", text) for name, text in sample.headers.items())
    for key in ("contains", "not_contains", "equals"):
        yield f"expect.{key}", getattr(expect, key)


def _names_in(text: str) -> Iterable[str]:
    """The names in single braces. Doubled braces are a template's variable."""
    without = re.sub(r"\{\{.*?\}\}", "", text)
    return [found.group()[1:-1] for found in PLACEHOLDER.finditer(without)]


def _shape(path: str) -> str:
    return PLACEHOLDER.sub("{}", path)


def _covers(before: Endpoint, after: Endpoint, values: dict[str, ValueRule]) -> bool:
    """Whether every path of `after` is a path of `before`."""
    pattern = re.compile(
        "".join(
            re.escape(part) if number % 2 == 0 else _value_pattern(part[1:-1], values)
            for number, part in enumerate(re.split(rf"({PLACEHOLDER.pattern})", before.path))
        )
    )
    return all(pattern.fullmatch(path) for path in _sample_paths(after.path, values))


def _value_pattern(name: str, values: dict[str, ValueRule]) -> str:
    return "[0-9]+" if values.get(name, ValueRule()).is_number else "[^/]+"


def _sample_paths(path: str, values: dict[str, ValueRule]) -> Iterator[str]:
    """Paths that together show what the endpoint matches: two different fillings of its values."""
    for digits, letters in (("7", "a-b"), ("40961", "Z.z")):
        filled = path
        for name in _names_in(path):
            number = _value_pattern(name, values) == "[0-9]+"
            filled = filled.replace(f"{{{name}}}", digits if number else letters)
        yield filled


CALL_RULES: tuple[Rule, ...] = (
    refuse_streams,
    refuse_double_names,
    refuse_unknown_values,
    refuse_wrong_values,
    refuse_samples_without_range,
    refuse_repeated_creations,
    refuse_hidden_endpoints,
    refuse_shared_answers,
)
"""Each yields what it refuses in a service."""
