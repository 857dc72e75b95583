"""Collect what was learned besides the facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .learning import ProgramHelp
from .model import Attempt, Hints, Program, Variable
from .state import SERVICES
from .strace import Connect
from .variables import (
    demanded_variable,
    drop_name_ends,
    is_database_variable,
    merge_variables,
    named_variables,
)

_POSTGRESQL = next(port for port, name in SERVICES.items() if name == "PostgreSQL")


def collect_hints(
    known: ProgramHelp,
    program: Program,
    *,
    args: tuple[str, ...],
    added: Mapping[str, str],
    last: Attempt | None,
    created: tuple[str, ...],
    wants_migration: str,
) -> Hints:
    """Return the hints of a discovery that ended after the attempt `last`, with `args`.

    Args:
        added: the variables that discovery gave to it, as texts for a service file.
        created: the files that were created for it.
        wants_migration: the message with which it asked for a migration.
    """
    said = named_variables(last.output) if last else ()
    mentioned = tuple(Variable(name, "its message") for name in said)
    variables = drop_name_ends(merge_variables(known.variables, mentioned))
    return Hints(
        variables=variables,
        options=known.options,
        migrate_command=known.migrate_args,
        wants_migration=wants_migration,
        wants_variable=demanded_variable(last, program.environment) if last and last.code else "",
        packages=known.file.packages,
        missing_libraries=tuple(known.file.missing),
        version=known.version,
        version_command=known.version_args,
        args=args,
        added_args=args[len(program.args) :],
        directory=program.directory,
        port=last.ports[0].port if last and last.ports else 0,
        environment=dict(added),
        created=created,
        default_config=known.default_config or "",
        reads_database=any(is_database_variable(variable.name) for variable in variables)
        or _calls_database(last),
    )


def _calls_database(last: Attempt | None) -> bool:
    return last is not None and any(
        isinstance(event, Connect) and event.port == _POSTGRESQL for event in last.events
    )
