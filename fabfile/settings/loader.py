"""Make `Settings` of a parsed site file. An error names the key, and what fits there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, convert

from ..engine.addresses import is_ipv4
from ..engine.errors import RunbookError
from ..engine.host import HostSsh, Node
from .decoding import MisfitFinder
from .edge import Edge
from .inventory import ROLES, Inventory
from .kinds import PlainName, ServiceAddress
from .monitoring import Monitoring
from .password import read_password
from .program_secrets import read_secrets, secrets_folder
from .service import Service
from .service_file import read_service
from .settings import (
    App,
    Database,
    Gate,
    Settings,
    Ssh,
    Tls,
)
from .site_program import fill_from_program, find_program_folder, find_wrong_settings
from .site_rules import SiteFigures, find_conflicts

T = TypeVar("T")

Roles = Annotated[
    tuple[Literal["postgres", "app", "edge", "monitoring"], ...],
    Meta(min_length=1, description=f"a list out of {', '.join(ROLES)}"),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostTable:
    """`[hosts.NAME]`."""

    address: str
    roles: Roles
    ssh: HostSsh = dataclasses.field(default_factory=HostSsh)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SiteFile:
    """The tables of a site file."""

    name: PlainName
    service: ServiceAddress = ""
    firewall: Literal["none", "managed"] = "none"
    hosts: dict[PlainName, HostTable]
    ssh: Ssh
    app: App
    database: Database
    edge: Edge
    tls: Tls
    gate: Gate
    monitoring: Monitoring


TABLES = ("ssh", "app", "database", "edge", "tls", "gate", "monitoring")


class SiteLoader:
    """Makes `Settings` of a parsed site file. `path` is that file: messages name it, and relative
    paths are relative to its folder. `program` is its program and the folder of its service file,
    if they are not to be read from there."""

    def __init__(self, path: Path, program: tuple[Path, Service] | None = None) -> None:
        self.path = path
        self.program = program

    def make_settings(self, data: dict[str, Any]) -> Settings:
        """Return the settings of the whole site.

        Raises:
            RunbookError: a key of `data`, or of the service file, is unknown, missing or has a
            wrong value. It names the first such key.
        """
        if not isinstance(data.get("hosts"), dict) or not data["hosts"]:
            raise self._refuse("hosts needs at least one table like [hosts.node1]")
        folder, program = self._read_program(data.get("app"))
        data = {table: {} for table in TABLES} | {"name": self.path.stem} | data
        data = fill_from_program(data, program)
        data |= {table: _split_jumps(data[table]) for table in ("ssh", "hosts")}
        for misfit in MisfitFinder().find(data, SiteFile):
            raise self._refuse(str(misfit))
        site = _resolve_paths(
            convert(data, SiteFile, dec_hook=lambda kind, text: kind(text)), self.path.parent
        )
        inventory = self._make_inventory(site.hosts)
        self._check_whole(site, inventory)
        self._check_program(site, inventory, program)
        return Settings(
            path=self.path,
            name=site.name,
            service=(site.service or _default_service(inventory, site.edge)).rstrip("/"),
            inventory=inventory,
            password=read_password(site.database, program, self.path),
            secrets=read_secrets(program, secrets_folder(self.path, site.database)),
            program=program,
            program_folder=folder,
            firewall=site.firewall,
            **{table: getattr(site, table) for table in TABLES},
        )

    def _read_program(self, app: Any) -> tuple[Path, Service]:
        """The folder of the service file, and what it says."""
        if self.program:
            return self.program
        text = app.get("service", App.service) if isinstance(app, dict) else App.service
        if not isinstance(text, str):
            raise self._refuse(f"app.service must be a text, not {text!r}")
        try:
            folder = find_program_folder(text, self.path.parent)
        except RuntimeError:
            raise self._refuse(f"app.service names a home that does not exist: {text}") from None
        if not folder.is_dir():
            own = self.path.parent / text
            raise self._refuse(
                f"app.service must name the folder of a service.toml, and neither {own} nor"
                f" {folder} is a folder"
            )
        program = read_service(folder)
        for key in [key for key in program.settings if isinstance(app, dict) and key in app]:
            raise self._refuse(f"app.{key} is not a setting; did you mean app.settings.{key}?")
        return folder, program

    def _make_inventory(self, hosts: dict[str, HostTable]) -> Inventory:
        for name, host in hosts.items():
            if not is_ipv4(host.address):  # it goes into pg_hba.conf and haproxy.cfg as it is
                form = "must be an IPv4 address like 10.0.0.21"
                raise self._refuse(f"hosts.{name}.address {form}, not {host.address!r}")
        folder = self.path.parent
        return Inventory(
            tuple(
                Node(name, host.address, host.roles, _resolve_paths(host.ssh, folder))
                for name, host in hosts.items()
            )
        )

    def _check_whole(self, site: SiteFile, inventory: Inventory) -> None:
        """Refuse values that do not fit each other."""
        if not site.ssh.user and not site.ssh.config:
            raise self._refuse("ssh.user is missing")
        self._check_shared_address(site.edge, inventory)
        self._check_acme(site.tls)
        for key, half in site.monitoring.missing_halves():
            raise self._refuse(f"{half} is missing: {key} does nothing without it")

    def _check_program(self, site: SiteFile, inventory: Inventory, program: Service) -> None:
        """Refuse what does not fit between the site and its program."""
        for key, what in find_wrong_settings(site.app.settings, program):
            raise self._refuse(f"app.settings.{key} {what}")
        figures = SiteFigures(
            len(inventory.having("app")),
            tuple(node.name for node in inventory.having("postgres")),
            site.edge.node_rate,
            site.database.max_connections,
            site.database.user,
        )
        for refusal in find_conflicts(program, figures):
            raise self._refuse(*refusal)

    def _check_shared_address(self, edge: Edge, inventory: Inventory) -> None:
        """Refuse an address of the edges that is no IPv4 address, or that a host has already, and
        settings that contradict the way to reach them."""
        for key, what in edge.find_contradictions():
            raise self._refuse(f"{key} {what}")
        if not edge.address:
            return
        if not is_ipv4(edge.address):
            form = "must be an IPv4 address like 10.0.0.10"
            raise self._refuse(f"edge.address {form}, not {edge.address!r}")
        if taken := [node.name for node in inventory.nodes if node.address == edge.address]:
            raise self._refuse(
                f"edge.address must belong to no host, but {edge.address} is {taken[0]}'s own"
            )

    def _check_acme(self, tls: Tls) -> None:
        """Refuse an authority that has nothing to certify, or cannot."""
        if not tls.acme:
            return
        if tls.certificate:
            raise self._refuse("tls.acme and tls.certificate exclude each other")
        if not tls.names:
            raise self._refuse("tls.names is missing: tls.acme certifies names only")
        if wild := [name for name in tls.names if name.startswith("*.")]:
            raise self._refuse(f"tls.names must list each name: tls.acme cannot certify {wild[0]}")

    def _refuse(self, what: str, why: str = "nothing was done") -> RunbookError:
        return RunbookError(f"{self.path}: {what}", why, f"edit {self.path}")


def _default_service(inventory: Inventory, edge: Edge) -> str:
    edges = inventory.having("edge")
    address = edge.address or edges[0].address if edges else ""
    return f"http://{address}" + ("" if edge.port == 80 else f":{edge.port}") if address else ""


def _split_jumps(value: Any) -> Any:
    """`[ssh]` or `[hosts]` with each `jump` as a list: the usual case, one bastion, is a text."""
    if not isinstance(value, dict):
        return value
    return {
        key: [part] if key == "jump" and isinstance(part, str) else _split_jumps(part)
        for key, part in value.items()
    }


def _resolve_paths(table: T, folder: Path) -> T:
    """The table with all paths relative to `folder`. An empty path is none: TOML has no null."""
    changes: dict[str, Any] = {}
    for spec in dataclasses.fields(table):  # type: ignore[arg-type]
        value = getattr(table, spec.name)
        if dataclasses.is_dataclass(value):
            changes[spec.name] = _resolve_paths(value, folder)
        elif isinstance(value, Path):
            empty = value == Path() and spec.default is None
            changes[spec.name] = None if empty else folder / value.expanduser()
    return dataclasses.replace(table, **changes)  # type: ignore[type-var]
