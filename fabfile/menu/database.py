"""The menu of `inv db.*`: the parts of a deploy that concern the database, and its status.

All connections go through ssh to the database's host; no database port is open to this machine.
"""

from __future__ import annotations

from typing import Any

from invoke import Collection, task

from ..console.task import JSON, VERBOSE, is_dry, run_as_task


def _deploy_phases(c: Any, name: str, phases: tuple[str, ...], json: str | None) -> int:
    """Deploy only these phases; returns the exit code."""
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

    Only the app nodes may connect.
    """
    return _deploy_phases(c, "setup", ("server", "access"), json)


@task(help={**JSON, **VERBOSE})
@run_as_task
def seed(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Seed the database once, with the binary's own command.

    An interrupted seeding starts again from the beginning.
    """
    return _deploy_phases(c, "seed", ("seed",), json)


@task(help={**JSON, **VERBOSE})
@run_as_task
def indexes(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Build the indexes that the binary does not create.

    Writes are not blocked. An invalid index is built again.
    """
    return _deploy_phases(c, "indexes", ("indexes",), json)


@task(help={**JSON, **VERBOSE, "dry": "only show the table"})
@run_as_task
def tune(c: Any, dry: bool = False, json: str | None = None, verbose: bool = False) -> int:
    """Tune PostgreSQL to the host's memory.

    Shows the present and the wanted value of each setting, then changes it.
    """
    from ..flows.database import show_tuning
    from ..settings.site_file import load_settings

    settings, only = load_settings(), dry or is_dry(c)
    show_tuning(settings, json, only=only)
    return 0 if only else _deploy_phases(c, "tune", ("server",), json)


@task(help={**JSON, **VERBOSE})
@run_as_task
def status(c: Any, json: str | None = None, verbose: bool = False) -> int:
    """Show the tables, indexes and connections.

    Those of the app's database. Exit 2 when an index is missing or the data is not complete.
    """
    from ..flows.database import show_database as run
    from ..settings.site_file import load_settings

    return run(load_settings(), json)


namespace = Collection(setup, seed, indexes, tune, status)
