"""The database's inside. Read by psql in the probe script (peer, unix socket); changed by psycopg through the ssh link."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets as _random
from dataclasses import dataclass, field

from ..engine.command import Sql
from ..engine.secrecy import Secret
from ..engine.shell import Reading, q
from ..engine.step import Change, Step

ITERATIONS = 4096
"""PBKDF2 rounds of a SCRAM verifier; PostgreSQL's own default (scram_iterations)."""


def psql(database: str, query: str) -> str:
    """Shell text that prints `query`'s result, unaligned, `|` between columns; warnings (a collation's version …) are no part of it.

    Debian's own `psql` is a Perl wrapper, and runuser opens a PAM session: without either a query takes 10 ms, not 50.
    """
    return (
        "for psql in /usr/lib/postgresql/*/bin/psql; do :; done\n"
        'setpriv --reuid=postgres --regid=postgres --init-groups "$psql" '
        f"-XAtq -v ON_ERROR_STOP=1 -d {q(database)} 2>/dev/null <<'SQL'\n{query.strip()}\nSQL"
    )


@dataclass(frozen=True)
class SqlFile(Step):
    """One file of sql/, rendered: a `-- check` query that prints `ok` or what is to be done, and `-- apply` statements."""

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
        return psql(self.database, self._part("check"))

    def decide(self, seen: Reading) -> Change | None:
        """Apply it unless the check said ok."""
        said = seen.out.strip()
        if seen.code == 0 and said == "ok":
            return None
        sentence = said.splitlines()[0] if seen.code == 0 and said else f"apply {self.label}"
        statements = tuple(part.strip() for part in self._part("apply").split(";\n") if part.strip(" ;\n"))
        return Change(sentence, (Sql(self.database, statements),))

    def _part(self, title: str) -> str:
        match = re.search(rf"^-- {title}\n(.*?)(?=^-- (?:check|apply)\n|\Z)", self.text, re.M | re.S)
        assert match, f"{self.label} has no «-- {title}» part"
        return match[1]


@dataclass(frozen=True)
class LoginRole(Step):
    """A role that may log in with this password (SCRAM). The clear text never leaves the controller: a verifier does.

    The stored verifier is checked against the password, so a second run changes nothing.
    """

    user: str
    password: Secret
    connections: int
    notify: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`role USER`."""
        return f"role {self.user}"

    def probe(self) -> str:
        """The verifier and the attributes that matter."""
        return psql(
            "postgres",
            "SELECT coalesce(rolpassword, 'none'), rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole"
            " OR rolreplication OR rolbypassrls), rolconnlimit FROM pg_authid"
            f" WHERE rolname = {_literal(self.user)};",
        )

    def decide(self, seen: Reading) -> Change | None:
        """Create it, or mend password and attributes."""
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        wanted = f"{rights} CONNECTION LIMIT {self.connections}"
        found = seen.out.strip().split("|")
        exists = seen.code == 0 and len(found) == 3
        if exists and found[1:] == ["t", str(self.connections)] and verifies(found[0], self.password):
            return None
        verb, what = ("ALTER", "mend the attributes") if exists else ("CREATE", "create")
        if exists and not verifies(found[0], self.password):
            what = "set the password"
        verifier = Secret(scram(self.password))
        statement = f"{verb} ROLE {_ident(self.user)} {wanted} PASSWORD {_literal(verifier.reveal())}"
        return Change(
            f"{what} of role {self.user}" if exists else f"create role {self.user}", (Sql("postgres", (statement,)),)
        )


@dataclass(frozen=True)
class Index(Step):
    """One index, built without blocking writers; an invalid one (a build that was cut off) is dropped and built again.

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
        query = f"SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = to_regclass('public.{self.index}');"
        return psql(self.database, query)

    def decide(self, seen: Reading) -> Change | None:
        """Build it; first drop what bears its name and is invalid or different."""
        found = seen.out.strip()
        exists = seen.code == 0 and "|" in found
        valid, _, definition = found.partition("|") if exists else ("", "", "")
        if valid == "t" and definition == self.definition:
            return None
        drop = (f"DROP INDEX CONCURRENTLY public.{self.index}",) if exists else ()
        create = self.definition.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1)
        why = (
            ""
            if not exists
            else " again (it was cut off and is invalid)"
            if valid != "t"
            else " again (its definition changed)"
        )
        # The build waits for transactions older than itself, which blocks nobody: shorter than these must not end it.
        settings = ("SET statement_timeout = 0", "SET lock_timeout = '10min'")
        commands = (Sql(self.database, (*settings, *drop, create, f"ANALYZE {self.table}")),)
        return Change(f"build index {self.index} on {self.table} without blocking{why}", commands)


def scram(password: Secret, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """A SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5803)."""
    salt = salt or _random.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_b64(salt)}${_b64(stored)}:{_b64(server)}"


def verifies(verifier: str, password: Secret) -> bool:
    """Whether a stored `verifier` belongs to `password`."""
    match = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$.*", verifier)
    if not match:
        return False
    return hmac.compare_digest(scram(password, base64.b64decode(match[2]), int(match[1])), verifier)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _ident(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
