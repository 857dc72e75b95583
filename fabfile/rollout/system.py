"""The whole system as steps: which phase puts what on which host. Read top to bottom, it is the documented procedure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..control import releases
from ..discovery import store as knowledge
from ..discovery.model import Facts
from ..engine.shell import Reading
from ..engine.step import Change, Step
from ..roles import app, base, edge, haproxy, healer, keepalived, nginx, postgres, watchdog
from ..settings.inventory import Node
from ..settings.settings import Settings
from ..steps.cert import Material
from ..steps.seed import Seeded

PHASES = ("server", "access", "app", "seed", "indexes", "edge")
"""The order a deploy dares: the database, its role, the app (one node at a time), the data, the edge."""

ROLE_OF = {
    "server": "postgres",
    "access": "postgres",
    "app": "app",
    "seed": "postgres",
    "indexes": "postgres",
    "edge": "edge",
}


@dataclass(frozen=True)
class System:
    """A site, its binary on the controller, what is known about it, and its certificate.

    `facts` is None before discovery, `tls` in a plan before the certificate was issued.
    """

    settings: Settings
    source: Path
    facts: Facts | None
    tls: Material | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    """Where the app serves on the nodes that this deploy leaves as they are; on all others it is what `facts` say."""

    def steps(self, node: Node, phase: str) -> list[Step]:
        """What `phase` makes right on `node`; nothing when the node has another role."""
        if ROLE_OF[phase] not in node.roles:
            return []
        own = getattr(self, f"_{phase}")(node)
        return [*base.steps(), *own] if phase == self._first_phase(node) else own

    def _first_phase(self, node: Node) -> str:
        return next(phase for phase in PHASES if ROLE_OF[phase] in node.roles)

    def _server(self, node: Node) -> list[Step]:
        return postgres.server(self.settings, node)

    def _access(self, node: Node) -> list[Step]:
        return postgres.access(self.settings)

    def _app(self, node: Node) -> list[Step]:
        if self.facts is None:
            return [*app.ground(self.settings, self.source), Undiscovered("the app's configuration, log and unit")]
        healing = healer.steps(self.settings, node, self.facts)
        serving = app.steps(self.settings, self.source, self.facts)
        known = knowledge.step(self.settings, self.facts)
        return [*healing, *serving, known, releases.proven(self.settings)]

    def _seed(self, node: Node) -> list[Step]:
        return [Seeded(self.settings, self.facts.prepare_command if self.facts else None)]

    def _indexes(self, node: Node) -> list[Step]:
        return postgres.indexes(self.settings)

    def _edge(self, node: Node) -> list[Step]:
        # Asked for also when nothing else is known yet: what the host cannot do is refused before anything is changed.
        possible = [nginx.Http3Possible()] if self.settings.edge.http3 else []
        foreign = edge.foreign(self.settings)
        if self.facts is None:
            return [*foreign, *possible, Undiscovered("the balancer's configuration")]
        front = nginx.steps(self.settings, node, self.tls) if self.tls else [*possible, Unissued()]
        ports = {one.name: self.facts.port for one in self.settings.inventory.having("app")} | dict(self.ports)
        floating = keepalived.steps(self.settings, node) if self.settings.edge.address else []
        guarded = watchdog.steps() if self.tls else []
        return [*foreign, *haproxy.steps(self.settings, node, ports), *front, *guarded, *floating]


@dataclass(frozen=True)
class Undiscovered(Step):
    """Stands in a plan for what can be said only after discovery has run."""

    what: str

    @property
    def name(self) -> str:
        """`discovery: …`."""
        return f"discovery: {self.what}"

    def probe(self) -> str:
        """Nothing to read."""
        return "true"

    def decide(self, seen: Reading) -> Change | None:
        """Always to be done."""
        return Change(f"discover what the binary wants, then write {self.what}", ())


@dataclass(frozen=True)
class Unissued(Step):
    """Stands in a plan for the certificate that a deploy would issue, and for what needs it."""

    @property
    def name(self) -> str:
        """`certificate`."""
        return "certificate"

    def probe(self) -> str:
        """Nothing to read."""
        return "true"

    def decide(self, seen: Reading) -> Change | None:
        """Always to be done."""
        return Change("issue a certificate, then install nginx with it", ())
