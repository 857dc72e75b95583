"""Reads the service file of a program, and refuses one that cannot be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import convert

from ..engine.errors import RunbookError
from .call_rules import CALL_RULES
from .decoding import MisfitFinder
from .program_rules import PROGRAM_RULES
from .service import Service
from .service_texts import find_wrong_texts
from .toml_file import parse_toml

SERVICE_FILE = "service.toml"

FORMAT = 1
"""The newest format of a service file that is understood."""


def read_service(folder: Path) -> Service:
    """Read and check `service.toml` in `folder`, and the templates and SQL that it names.

    Raises:
        RunbookError: a file is missing or not TOML, its format is newer, or a key is unknown,
        missing, has a wrong value, or asks for what is not supported yet. It names the first such
        key.
    """
    path = folder / SERVICE_FILE
    data = _parse(path)
    _check_format(path, data)
    for misfit in MisfitFinder("key").find(data, Service):
        raise _refuse(path, str(misfit))
    service = convert(data, Service)
    for rule in (*PROGRAM_RULES, *CALL_RULES):
        for refusal in rule(service):
            raise _refuse(path, *refusal)
    for refusal in find_wrong_texts(service, folder):
        raise _refuse(path, *refusal)
    return service


def _refuse(path: Path, problem: str, why: str = "nothing was done") -> RunbookError:
    return RunbookError(
        f"{path}: {problem}", why, f"edit {path}; docs/service-file.md explains every key"
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path)
    except FileNotFoundError:
        raise RunbookError(
            f"the service file {path} does not exist",
            "it says what the program is; app.service in the site file names its folder",
            f"ls -d {path.parent.parent}/*/{SERVICE_FILE}",
        ) from None
    except (OSError, ValueError) as error:  # what is no TOML is a ValueError too
        problem = error.strerror if isinstance(error, OSError) else error
        raise RunbookError(
            f"{path}: {problem}", "it says what the program is", f"edit {path}"
        ) from None


def _check_format(path: Path, data: dict[str, Any]) -> None:
    """A newer file may have keys that mean something else, so nothing else of it is judged."""
    seen = data.get("format", FORMAT)
    if type(seen) is int and seen > FORMAT:
        raise RunbookError(
            f"{path}: format must be at most {FORMAT}, not {seen}",
            "the file was written for a newer runbook: this one would misread it",
            "update this project (git pull), or take a service file of its version",
        )
