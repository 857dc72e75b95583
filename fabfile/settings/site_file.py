"""Finds the site file and loads its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engine.errors import RunbookError
from .project import LABS, PROJECT
from .service import Service
from .settings import App, Settings
from .toml_file import parse_toml


def locate_site(environment: Mapping[str, str] | None = None) -> Path:
    """The site file: what SITE names, else `site.toml` of the project, else the lab that is up.

    Raises:
        RunbookError: there is none.
    """
    env = os.environ if environment is None else environment
    if named := env.get("SITE"):
        return expand_home(named, "SITE").resolve()
    own = PROJECT / "site.toml"
    if own.exists():
        return own
    number = env.get("LAB")
    labs = [LABS / number / "site.toml"] if number else sorted(LABS.glob("*/site.toml"))
    if labs and labs[0].exists():
        return labs[0]
    raise RunbookError(
        "there is no site file: SITE is not set, site.toml does not exist, no lab is up",
        "every task needs to know the hosts",
        "inv lab.up   (or copy site.example.toml to site.toml and fill it in)",
    )


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the site file.

    Raises:
        RunbookError: it is missing, not TOML, or has an unknown key, a wrong type or a wrong value.
    """
    from .loader import SiteLoader

    path = path or locate_site()
    return SiteLoader(path).make_settings(read_site(path))


def read_site(path: Path) -> dict[str, Any]:
    """The tables of the site file, not checked yet.

    Raises:
        RunbookError: it is missing, or not TOML.
    """
    try:
        return parse_toml(path)
    except FileNotFoundError:
        raise RunbookError(
            f"the site file {path} does not exist",
            "SITE names it",
            f"cp site.example.toml {path}, then fill it in",
        ) from None
    except (OSError, ValueError) as error:  # what is no TOML is a ValueError too
        problem = error.strerror if isinstance(error, OSError) else error
        raise RunbookError(
            f"{path}: {problem}", "nothing was read from it", f"edit {path}"
        ) from None


def load_program() -> Service:
    """The program of the site file. Without a site file, the one that a site has by default.

    Raises:
        RunbookError: as `load_settings`.
    """
    from .service_file import read_service

    try:
        path = locate_site()
    except RunbookError:
        return read_service(PROJECT / App.service)
    return load_settings(path).program


def in_lab(settings: Settings) -> bool:
    """Whether the site file belongs to a lab."""
    return settings.path.is_relative_to(LABS)


def expand_home(text: str, named_by: str) -> Path:
    """The path `text` with a leading ~ replaced by the home folder. `named_by` is for the message.

    Raises:
        RunbookError: that home is not known: another user's, or of a user id without a name while
        HOME is not set.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise RunbookError(
            f"{named_by} names a home that does not exist: {text}",
            "a user id without a line in /etc/passwd has no home, unless HOME is set",
            "write the full path, or set HOME",
        ) from None
