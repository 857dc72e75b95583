"""How the program's database gets its first rows: by a command of the program, or by SQL."""

from __future__ import annotations

from ..engine.errors import RunbookError
from ..settings.program import SeedRule
from ..settings.program_texts import ProgramTexts
from ..settings.settings import Settings
from ..steps.seed import Seeded
from ..steps.sql_script import split_statements
from ..steps.sql_seed import SeededBySql


def seed_step(
    settings: Settings, discovered: tuple[str, ...] | None
) -> Seeded | SeededBySql | None:
    """The step that seeds; None for a program that needs no seeding.

    `discovered` is the command that discovery found; the service file overrules it.

    Raises:
        RunbookError: the file of SQL cannot be read, or one of its values is wrong.
    """
    database = settings.program.database
    if database is None or database.seed is None:
        return None
    rule = database.seed
    if rule.sql:
        return SeededBySql(
            settings.database.name,
            settings.database.user,
            _read_statements(settings, rule),
            rule.rows,
            rule.seconds,
        )
    if database.migrate:
        raise RunbookError(
            f"service {settings.program.name} has [database.migrate], and a command that seeds",
            "that command starts with an empty database, so it would drop the migrated tables",
            f"edit {settings.program_folder}/service.toml: seed by sql",
        )
    return Seeded(settings, rule.command or discovered)


def _read_statements(settings: Settings, rule: SeedRule) -> tuple[str, ...]:
    texts = ProgramTexts(settings)
    script = texts.read_file(rule.sql, "[database.seed]")
    values = {
        name: texts.fill_text(text, f"database.seed.values.{name}").text
        for name, text in rule.values.items()
    }
    return split_statements(script, values)
