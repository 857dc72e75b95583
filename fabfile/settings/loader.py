"""Check a site file key by key, and make `Settings` of it. An error names the key, and what fits
there."""

from __future__ import annotations

import os
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from ..engine.addresses import is_ipv4
from ..engine.errors import RunbookError
from ..engine.files import create_secret
from ..engine.host import HostSsh, Node
from ..engine.secret import Secret
from .edge import Edge
from .inventory import ROLES, Inventory
from .settings import Acme, App, Database, Gate, Monitoring, Settings, Ssh, Tls
from .value_rules import EXAMPLES, RANGES, TEXTS


class Reader:
    """Makes `Settings` of a parsed site file. `path` is that file: messages name it, and relative
    paths are relative to its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self, data: dict[str, Any]) -> Settings:
        """Return the settings of the whole site.

        Raises:
            RunbookError: a key of `data` is unknown, missing or has a wrong value. It names the
            first such key.
        """
        tables = {
            "ssh": Ssh,
            "app": App,
            "database": Database,
            "edge": Edge,
            "tls": Tls,
            "gate": Gate,
            "monitoring": Monitoring,
        }
        known = {"name", "service", "firewall", "hosts", *tables}
        self._refuse_unknown_keys("", data, known)
        made = {key: self._read_table(key, kind, data.get(key, {})) for key, kind in tables.items()}
        name = self._read_value("name", str, data.get("name", self.path.stem))
        if not made["ssh"].user and not made["ssh"].config:
            raise self._wrong_value("ssh.user", "is missing")
        inventory = self._read_inventory(data.get("hosts", {}))
        self._check_shared_address(made["edge"], inventory)
        self._check_acme(made["tls"])
        for key, half in made["monitoring"].missing_halves():
            raise self._wrong_value(half, f"is missing: {key} does nothing without it")
        service = self._read_value(
            "service", str, data.get("service", self._default_service(inventory, made["edge"]))
        )
        return Settings(
            path=self.path,
            name=name,
            service=service.rstrip("/"),
            inventory=inventory,
            password=self._read_password(made["database"]),
            firewall=self._read_value("firewall", str, data.get("firewall", "none")),
            **made,
        )

    def _default_service(self, inventory: Inventory, edge: Edge) -> str:
        edges = inventory.having("edge")
        address = edge.address or edges[0].address if edges else ""
        return f"http://{address}" + ("" if edge.port == 80 else f":{edge.port}") if address else ""

    def _check_shared_address(self, edge: Edge, inventory: Inventory) -> None:
        """Refuse an address of the edges that is no IPv4 address, or that a host has already, and
        settings that contradict the way to reach them."""
        for key, what in edge.find_contradictions():
            raise self._wrong_value(key, what)
        if not edge.address:
            return
        if not is_ipv4(edge.address):
            raise self._wrong_value(
                "edge.address", f"must be an IPv4 address like 10.0.0.10, not {edge.address!r}"
            )
        if taken := [node.name for node in inventory.nodes if node.address == edge.address]:
            raise self._wrong_value(
                "edge.address", f"must belong to no host, but {edge.address} is {taken[0]}'s own"
            )

    def _check_acme(self, tls: Tls) -> None:
        """Refuse an authority that has nothing to certify, or cannot."""
        if not tls.acme:
            return
        if tls.certificate:
            raise self._wrong_value("tls.acme", "and tls.certificate exclude each other")
        if not tls.names:
            raise self._wrong_value("tls.names", "is missing: tls.acme certifies names only")
        if wild := [name for name in tls.names if name.startswith("*.")]:
            raise self._wrong_value(
                "tls.names", f"must list each name: tls.acme cannot certify {wild[0]}"
            )

    def _read_inventory(self, hosts: Any) -> Inventory:
        if not isinstance(hosts, dict) or not hosts:
            raise self._wrong_value("hosts", "needs at least one table like [hosts.node1]")
        nodes = []
        for name, entry in hosts.items():
            at = f"hosts.{name}"
            if not isinstance(entry, dict):
                raise self._wrong_value(at, "must be a table with address and roles")
            self._refuse_unknown_keys(at, entry, {"address", "roles", "ssh"})
            self._check_rule("hosts", name)
            address = self._read_value(f"{at}.address", str, entry.get("address"))
            if not is_ipv4(address):  # it goes into pg_hba.conf and haproxy.cfg as it is
                raise self._wrong_value(
                    f"{at}.address", f"must be an IPv4 address like 10.0.0.21, not {address!r}"
                )
            roles = entry.get("roles")
            if not isinstance(roles, list) or not roles or any(role not in ROLES for role in roles):
                raise self._wrong_value(f"{at}.roles", f"must be a list out of {', '.join(ROLES)}")
            ssh = self._read_table(f"{at}.ssh", HostSsh, entry.get("ssh", {}))
            nodes.append(Node(name, address, tuple(roles), ssh))
        return Inventory(tuple(nodes))

    def _read_table(self, name: str, kind: type[Any], entry: Any) -> Any:
        if not isinstance(entry, dict):
            raise self._wrong_value(name, "must be a table")
        hints = get_type_hints(kind)
        self._refuse_unknown_keys(name, entry, set(hints))
        given = {}
        for spec in fields(kind):
            at = f"{name}.{spec.name}"
            if spec.name in entry:
                given[spec.name] = self._read_value(at, hints[spec.name], entry[spec.name])
            elif spec.default is MISSING:
                raise self._wrong_value(at, "is missing")
            elif isinstance(spec.default, Path):
                given[spec.name] = self.path.parent / spec.default
        return kind(**given)

    def _read_value(self, at: str, hint: Any, value: Any) -> Any:
        if hint in (Path, Path | None):
            return self._read_path(at, hint, self._read_value(at, str, value))
        if hint == Acme | None:
            return self._read_table(at, Acme, value)
        if hint in (tuple[str, ...], tuple[str, ...] | None):
            return self._read_texts(at, value)
        if hint == int | None:
            hint = int
        if hint is float and type(value) is int:
            value = float(value)
        if type(value) is not hint:
            raise self._wrong_value(at, f"must be {_WORDS[hint]}, not {value!r}")
        self._check_rule(at, value)
        return value

    def _read_texts(self, at: str, value: Any) -> tuple[str, ...]:
        if at.endswith("ssh.jump") and isinstance(value, str):  # the usual case: one bastion
            value = [value]
        if not isinstance(value, list):
            example = EXAMPLES[_rule_key(at)]
            raise self._wrong_value(at, f'must be a list like ["{example}"], not {value!r}')
        return tuple(self._read_value(at, str, item) for item in value)

    def _read_path(self, at: str, hint: Any, text: str) -> Path | None:
        if not text and hint is not Path:
            return None
        try:
            return self.path.parent / Path(text).expanduser()
        except RuntimeError:
            raise self._wrong_value(at, f"names a home that does not exist: {text}") from None

    def _check_rule(self, at: str, value: Any) -> None:
        """Refuse a value outside the range or the form for the key `at`, if there is one."""
        rule = _rule_key(at)
        if rule in RANGES:
            least, most = RANGES[rule]
            if not least <= value <= most:
                raise self._wrong_value(at, f"must be from {least} to {most}, not {value}")
        elif rule in TEXTS:
            pattern, words = TEXTS[rule]
            if not re.fullmatch(pattern, value):
                raise self._wrong_value(at, f"must be {words}, not {value!r}")

    def _read_password(self, database: Database) -> Secret:
        if text := os.environ.get("DB_PASSWORD"):
            return Secret(self._check_password_text("the environment's DB_PASSWORD", text))
        if database.password_file is None:
            raise RunbookError(
                "there is no database password",
                "neither database.password_file nor the environment's DB_PASSWORD is set",
                f"set database.password_file in {self.path}",
            )
        return Secret(self._read_password_file(database.password_file))

    def _read_password_file(self, file: Path) -> str:
        try:
            if not file.exists():
                create_secret(file)
            text = file.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            word = error.strerror if isinstance(error, OSError) else "it is no text"
            raise RunbookError(
                f"the password file {file} cannot be read: {word}",
                "the app needs it",
                f"ls -l {file}",
            ) from None
        return self._check_password_text(f"database.password_file: {file}", text)

    def _check_password_text(self, where: str, text: str) -> str:
        """Return `text`, or refuse it if a configuration file cannot hold it unquoted.

        The message does not show it, because it is a password.
        """
        if (
            not re.fullmatch(r"[!-~]+", text)
            or set(text) & set("'\"\\#")
            or text[0] in "!%&*@`{|[>,"
            or text[-1] == ":"
        ):
            raise self._wrong_value(
                where, "must hold one line of plain characters: no blanks, quotes, backslashes or #"
            )
        return text

    def _refuse_unknown_keys(self, table: str, entry: dict[str, Any], known: set[str]) -> None:
        import difflib

        for key in sorted(entry.keys() - known):
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise self._wrong_value(f"{table}.{key}".lstrip("."), f"is not a setting; {hint}")

    def _wrong_value(self, key: str, what: str) -> RunbookError:
        return RunbookError(f"{self.path}: {key} {what}", "nothing was done", f"edit {self.path}")


def _rule_key(at: str) -> str:
    """The name of the rule for the key `at`: that of a host has the same rule on each host."""
    return re.sub(r"^hosts\..*\.ssh\.", "hosts.NAME.ssh.", at)


_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
