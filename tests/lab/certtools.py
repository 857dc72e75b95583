"""What the tests of certificates share: `inv certs.…`, what an edge serves, and clients that
verify it."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certmaking import put
from cryptography import x509
from deployed import Deployed, Load, assert_unchanged, until
from labtools import Outcome, Runner, Ssh
from pebble import FAULTS, make_files, read_root

from fabfile.engine.shell import embed_bytes
from lab.names import Lab

EDGES = ("edge1", "edge2")
NAME = "bingo.lab"


@pytest.fixture
def certs(deployed: Deployed, run_inv: Runner, run_fab: Runner) -> Iterator[Runner]:
    """`inv certs.…`, on the deployed lab; afterwards every edge serves what it should, and
    nothing is left to do."""

    def call(task: str, *args: str, **more: object) -> Outcome:
        return run_inv(f"certs.{task}", *args, **more)  # type: ignore[arg-type]

    yield call
    call("rotate-ca", "--finish")
    assert run_fab("deploy").code == 0
    assert call("status").code == 0
    assert_unchanged(run_fab("deploy"))


@pytest.fixture
def bundle(deployed: Deployed) -> Path:
    return deployed.lab.folder / "secrets/tls/bundle.pem"


def addresses(lab: Lab) -> list[str]:
    return [lab.address(edge) for edge in EDGES]


def served(address: str) -> str:
    """The sha256 of the leaf that a client sees at `address`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address, 443), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as one,
    ):
        shown = one.getpeercert(binary_form=True)
    assert shown
    return fingerprint(x509.load_der_x509_certificate(shown))


def fingerprint(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()


class Clients(Load):
    """Who asks over https, on a new connection each time, and verifies against `trusted` for the
    address it called."""

    PATHS = ("/ping", "/db_dummy", "/api/movie/7", "/")

    def __init__(self, address: str, trusted: Path, rate: float = 20) -> None:
        super().__init__(address, rate)
        self.trusted, self.seen = trusted, set[bytes | None]()

    def wait(self, count: int) -> None:
        """Until `count` more were answered."""
        enough = self.asked + count
        until(lambda: self.asked >= enough, f"{count} more requests")

    def connect(self) -> http.client.HTTPConnection:
        context = ssl.create_default_context(cafile=str(self.trusted))
        connection = http.client.HTTPSConnection(self.address, timeout=10, context=context)
        connection.connect()
        self.seen.add(connection.sock.getpeercert(binary_form=True))
        return connection


class NamedClients(Clients):
    """The same, but they know the service by its name only."""

    def connect(self) -> http.client.HTTPConnection:
        context = ssl.create_default_context(cafile=str(self.trusted))
        plain = socket.create_connection((self.address, 443), timeout=10)
        connection = http.client.HTTPSConnection(NAME, timeout=10, context=context)
        connection.sock = context.wrap_socket(plain, server_hostname=NAME)
        self.seen.add(connection.sock.getpeercert(binary_form=True))
        return connection


@contextlib.contextmanager
def public_authority(lab: Lab, ssh: Ssh, folder: Path) -> Iterator[dict[str, str]]:
    """Pebble on the database's host, with its faults on, as `[tls.acme]`. It finds NAME at the
    floating address."""
    listen = f"{lab.address('db1')}:14000"
    config = make_files(folder, listen, f"{lab.address('db1')}:15000", 80, lab.address("db1"))
    there = "/run/pebble"
    # Each Pebble has a root of its own: what an earlier one issued is worth nothing.
    shutil.rmtree(lab.folder / "secrets/tls/acme", ignore_errors=True)
    files = {name: (folder / name).read_bytes() for name in ("https.pem", "https.key")}
    files["pebble.json"] = config.replace(str(folder), there).encode()
    faults = " ".join(f"-E {name}={value}" for name, value in FAULTS.items())
    written = [embed_bytes(text, to=f"{there}/{name}") for name, text in files.items()]
    try:
        ssh(
            "db1",
            "set -e; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y pebble >/dev/null\n"
            f"sed -i '/ {NAME}$/d' /etc/hosts; echo '{lab.floating} {NAME}' >>/etc/hosts\n"
            f"mkdir -p {there}\n" + "\n".join(written) + "\n"
            f"systemd-run -q --unit=pebble {faults} pebble -config {there}/pebble.json",
        )
        until(lambda: reachable(lab.address("db1"), 15000), "Pebble")
        root = read_root(f"{lab.address('db1')}:15000")
        put(folder, "ca.pem", ((folder / "https-root.pem").read_text() + root).encode())
        yield {"directory": f"https://{listen}/dir", "ca": str(folder / "ca.pem")}
    finally:
        ssh(
            "db1", f"systemctl stop pebble || true; rm -rf {there}; sed -i '/ {NAME}$/d' /etc/hosts"
        )


def reachable(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


@pytest.fixture
def site_address(deployed: Deployed) -> str:
    """Where users go: the floating address."""
    return deployed.url.removeprefix("http://")


@pytest.fixture
def users(site_address: str) -> tuple[str, str]:
    """What users of this lab call."""
    return NAME, site_address
