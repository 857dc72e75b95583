"""Writes docs/service-file.md from the typed service file, so that the reference cannot age.

Run it from the project's folder after every change of a key: python -m docs.generate_service_file
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from msgspec import NODEFAULT, Struct, structs

from docs.reference import describe_hint, read_field_docs, wrap_text, write_toml_value
from fabfile.settings.call_rules import CALL_RULES
from fabfile.settings.decoding import list_keys, unwrap_kind
from fabfile.settings.program_rules import PROGRAM_RULES
from fabfile.settings.service import Service
from fabfile.settings.service_texts import VARIABLES
from fabfile.settings.site_rules import SITE_RULES

PAGE = Path(__file__).with_name("service-file.md")

INTRODUCTION = """\
# The service file

This page is generated from `fabfile/settings/service.py` and the modules beside it. To change it,
change the docstrings there, then run `python -m docs.generate_service_file`.

A service file says what a program is, the same for every site: `service.toml` in a folder of its
own, with the templates and the SQL that it names beside it. `app.service` in the site file names
the folder, which may lie outside this project. It holds no secret and no address. Where the program
runs, and what a site may overrule, is in the site file: [settings.md](settings.md).
`services/miniflux/service.toml` is an example with most tables, `services/ntfy/service.toml` one
without a database. For a program without a service file, `fab app.discover --write services/NAME`
begins one with what it finds.

- What is left out is discovered: the command, the port, the path of the configuration, the log, the
  folders that it writes to.
- A missing table switches a part off. Without `[database]` the program gets no database, and the
  site needs no database host. Without `[fault.NAME]` the drill that needs it is not tried.
- `{NAME}` in a request is a value of `[value]`. Other braces stay as they are.
- An unknown key, a wrong type or a value out of range is refused before anything is done.
"""


class Section(NamedTuple):
    """A table of the service file."""

    title: str
    key: str
    kind: type[Struct]


def list_sections(kind: type[Struct] = Service, key: str = "", title: str = "") -> list[Section]:
    """The table of the class `kind`, and all tables in it."""
    sections = [Section(title or "The top of the file", key, kind)]
    for spec in structs.fields(kind):
        bare, _ = unwrap_kind(spec.type)
        inner, name = bare, f"{key}.{spec.encode_name}".lstrip(".")
        form = f"`[{name}]`"
        if get_origin(bare) is dict:
            inner, name = get_args(bare)[1], f"{name}.NAME"
            form = f"`[{name}]`, any number"
        elif get_origin(bare) is tuple:
            inner = get_args(bare)[0]
            form = f"`[[{name}]]`, any number"
        elif title.startswith("`[["):
            form = f"`{name}`, a table in `[[{key}]]`"
        if list_keys(inner):
            sections += list_sections(inner, name, form)
    return sections


def render_service_file() -> str:
    """The whole page."""
    parts = [INTRODUCTION, *(_render_section(section) for section in list_sections())]
    return "\n".join([*parts, _render_variables(), _render_refusals()])


def _render_section(section: Section) -> str:
    first = next(other for other in list_sections() if other.kind is section.kind)
    if first != section:
        return f"## {section.title}\n\nIt has the keys of {first.title}.\n"
    docs = read_field_docs(section.kind)
    lines = [f"## {section.title}", ""]
    lines += [*wrap_text(" ".join((section.kind.__doc__ or "").split())), ""]
    for spec in structs.fields(section.kind):
        key = f"{section.key}.{spec.encode_name}".lstrip(".")
        text = docs[spec.name]
        facts = "; ".join(_list_facts(spec, with_default="Default:" not in text))
        lines += wrap_text(f"`{key}` ({facts}): {text}", "- ")
    return "\n".join(lines) + "\n"


def _list_facts(spec: structs.FieldInfo, with_default: bool) -> Iterator[str]:
    """Type, allowed values and default, in words."""
    bare, _ = unwrap_kind(spec.type)
    inner = get_args(bare)[-1] if get_origin(bare) is dict else None
    if inner is not None and list_keys(inner):
        yield "tables"
    elif get_origin(bare) is tuple and list_keys(get_args(bare)[0]):
        yield "list of tables"
    else:
        yield describe_hint(spec.type)
    if spec.required:
        yield "required"
    elif (
        with_default
        and spec.default not in (NODEFAULT, None, "", ())
        and not isinstance(spec.default, Struct)
    ):
        value = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        yield f"default {write_toml_value(value)}".replace("'", '"')


def _render_variables() -> str:
    lines = ["## Variables of templates", ""]
    lines += wrap_text(
        "Templates, arguments, environment variables, headers and seed values are Jinja. An unknown"
        " variable is refused, with its file and line. A secret may stand in a file of the mode"
        " `0640` or `0600`, in an environment variable, a header or a seed value; elsewhere others"
        " could read it."
    )
    lines += ["", "- `{{ secret.NAME }}`, `{{ setting.NAME }}`, `{{ file.NAME }}` (its path)"]
    lines += [
        "- `{{ database_hosts }}`: a list of the PostgreSQL servers, each with `address` and `port`"
    ]
    for group, names in VARIABLES.items():
        lines += [f"- `{{{{ {group}.{name} }}}}`: {words}" for name, words in names.items()]
    return "\n".join(lines) + "\n"


def _render_refusals() -> str:
    lines = ["## What is refused", ""]
    lines += wrap_text(
        "The message names the file, the key, what was seen and what is allowed. When the service"
        " file is read:"
    )
    lines += ["", *_list_rules((*PROGRAM_RULES, *CALL_RULES))]
    lines += ["", "With the site file:", "", *_list_rules(SITE_RULES)]
    return "\n".join(lines) + "\n"


def _list_rules(rules: tuple[Callable[..., Any], ...]) -> Iterator[str]:
    for rule in rules:
        yield from wrap_text(" ".join((rule.__doc__ or "").split()), "- ")


if __name__ == "__main__":
    PAGE.write_text(render_service_file(), encoding="utf-8")
