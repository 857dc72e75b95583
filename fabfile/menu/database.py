"""The menu of `inv db.*`: parts of the deploy that concern the database, and a look into it.

Everything goes through the ssh link to the database's host; no database port is open to this
machine.
"""

from __future__ import annotations

from typing import Any

from invoke import Collection, task

from ..console.task import JSON, VERBOSE, is_dry, run_as_task


def _phases(c: Any, name: str, phases: tuple[str, ...], json: str | None) -> int:
    """The deploy of some phases on the database's hosts."""
    from ..rollout.deploy import DeployOptions, deploy_hosts
    from ..settings.site_file import load_settings

    return deploy_hosts(
        load_settings(),
        [],
        DeployOptions(task=f"db.{name}", phases=phases, dry=is_dry(c), json=json),
    )


@task(help={**JSON, **VERBOSE})
@run_as_task
def setup(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Install PostgreSQL; create role and database.

    The app nodes, and only they, are let in.
    """
    return _phases(c, "setup", ("server", "access"), json)


@task(help={**JSON, **VERBOSE})
@run_as_task
def seed(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Seed the database once, by the binary's own command.

    A seeding that was cut off starts over.
    """
    return _phases(c, "seed", ("seed",), json)


@task(help={**JSON, **VERBOSE})
@run_as_task
def indexes(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Build the indexes that the binary forgot.

    Without blocking writes; an invalid index is built again.
    """
    return _phases(c, "indexes", ("indexes",), json)


@task(help={**JSON, **VERBOSE, "dry": "only show the table"})
@run_as_task
def tune(c: Any, dry: bool = False, json: str | None = None, verbose: bool = False) -> int:
    """Tune PostgreSQL to the host's memory.

    Shows each setting as it is and as it should be, then changes it.
    """
    from ..flows.database import show_tuning
    from ..settings.site_file import load_settings

    settings, only = load_settings(), dry or is_dry(c)
    show_tuning(settings, json, only=only)
    return 0 if only else _phases(c, "tune", ("server",), json)


@task(help={**JSON, **VERBOSE})
@run_as_task
def status(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Show tables, indexes and connections.

    Of the app's database, as PostgreSQL sees them.
    """
    from ..flows.database import show_database as run
    from ..settings.site_file import load_settings

    return run(load_settings(), json)


namespace = Collection(setup, seed, indexes, tune, status)
