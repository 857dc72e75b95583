"""Fill in the texts of a service file: the templates of its files, its arguments, environment
variables, headers and seed values.

They are Jinja. A name that does not exist is an error, and a filled-in text knows which secrets it
holds, so that they go only where nobody else can read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..engine.errors import RunbookError
from ..engine.host import Node
from ..engine.secret import Secret
from .paths import DATABASE_PORT
from .program import ConfigFile
from .service import Service
from .settings import Settings

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class FilledText:
    """A text with all variables filled in, and the names of the secrets in it."""

    text: str = field(repr=False)
    secrets: tuple[str, ...] = ()


class VariableGroup:
    """A group of variables, like `database`. It notes in `used` which of its secrets are read."""

    def __init__(self, label: str, values: Mapping[str, Any], used: set[str]) -> None:
        self.label = label
        self.known = tuple(values)
        self._values = values
        self._used = used

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        if isinstance(value, Secret):
            self._used.add(f"{self.label}.{name}")
            return value.reveal()
        return value


@dataclass(frozen=True)
class ProgramTexts:
    """Fills in the texts of a program.

    Attributes:
        settings: the site.
        node: the app node that the texts are for; None for texts that concern no single node.
        port: the port that discovery found; 0 before discovery. `[listen]` overrules it.
        config: the configuration file that discovery found; None before discovery. It is the path
            of the file without one.
    """

    settings: Settings
    node: Node | None = None
    port: int = 0
    config: str | None = None

    @property
    def service(self) -> Service:
        """The program."""
        return self.settings.program

    @property
    def folder(self) -> Path:
        """The folder of its service file and its templates."""
        return self.settings.program_folder

    def fill_text(self, text: str, where: str) -> FilledText:
        """`text` with the variables filled in. `where` names the text in messages.

        Raises:
            RunbookError: the text names a variable that does not exist, or is no template.
        """
        from jinja2 import TemplateError

        used: set[str] = set()
        variables: dict[str, Any] = {
            label: self._group(label, values, used) for label, values in self._values().items()
        }
        variables["database_hosts"] = [
            self._group("database_hosts[…]", {"address": host.address, "port": DATABASE_PORT}, used)
            for host in self.settings.inventory.having("postgres")
        ]
        try:
            filled = _program_environment().from_string(text).render(variables)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            raise RunbookError(
                f"{where}: {f'line {line}: ' if line else ''}{error.message}",
                "the program would get a wrong text",
                f"edit {self.folder}; the variables are in docs/service-file.md",
            ) from None
        return FilledText(filled, tuple(sorted(used)))

    def fill_file(self, file: ConfigFile) -> FilledText:
        """The content of one of the program's files.

        Raises:
            RunbookError: its template cannot be read, is wrong, or holds a secret although
            everybody on the host may read the file.
        """
        path = self.folder / file.template
        template = self.read_file(file.template, f"[[file]] {file.name}")
        filled = self.fill_text(template, str(path))
        if filled.secrets and file.mode == "0644":
            raise RunbookError(
                f"{path} holds {' and '.join(filled.secrets)}, but [[file]] {file.name} has the"
                f" mode {file.mode}",
                "every user of the host could read the secret",
                f'set mode = "0640" in {self.folder}/service.toml',
            )
        return filled

    def fill_words(self, words: tuple[str, ...], where: str) -> tuple[str, ...]:
        """The arguments of a command, filled in.

        Raises:
            RunbookError: an argument is wrong, or holds a secret: every user of a host sees the
            arguments of all processes.
        """
        filled = [self.fill_text(word, f"{where} of service {self.service.name}") for word in words]
        if secret := next((name for word in filled for name in word.secrets), ""):
            raise RunbookError(
                f"{where} of service {self.service.name} holds {secret}",
                "every user of the host can read the arguments of a process",
                f"edit {self.folder}/service.toml: put the secret into [start.environment] or a"
                " [[file]]",
            )
        return tuple(word.text for word in filled)

    def fill_environment(self, variables: Mapping[str, str]) -> dict[str, FilledText]:
        """The environment variables, filled in, by name; raises as `fill_text`."""
        return {
            name: self.fill_text(text, f"environment {name} of service {self.service.name}")
            for name, text in variables.items()
        }

    def fill_headers(self) -> dict[str, Secret]:
        """The headers of every sample request, filled in, by name; raises as `fill_text`."""
        return {
            name: Secret(self.fill_text(text, f"header {name} of [load]").text)
            for name, text in self.service.load.headers.items()
        }

    def read_file(self, name: str, used_by: str) -> str:
        """The text of a file beside the service file. `used_by` is the table that names it.

        Raises:
            RunbookError: it cannot be read.
        """
        path = self.folder / name
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise RunbookError(
                f"{path}: {str(reason).lower()}", f"{used_by} names it", f"ls -l {path}"
            ) from None

    def path_of(self, file: ConfigFile) -> str:
        """Where the file goes on the host; empty if neither the service file nor discovery says."""
        return file.path or self.config or ""

    def _group(self, label: str, values: Any, used: set[str]) -> VariableGroup:
        return VariableGroup(label, values, used)

    def _values(self) -> dict[str, Mapping[str, Any]]:
        """Every variable with its value, by group. A group without values is left out."""
        service, settings = self.service, self.settings
        paths = {file.name: self.path_of(file) for file in service.files if self.path_of(file)}
        groups: dict[str, Mapping[str, Any]] = {
            "database": self._database_values(),
            "secret": settings.secrets,
            "file": paths,
            "listen": self._listen_values(),
            "node": self._node_values(),
            "setting": settings.app.settings,
            "site": {"name": settings.name, "service": settings.service},
        }
        return groups

    def _database_values(self) -> Mapping[str, Any]:
        """Without a database host there is no address."""
        if self.service.database is None:
            return {}
        db, password = self.settings.database, self.settings.password
        values: dict[str, Any] = {
            "name": db.name,
            "user": db.user,
            "password": password,
            "port": DATABASE_PORT,
            "connections": self.service.database.connections,
        }
        if hosts := self.settings.inventory.having("postgres"):
            host = hosts[0].address
            login = f"{quote(db.user, safe='')}:{quote(password.reveal(), safe='')}"
            place = f"{host}:{DATABASE_PORT}/{quote(db.name, safe='')}"
            values |= {"host": host, "url": Secret(f"postgresql://{login}@{place}")}
        return values

    def _listen_values(self) -> Mapping[str, Any]:
        listen = self.service.listen
        own = self.node.address if self.node else ""
        address = own if listen and listen.address == "node" else "0.0.0.0"
        values: dict[str, Any] = {"address": address} if address else {}
        if port := listen.port if listen else self.port:
            values["port"] = port
        return values

    def _node_values(self) -> Mapping[str, Any]:
        if self.node is None:
            return {}
        first = self.settings.inventory.first_having("app")
        return {
            "name": self.node.name,
            "address": self.node.address,
            "first": self.node.name == first.name,
        }


@cache
def _program_environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    class UnknownVariable(StrictUndefined):
        """Names the variable as the template writes it."""

        @property
        def _undefined_message(self) -> str:
            group = self._undefined_obj
            if not isinstance(group, VariableGroup):
                return f"there is no variable {self._undefined_name}"
            known = ", ".join(group.known) or "nothing here"
            return (
                f"there is no variable {group.label}.{self._undefined_name};"
                f" {group.label} has {known}"
            )

    return Environment(
        undefined=UnknownVariable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # configuration files, not HTML
    )
