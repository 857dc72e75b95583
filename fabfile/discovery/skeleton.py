"""Write what was found as a service file that a person completes: `services/NAME/service.toml`."""

from __future__ import annotations

import posixpath
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from ..settings.program_rules import BLANK
from ..settings.template import render_template
from .listening import address_choices
from .model import Facts, Hints, Variable
from .skeleton_pages import describe_pages
from .variables import is_database_variable

FREE_PORT = 8080
"""A port for a program whose default needs a privilege."""

_LONGEST_VALUE = 60
_POOL = re.compile(r"MAX_CONN|MAX_OPEN_CONN|POOL_MAX|MAX_POOL|POOL_SIZE")
_LISTENS = re.compile(r"LISTEN|BIND|ADDR|HTTP")
_PLACE = re.compile(r"[\w.\[\]:]*:(\d{2,5})")


@dataclass(frozen=True)
class FoundProgram:
    """What a discovery ended with: `facts` if the program served, else the `problem` and the `next`
    step of the error."""

    hints: Hints
    facts: Facts | None = None
    problem: str = ""
    next: str = ""


@dataclass(frozen=True)
class FoundFile:
    """A file that the program reads, and the template for it beside the service file."""

    name: str
    path: str
    template: str
    content: str

    @property
    def is_empty(self) -> bool:
        """Whether nobody knows its content yet."""
        return not self.content


def write_skeleton(name: str, folder: str, found: FoundProgram) -> dict[str, str]:
    """Return the files of the folder of a service: file name → text.

    Args:
        name: the name of the program.
        folder: the folder, as the site file names it.
        found: what discovery found.
    """
    files = find_files(found)
    text = render_template(
        "discovery/service.toml",
        program=name,
        folder=folder,
        problem=describe_problem(found),
        files=files,
        **describe_start(found),
        **describe_database(found),
        **describe_pages(found.hints.pages),
    )
    return {"service.toml": text} | {file.template: file.content for file in files}


def describe_problem(found: FoundProgram) -> list[str]:
    """Return the lines that say why the program did not serve; none if it did."""
    if not found.problem:
        return []
    texts = [f"IT DID NOT SERVE: {found.problem}"]
    if found.hints.reads_database:
        # It may have failed for another reason all the same, so its own next step stays.
        texts.append(
            "If it lacks only the database, this is normal: fill in this file, then fab deploy,"
            " which sets up the database first."
        )
    texts += [
        f"{'Otherwise' if found.hints.reads_database else 'Next'}: {found.next}.",
        "`fab deploy` runs discovery again with what this file says.",
        "What follows was learned from its help, its messages and its file.",
    ]
    return [line for text in texts for line in textwrap.wrap(text, 96)]


def describe_start(found: FoundProgram) -> dict[str, Any]:
    """Return how it is started, as far as it is known."""
    hints, facts = found.hints, found.facts
    port = facts.port if facts else guess_port(hints)
    environment = fill_environment(hints, port, served=facts is not None)
    filled = {name for name, _, _ in environment}
    others = [v for v in hints.variables if not v.random and v.name not in filled]
    return {
        "packages": hints.packages,
        "missing_libraries": hints.missing_libraries,
        "version_command": hints.version_command,
        "version": hints.version,
        "random": [variable for variable in hints.variables if variable.random],
        "command": facts.command if facts else hints.args,
        "directory": hints.directory,
        "seconds": facts.seconds if facts else None,
        "environment": environment,
        "variables": [show_variable(variable) for variable in others],
        "config_options": [o.name for o in hints.options if o.argument and "config" in o.words][:1],
        "port": port,
        "directories": facts.directories if facts else (),
        "logs": facts.logs if facts else (),
    }


def describe_database(found: FoundProgram) -> dict[str, Any]:
    """Return what it needs of a database, as far as it is known."""
    hints, facts = found.hints, found.facts
    sizes = [v for v in hints.variables if _POOL.search(v.name) and v.value.isdigit()]
    return {
        "database": hints.reads_database,
        "connections": int(sizes[0].value) if sizes else 0,
        "connections_from": f"{sizes[0].name} is {sizes[0].value}" if sizes else "",
        "migrate_command": hints.migrate_command,
        "prepare_command": facts.prepare_command if facts else None,
    }


def find_files(found: FoundProgram) -> list[FoundFile]:
    """Return the files that it reads: its configuration first, then what was created for it."""
    config = found.facts.config if found.facts else None
    paths = dict.fromkeys([*([config] if config else []), *found.hints.created])
    files: list[FoundFile] = []
    taken = {"service.toml"}
    for path in paths:
        template = posixpath.basename(path)
        if template in taken:
            template = path.strip("/").replace("/", "-")
        taken.add(template)
        stem = re.sub(r"\W+", "_", template.partition(".")[0].lower()).strip("_") or "file"
        content = found.hints.default_config if path == config or len(paths) == 1 else ""
        files.append(FoundFile(stem if files else "main", path, template, _quote_jinja(content)))
    return files


def _quote_jinja(content: str) -> str:
    """Return a template for a file with just this content."""
    quoted = any(mark in content for mark in ("{{", "{%", "{#"))
    return f"{{% raw %}}\n{content}{{% endraw %}}\n" if quoted else content


def guess_port(hints: Hints) -> int:
    """Return the port of a program that no edge can reach, by its last attempt, its help or its
    defaults; 0 if none of them names one."""
    found = [hints.port] if hints.port else []
    found += [
        int(place[1])
        for variable in hints.variables
        if _LISTENS.search(variable.name) and (place := _PLACE.fullmatch(variable.value))
    ]
    found += [
        int(option.default)
        for option in hints.options
        if option.words in ({"port"}, {"http", "port"}) and option.default.isdigit()
    ]
    return 0 if not found else found[0] if found[0] >= 1024 else FREE_PORT


def fill_environment(hints: Hints, port: int, *, served: bool) -> list[tuple[str, str, str]]:
    """Return the variables to set: name, text, and a note on what nobody tried. `served`: whether
    the program served with those that discovery gave to it."""
    filled = [(name, text, "") for name, text in hints.environment.items()]
    known = {name for name, _, _ in filled}
    if served:
        return filled
    filled += [
        (variable.name, "{{ database.url }}", "not tried yet")
        for variable in hints.variables
        if variable.name not in known and is_database_variable(variable.name)
    ]
    if hints.wants_variable and hints.wants_variable not in {name for name, _, _ in filled}:
        filled.append((hints.wants_variable, BLANK, "it ends without this variable"))
    if port and not any("listen.port" in text for _, text, _ in filled):
        for choice in address_choices((), filter(_is_out_of_reach, hints.variables), port)[:1]:
            if choice.given:
                filled.append((choice.variable, choice.given.text, "not tried yet"))
    return filled


def show_variable(variable: Variable) -> str:
    """Return the variable with its value in a line for a comment, cut if it is long."""
    value = "".join(letter for letter in variable.value if letter.isprintable())
    return f"{variable.name} = {value[:_LONGEST_VALUE]}".strip()


def _is_out_of_reach(variable: Variable) -> bool:
    """Whether no edge can reach a program with this address, or its user may not open the port."""
    place = _PLACE.fullmatch(variable.value)
    local = re.match(r"127\.|localhost", variable.value)
    return bool(local or (place and int(place[1]) < 1024))
