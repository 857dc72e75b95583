"""`fab releases` and `fab rollback`: show the releases on the app nodes, and go back to one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..control.releases import (
    InstalledRelease,
    current_release,
    previous_release,
    read_releases,
)
from ..engine.errors import DIFFERS, OK, RunbookError
from ..engine.fleet import raise_first
from ..engine.host import Node
from ..engine.messages import show_megabytes
from ..rollout.auto_rollback import system_of
from ..rollout.deploy import DeployOptions, carry_out
from ..settings.reach import open_fleet
from ..settings.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table


def show_releases(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Print each app node's releases.

    Returns:
        The exit code: 2 if the nodes run different releases.

    Raises:
        RunbookError: a node does not answer. The others are printed before.
    """
    out = open_console(json)
    with open_fleet(settings, _app_nodes(settings, names), readonly=True) as fleet:
        results = fleet.each(lambda node: read_releases(fleet.link(node), settings))
    installed = _without_errors(results)
    out.print(_release_table(installed))
    hosts = {
        host: [asdict(release) for release in releases] for host, releases in installed.items()
    }
    write_json({"hosts": hosts}, json)
    raise_first(results)
    running = {current_release(releases) for releases in installed.values()}
    return OK if len(running) < 2 else DIFFERS


def _without_errors(
    results: Mapping[str, list[InstalledRelease] | RunbookError],
) -> dict[str, list[InstalledRelease]]:
    return {
        host: releases
        for host, releases in results.items()
        if not isinstance(releases, RunbookError)
    }


def _release_table(installed: Mapping[str, Sequence[InstalledRelease]]) -> Table:
    from rich.table import Table

    columns = ("host", "release", "installed", "", "proven", "size")
    table = Table(*columns, box=None, header_style="dim", pad_edge=False)
    for host, releases in installed.items():
        for release in releases:
            table.add_row(
                host,
                release.id,
                release.installed,
                "[green]current[/]" if release.current else "",
                release.proven or "[dim]never[/]",
                show_megabytes(release.size),
            )
    return table


def roll_back(settings: Settings, names: Sequence[str], to: str, options: DeployOptions) -> int:
    """Go back to an earlier release on the app nodes called `names` (all, without names).

    Args:
        settings: the site.
        names: the nodes.
        to: the release, or the beginning of its id; empty for the release proven before.
        options: how the rollback was typed.

    Returns:
        The exit code of the deploy.

    Raises:
        RunbookError: there is no such release, a node does not have it, or `to` is ambiguous.
        Nothing was changed.
    """
    started = time.monotonic()
    with open_fleet(settings, _app_nodes(settings, names), readonly=options.dry) as fleet:
        results = fleet.each(lambda node: read_releases(fleet.link(node), settings))
        raise_first(results)
        installed = _without_errors(results)
        target = named_release(installed, to) if to else release_before(installed)
        system = system_of(settings, fleet.link(fleet.nodes[0]), target)
        options = replace(options, task="rollback", phases=("app",))
        code = carry_out(fleet, system, options, started)
    if code == OK and system.settings.app.sha256 != settings.app.sha256 and not options.dry:
        open_console(options.json).print(
            f"The site file still pins {settings.app.sha256[:12]}; the next fab deploy will deploy"
            " it again.\n"
            f'To keep this release, pin it: app.sha256 = "{system.settings.app.sha256}" in'
            f" {settings.path}, and its app.binary"
        )
    return code


def _app_nodes(settings: Settings, names: Sequence[str]) -> list[Node]:
    nodes = [node for node in settings.inventory.select(names, ("app",)) if "app" in node.roles]
    if not nodes:
        raise RunbookError(
            "none of these hosts is an app node", "releases are stored on app nodes", "fab releases"
        )
    return nodes


def named_release(installed: Mapping[str, Sequence[InstalledRelease]], to: str) -> str:
    """The release whose id begins with `to`, if every node has it.

    Raises:
        RunbookError: no release or several begin with `to`, or a node does not have it.
    """
    ids = {host: {release.id for release in releases} for host, releases in installed.items()}
    found = {id for some in ids.values() for id in some if id.startswith(to)}
    if len(found) != 1:
        problem = f"no release on the nodes begins with {to}"
        if found:
            problem = f"{', '.join(sorted(found))} begin with {to}"
        raise RunbookError(
            problem,
            "a rollback can only go to a release that is stored on the nodes; any other one must"
            " be deployed",
            "fab releases",
        )
    target = found.pop()
    missing = [host for host, some in ids.items() if target not in some]
    if missing:
        raise RunbookError(
            f"release {target} is not stored on {', '.join(missing)}",
            "every node must be able to run it; nothing was changed",
            "fab releases; or pin it in the site file, then fab deploy",
        )
    return target


def release_before(installed: Mapping[str, Sequence[InstalledRelease]]) -> str:
    """The release that was proven before the current one.

    Raises:
        RunbookError: the nodes run different releases, or no earlier one is proven on all of them.
    """
    running = {host: current_release(releases) for host, releases in installed.items()}
    if len(set(running.values())) > 1:
        raise RunbookError(
            ", ".join(f"{host} runs {release or 'none'}" for host, release in running.items()),
            "the nodes run different releases, so the earlier one is not clear",
            "fab rollback --to RELEASE",
        )
    target = previous_release(installed, next(iter(running.values()), ""))
    if not target:
        raise RunbookError(
            "no other release stored on every node has passed the gate",
            "going back to an unproven release is your decision",
            "fab releases, then fab rollback --to RELEASE",
        )
    return target
