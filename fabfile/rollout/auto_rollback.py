"""Go back to the release before when a release fails the gate (exit code 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..control import releases
from ..discovery import store as discovery_store
from ..engine.errors import FAILED, ROLLED_BACK, RunbookError
from ..engine.host import Node
from ..engine.journal import append_lines
from ..engine.shell import q
from ..settings.paths import ROOT, binary_name
from ..settings.settings import Settings
from . import evidence, gate
from .gate import BadRelease, GateFailed
from .release_tables import refuse_cut_off
from .system import System

if TYPE_CHECKING:
    from ..engine.link import Link
    from .app_nodes import AppRollout


PROVEN_GATE_SECONDS = 2.0
"""Seconds of probe load for a release that has passed the gate before. The way back is kept short,
because a node is out of service meanwhile."""


def system_of(settings: Settings, link: Link, release: str) -> System:
    """The system with a release that is stored on `link`'s host; all other settings stay.

    Raises:
        RunbookError: the release is missing, its binary has changed, or a later migration changed
        its tables for good.
    """
    refuse_cut_off(settings, release)
    path = f"{ROOT}/releases/{release}/{binary_name(settings)}"
    digest = link.read([f"sha256sum <{q(path)} 2>/dev/null; true"])[0].out.split()
    if not digest or not digest[0].startswith(release):
        state = "does not have the sha256 of its name" if digest else "does not exist"
        raise RunbookError(
            f"{link.name}: {path} {state}",
            f"no node can go back to release {release}",
            "fab releases",
        )
    pinned = replace(settings, app=replace(settings.app, sha256=digest[0]))
    return System(pinned, Path(path), discovery_store.read_node_facts(pinned))


def roll_back_fleet(apps: AppRollout, failed: GateFailed, nodes: Sequence[Node]) -> RunbookError:
    """Keep the evidence, then take every node that runs the bad release back; returns the result.

    Raises:
        Unreachable: a node does not answer any more.
    """
    session, bad_release = apps.session, failed.release
    failed_node = next(node for node in nodes if node.name == failed.node)
    _keep_evidence(apps, failed, failed_node)
    where = f"the evidence is in {session.run.path}"
    try:
        gate.gate_reads(apps.settings)
    except RunbookError as error:
        return RunbookError(
            f"{failed.problem}; and {error.problem}",
            f"without the database the gate says nothing about the release: nothing was rolled"
            f" back, {failed_node.name} stays out of service until it passes; {where}",
            "bring the database back (fab status), then fab deploy",
        )
    installed = apps.installed_releases(nodes)
    # The failed node first: it serves nobody, so going back costs no capacity.
    affected = sorted(
        (node for node in nodes if releases.current_release(installed[node.name]) == bad_release),
        key=lambda node: node.name != failed_node.name,
    )
    if any(one.proven for one in installed[failed_node.name] if one.id == bad_release):
        return _no_way_back(
            failed,
            "it passed the gate earlier, so its settings or environment must have changed;"
            f" {where}",
        )
    target = releases.previous_release(
        {node.name: installed[node.name] for node in affected}, bad_release
    )
    if not target:
        names = _name_list(affected) or failed_node.name
        return _no_way_back(failed, f"no earlier release passed the gate on {names}; {where}")
    return _roll_back_nodes(apps, failed, affected, target=target, where=where)


def _keep_evidence(apps: AppRollout, failed: GateFailed, node: Node) -> None:
    """Report the failure, and keep what the node shows of it before anything is changed."""
    session = apps.session
    session.show_node_status(node, f"{failed.number}: keeping evidence")
    session.out.print(
        f"{node.name:<8} {'failed':<13}release {failed.release}: {failed.number}", style="bold red"
    )
    link, facts = session.fleet.link(node), session.system.facts
    entry = session.run.entry("failed", f"gate {failed.release}", failed.problem)
    link.run(append_lines(entry))
    logs = facts.logs if facts else ()
    evidence.keep_evidence(link, session.run, apps.settings, logs, failed)


def _roll_back_nodes(
    apps: AppRollout, failed: GateFailed, nodes: Sequence[Node], *, target: str, where: str
) -> RunbookError:
    """Roll `nodes` back to release `target`, one at a time through the gate; returns the result."""
    session = apps.session
    session.out.print(f"rolling back to {target}: {_name_list(nodes)}", style="bold yellow")
    try:
        system = system_of(apps.settings, session.fleet.link(nodes[0]), target)
    except RunbookError as error:
        return _no_way_back(failed, f"{error.problem}; {where}")
    limits = system.settings.gate
    limits = replace(limits, seconds=min(PROVEN_GATE_SECONDS, limits.seconds))
    system = replace(system, settings=replace(system.settings, gate=limits))
    apps.passed.clear()
    for node in nodes:
        if failure := apps.roll_out_node(node, system):
            return BadRelease(
                f"{failed.problem}; going back to {target} failed too: {failure.problem}",
                f"{node.name} stays out of service if another node serves; {where}",
                f"fab status; fab rollback --to {target}",
            )
    apps.record_proof(nodes)
    verb = "is" if len(nodes) == 1 else "are"
    return BadRelease(
        failed.problem,
        f"{_name_list(nodes)} {verb} back on release {target}"
        f"{_other_releases(apps, nodes, target)}; {where}",
        "read the evidence; the site file still pins this release, so the next fab deploy tries it"
        " again",
        ROLLED_BACK,
    )


def _other_releases(apps: AppRollout, nodes: Sequence[Node], target: str) -> str:
    """A clause on app nodes outside `nodes` that run another release than `target`; may be
    empty."""
    others = [node for node in apps.settings.inventory.having("app") if node not in nodes]
    running = evidence.running_releases(apps.settings, others)
    differing = sorted(name for name, release in running.items() if release != target)
    if not differing:
        return ""
    return f"; not touched, because on another release: {', '.join(differing)}"


def _no_way_back(failed: GateFailed, why: str) -> RunbookError:
    return BadRelease(
        failed.problem,
        f"there is no release to go back to: {why}",
        "fix the release and run fab deploy, or: fab releases, fab rollback --to RELEASE",
        FAILED,
    )


def _name_list(nodes: Sequence[Node]) -> str:
    return ", ".join(node.name for node in nodes)
