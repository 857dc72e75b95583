"""The whole system as steps: which phase installs what on which host, in the order of a deploy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import certs
from ..discovery import store as discovery_store
from ..discovery.model import Facts
from ..engine.host import Node
from ..engine.step import PlanOnly, Step
from ..health.units import needed_units
from ..roles import (
    app,
    base,
    edge,
    exporters,
    external_balancer,
    firewall,
    haproxy,
    healer,
    keepalived,
    migration,
    monitoring,
    nginx,
    postgres,
    seeding,
    unmonitored,
    watchdog,
)
from ..settings.inventory import ROLES
from ..settings.settings import Settings
from ..steps.cert import Material
from ..steps.gate import ReleaseProven, proven_step
from ..steps.http3 import Http3Possible


@dataclass(frozen=True)
class System:
    """What a deploy brings to the hosts.

    Attributes:
        settings: the site.
        source: the binary on this machine.
        facts: what discovery found out about the binary; None before discovery.
        tls: the certificate; None in a plan before the certificate is issued.
        ports: the app's port on each node that this deploy does not touch. On all other nodes it is
            the port of `facts`.
        may_stop: whether the app may be stopped for a migration.
    """

    settings: Settings
    source: Path
    facts: Facts | None
    tls: Material | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    may_stop: bool = False

    def steps(self, node: Node, phase: str) -> list[Step]:
        """The steps of `phase` on `node`; empty if the phase does not concern the node."""
        if not PHASES[phase].concerns(node):
            return []
        steps = list(PHASES[phase].steps(self, node))
        if phase == _first_phase(node):
            return [*base.base_steps(), *steps]
        return steps

    def app_plan(self, node: Node) -> AppPlan:
        """The app phase on `node`, with the gate separated from the other steps.

        Raises:
            ValueError: before discovery there is no release to judge.
        """
        if self.facts is None:
            raise ValueError("an app phase can be planned only after discovery")
        *steps, last = self.steps(node, "app")
        assert isinstance(last, ReleaseProven)
        return AppPlan(steps, last)


@dataclass(frozen=True)
class AppPlan:
    """The app phase on one node: `steps` to converge, then the `gate` for the release to pass."""

    steps: Sequence[Step]
    gate: ReleaseProven


@dataclass(frozen=True)
class Phase:
    """One phase of a deploy: hosts with `role` (all hosts, if it is EVERY) get `steps`."""

    name: str
    role: str
    steps: Callable[[System, Node], Sequence[Step]]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the hosts that the phase concerns."""
        return ROLES if self.role == EVERY else (self.role,)

    def concerns(self, node: Node) -> bool:
        """Whether the phase installs anything on `node`."""
        return bool(set(self.roles) & set(node.roles))


EVERY = "every role"


def _server_steps(system: System, node: Node) -> Sequence[Step]:
    return postgres.server_steps(system.settings, node)


def _access_steps(system: System, node: Node) -> Sequence[Step]:
    return postgres.access_steps(system.settings)


def _migrate_steps(system: System, node: Node) -> Sequence[Step]:
    return migration.migration_steps(system.settings, system.source, may_stop=system.may_stop)


def _app_steps(system: System, node: Node) -> Sequence[Step]:
    settings, facts = system.settings, system.facts
    if facts is None:
        before_discovery = app.ground_steps(settings, system.source)
        return [*before_discovery, undiscovered("the app's configuration, log and unit")]
    healing = healer.healer_steps(settings, node, facts)
    # Before the app: a release may listen on another port, and the gate lets the edges call it.
    walls = firewall.firewall_steps(settings, node, facts.port)
    serving = app.app_steps(settings, system.source, facts, node)
    return [
        *healing,
        *walls,
        *serving,
        discovery_store.facts_step(settings, facts),
        proven_step(settings),
    ]


def _seed_steps(system: System, node: Node) -> Sequence[Step]:
    step = seeding.seed_step(
        system.settings, system.facts.prepare_command if system.facts else None
    )
    return [step] if step else []


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


def _firewall_steps(system: System, node: Node) -> Sequence[Step]:
    # On an app node, the app phase does it.
    return [] if "app" in node.roles else firewall.firewall_steps(system.settings, node, None)


def _monitoring_steps(system: System, node: Node) -> Sequence[Step]:
    bundle = certs.trust_bundle(system.settings)
    trust = bundle.read_text(encoding="utf-8") if bundle else ""
    return monitoring.monitoring_steps(system.settings, node, trust)


def _unmonitored_steps(system: System, node: Node) -> Sequence[Step]:
    return unmonitored.unmonitored_steps(system.settings, node)


def _edge_steps(system: System, node: Node) -> Sequence[Step]:
    settings = system.settings
    # Part of every plan, so that a host without HTTP/3 is refused before anything is changed.
    http3_check = [Http3Possible()] if settings.edge.http3 else []
    foreign = edge.foreign_config_steps(settings)
    if system.facts is None:
        return [*foreign, *http3_check, undiscovered("the balancer's configuration")]
    ports = {app_node.name: system.facts.port for app_node in settings.inventory.having("app")}
    ports |= system.ports
    steps: list[Step] = [*foreign, *haproxy.haproxy_steps(settings, node, ports)]
    if system.tls:
        steps += nginx.nginx_steps(settings, node, system.tls)
        steps += watchdog.watchdog_steps()
    else:
        steps += [*http3_check, UNISSUED]
    if settings.edge.external:
        steps += external_balancer.external_balancer_steps(settings)
    elif settings.edge.address:
        steps += keepalived.keepalived_steps(settings, node)
    return steps


PHASES = {
    phase.name: phase
    for phase in (
        Phase("server", "postgres", _server_steps),
        Phase("access", "postgres", _access_steps),
        # Before the first app node: the release before may serve on, on the new tables.
        Phase("migrate", "postgres", _migrate_steps),
        Phase("app", "app", _app_steps),
        Phase("seed", "postgres", _seed_steps),
        Phase("indexes", "postgres", _index_steps),
        # Before the edge: nginx logs to mtail from its first request on.
        Phase("exporters", EVERY, _exporter_steps),
        Phase("firewall", EVERY, _firewall_steps),
        Phase("edge", "edge", _edge_steps),
        Phase("monitoring", "monitoring", _monitoring_steps),
        # After the edge: until then, nginx logs to mtail.
        Phase("unmonitored", EVERY, _unmonitored_steps),
    )
}
"""The phases by name, in the order of a deploy. The data comes after the app, because the binary
itself seeds the database."""


def _first_phase(node: Node) -> str:
    return next(phase.name for phase in PHASES.values() if phase.concerns(node))


UNISSUED = PlanOnly("certificate", "issue a certificate, then install nginx with it")
"""The placeholder in a plan for the certificate and everything that needs it."""


def undiscovered(what: str) -> PlanOnly:
    """The placeholder in a plan for `what` depends on discovery."""
    return PlanOnly(f"discovery: {what}", f"discover what the binary needs, then write {what}")
