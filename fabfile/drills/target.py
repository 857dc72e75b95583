"""Where a drill plays: the site, who its victims are, and the ways to break and mend a host."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..discovery import store as knowledge
from ..discovery.model import Facts
from ..engine.errors import RunbookError
from ..engine.fleet import Fleet
from ..engine.host import Node
from ..engine.shell import q
from ..settings.paths import app_unit
from ..settings.project import PROJECT
from ..settings.settings import Settings
from ..settings.site_file import in_lab
from .errors import NotPossible
from .observer import Snapshot, is_up


@dataclass
class DrillTarget:
    """One site in one drill. `snapshot` is how all stood before the fault; `exits` are the exit
    codes of tasks that were the fault."""

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
        """What discovery has found out about the binary.

        Raises:
            NotPossible: nobody has found out yet.
        """
        facts = knowledge.known_facts(self.settings)
        if facts is None:
            raise NotPossible(
                "nobody has discovered yet what the binary wants",
                "its port is not known",
                "fab deploy",
            )
        return facts

    @property
    def port(self) -> int:
        """Where the app serves on its nodes; NotPossible as for `facts`."""
        return self.facts.port

    @property
    def apps(self) -> tuple[Node, ...]:
        """The app nodes."""
        return self.settings.inventory.having("app")

    @property
    def victim(self) -> Node:
        """The app node to restarted_apps: the first that the holder of the address sees up.

        Raises:
            NotPossible: there is no other node that could serve meanwhile.
        """
        return choose_victim(self.apps, self.snapshot)

    @property
    def holder(self) -> Node:
        """The edge that holds the floating address.

        Raises:
            NotPossible: there is no other edge that could take it.
        """
        edges = self.settings.inventory.having("edge")
        if len(edges) < 2 or not self.settings.edge.address:
            raise NotPossible(
                "this site has one edge", "with only one edge, losing it takes the service down", ""
            )
        return next(edge for edge in edges if edge.name == self.snapshot.holder)

    @property
    def database(self) -> Node:
        """The database's host."""
        return self.settings.inventory.one("postgres")

    def has_unit(self, node: Node, unit: str) -> bool:
        """Whether a unit is active on a host."""
        return self.fleet.link(node).read([f"systemctl is-active -q {q(unit)}"])[0].code == 0

    def run(self, node: Node, script: str, timeout: float = 60) -> str:
        """Run `script` there as root; what it printed."""
        return self.fleet.link(node).run(script, timeout=timeout).out

    def two_apps(self) -> tuple[Node, ...]:
        """The app nodes, if there are two: what the drill believes is about two.

        Raises:
            NotPossible: there are more, or fewer.
        """
        if len(self.apps) != 2:
            raise NotPossible(
                f"this site has {len(self.apps)} app nodes", "the drill is about two", ""
            )
        return self.apps

    def of_lab(self, *words: str) -> None:
        """A task of the lab's menu (`power-off node1`).

        Raises:
            NotPossible: this is no lab.
            RunbookError: the task failed.
        """
        if not self.lab:
            raise NotPossible(
                "nothing here can switch a host's power",
                "only a lab's hosts have such a switch",
                "",
            )
        environment = {**os.environ, "LAB": self.settings.path.parent.name}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "lab", *words],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                start_new_session=True,  # a Ctrl-C is ours, not the task's
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise RunbookError(
                f"inv lab.{' '.join(words)}: not done after 120 s",
                "the drill cannot see what became of it",
                "inv lab.status",
            ) from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
            raise RunbookError(
                f"inv lab.{' '.join(words)}: {said[0]}", "the lab did not do it", "inv lab.status"
            )


def choose_victim(apps: tuple[Node, ...], snapshot: Snapshot) -> Node:
    """The first app node that is up in the eyes of the edge that serves, if another one is up too.

    Raises:
        NotPossible: there are not two.
    """
    edge = snapshot.edges[snapshot.holder]
    up = [node for node in apps if edge and is_up(edge.nodes.get(node.name, ""))]
    if len(up) < 2:
        raise NotPossible(
            "fewer than two app nodes serve",
            "the loss of one would be the service's loss",
            "fab status",
        )
    return up[0]


def folder_of(settings: Settings) -> Path:
    """Where results are kept."""
    return settings.state / "drills"
