"""Writes docs/settings.md from the typed settings, so that the reference cannot age.

Run it from the project's folder after every change of a setting: python -m docs.generate_settings
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_type_hints

from docs.reference import describe_hint, read_field_docs, wrap_text, write_toml_value
from fabfile.engine.host import HostSsh, Node
from fabfile.settings.edge import Edge
from fabfile.settings.inventory import ROLES
from fabfile.settings.monitoring import Monitoring
from fabfile.settings.settings import (
    Acme,
    App,
    Database,
    Gate,
    Settings,
    Ssh,
    Tls,
)
from fabfile.settings.site_program import FROM_PROGRAM

PAGE = Path(__file__).with_name("settings.md")

TABLES: dict[str, type[Any]] = {
    "ssh": Ssh,
    "app": App,
    "database": Database,
    "edge": Edge,
    "tls": Tls,
    "tls.acme": Acme,
    "gate": Gate,
    "monitoring": Monitoring,
}

SITE_KEYS = ("name", "service", "firewall")
"""The keys above every table."""

INTRODUCTION = """\
# Settings

This page is generated from `fabfile/settings/settings.py` and `fabfile/settings/edge.py`. To change
it, change the docstrings there, then run `python -m docs.generate_settings`.

The site file is TOML. It is the file that `SITE` names, else `site.toml`, else that of the running
lab. Relative paths in it are relative to its folder. `site.example.toml` is a template with every
setting. An unknown key, a wrong type or a value out of range is refused before anything is done.
"""

HOST_KEYS = ("address", "roles")


def render_settings() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _section("The site", Settings, "", SITE_KEYS)]
    parts.append(_section("`[hosts.NAME]`, one table per host", Node, "hosts.NAME", HOST_KEYS))
    parts.append(_section("`[hosts.NAME.ssh]`, optional", HostSsh, "hosts.NAME.ssh"))
    parts += [_section(f"`[{name}]`", table, name) for name, table in TABLES.items()]
    return "\n".join(parts)


def setting_names() -> list[str]:
    """Every key of a site file, as `table.key`; hosts are in `hosts.NAME`."""
    names = [*SITE_KEYS, *(f"hosts.NAME.{key}" for key in HOST_KEYS)]
    names += [f"hosts.NAME.ssh.{spec.name}" for spec in fields(HostSsh)]
    return names + [f"{name}.{spec.name}" for name, kind in TABLES.items() for spec in fields(kind)]


def _section(title: str, kind: type[Any], table: str, only: tuple[str, ...] = ()) -> str:
    docs, hints = read_field_docs(kind), get_type_hints(kind, include_extras=True)
    lines = [f"## {title}", ""]
    if kind is not Settings:
        lines += [*wrap_text(" ".join((kind.__doc__ or "").split())), ""]
    for spec in fields(kind):
        if only and spec.name not in only:
            continue
        key = f"{table}.{spec.name}".lstrip(".")
        facts = "; ".join(_facts(key, hints[spec.name], spec))
        lines += wrap_text(f"`{key}` ({facts}): {docs[spec.name]}", "- ")
    return "\n".join(lines) + "\n"


def _facts(key: str, hint: Any, spec: Field[Any]) -> Iterator[str]:
    """Type, allowed values and default, in words."""
    if key.endswith(".roles"):
        yield f"list of {', '.join(ROLES)}"
    else:
        yield describe_hint(hint)
    if key in ("name", "service"):
        return  # their default depends on the rest of the site file: the docstring says how
    if key in FROM_PROGRAM:
        yield "default: as the service file says"
    elif spec.default is MISSING and spec.default_factory is MISSING:
        yield "required"
    elif spec.default not in (MISSING, None, "", ()):
        yield f"default {write_toml_value(spec.default)}"


if __name__ == "__main__":
    PAGE.write_text(render_settings(), encoding="utf-8")
