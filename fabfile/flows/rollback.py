"""`fab releases` and `fab rollback`: what lies on the app nodes, and back to one of it, one node
at a time through the gate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from ..console.json_file import write_json
from ..console.rollup import open_console
from ..control import releases as lying
from ..control.releases import InstalledRelease
from ..engine.errors import DIFFERS, OK, RunbookError
from ..engine.fleet import raise_first
from ..engine.host import Node
from ..rollout.auto_rollback import system_of
from ..rollout.deploy import DeployOptions, carry_out
from ..settings.reach import open_fleet
from ..settings.settings import Settings


def show_releases(settings: Settings, names: Sequence[str], json: str | None) -> int:
    """Print each app node's releases; 2 when the nodes do not all run the same, 4 when one does
    not answer."""
    from rich.table import Table

    out = open_console(json)
    with open_fleet(settings, _app_nodes(settings, names), readonly=True) as fleet:
        seen = fleet.each(lambda node: lying.releases_on(fleet.link(node), settings))
    kept = {name: one for name, one in seen.items() if not isinstance(one, RunbookError)}
    table = Table(
        "host",
        "release",
        "installed",
        "",
        "proven",
        "size",
        box=None,
        header_style="dim",
        pad_edge=False,
    )
    for name, many in kept.items():
        for one in many:
            runs = "[green]current[/]" if one.current else ""
            table.add_row(
                name,
                one.id,
                one.installed,
                runs,
                one.proven or "[dim]never[/]",
                f"{one.size / 1e6:.1f} MB",
            )
    out.print(table)
    write_json(
        {"hosts": {name: [asdict(one) for one in many] for name, many in kept.items()}}, json
    )
    raise_first(seen)
    return OK if len({lying.current_release(many) for many in kept.values()}) < 2 else DIFFERS


def roll_back(settings: Settings, names: Sequence[str], to: str, options: DeployOptions) -> int:
    """Take the app nodes called `names` (all, without names) to release `to`, else to the one
    proven before; the exit code.

    Raises:
        RunbookError: there is none, it does not lie on all of them, or which one is meant is not
        clear; nothing was changed.
    """
    began = time.monotonic()
    with open_fleet(settings, _app_nodes(settings, names), readonly=options.dry) as fleet:
        seen = fleet.each(lambda node: lying.releases_on(fleet.link(node), settings))
        raise_first(seen)
        kept = {name: many for name, many in seen.items() if not isinstance(many, RunbookError)}
        target = named_release(kept, to) if to else release_before(kept)
        system = system_of(settings, fleet.link(fleet.nodes[0]), target)
        code = carry_out(fleet, system, replace(options, task="rollback", phases=("app",)), began)
    if code == OK and system.settings.app.sha256 != settings.app.sha256 and not options.dry:
        open_console(options.json).print(
            f"The site file still pins {settings.app.sha256[:12]}, so the next"
            " fab deploy deploys it again.\n"
            f'To stay, pin what runs: app.sha256 = "{system.settings.app.sha256}" in'
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


def named_release(kept: Mapping[str, Sequence[InstalledRelease]], to: str) -> str:
    """The release that `to` begins, if it lies on every node.

    Raises:
        RunbookError: none or several begin so, or a node lacks it.
    """
    found = {one.id for many in kept.values() for one in many if one.id.startswith(to)}
    if len(found) != 1:
        seen = (
            f"no release on the nodes begins with {to}"
            if not found
            else f"{', '.join(sorted(found))} begin with {to}"
        )
        raise RunbookError(
            seen,
            "a rollback can only go to a release that is stored there; another one must be"
            " deployed",
            "fab releases",
        )
    target = found.pop()
    lacking = [name for name, many in kept.items() if target not in {one.id for one in many}]
    if lacking:
        raise RunbookError(
            f"release {target} does not lie on {', '.join(lacking)}",
            "all nodes must be able to go to it; nothing was changed",
            "fab releases; or pin it in the site file, then fab deploy",
        )
    return target


def release_before(kept: Mapping[str, Sequence[InstalledRelease]]) -> str:
    """The release proven before the one that runs.

    Raises:
        RunbookError: the nodes run different ones, or none was proven before on all of them.
    """
    running = {name: lying.current_release(many) for name, many in kept.items()}
    if len(set(running.values())) > 1:
        said = ", ".join(f"{name} runs {one or 'none'}" for name, one in running.items())
        raise RunbookError(
            said, "which of them to go back from is not clear", "fab rollback --to RELEASE"
        )
    target = lying.previous_release(kept, next(iter(running.values()), ""))
    if not target:
        raise RunbookError(
            "no other release that is on every node has passed the gate",
            "an unproven one is a choice of yours",
            "fab releases, then fab rollback --to RELEASE",
        )
    return target
