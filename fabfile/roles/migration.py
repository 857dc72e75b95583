"""The migration of a release: its step, and what the app node needs for it."""

from __future__ import annotations

from pathlib import Path

from ..engine.host import Node
from ..engine.step import Step
from ..settings.paths import app_unit, binary_name
from ..settings.program import Migration
from ..settings.program_texts import ProgramTexts
from ..settings.settings import Settings
from ..steps.file import Directory, File
from ..steps.migration import Migrated
from ..steps.run_migration import UNIT_FILE
from . import app
from .app_unit import command_line, render_unit, split_environment
from .base import base_steps


def find_rule(settings: Settings) -> Migration | None:
    """How the program migrates; None if it does not."""
    database = settings.program.database
    return database.migrate if database else None


def migration_steps(settings: Settings, source: Path, *, may_stop: bool = False) -> list[Step]:
    """The step that migrates; none for a program without a migration.

    Args:
        settings: the site.
        source: the file of the binary on the controller.
        may_stop: whether the app may be stopped for it.
    """
    rule = find_rule(settings)
    if rule is None:
        return []
    release = app.app_release(settings, source)
    node = settings.inventory.first_having("app")
    folder = f"{release.folder}/migrate"
    preparation = _preparation_steps(settings, source, rule, node, folder)
    return [Migrated(settings, rule, release.id, tuple(preparation), folder, may_stop)]


def _preparation_steps(
    settings: Settings, source: Path, rule: Migration, node: Node, folder: str
) -> list[Step]:
    """What changes nothing that serves: the release, the program's own folders, and the unit with
    copies of the files that the release will read."""
    user = settings.app.user
    texts = app.app_texts(settings, node, None)
    files = {
        f"{folder}/{Path(file.template).name}": file
        for file in settings.program.files
        if texts.path_of(file)
    }
    copies: list[Step] = [
        File(path, texts.fill_file(file).text, mode=int(file.mode, 8), owner=f"root:{user}")
        for path, file in files.items()
    ]
    environment = split_environment(
        texts.fill_environment({**settings.program.start.environment, **rule.environment})
    )
    secret_file = f"{folder}/environment"
    if environment.secret_text:
        copies.append(File(secret_file, environment.secret_text, mode=0o600))
    return [
        *base_steps(),
        *app.ground_steps(settings, source),
        *app.program_directories(texts),
        Directory(folder, mode=0o750, owner=f"root:{user}"),
        *copies,
        File(
            UNIT_FILE,
            _unit_text(
                texts,
                rule,
                folder,
                files=[(path, texts.path_of(file)) for path, file in files.items()],
                environment=environment.lines,
                environment_file=secret_file if environment.secret_text else "",
            ),
            validate=app.VERIFY,
        ),
    ]


def _unit_text(texts: ProgramTexts, rule: Migration, folder: str, **values: object) -> str:
    settings = texts.settings
    binary = f"{folder.rpartition('/')[0]}/{binary_name(settings)}"
    kept = [found.path for found in texts.service.directories]
    return render_unit(
        "app/migrate.service",
        texts,
        unit=app_unit(settings),
        release=settings.app.sha256[:12],
        command=command_line(binary, texts.fill_words(rule.command, "database.migrate.command")),
        seconds=rule.seconds,
        writes=[*kept, *texts.service.start.sandbox.writes],
        **values,
    )
