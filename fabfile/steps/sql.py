"""The database's inside. Read by psql in the probe script (peer, unix socket); changed by
psycopg through the ssh link."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets as _random
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine.command import Sql
from ..engine.errors import RunbookError
from ..engine.pgfault import NotRunning
from ..engine.psql import answer, psql
from ..engine.secret import Secret
from ..engine.shell import Reading
from ..engine.sqltext import quote_ident, quote_literal
from ..engine.step import Change, Step

ITERATIONS = 4096
"""PBKDF2 rounds of a SCRAM verifier; PostgreSQL's own default (scram_iterations)."""


LATER = "(PostgreSQL does not run yet)"
"""Stands in a plan for the answer that is had once an earlier step has started PostgreSQL."""

UNITS, CLUSTERS = "unit postgresql@", "cluster "
"""How the steps are named that start PostgreSQL, and that make an empty cluster."""


class DatabaseStep(Step):
    """A step that asks the database. What could not be asked is an error, never a change: it may
    be there."""

    database: str

    def predict(self, seen: Reading, planned: Iterable[str]) -> Reading:
        """When an earlier step of the plan starts PostgreSQL: an empty cluster's answer, or
        LATER."""
        planned = tuple(planned)
        try:
            answer(seen, self.database)
        except NotRunning:
            if any(one.startswith(CLUSTERS) for one in planned):
                return Reading("", 127)
            if any(one.startswith((UNITS, "restart:postgresql@")) for one in planned):
                return Reading(LATER, 0)
        except RunbookError:
            pass  # it is `decide` that says so
        return seen

    def decide(self, seen: Reading) -> Change | None:
        """What `compare` makes of the answer.

        Raises:
            RunbookError: the question could not be answered.
        """
        if seen.out == LATER:
            return Change(f"check {self.name} once PostgreSQL runs", ())
        return self.compare(answer(seen, self.database))

    @abstractmethod
    def compare(self, found: str | None) -> Change | None:
        """Pure: the change that makes `found` right, or None. `found` is None when there is
        nothing to ask yet."""


@dataclass(frozen=True)
class SqlFile(DatabaseStep):
    """One file of sql/, rendered: a `-- check` query that prints `ok` or what is to be done, and
    `-- apply` statements."""

    label: str
    text: str = field(repr=False)
    database: str = "postgres"
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`sql FILE`."""
        return f"sql {self.label}"

    def probe(self) -> str:
        """The file's check."""
        return psql(self.database, self._file_part("check"))

    def compare(self, found: str | None) -> Change | None:
        """Apply it unless the check said ok."""
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
    """A role that may log in with this password (SCRAM). The clear text never leaves the
    controller: a verifier does.

    The stored verifier is checked against the password, so a second run changes nothing.
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
        """The verifier and the attributes that matter."""
        return psql(
            "postgres",
            "SELECT coalesce(rolpassword, 'none'), rolcanlogin AND NOT (rolsuper OR rolcreatedb OR"
            " rolcreaterole OR rolreplication OR rolbypassrls), rolconnlimit FROM pg_authid WHERE"
            f" rolname = {quote_literal(self.user)};",
        )

    def compare(self, found: str | None) -> Change | None:
        """Create it, or mend password and attributes."""
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        wanted = f"{rights} CONNECTION LIMIT {self.connections}"
        columns = (found or "").strip().split("|")
        exists = len(columns) == 3
        if (
            exists
            and columns[1:] == ["t", str(self.connections)]
            and verifies_password(columns[0], self.password)
        ):
            return None
        verb, what = ("ALTER", "fix the attributes") if exists else ("CREATE", "create")
        if exists and not verifies_password(columns[0], self.password):
            what = "set the password"
        verifier = Secret(scram_verifier(self.password))
        statement = (
            f"{verb} ROLE {quote_ident(self.user)} {wanted} PASSWORD "
            f"{quote_literal(verifier.reveal())}"
        )
        return Change(
            f"{what} of role {self.user}" if exists else f"create role {self.user}",
            (Sql("postgres", (statement,)),),
        )


@dataclass(frozen=True)
class Index(DatabaseStep):
    """One index, built without blocking writers; an invalid one (a build that was cut off) is
    dropped and built again.

    `definition` is what `pg_get_indexdef` prints, so that a changed definition is seen.
    `CREATE INDEX CONCURRENTLY IF NOT EXISTS` alone would call an invalid index done.
    """

    database: str
    definition: str
    notify: tuple[str, ...] = ()

    @property
    def index(self) -> str:
        """The index's name."""
        return self.definition.split()[2]

    @property
    def table(self) -> str:
        """Its table."""
        return self.definition.split()[4]

    @property
    def name(self) -> str:
        """`index NAME`."""
        return f"index {self.index}"

    def probe(self) -> str:
        """Whether it is valid, and its definition."""
        query = (
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid ="
            f" to_regclass('public.{self.index}');"
        )
        return psql(self.database, query)

    def compare(self, found: str | None) -> Change | None:
        """Build it; first drop what bears its name and is invalid or different."""
        exists = "|" in (found or "")
        valid, _, definition = (found or "").strip().partition("|")
        if valid == "t" and definition == self.definition:
            return None
        drop = (f"DROP INDEX CONCURRENTLY public.{self.index}",) if exists else ()
        create = self.definition.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1)
        why = (
            ""
            if not exists
            else (
                " again (it was cut off and is invalid)"
                if valid != "t"
                else " again (its definition changed)"
            )
        )
        # The build waits for transactions older than itself, which blocks nobody: shorter than
        # these must not end it.
        settings = ("SET statement_timeout = 0", "SET lock_timeout = '10min'")
        commands = (Sql(self.database, (*settings, *drop, create, f"ANALYZE {self.table}")),)
        return Change(f"build index {self.index} on {self.table} without blocking{why}", commands)


def scram_verifier(
    password: Secret, salt: bytes | None = None, iterations: int = ITERATIONS
) -> str:
    """A SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5803)."""
    salt = salt or _random.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def verifies_password(verifier: str, password: Secret) -> bool:
    """Whether a stored `verifier` belongs to `password`."""
    match = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$.*", verifier)
    if not match:
        return False
    return hmac.compare_digest(
        scram_verifier(password, base64.b64decode(match[2]), int(match[1])), verifier
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
