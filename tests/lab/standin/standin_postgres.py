"""A real PostgreSQL server for the tests, from the Debian package, listening in a world's own
network."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from standin_world import World, until

FAST = (
    "fsync=off",
    "max_connections=200",
    "jit=off",
    "autovacuum=off",
    "listen_addresses=127.0.0.1",
)


def programs() -> Path | None:
    """Where the newest server's programs are."""
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    return max(map(Path, found), key=lambda path: int(path.parts[-3])).parent if found else None


class Postgres:
    """A running server; its socket is in `folder`. A copy of `source` is its standby."""

    def __init__(
        self, world: World, port: int = 5432, *options: str, source: Postgres | None = None
    ) -> None:
        self.world, self.port, self.folder = world, port, world.folder / f"pg{port}"
        bin = programs()
        assert bin
        self.folder.mkdir()
        self.data = self.folder / "data"
        os.chmod(self.folder, 0o777)
        if source:
            made = [
                "pg_basebackup",
                "-R",
                "-c",
                "fast",
                "-h",
                str(source.folder),
                "-p",
                str(source.port),
                "-U",
                "postgres",
            ]
        else:
            made = [
                "initdb",
                "-A",
                "trust",
                "-U",
                "postgres",
                "-N",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ]
        user = world.argv("postgres")
        subprocess.run(
            [*user, str(bin / made[0]), *made[1:], "-D", str(self.data)],
            check=True,
            capture_output=True,
        )
        chosen = [
            f"-c{option}" for option in (*FAST, f"unix_socket_directories={self.folder}", *options)
        ]
        self.process = subprocess.Popen(
            [*user, str(bin / "postgres"), "-D", str(self.data), f"-p{port}", *chosen],
            stderr=(self.folder / "log").open("w"),
        )
        until(self._answers, f"PostgreSQL at {self.folder}")

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str = "bingo") -> psycopg.Connection[Any]:
        """A connection as superuser, each statement its own transaction."""
        return psycopg.connect(
            host=str(self.folder),
            port=self.port,
            dbname=database,
            user="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def ask(self, query: Any, database: str = "bingo") -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connect(database) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def database(self, name: str) -> str:
        """A new database that belongs to the role bingo."""
        if not self.ask("SELECT 1 FROM pg_roles WHERE rolname = 'bingo'", "postgres"):
            self.ask("CREATE ROLE bingo LOGIN PASSWORD 'secret'", "postgres")
        self.ask(f"CREATE DATABASE {name} OWNER bingo", "postgres")
        return name

    def connections(self, database: str = "bingo") -> int:
        """How many the stand-in has open."""
        count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'bingo' AND datname = %s"
        with self.connect() as connection:
            return int((connection.execute(count, (database,)).fetchone() or (0,))[0])

    def stop(self) -> None:
        """End it at once."""
        self.process.send_signal(signal.SIGQUIT)  # at once, clients or not
        self.process.wait(10)


def certificate(folder: Path) -> tuple[str, ...]:
    """A certificate of localhost in `folder`/server.crt, and the server's options for it."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "server.key"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    private.chmod(0o600)
    shutil.chown(private, "postgres")
    return "ssl=on", f"ssl_cert_file={folder}/server.crt", f"ssl_key_file={private}"
