"""The program that a lab serves: its service file, and where its binary comes from."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import fetch, releases
from .build import SOURCES, BuildError, build_stand_in, find_cache
from .errors import LabError
from .names import HOSTS
from .releases import FIRST, NEXT
from .shell import report

if TYPE_CHECKING:
    from fabfile.settings.service import Service

DEFAULT = "services/bingo"
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class LabProgram:
    """A program: its folder as the site file names it, and its service file."""

    folder: str
    service: Service

    @property
    def name(self) -> str:
        """The name of its binary in the lab's folder."""
        return self.service.name

    @property
    def hosts(self) -> list[str]:
        """The hosts that it needs: without a database, no database host."""
        needs_database = self.service.database is not None
        return [
            name for name, host in HOSTS.items() if needs_database or "postgres" not in host.roles
        ]

    @property
    def releases(self) -> tuple[str, ...]:
        """The names of its releases."""
        if self.service.lab.build:
            return (FIRST, NEXT, *releases.KINDS)
        return (FIRST, NEXT) if self.service.lab.next else (FIRST,)


def find_folder(name: str) -> str:
    """Return the folder of a program as the site file names it.

    `name` is a folder in services/, or the path of a folder.

    Raises:
        LabError: no such folder has a service file.
    """
    if (PROJECT / "services" / name / "service.toml").is_file() and "/" not in name:
        return f"services/{name}"
    path = Path(name).expanduser().resolve()
    if not (path / "service.toml").is_file():
        known = ", ".join(sorted(file.parent.name for file in PROJECT.glob("services/*/*.toml")))
        raise LabError(
            f"there is no program {name!r}",
            f"it must be a folder with a service.toml, or one of services/: {known}",
            "for example: inv lab.up --service miniflux",
        )
    return str(path)


def read_program(folder: str) -> LabProgram:
    """Read the service file of the program in `folder`, as the site file names it.

    Raises:
        LabError: its service file has a mistake.
    """
    from fabfile.engine.errors import RunbookError
    from fabfile.settings.service_file import read_service

    try:
        return LabProgram(folder, read_service(PROJECT / folder))
    except RunbookError as error:
        raise LabError(error.problem, error.why, error.next) from None


def get_binary(program: LabProgram, release: str = FIRST) -> str:
    """Build or fetch a release of the program as the calling user, not as root; return its path.

    Raises:
        LabError: it can be neither built nor fetched, or has no such release.
    """
    if release not in program.releases:
        raise LabError(
            f"{program.folder} has no release called {release}",
            f"its releases are {', '.join(program.releases)}",
            f"inv lab.release {program.releases[:2][-1]}",
        )
    try:
        return str(_make_binary(program, release))
    except BuildError as error:
        raise LabError(
            f"the binary of {program.folder} could not be made: {error}",
            "the lab's hosts exist to serve it",
            "./run demo   (it installs what the build needs)",
        ) from None


def _make_binary(program: LabProgram, release: str) -> Path:
    binaries = program.service.lab
    if binaries.build:
        return _build_stand_in(binaries.build)
    source = binaries.next if release == NEXT else binaries.origin
    if source is None:
        raise LabError(
            f"{program.folder}/service.toml has no [lab] with `from` or `build`",
            "the lab cannot know where the binary comes from",
            "write a site file for the lab's hosts by hand: docs/own-hosts.md",
        )
    return fetch.fetch_binary(source, find_cache())


def _build_stand_in(folder: str) -> Path:
    if PROJECT / folder != SOURCES:
        raise BuildError(f"[lab] build = {folder!r}, but only lab/bingo can be built")
    slow = threading.Timer(1, report, ["building the stand-in (once; about a minute)"])
    slow.start()
    try:
        return build_stand_in()
    finally:
        slow.cancel()
