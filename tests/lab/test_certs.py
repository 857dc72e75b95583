"""Certificates on real edges: what clients verify, renewals and rotations under load, a user's own, and who is refused."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certmaking import DAY, MIDDLE, NOW, ROOT, leaf, new_key, p12, pem, put
from certmaking import key_pem as as_pem
from cryptography import x509
from deployed import Deployed, Variant, assert_unchanged, complaint, until, untouched
from labtools import Outcome, Runner, Ssh, run

from fabfile.flows.certs.names import names
from fabfile.flows.certs.store import Store
from lab import hosts
from lab.names import Lab

EDGES = ("edge1", "edge2")
NAME = "bingo.lab"


@pytest.fixture
def certs(deployed: Deployed, run_inv: Runner, run_fab: Runner) -> Iterator[Runner]:
    """`inv certs.…`, on the deployed lab; afterwards every edge serves what it should, and nothing is left to do."""

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


class Clients:
    """Who asks over https, on a new connection each time, and verifies against `trusted` for the address it called."""

    def __init__(self, address: str, trusted: Path, rate: float = 20) -> None:
        self.address, self.trusted, self.rate = address, trusted, rate
        self.asked, self.failed, self.seen = 0, list[str](), set[bytes | None]()
        self._stop = threading.Event()
        self._workers = [threading.Thread(target=self._work, args=(number,)) for number in range(4)]

    def __enter__(self) -> Clients:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.join()

    def wait(self, count: int) -> None:
        """Until `count` more were answered."""
        enough = self.asked + count
        until(lambda: self.asked >= enough, f"{count} more requests")

    def _work(self, number: int) -> None:
        due = time.monotonic() + number / self.rate
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += len(self._workers) / self.rate
            try:
                self._ask(("/ping", "/db_dummy", "/api/movie/7", "/")[number])
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{datetime.now(UTC):%T} {error!r}")
            self.asked += 1

    def _ask(self, path: str) -> None:
        context = ssl.create_default_context(cafile=str(self.trusted))
        connection = http.client.HTTPSConnection(self.address, timeout=10, context=context)
        with contextlib.closing(connection):
            connection.connect()
            self.seen.add(connection.sock.getpeercert(binary_form=True))
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                self.failed.append(f"{path}: {answer.status}")


@pytest.fixture
def site_address(deployed: Deployed) -> str:
    """Where users go: the floating address."""
    return deployed.url.removeprefix("http://")


# -- what is there after a deploy ---------------------------------------------------------------------------------


def test_clients_can_verify_what_is_served(certs: Runner, deployed: Deployed, bundle: Path, site_address: str) -> None:
    for address in (*addresses(deployed.lab), site_address):
        for name in (f"https://{address}", f"https://{NAME}"):
            words = ["curl", "-sS", "--cacert", str(bundle), "--resolve", f"{NAME}:443:{address}", "-o", "/dev/null"]
            assert run([*words, "-w", "%{http_code}", f"{name}/ping"], 20) == ("200", "", 0)
        strict = ["openssl", "s_client", "-connect", f"{address}:443", "-CAfile", str(bundle), "-x509_strict"]
        assert run([*strict, "-verify_return_error", "-verify_ip", address], 20).code == 0
    assert run(["curl", "-sS", f"https://{site_address}/ping"], 20).code == 60, "nobody else trusts it"


def test_keys_are_where_they_belong(certs: Runner, deployed: Deployed, ssh: Ssh) -> None:
    store = deployed.lab.folder / "secrets/tls"
    lines = {name: key_line(store / f"{name}.pem") for name in ("ca", "leaf")}
    for edge in EDGES:
        assert ssh(edge, f"grep -rlF -e '{lines['ca']}' /etc /var /root /tmp /run || true").out == ""
        found = ssh(edge, f"grep -rlF -e '{lines['leaf']}' /etc /var /root /tmp").out.split()
        assert {path.rpartition("/")[2] for path in found} == {"key.pem"}, found
        stat = ssh(edge, "stat -Lc '%U:%G %a' /etc/nginx/tls /etc/nginx/tls/current/key.pem").out
        assert stat == "root:www-data 750\nroot:www-data 640\n"
    said = (
        deployed.first.out + deployed.first.err + run(["grep", "-rlF", "-e", lines["leaf"], str(deployed.runs)], 20).out
    )
    assert lines["leaf"] not in said
    assert "leaf.pem" not in said


def key_line(path: Path) -> str:
    """One line of the private key, which would be found wherever the key was left."""
    return path.read_text().partition("PRIVATE KEY-----\n")[2].splitlines()[0]


# -- renewing and rotating under load -----------------------------------------------------------------------------


def test_a_renewal_fails_nobody(certs: Runner, deployed: Deployed, bundle: Path, site_address: str) -> None:
    old = {served(address) for address in addresses(deployed.lab)}
    assert len(old) == 1
    with Clients(site_address, bundle) as clients:
        clients.wait(20)
        outcome = certs("renew", "--force")
        clients.wait(20)
    assert outcome.code == 0, outcome
    assert (clients.failed, len(clients.seen)) == ([], 2)
    new = {served(address) for address in addresses(deployed.lab)}
    assert len(new) == 1
    assert new != old
    assert "issued a certificate: asked for" in outcome.out
    assert "certs.renew: 2 hosts" in outcome.out
    assert "PRIVATE" not in outcome.out + outcome.err
    again = certs("renew")
    assert_unchanged(again)
    assert "issued" not in again.out


def test_a_rotation_fails_nobody_who_learnt_in_time(
    certs: Runner, deployed: Deployed, bundle: Path, site_address: str, tmp_path: Path
) -> None:
    before, learnt = tmp_path / "before.pem", tmp_path / "learnt.pem"
    shutil.copy(bundle, before)
    assert certs("rotate-ca", "--prepare").code == 0
    assert certs("status").code == 2
    assert certs("trust", "--out", str(learnt)).code == 0
    with Clients(site_address, learnt) as clients:
        clients.wait(20)
        outcome = certs("rotate-ca")
        assert outcome.code == 0, outcome
        clients.wait(20)
        status = certs("status", "--json", "-")
        finished = certs("rotate-ca", "--finish")
        clients.wait(20)
    assert (clients.failed, len(clients.seen)) == ([], 2)
    assert status.code == 2
    assert [one["next"] for one in json.loads(status.out)["problems"]] == ["inv certs.rotate-ca --finish"]
    assert finished.code == 0, finished
    assert certs("status").code == 0
    with Clients(site_address, before) as late:
        late.wait(4)
    assert len(late.failed) == late.asked
    assert all("CERTIFICATE_VERIFY_FAILED" in one for one in late.failed)
    assert len(x509.load_pem_x509_certificates(bundle.read_bytes())) == 1


@pytest.fixture
def two_pairs(certs: Runner, ssh: Ssh) -> None:
    """Every edge also has the pair that it served before."""
    if any(ssh(edge, "test -e /etc/nginx/tls/previous", check=False).code for edge in EDGES):
        assert certs("renew", "--force").code == 0


# -- status -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_pairs")
def test_status_sees_an_edge_that_serves_another(certs: Runner, deployed: Deployed, ssh: Ssh, run_fab: Runner) -> None:
    ssh("edge2", "cd /etc/nginx/tls; ln -sfn $(readlink previous) current; systemctl reload nginx")
    until(lambda: len({served(address) for address in addresses(deployed.lab)}) == 2, "the old one on edge2")
    outcome = certs("status")
    assert outcome.code == 2, outcome
    assert "edge2 serves another certificate than the store holds   (inv certs.renew)" in outcome.out
    plan = run_fab("plan")
    assert plan.code == 2
    assert "install the certificate in /etc/nginx/tls" in plan.out
    assert certs("renew").code == 0
    assert certs("status").code == 0


@pytest.mark.usefixtures("two_pairs")
def test_a_reload_that_somebody_forgot_is_made_good(certs: Runner, deployed: Deployed, ssh: Ssh) -> None:
    """The right pair lies there, but the daemon does not serve it: only the look at what is served finds out."""
    good = served(deployed.lab.address("edge2"))
    ssh("edge2", "cd /etc/nginx/tls; now=$(readlink current); ln -sfn $(readlink previous) current; systemctl reload nginx\n"
        "sleep 1; ln -sfn $now current")  # fmt: skip
    until(lambda: served(deployed.lab.address("edge2")) != good, "the old one on edge2")
    outcome = certs("renew")
    assert outcome.code == 0, outcome
    assert "reload nginx.service: " in outcome.out
    assert served(deployed.lab.address("edge2")) == good


def test_status_and_deploy_know_when_it_is_due(certs: Runner, deployed: Deployed, run_fab: Runner) -> None:
    store = Store(
        deployed.lab.folder / "secrets/tls", f"lab{deployed.lab.number}", datetime.now(UTC) - timedelta(days=61)
    )
    wanted = names([NAME, deployed.url.removeprefix("http://"), *addresses(deployed.lab)])
    with store.locked():
        store.renew(wanted, force=True)
    outcome = certs("status")
    assert outcome.code == 2
    assert "two thirds of its life are over" in outcome.out
    plan = run_fab("plan")
    assert plan.code == 2
    assert "issue a certificate" in plan.out
    assert run_fab("deploy").code == 0
    assert certs("status").code == 0


def test_status_of_an_edge_that_serves_nothing_or_is_gone(
    certs: Runner, deployed: Deployed, ssh: Ssh, variant: Variant
) -> None:
    ssh("edge2", "systemctl stop nginx")
    outcome = certs("status")
    assert outcome.code == 2
    assert "edge2 serves no certificate at" in outcome.out
    ssh("edge2", "systemctl start nginx")
    hosts.cut("edge2")
    try:
        quick = variant(ssh={"timeout": 2.0})
        gone = certs("status", "--json", "-", env=quick)
        unfinished = certs("rotate-ca", "--finish", env=quick)
    finally:
        hosts.heal("edge2")
    assert gone.code == 4
    assert [one["state"] for one in json.loads(gone.out)["certificates"]] == ["", "right", "unreachable"]
    assert unfinished.code == 1
    assert complaint(unfinished).seen == "no rotation is under way"


# -- a user's own -------------------------------------------------------------------------------------------------


@pytest.fixture
def users(site_address: str) -> tuple[str, str]:
    """What users of this lab call."""
    return NAME, site_address


@pytest.mark.parametrize("kind", ["PEM", "PKCS#12"])
def test_a_certificate_of_the_users_own(
    certs: Runner, variant: Variant, deployed: Deployed, users: tuple[str, str], tmp_path: Path, kind: str
) -> None:
    own = leaf(*users)
    chain = [own.make(), MIDDLE.make(), ROOT.make()]
    secret = {"passphrase_file": str(put(tmp_path, "passphrase", b"correct-horse-9\n"))}
    if kind == "PEM":
        key = str(put(tmp_path, "own.key", as_pem(own.key, b"correct-horse-9")))
        tls = {"certificate": str(put(tmp_path, "own.pem", pem(*chain))), "key": key}
    else:
        tls = {"certificate": str(put(tmp_path, "own.p12", p12(own.key, chain[0], chain[1:], b"correct-horse-9")))}
    env = variant(tls={**tls, **secret})
    outcome = certs("renew", env=env)
    assert outcome.code == 0, outcome
    assert "correct-horse-9" not in outcome.out + outcome.err
    root = put(tmp_path, "root.pem", pem(ROOT.make()))
    for address in (users[1], NAME):
        words = ["curl", "-sS", "--cacert", str(root), "--resolve", f"{NAME}:443:{users[1]}", "-w", "%{http_code}"]
        assert run([*words, "-o", "/dev/null", f"https://{address}/ping"], 20) == ("200", "", 0)
    assert certs("status", env=env).code == 0
    assert {served(address) for address in addresses(deployed.lab)} == {fingerprint(chain[0])}
    assert complaint(certs("rotate-ca", env=env)).seen == "the site uses its own certificate"


def test_a_bad_certificate_is_refused_and_nothing_is_touched(
    certs: Runner, run_fab: Runner, variant: Variant, users: tuple[str, str], tmp_path: Path, ssh: Ssh
) -> None:
    good, stale, other = leaf(*users), leaf(*users, end=NOW - DAY), leaf("other.example")
    cases: Mapping[str, tuple[bytes, bytes]] = {
        "the key does not match": (pem(good.make(), MIDDLE.make(), ROOT.make()), as_pem(new_key())),
        "expired on": (pem(stale.make(), MIDDLE.make(), ROOT.make()), as_pem(stale.key)),
        f"is not for {NAME}, {users[1]}, but for other.example": (
            pem(other.make(), MIDDLE.make(), ROOT.make()),
            as_pem(other.key),
        ),
        "is incomplete: nobody here knows «CN=test intermediate»": (pem(good.make()), as_pem(good.key)),
        "is encrypted": (pem(good.make(), MIDDLE.make(), ROOT.make()), as_pem(good.key, b"correct-horse-9")),
    }
    before = untouched(ssh, EDGES)
    for said, (certificate, key) in cases.items():
        files = {"certificate": str(put(tmp_path, "own.pem", certificate)), "key": str(put(tmp_path, "own.key", key))}
        env = variant(tls=files)
        for outcome in (run_fab("deploy", env=env), certs("renew", env=env), run_fab("plan", env=env)):
            assert outcome.code == 1, outcome
            assert said in complaint(outcome).seen
        status = certs("status", env=env)
        assert (status.code, said in status.out.replace("\n", " ")) == (2, True), status
    assert untouched(ssh, EDGES) == before


def test_a_new_name_reissues(certs: Runner, variant: Variant, bundle: Path, users: tuple[str, str]) -> None:
    env = variant(tls={"names": [NAME, "shop.lab"]})
    outcome = certs("renew", env=env)
    assert outcome.code == 0, outcome
    assert "issued a certificate: it lacks shop.lab" in outcome.out
    words = ["curl", "-sS", "--cacert", str(bundle), "--resolve", f"shop.lab:443:{users[1]}", "-o", "/dev/null"]
    assert run([*words, "-w", "%{http_code}", "https://shop.lab/ping"], 20) == ("200", "", 0)


def test_a_machine_without_the_authority_makes_no_other_one(
    deployed: Deployed, run_fab: Runner, ssh: Ssh, variant: Variant, tmp_path: Path
) -> None:
    before = untouched(ssh, EDGES)
    outcome = run_fab("deploy", env=variant(tls={"store": str(tmp_path / "elsewhere")}))
    assert outcome.code == 1
    said = complaint(outcome)
    assert said.seen.startswith("edge1 and edge2 have a certificate, but its authority is not in")
    assert "inv certs.issue" in said.next
    assert not (tmp_path / "elsewhere").exists()
    assert untouched(ssh, EDGES) == before
