"""What a service file may not say of the program itself: files, health, database, nodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from .refusal import Refusal, not_supported
from .service import Service

Rule = Callable[[Service], Iterator[Refusal]]


BLANK = "FILL IN"
"""What `fab app.discover --write` leaves where only a person knows the value."""


def refuse_blanks(service: Service) -> Iterator[Refusal]:
    """Variables whose value nobody has filled in yet."""
    for name, text in service.start.environment.items():
        if BLANK in text:
            yield Refusal(
                f"start.environment.{name} must be the value that the program wants, not {text!r}",
                "discovery could not find it, and the program does not start without it",
            )


def refuse_unsupported_nodes(service: Service) -> Iterator[Refusal]:
    """A single writer, and clients that are tied to a node."""
    nodes = service.nodes
    if nodes.active == "one":
        why = "both nodes would write at once"
        yield not_supported("nodes.active", "one", '"all"', why)
    if nodes.sticky:
        why = "each request may go to another node than the one before"
        yield not_supported("nodes.sticky", nodes.sticky, 'none (sticky = "")', why)


def refuse_bounded_directories(service: Service) -> Iterator[Refusal]:
    """A bound on what a folder holds."""
    for number, directory in enumerate(service.directories):
        if directory.max_mb:
            yield Refusal(
                f"directory[{number}].max_mb of {directory.path} = {directory.max_mb} is not"
                " supported yet; allowed is 0",
                "nothing would keep the folder below it",
            )


def refuse_wrong_settings(service: Service) -> Iterator[Refusal]:
    """Patterns that are none, and defaults that do not match them."""
    for name, rule in service.settings.items():
        key = f"setting.{name}"
        try:
            pattern = re.compile(rule.pattern)
        except re.error as error:
            yield Refusal(
                f"{key}.pattern must be a regular expression, not {rule.pattern!r}: {error}",
                "no value of a site file could be checked",
            )
            continue
        if rule.default is not None and not pattern.fullmatch(rule.default):
            yield Refusal(
                f"{key}.default must be {rule.description}, not {rule.default!r}",
                "a site that gives no value would get a wrong one",
            )


def refuse_double_files(service: Service) -> Iterator[Refusal]:
    """Two files with one name or one path, and more than one whose path discovery must find."""
    for key, values in (
        ("name", [file.name for file in service.files]),
        ("path", [file.path for file in service.files if file.path]),
    ):
        for value in _repeated(values):
            yield Refusal(
                f"file.{key} must differ from file to file, but {value} is there twice",
                "one would overwrite the other",
            )
    if len(without := [file.name for file in service.files if not file.path]) > 1:
        yield Refusal(
            f"file.path is missing for {' and '.join(without)}: one file may leave it out",
            "discovery finds the path of one configuration",
        )


def refuse_variable_headers(service: Service) -> Iterator[Refusal]:
    """Headers of health pages that are no plain text."""
    for key, page in (("live", service.health.live), ("database", service.health.database)):
        for name, text in (page.headers if page else {}).items():
            if "{{" in text or "{%" in text:
                yield Refusal(
                    f"health.{key}.headers.{name} must be a plain text, not {text!r}",
                    "it goes into files that others can read; name a page that needs no secret",
                )


def refuse_database_page_as_live(service: Service) -> Iterator[Refusal]:
    """A live page that needs the database."""
    path = service.health.live.path
    for endpoint in service.endpoints:
        if endpoint.database and endpoint.path == path:
            yield Refusal(
                f"health.live.path must be a page that needs no database, not {path}: endpoint"
                f" {endpoint.name} has database = true",
                "a database that is down would take every node out of service",
            )


def refuse_database_without_table(service: Service) -> Iterator[Refusal]:
    """Keys that need a database, in a file without `[database]`."""
    if service.database:
        return
    keys = [f"endpoint {one.name} has database = true" for one in service.endpoints if one.database]
    if service.health.database:
        keys.insert(0, "health.database is set")
    for key in keys:
        yield Refusal(
            f"{key}, but there is no table [database]",
            "without that table the program gets no database",
        )


def refuse_wrong_seed(service: Service) -> Iterator[Refusal]:
    """A seed with no source, or with two."""
    seed = service.database.seed if service.database else None
    if seed and bool(seed.command) == bool(seed.sql):
        seen = "both" if seed.sql else "neither"
        yield Refusal(
            f"database.seed must have command or sql, not {seen}",
            "the first rows come from one of them",
        )


def refuse_wrong_lab(service: Service) -> Iterator[Refusal]:
    """A binary of the lab with no source, or with two."""
    for key, source in (("from", service.lab.origin), ("next", service.lab.next)):
        given = [name for name in ("deb", "wheel", "npm") if source and getattr(source, name)]
        if source and len(given) != 1:
            yield Refusal(
                f"lab.{key} must have one of deb, wheel and npm, not"
                f" {' and '.join(given) or 'none'}",
                "the lab fetches the binary from one package",
            )
    if service.lab.build and service.lab.origin:
        yield Refusal(
            "lab must have build or from, not both", "the lab gets the binary from one of them"
        )


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


PROGRAM_RULES: tuple[Rule, ...] = (
    refuse_blanks,
    refuse_unsupported_nodes,
    refuse_bounded_directories,
    refuse_wrong_settings,
    refuse_double_files,
    refuse_variable_headers,
    refuse_database_page_as_live,
    refuse_database_without_table,
    refuse_wrong_seed,
    refuse_wrong_lab,
)
"""Each yields what it refuses in a service."""
