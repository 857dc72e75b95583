"""Settings for a program that has no service file yet: those of the site, and usual values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..engine.errors import RunbookError
from .endpoint import Endpoint
from .program import DatabaseNeeds, ProgramNames
from .service import Health, HealthPage, Service
from .settings import Settings
from .site_file import expand_home, locate_site, read_site

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")

OTHER_PROGRAM = {
    "app": {"service", "settings", "user", "memory_max", "lifetime"},
    "database": {"name", "user"},
}
"""What a site file may say of the program that it names."""


def load_new_program(folder: str) -> Settings:
    """Return the settings of the site for a program whose service file does not exist yet.

    What the site file says of another program is left out, so that the new one runs neither as
    its user nor on its database.

    Args:
        folder: where its service file will be; relative to the folder of the site file.

    Raises:
        RunbookError: the site file is wrong, the folder exists, or its name fits no account.
    """
    from .loader import SiteLoader

    path = locate_site()
    target = path.parent / expand_home(folder, "--write")
    check_new_folder(target)
    data = read_site(path)
    for table, keys in OTHER_PROGRAM.items():
        if isinstance(given := data.get(table), dict):
            data[table] = {key: value for key, value in given.items() if key not in keys}
    program = describe_new_program(target.name, with_database=_has_database(data.get("hosts")))
    return SiteLoader(path, (target, program)).make_settings(data)


def check_new_folder(folder: Path) -> None:
    """Refuse a folder that exists, and one whose name is no name for a program.

    Raises:
        RunbookError: as said.
    """
    if folder.exists():
        raise RunbookError(
            f"{folder} exists already",
            "a file that somebody has filled in would be lost",
            f"edit {folder}/service.toml, or give another folder (fab app.discover without --write"
            " only shows what it finds)",
        )
    if not _NAME.fullmatch(folder.name):
        raise RunbookError(
            f"{folder.name!r} cannot name a program",
            "the folder names its account, unit and database: small letters, digits, - and _",
            "fab app.discover --write services/NAME",
        )


def describe_new_program(name: str, *, with_database: bool) -> Service:
    """Return a service of which only the name is known."""
    return Service(
        format=1,
        title=name,
        program=ProgramNames(name=name),
        health=Health(live=HealthPage(path="/")),
        database=DatabaseNeeds() if with_database else None,
        endpoints=(Endpoint(name="home", path="/"),),
    )


def _has_database(hosts: Any) -> bool:
    """Whether a host of the site file, which is not checked yet, has the role `postgres`."""
    tables = hosts.values() if isinstance(hosts, dict) else ()
    return any(
        isinstance(host, dict) and "postgres" in (host.get("roles") or ()) for host in tables
    )
