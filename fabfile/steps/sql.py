"""Steps for roles, indexes and statements inside PostgreSQL.

The probe script reads with psql (peer login on the unix socket). Changes go by psycopg over ssh.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine.command import Sql
from ..engine.errors import RunbookError
from ..engine.pg_errors import NotRunning
from ..engine.psql import answer, psql
from ..engine.secret import Secret
from ..engine.shell import Reading
from ..engine.sqltext import quote_ident, quote_literal
from ..engine.step import Change, Step

SCRAM_ITERATIONS = 4096
"""PBKDF2 rounds of a SCRAM verifier: PostgreSQL's default (`scram_iterations`)."""

NOT_STARTED = "(PostgreSQL does not run yet)"
"""In a plan: the reading of a step that cannot be read before an earlier step starts PostgreSQL."""

UNIT_STEPS = "unit postgresql@"
"""The beginning of the names of the steps that start PostgreSQL."""

CLUSTER_STEPS = "cluster "
"""The beginning of the names of the steps that create an empty cluster."""


class DatabaseStep(Step):
    """A step that reads its state from `database`. A query that fails is an error and never a
    change, because the wanted state may already exist."""

    database: str

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """If PostgreSQL does not run: the answer of an empty cluster when the plan creates one,
        NOT_STARTED when the plan starts PostgreSQL."""
        planned = tuple(planned)
        try:
            answer(seen, self.database)
        except NotRunning:
            if any(name.startswith(CLUSTER_STEPS) for name in planned):
                return Reading("", 127)
            if any(name.startswith((UNIT_STEPS, "restart:postgresql@")) for name in planned):
                return Reading(NOT_STARTED, 0)
        except RunbookError:
            pass  # `decide` raises the same error.
        return seen

    def decide(self, seen: Reading) -> Change | None:
        """The change that `compare` returns for the answer of the query.

        Raises:
            RunbookError: the query failed.
        """
        if seen.out == NOT_STARTED:
            return Change(f"check {self.name} once PostgreSQL runs", ())
        return self.compare(answer(seen, self.database))

    @abstractmethod
    def compare(self, found: str | None) -> Change | None:
        """Pure: the change that turns `found` into the wanted state, or None. `found` is the
        query's answer, or None while the database does not exist."""


@dataclass(frozen=True)
class SqlFile(DatabaseStep):
    """One rendered file of sql/. Its `-- check` query prints `ok` or a sentence for the plan; its
    `-- apply` part holds the statements."""

    label: str
    text: str = field(repr=False)
    database: str = "postgres"
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`sql FILE`."""
        return f"sql {self.label}"

    def probe(self) -> str:
        """Run the check query of the file."""
        return psql(self.database, self._file_part("check"))

    def compare(self, found: str | None) -> Change | None:
        """Run the statements of the file unless the check printed `ok`."""
        verdict = (found or "").strip()
        if verdict == "ok":
            return None
        sentence = verdict.splitlines()[0] if verdict else f"apply {self.label}"
        statements = tuple(
            part.strip() for part in self._file_part("apply").split(";\n") if part.strip(" ;\n")
        )
        return Change(sentence, (Sql(self.database, statements),))

    def _file_part(self, title: str) -> str:
        match = re.search(
            rf"^-- {title}\n(.*?)(?=^-- (?:check|apply)\n|\Z)", self.text, re.M | re.S
        )
        assert match, f"{self.label} has no «-- {title}» part"
        return match[1]


@dataclass(frozen=True)
class LoginRole(DatabaseStep):
    """A role that can log in with this password (SCRAM). Only a verifier is sent to the host; the
    password stays on the controller.

    The step checks the stored verifier against the password, so a second run changes nothing.
    `connections` is the connection limit of the role.
    """

    user: str
    password: Secret
    connections: int
    database: str = "postgres"
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`role USER`."""
        return f"role {self.user}"

    def probe(self) -> str:
        """Read the verifier, the rights and the connection limit of the role."""
        return psql(
            "postgres",
            "SELECT coalesce(rolpassword, 'none'), rolcanlogin AND NOT (rolsuper OR rolcreatedb OR"
            " rolcreaterole OR rolreplication OR rolbypassrls), rolconnlimit FROM pg_authid WHERE"
            f" rolname = {quote_literal(self.user)};",
        )

    def compare(self, found: str | None) -> Change | None:
        """Create the role, or set its password and attributes."""
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        wanted = f"{rights} CONNECTION LIMIT {self.connections}"
        columns = (found or "").strip().split("|")
        exists = len(columns) == 3
        if exists:
            right_password = verifies_password(columns[0], self.password)
            if right_password and columns[1:] == ["t", str(self.connections)]:
                return None
            what = "fix the attributes" if right_password else "set the password"
            verb, sentence = "ALTER", f"{what} of role {self.user}"
        else:
            verb, sentence = "CREATE", f"create role {self.user}"
        verifier = Secret(scram_verifier(self.password))
        statement = (
            f"{verb} ROLE {quote_ident(self.user)} {wanted} PASSWORD "
            f"{quote_literal(verifier.reveal())}"
        )
        return Change(sentence, (Sql("postgres", (statement,)),))


@dataclass(frozen=True)
class Index(DatabaseStep):
    """One index, built without blocking writers. An invalid index (its build was interrupted) is
    dropped and built again.

    `definition` is written as `pg_get_indexdef` prints it, so the step notices a changed
    definition. `CREATE INDEX CONCURRENTLY IF NOT EXISTS` would accept an invalid index.
    """

    database: str
    definition: str
    notify: tuple[str, ...] = ()

    @property
    def index(self) -> str:
        """The name of the index."""
        return self._words[2]

    @property
    def table(self) -> str:
        """The table of the index, with its schema."""
        return self._words[4]

    @property
    def full_name(self) -> str:
        """The name of the index with its schema, which is that of the table."""
        return f"{self.table.partition('.')[0]}.{self.index}"

    @property
    def _words(self) -> list[str]:
        """The words of the definition: CREATE INDEX name ON schema.table …"""
        return self.definition.replace("CREATE UNIQUE INDEX", "CREATE INDEX", 1).split()

    @property
    def name(self) -> str:
        """`index NAME`."""
        return f"index {self.index}"

    def probe(self) -> str:
        """Read whether the index is valid, and its definition."""
        query = (
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid ="
            f" to_regclass({quote_literal(self.full_name)});"
        )
        return psql(self.database, query)

    def compare(self, found: str | None) -> Change | None:
        """Build the index; drop an invalid or different index of the same name first."""
        exists = "|" in (found or "")
        valid, _, definition = (found or "").strip().partition("|")
        if valid == "t" and definition == self.definition:
            return None
        drop = (f"DROP INDEX CONCURRENTLY {self.full_name}",) if exists else ()
        create = self.definition.replace(" INDEX", " INDEX CONCURRENTLY", 1)
        if not exists:
            why = ""
        elif valid != "t":
            why = " again (an interrupted build left it invalid)"
        else:
            why = " again (its definition changed)"
        # CREATE INDEX CONCURRENTLY waits for older transactions. The wait blocks nobody, so the
        # short default timeouts must not end it.
        settings = ("SET statement_timeout = 0", "SET lock_timeout = '10min'")
        commands = (Sql(self.database, (*settings, *drop, create, f"ANALYZE {self.table}")),)
        return Change(f"build index {self.index} on {self.table} without blocking{why}", commands)


def scram_verifier(
    password: Secret, salt: bytes | None = None, iterations: int = SCRAM_ITERATIONS
) -> str:
    """A SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5803); with a random salt by
    default."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def verifies_password(verifier: str, password: Secret) -> bool:
    """Whether a stored SCRAM `verifier` belongs to `password`."""
    match = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$.*", verifier)
    if not match:
        return False
    return hmac.compare_digest(
        scram_verifier(password, base64.b64decode(match[2]), int(match[1])), verifier
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
