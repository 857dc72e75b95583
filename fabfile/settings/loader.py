"""The site file, checked key by key: whatever does not fit is named, with what would."""

from __future__ import annotations

import os
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from ..engine.addresses import is_ipv4
from ..engine.errors import RunbookError
from ..engine.files import create_secret
from ..engine.host import Node
from ..engine.secret import Secret
from .inventory import ROLES, Inventory
from .settings import App, Database, Edge, Gate, Monitoring, Settings, Ssh, Tls

_PORT = (1, 65535)
RANGES = {
    "ssh.port": _PORT,
    "ssh.timeout": (0.1, 600),
    "app.log_max_mb": (1, 100_000),
    "app.lifetime": (0, 1_000_000),
    "database.version": (13, 99),
    "database.max_connections": (20, 10_000),
    "edge.port": _PORT,
    "edge.https_port": _PORT,
    "edge.vrrp_id": (1, 255),
    "edge.stats_port": _PORT,
    "edge.healer_port": _PORT,
    "edge.node_maxconn": (1, 100_000),
    "gate.seconds": (1, 600),
    "gate.rate": (5, 80),
    "gate.error_percent": (0, 50),
    "gate.p90_ms": (1, 10_000),
    "gate.watch_seconds": (0, 600),
    "edge.node_rate": (1, 100_000),
    "monitoring.retention_mb": (64, 1_000_000),
    "monitoring.telegram_chat": (-(10**15), 10**15),
}
_NAME = (r"[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, dots, dashes and underscores")
_USER = (r"[a-z_][a-z0-9_-]{0,30}", "a name of small letters, digits, dashes and underscores")
_MAIL = (r"([^\s'\"#:\\]+@[^\s'\"#:\\]+)?", "an e-mail address")
_SIZE = (r"[1-9][0-9]*(kB|MB|GB)", "a size like 512MB")
TEXTS = {
    "name": _NAME,
    "hosts": _NAME,
    "service": (r"(https?://[^\s/]\S*)?", "an address like http://10.0.0.11"),
    "ssh.user": (r"[A-Za-z0-9_][A-Za-z0-9._@-]*", "a user's name"),
    "app.user": _USER,
    "app.sha256": (r"[0-9a-f]{64}", "the 64 hex digits that `sha256sum BINARY` prints"),
    "app.binary": (r"[^\x00-\x1f]+", "a path or a URL"),
    "app.email": (r"[^\s'\"#:\\]+@[^\s'\"#:\\]+", "an e-mail address"),
    "app.memory_max": (r"[1-9][0-9]*[KMGT]?", "a size like 512M"),
    "database.name": (r"[a-z_][a-z0-9_]{0,62}", "a name of small letters, digits and underscores"),
    "database.user": (r"[a-z_][a-z0-9_]{0,62}", "a name of small letters, digits and underscores"),
    "database.shared_buffers": _SIZE,
    "database.work_mem": _SIZE,
    "edge.replace": (r"nginx|haproxy|keepalived", "nginx, haproxy or keepalived"),
    "monitoring.mail_to": _MAIL,
    "monitoring.mail_from": _MAIL,
    "monitoring.smtp": (r"([A-Za-z0-9.-]+:[0-9]{1,5})?", "HOST:PORT, like mail.example.com:587"),
    "monitoring.telegram_url": (r"https?://[^\s'\"\\]+[^\s'\"\\/]", "a URL without a final slash"),
    "monitoring.smtp_user": (r"[^\s'\"\\]*", "a user's name"),
    "tls.names": (
        r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a DNS name like api.example.com",
    ),
}
"""The form of a value, and its description for people. These values go into configuration files,
paths and unit names as they are."""
_EXAMPLES = {"edge.replace": "nginx", "tls.names": "api.example.com"}
"""What may stand in a list."""


class Reader:
    """Turns the parsed file into `Settings`, naming the key of whatever does not fit."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settings(self, data: dict[str, Any]) -> Settings:
        """The whole site.

        Raises:
            RunbookError: the first thing in `data` that does not fit, by its key.
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
        known = {"name", "service", "hosts", *tables}
        self._no_strangers("", data, known)
        made = {key: self._read_table(key, kind, data.get(key, {})) for key, kind in tables.items()}
        name = self._read_value("name", str, data.get("name", self.path.stem))
        inventory = self._read_inventory(data.get("hosts", {}))
        self._check_floating(made["edge"], inventory)
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
            **made,
        )

    def _default_service(self, inventory: Inventory, edge: Edge) -> str:
        edges = inventory.having("edge")
        address = edge.address or edges[0].address if edges else ""
        return f"http://{address}" + ("" if edge.port == 80 else f":{edge.port}") if address else ""

    def _check_floating(self, edge: Edge, inventory: Inventory) -> None:
        """The address that moves must not be a host's own."""
        if not edge.address:
            return
        if not is_ipv4(edge.address):
            raise self._wrong_value(
                "edge.address", f"must be an IPv4 address like 10.0.0.10, not {edge.address!r}"
            )
        if taken := [node.name for node in inventory.nodes if node.address == edge.address]:
            raise self._wrong_value(
                "edge.address", f"must be free to move, but {edge.address} is {taken[0]}'s own"
            )

    def _read_inventory(self, hosts: Any) -> Inventory:
        if not isinstance(hosts, dict) or not hosts:
            raise self._wrong_value("hosts", "needs at least one table like [hosts.node1]")
        nodes = []
        for name, entry in hosts.items():
            at = f"hosts.{name}"
            if not isinstance(entry, dict):
                raise self._wrong_value(at, "must be a table with address and roles")
            self._no_strangers(at, entry, {"address", "roles"})
            self._check_rule("hosts", name)
            address = self._read_value(f"{at}.address", str, entry.get("address"))
            if not is_ipv4(address):  # it goes into pg_hba.conf and haproxy.cfg as it is
                raise self._wrong_value(
                    f"{at}.address", f"must be an IPv4 address like 10.0.0.21, not {address!r}"
                )
            roles = entry.get("roles")
            if not isinstance(roles, list) or not roles or any(role not in ROLES for role in roles):
                raise self._wrong_value(f"{at}.roles", f"must be a list out of {', '.join(ROLES)}")
            nodes.append(Node(name, address, tuple(roles)))
        return Inventory(tuple(nodes))

    def _read_table(self, name: str, kind: type[Any], entry: Any) -> Any:
        if not isinstance(entry, dict):
            raise self._wrong_value(name, "must be a table")
        hints = get_type_hints(kind)
        self._no_strangers(name, entry, set(hints))
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
        if hint == tuple[str, ...]:
            return self._read_texts(at, value)
        if hint is float and type(value) is int:
            value = float(value)
        if type(value) is not hint:
            raise self._wrong_value(at, f"must be {_WORDS[hint]}, not {value!r}")
        self._check_rule(at, value)
        return value

    def _read_texts(self, at: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self._wrong_value(at, f'must be a list like ["{_EXAMPLES[at]}"], not {value!r}')
        return tuple(self._read_value(at, str, one) for one in value)

    def _read_path(self, at: str, hint: Any, text: str) -> Path | None:
        if not text and hint is not Path:
            return None
        try:
            return self.path.parent / Path(text).expanduser()
        except RuntimeError:
            raise self._wrong_value(at, f"names a home that does not exist: {text}") from None

    def _check_rule(self, at: str, value: Any) -> None:
        """The rule for the value of `at`, if there is one."""
        if at in RANGES:
            least, most = RANGES[at]
            if not least <= value <= most:
                raise self._wrong_value(at, f"must be from {least} to {most}, not {value}")
        elif at in TEXTS:
            pattern, words = TEXTS[at]
            if not re.fullmatch(pattern, value):
                raise self._wrong_value(at, f"must be {words}, not {value!r}")

    def _read_password(self, database: Database) -> Secret:
        if text := os.environ.get("DB_PASSWORD"):
            return Secret(self._one_line("the environment's DB_PASSWORD", text))
        if database.password_file is None:
            raise RunbookError(
                "there is no database password",
                "neither database.password_file nor the environment's DB_PASSWORD is set",
                f"set database.password_file in {self.path}",
            )
        return Secret(self._read_or_make(database.password_file))

    def _read_or_make(self, file: Path) -> str:
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
        return self._one_line(f"database.password_file: {file}", text)

    def _one_line(self, where: str, text: str) -> str:
        """`text`, if it can stand in a configuration file as it is (never shown in the message)."""
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

    def _no_strangers(self, table: str, entry: dict[str, Any], known: set[str]) -> None:
        import difflib

        for key in sorted(entry.keys() - known):
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise self._wrong_value(f"{table}.{key}".lstrip("."), f"is not a setting; {hint}")

    def _wrong_value(self, key: str, what: str) -> RunbookError:
        return RunbookError(f"{self.path}: {key} {what}", "nothing was done", f"edit {self.path}")


_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
