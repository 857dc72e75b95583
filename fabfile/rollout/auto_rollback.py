"""Back to the release before, by itself: what happens when a release fails the gate (exit 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..control import releases
from ..discovery import store as knowledge
from ..engine.errors import FAILED, ROLLED_BACK, RunbookError
from ..engine.host import Node
from ..engine.journal import append_lines
from ..engine.shell import q
from ..settings.paths import ROOT, binary_name
from ..settings.settings import Settings
from . import evidence, gate
from .gate import GateFailed
from .system import System

if TYPE_CHECKING:
    from ..engine.link import Link
    from .app_nodes import AppRollout


ONCE_PROVEN = 2.0
"""Seconds of probe load for a release that has passed the gate before: the sooner it is back,
the less users wait."""


def system_of(settings: Settings, link: Link, release: str) -> System:
    """The system with a release that lies on `link`'s host, and with all other settings as they are
    now.

    Raises:
        RunbookError: it does not lie there, or is not what it was.
    """
    path = f"{ROOT}/releases/{release}/{binary_name(settings)}"
    digest = link.read([f"sha256sum <{q(path)} 2>/dev/null; true"])[0].out.split()
    if not digest or not digest[0].startswith(release):
        raise RunbookError(
            f"{link.name}: {path} is {'not what its name says' if digest else 'not there'}",
            "nothing can go back to it",
            "fab releases",
        )
    pinned = replace(settings, app=replace(settings.app, sha256=digest[0]))
    return System(pinned, Path(path), knowledge.on_nodes(pinned))


def roll_back_fleet(apps: AppRollout, failed: GateFailed, nodes: Sequence[Node]) -> RunbookError:
    """Keep the evidence, then take every node of this rollout that runs the bad release back; how
    that ended.

    Raises:
        Unreachable: a node does not answer any more.
    """
    rollout, bad = apps.rollout, failed.release
    node = next(one for one in nodes if one.name == failed.node)
    logs = rollout.system.facts.logs if rollout.system.facts else ()
    rollout.say_of(node, f"{failed.number}: keeping evidence")
    rollout.out.print(
        f"{node.name:<8} {'failed':<13}release {bad}: {failed.number}", style="bold red"
    )
    rollout.fleet.link(node).run(
        append_lines(rollout.run.entry("failed", f"gate {bad}", failed.problem))
    )
    evidence.keep_evidence(rollout.fleet.link(node), rollout.run, apps.settings, logs, failed)
    where = f"the evidence is in {rollout.run.path}"
    try:
        gate.gate_reads(apps.settings)
    except RunbookError as error:
        return RunbookError(
            f"{failed.problem}; and {error.problem}",
            f"that says nothing about the release: nothing was rolled back, {node.name} is out"
            f" until it passes; {where}",
            "bring the database back (fab status), then fab deploy",
        )
    kept = apps.kept(nodes)
    touched = sorted(
        (one for one in nodes if releases.current_release(kept[one.name]) == bad),
        key=lambda one: one.name != node.name,
    )
    if any(one.proven for one in kept[node.name] if one.id == bad):
        return _no_way_back(
            failed,
            "it passed the gate earlier, so its settings or environment must have changed;"
            f" {where}",
        )
    target = releases.previous_release({one.name: kept[one.name] for one in touched}, bad)
    if not target:
        return _no_way_back(
            failed,
            f"no earlier release passed the gate on {_name_list(touched) or node.name}; {where}",
        )
    return _take_back(apps, failed, touched, target, where)


def _take_back(
    apps: AppRollout, failed: GateFailed, touched: Sequence[Node], target: str, where: str
) -> RunbookError:
    """The failing node first: it serves nobody. Then those that had passed, one at a time,
    through the gate as well."""
    rollout = apps.rollout
    rollout.out.print(f"rolling back to {target}: {_name_list(touched)}", style="bold yellow")
    try:
        system = system_of(apps.settings, rollout.fleet.link(touched[0]), target)
    except RunbookError as error:
        return _no_way_back(failed, f"{error.problem}; {where}")
    brief = replace(system.settings.gate, seconds=min(ONCE_PROVEN, system.settings.gate.seconds))
    system = replace(system, settings=replace(system.settings, gate=brief))
    apps.passed.clear()
    for node in touched:
        if failure := apps.one(node, system):
            return RunbookError(
                f"{failed.problem}; going back to {target} failed too: {failure.problem}",
                f"{node.name} is kept out where another one serves; {where}",
                f"fab status; fab rollback --to {target}",
            )
    apps.prove(touched)
    others = [
        node
        for node in apps.settings.inventory.having("app")
        if node.name not in {host.name for host in touched}
    ]
    on_other_release = {
        name
        for name, runs in evidence.running_releases(apps.settings, others).items()
        if runs != target
    }
    left = (
        f"; {', '.join(sorted(on_other_release))} runs another release and was not touched"
        if on_other_release
        else ""
    )
    return RunbookError(
        failed.problem,
        f"{_name_list(touched)} {'is' if len(touched) == 1 else 'are'} back on release"
        f" {target}{left}; {where}",
        "read the evidence; the site file still pins this release, so the next fab deploy tries it"
        " again",
        ROLLED_BACK,
    )


def _no_way_back(failed: GateFailed, why: str) -> RunbookError:
    return RunbookError(
        failed.problem,
        f"there is no release to go back to: {why}",
        "fix the release and run fab deploy, or: fab releases, fab rollback --to RELEASE",
        FAILED,
    )


def _name_list(nodes: Sequence[Node]) -> str:
    return ", ".join(node.name for node in nodes)
