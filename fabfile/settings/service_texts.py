"""Check the texts of a service file when it is read: its templates name variables that exist, and
put no secret where others can read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .decoding import suggest_name
from .refusal import Refusal
from .service import Service

if TYPE_CHECKING:
    from jinja2 import nodes

PASSWORDS = ("database.password", "database.url")
"""Variables that are secrets, besides all of `secret`."""

VARIABLES = {
    "database": {
        "host": "the address of the PostgreSQL server",
        "port": "its TCP port",
        "name": "the database",
        "user": "the role",
        "password": "its password (a secret)",
        "url": "all of these as postgresql://… (a secret)",
        "connections": "the most connections of one app node",
    },
    "listen": {
        "address": "the address to listen on",
        "port": "the TCP port",
    },
    "node": {
        "name": "the app node's name in the site file",
        "address": "its address",
        "first": "whether it is the first app node",
    },
    "site": {
        "name": "the site's name",
        "service": "what users call",
    },
}
"""The variables that every program's texts may use, in words."""


class NamedVariable(NamedTuple):
    """A variable in a template, like `database.host`."""

    group: str
    name: str
    """Empty: the whole group."""
    line: int

    @property
    def text(self) -> str:
        """As the template writes it."""
        return f"{self.group}.{self.name}".rstrip(".")


def find_wrong_texts(service: Service, folder: Path) -> Iterator[Refusal]:
    """What is wrong with the templates, the SQL and the other texts of the service file in
    `folder`."""
    known = known_variables(service)
    for number, file in enumerate(service.files):
        key = f"file[{number}].template of {file.name}"
        text, refusal = _read_text(folder / file.template, key)
        if refusal:
            yield refusal
            continue
        where = str(folder / file.template)
        yield from find_unknown_variables(text, where, known)
        if file.mode == "0644":
            yield from find_open_secrets(text, where, f"file[{number}].mode is 0644")
    if service.database and service.database.seed and service.database.seed.sql:
        _, refusal = _read_text(folder / service.database.seed.sql, "database.seed.sql")
        if refusal:
            yield refusal
    for key, text in _list_arguments(service):
        yield from find_unknown_variables(text, key, known)
        yield from find_open_secrets(text, key, "arguments are seen by every user of the host")
    for key, text in _list_hidden_texts(service):
        yield from find_unknown_variables(text, key, known)


def known_variables(service: Service) -> dict[str, frozenset[str]]:
    """The names of each group of variables that the program's texts may use."""
    groups = {
        "secret": frozenset(service.secrets),
        "file": frozenset(file.name for file in service.files),
        "setting": frozenset(service.settings),
        **{group: frozenset(names) for group, names in VARIABLES.items()},
        "database_hosts": frozenset[str](),
    }
    if not service.database:
        del groups["database"]
    return groups


def find_unknown_variables(
    text: str, where: str, known: Mapping[str, frozenset[str]]
) -> Iterator[Refusal]:
    """The variables of the template `text` that do not exist; `where` names it in messages."""
    from jinja2 import TemplateSyntaxError

    why = "the program would get a wrong text"
    try:
        found = list(list_variables(text))
    except TemplateSyntaxError as error:
        yield Refusal(f"{where}, line {error.lineno}: {error.message}", why)
        return
    for variable in found:
        at = f"{where}, line {variable.line}: there is no variable {variable.text}"
        if variable.group not in known:
            yield Refusal(f"{at}; {suggest_name(variable.group, dict.fromkeys(known))}", why)
        elif variable.name and variable.name not in known[variable.group]:
            hint = suggest_name(variable.name, dict.fromkeys(known[variable.group]))
            yield Refusal(f"{at}; {hint}", why)


def find_open_secrets(text: str, where: str, because: str) -> Iterator[Refusal]:
    """The secrets in a text that others can read."""
    from jinja2 import TemplateSyntaxError

    try:
        found = list(list_variables(text))
    except TemplateSyntaxError:
        return  # find_unknown_variables tells it
    for variable in found:
        if variable.group == "secret" or variable.text in PASSWORDS:
            yield Refusal(
                f"{where}, line {variable.line}: holds {variable.text}, but {because}",
                "a secret goes into a file of mode 0640 or 0600, or into start.environment",
            )


def list_variables(text: str) -> Iterator[NamedVariable]:
    """The variables that a template reads, in its order; its own (of loops, of set) are left out.

    Raises:
        jinja2.TemplateSyntaxError: the text is no template.
    """
    if "{{" not in text and "{%" not in text:
        return
    from jinja2 import Environment, meta, nodes

    environment = Environment(autoescape=False)  # nothing is rendered
    tree = environment.parse(text)
    outside = meta.find_undeclared_variables(tree) - environment.globals.keys()
    inner = set()
    parts: list[nodes.Getattr | nodes.Getitem] = [
        *tree.find_all(nodes.Getattr),
        *tree.find_all(nodes.Getitem),
    ]
    for node in sorted(parts, key=lambda part: part.lineno):
        name = node.attr if isinstance(node, nodes.Getattr) else _constant_of(node.arg)
        if isinstance(node.node, nodes.Name) and node.node.name in outside and name:
            inner.add(id(node.node))
            yield NamedVariable(node.node.name, name, node.lineno)
    for single in tree.find_all(nodes.Name):
        if single.name in outside and id(single) not in inner:
            yield NamedVariable(single.name, "", single.lineno)


def _constant_of(node: nodes.Expr) -> str:
    """A key that is written out, as in `site["name"]`; empty for one that is computed."""
    from jinja2 import nodes

    return node.value if isinstance(node, nodes.Const) and isinstance(node.value, str) else ""


def _read_text(path: Path, key: str) -> tuple[str, Refusal | None]:
    """The content of a file beside the service file, or why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8"), None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        return "", Refusal(
            f"{key} names {path}: {str(reason).lower()}", "it lies beside service.toml"
        )


def _list_arguments(service: Service) -> Iterator[tuple[str, str]]:
    """Texts that become arguments of a process, by key."""
    database = service.database
    commands = {"start.command": service.start.command}
    if database and database.migrate:
        commands["database.migrate.command"] = database.migrate.command
    if database and database.seed:
        commands["database.seed.command"] = database.seed.command
    for key, words in commands.items():
        yield from ((f"{key}[{number}]", word) for number, word in enumerate(words))


def _list_hidden_texts(service: Service) -> Iterator[tuple[str, str]]:
    """Texts that only root and the program can read, by key."""
    database = service.database
    tables = {"start.environment": service.start.environment, "load.headers": service.load.headers}
    if database and database.migrate:
        tables["database.migrate.environment"] = database.migrate.environment
    if database and database.seed:
        tables["database.seed.values"] = database.seed.values
    for key, texts in tables.items():
        yield from ((f"{key}.{name}", text) for name, text in texts.items())
