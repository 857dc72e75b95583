"""What a drill runs against: the site, its victims, and how to reach its hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..control.front import Front
from ..control.site_front import find_front
from ..discovery import store as knowledge
from ..discovery.model import Facts
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.messages import plural
from ..engine.shell import q
from ..settings.paths import app_unit
from ..settings.project import PROJECT
from ..settings.settings import Settings
from ..settings.site_file import in_lab
from .errors import NotPossible
from .observer import Snapshot, is_up

LAB_SECONDS = 120
"""Longest time of a task of the lab, in seconds."""


@dataclass
class DrillTarget:
    """One site in one drill. `snapshot`: the state before the fault. `exits`: the exit codes
    of the tasks that were run as the fault."""

    settings: Settings
    fleet: Fleet
    snapshot: Snapshot
    exits: list[int] = field(default_factory=list)

    @property
    def lab(self) -> bool:
        """Whether these are a lab's hosts."""
        return in_lab(self.settings)

    @property
    def unit(self) -> str:
        """The app's systemd unit."""
        return app_unit(self.settings)

    @cached_property
    def facts(self) -> Facts:
        """What discovery knows about the binary.

        Raises:
            NotPossible: discovery has not run yet.
        """
        facts = knowledge.known_facts(self.settings)
        if facts is None:
            raise NotPossible(
                "discovery has not run for this binary",
                "its port is not known",
                "fab deploy",
            )
        return facts

    @property
    def port(self) -> int:
        """The port of the app on its nodes; NotPossible as for `facts`."""
        return self.facts.port

    @property
    def apps(self) -> tuple[Node, ...]:
        """The app nodes."""
        return self.settings.inventory.having("app")

    @property
    def victim(self) -> Node:
        """The app node to break: the first that the serving edge sees up.

        Raises:
            NotPossible: there is no other node that could serve meanwhile.
        """
        return choose_victim(self.apps, self.snapshot)

    @property
    def front(self) -> Front:
        """How users reach the edges."""
        return find_front(self.settings)

    @property
    def serving_edge(self) -> Node:
        """The edge that serves; the first, if several do.

        Raises:
            NotPossible: there is no other edge that could take its users.
        """
        edges = self.settings.inventory.having("edge")
        if len(edges) < 2 or not self.front.address:
            raise NotPossible(
                "this site has one edge", "with only one edge, losing it takes the service down", ""
            )
        return next(edge for edge in edges if edge.name == self.snapshot.serving_edge)

    @property
    def database(self) -> Node:
        """The database's host.

        Raises:
            NotPossible: the program has no database.
        """
        if self.settings.program.database is None:
            raise NotPossible(
                f"{self.settings.program.title} has no database",
                "its service file has no [database]",
                "",
            )
        return self.settings.inventory.first_having("postgres")

    def has_unit(self, node: Node, unit: str) -> bool:
        """Whether a unit is active on a host."""
        return self.fleet.link(node).read([f"systemctl is-active -q {q(unit)}"])[0].code == 0

    def run(self, node: Node, script: str, timeout: float = 60) -> str:
        """Run `script` there as root; what it printed."""
        return self.fleet.link(node).run(script, timeout=timeout).out

    def two_apps(self) -> tuple[Node, ...]:
        """The app nodes, if there are two: the hypothesis is about two.

        Raises:
            NotPossible: there are more, or fewer.
        """
        if len(self.apps) != 2:
            raise NotPossible(
                f"this site has {plural(len(self.apps), 'app node')}",
                "this drill needs exactly two",
                "",
            )
        return self.apps

    def run_lab_task(self, *words: str) -> None:
        """Run a task of the lab's menu (`power-off node1`).

        Raises:
            NotPossible: this is no lab.
            RunbookError: the task failed.
        """
        if not self.lab:
            raise NotPossible(
                "nothing here can switch the power of a host",
                "only a lab can power its hosts off",
                "",
            )
        task = f"inv lab.{' '.join(words)}"
        try:
            done = _run_lab_menu(self.settings.path.parent.name, words)
        except subprocess.TimeoutExpired:
            raise RunbookError(
                f"{task}: not finished after {LAB_SECONDS} s",
                "its result is unknown",
                "inv lab.status",
            ) from None
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            raise RunbookError(f"{task}: {lines[0]}", "the lab task failed", "inv lab.status")


def _run_lab_menu(lab: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *words],
        cwd=PROJECT,
        env={**os.environ, "LAB": lab},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LAB_SECONDS,
        start_new_session=True,  # a Ctrl-C must reach the drill only, not this task
        encoding="utf-8",
        errors="replace",
    )


def choose_victim(apps: tuple[Node, ...], snapshot: Snapshot) -> Node:
    """The first app node that the serving edge sees up, if it sees another one up too.

    Raises:
        NotPossible: fewer than two are up.
    """
    edge = snapshot.edges[snapshot.serving_edge]
    up = [node for node in apps if edge and is_up(edge.nodes.get(node.name, ""))]
    if len(up) < 2:
        raise NotPossible(
            "fewer than two app nodes serve",
            "breaking one of them would take the service down",
            "fab status",
        )
    return up[0]


def folder_of(settings: Settings) -> Path:
    """Where results are kept."""
    return settings.state / "drills"
