"""Compare what discovery found with what the service file says: both must agree."""

from __future__ import annotations

import json

from ..engine.errors import RunbookError
from ..settings.settings import Settings
from .model import Discovery


def find_disagreement(settings: Settings, found: Discovery) -> RunbookError | None:
    """Return the error for the first thing that the service file must say, or says otherwise; None
    if it agrees with what was found."""
    start, listen = settings.program.start, settings.program.listen
    file = settings.program_folder / "service.toml"
    facts, hints = found.facts, found.hints
    ports = {place.port for place in facts.ports if not place.is_local}

    def refuse(problem: str, line: str, table: str) -> RunbookError:
        return RunbookError(
            f"{file}: {problem}",
            "the unit would start the program in another way than discovery did",
            f"write {line} into [{table}] of {file}",
        )

    for name, text in hints.environment.items():
        if name not in start.environment:
            line = f"environment.{name} = {json.dumps(text)}"
            return refuse(f"{settings.program.name} needs the variable {name}", line, "start")
    if facts.started_in != start.directory:
        line = f'directory = "{facts.started_in}"'
        return refuse(f"{settings.program.name} writes into its directory", line, "start")
    if start.command and hints.added_args:
        line = f"command = {json.dumps([*start.command, *hints.added_args])}"
        return refuse(f"{settings.program.name} needs further arguments to serve", line, "start")
    if listen and listen.port not in ports:
        seen = ", ".join(map(str, facts.ports))
        line = f"port = {facts.port}"
        return refuse(f"it says port {listen.port}, but discovery saw {seen}", line, "listen")
    return None
