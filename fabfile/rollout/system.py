"""The whole system as steps: which phase puts what on which host. Read top to bottom, it is the
documented procedure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import certs
from ..discovery import store as knowledge
from ..discovery.model import Facts
from ..engine.host import Node
from ..engine.step import PlanOnly, Step
from ..health.units import needed_units
from ..roles import (
    app,
    base,
    edge,
    exporters,
    haproxy,
    healer,
    keepalived,
    monitoring,
    nginx,
    postgres,
    watchdog,
)
from ..settings.inventory import ROLES
from ..settings.settings import Settings
from ..steps.cert import Material
from ..steps.gate import ReleaseProven, proven_step
from ..steps.http3 import Http3Possible
from ..steps.seed import Seeded


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
    """Where the app serves on the nodes that this deploy leaves as they are; on all others it is
    what `facts` say."""

    def steps(self, node: Node, phase: str) -> list[Step]:
        """What the phase called `phase` makes right on `node`; nothing when the node has another
        role."""
        if not PHASES[phase].concerns(node):
            return []
        own = PHASES[phase].steps(self, node)
        return [*base.base_steps(), *own] if phase == _first_phase(node) else list(own)

    def app_plan(self, node: Node) -> AppPlan:
        """The app phase on `node`, with its gate apart.

        Raises:
            ValueError: nothing is discovered yet, so there is no release to judge.
        """
        if self.facts is None:
            raise ValueError("an app phase can be planned only after discovery")
        *steps, last = self.steps(node, "app")
        assert isinstance(last, ReleaseProven)
        return AppPlan(steps, last)


@dataclass(frozen=True)
class AppPlan:
    """What an app node needs: `steps` to converge, then `gate`, which the release must pass."""

    steps: Sequence[Step]
    gate: ReleaseProven


@dataclass(frozen=True)
class Phase:
    """One stage of a deploy: hosts with `role` (`EVERY`: all) get `steps`."""

    name: str
    role: str
    steps: Callable[[System, Node], Sequence[Step]]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the hosts that it concerns."""
        return ROLES if self.role == EVERY else (self.role,)

    def concerns(self, node: Node) -> bool:
        """Whether it puts anything on `node`."""
        return bool(set(self.roles) & set(node.roles))


EVERY = "every role"


def _server_steps(system: System, node: Node) -> Sequence[Step]:
    return postgres.server_steps(system.settings, node)


def _access_steps(system: System, node: Node) -> Sequence[Step]:
    return postgres.access_steps(system.settings)


def _app_steps(system: System, node: Node) -> Sequence[Step]:
    settings, facts = system.settings, system.facts
    if facts is None:
        ground = app.ground_steps(settings, system.source)
        return [*ground, undiscovered("the app's configuration, log and unit")]
    healing = healer.healer_steps(settings, node, facts)
    serving = app.app_steps(settings, system.source, facts)
    return [*healing, *serving, knowledge.facts_step(settings, facts), proven_step(settings)]


def _seed_steps(system: System, node: Node) -> Sequence[Step]:
    return [Seeded(system.settings, system.facts.prepare_command if system.facts else None)]


def _index_steps(system: System, node: Node) -> Sequence[Step]:
    return postgres.index_steps(system.settings)


def _exporter_steps(system: System, node: Node) -> Sequence[Step]:
    settings, facts = system.settings, system.facts
    if not settings.monitors:
        return []
    if facts is None and "app" in node.roles:
        return [undiscovered("what is watched of the app")]
    logs = facts.logs if facts else ()
    return exporters.exporter_steps(settings, node, needed_units(settings, node), logs)


def _monitoring_steps(system: System, node: Node) -> Sequence[Step]:
    bundle = certs.trust_bundle(system.settings)
    trust = bundle.read_text(encoding="utf-8") if bundle else ""
    return monitoring.monitoring_steps(system.settings, node, trust)


def _edge_steps(system: System, node: Node) -> Sequence[Step]:
    settings = system.settings
    # Before anything is changed: a host that cannot do HTTP/3 is refused even before discovery has
    # run.
    possible = [Http3Possible()] if settings.edge.http3 else []
    foreign = edge.foreign(settings)
    if system.facts is None:
        return [*foreign, *possible, undiscovered("the balancer's configuration")]
    front = nginx.nginx_steps(settings, node, system.tls) if system.tls else [*possible, UNISSUED]
    ports = {one.name: system.facts.port for one in settings.inventory.having("app")} | dict(
        system.ports
    )
    floating = keepalived.keepalived_steps(settings, node) if settings.edge.address else []
    guarded = watchdog.steps() if system.tls else []
    return [*foreign, *haproxy.haproxy_steps(settings, node, ports), *front, *guarded, *floating]


PHASES = {
    phase.name: phase
    for phase in (
        Phase("server", "postgres", _server_steps),
        Phase("access", "postgres", _access_steps),
        Phase("app", "app", _app_steps),
        Phase("seed", "postgres", _seed_steps),
        Phase("indexes", "postgres", _index_steps),
        # Before the edge: its nginx tells mtail what it answers from its first second on.
        Phase("exporters", EVERY, _exporter_steps),
        Phase("edge", "edge", _edge_steps),
        Phase("monitoring", "monitoring", _monitoring_steps),
    )
}
"""By name, in the order of a deploy: the database, its role, the app (one node at a time), the
data, the edge."""


def _first_phase(node: Node) -> str:
    return next(phase.name for phase in PHASES.values() if phase.concerns(node))


UNISSUED = PlanOnly("certificate", "issue a certificate, then install nginx with it")
"""Stands in a plan for the certificate that a deploy would issue, and for what needs it."""


def undiscovered(what: str) -> PlanOnly:
    """Stands in a plan for `what` can be said only after discovery has run."""
    return PlanOnly(f"discovery: {what}", f"discover what the binary wants, then write {what}")
