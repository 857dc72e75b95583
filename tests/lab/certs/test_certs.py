"""Certificates on real edges: what clients verify, renewals and rotations under load, a user's
own, and who is refused."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certtools import (
    EDGES,
    NAME,
    Clients,
    NamedClients,
    addresses,
    public_authority,
    served,
)
from cryptography import x509
from deployed import Deployed, Variant, assert_unchanged, complaint, until
from floating import holder
from labtools import Runner, Ssh, run

from fabfile.certs.names import sort_names
from fabfile.certs.store import Store
from lab import cables

# -- what is there after a deploy


def test_clients_can_verify_what_is_served(
    certs: Runner, deployed: Deployed, bundle: Path, site_address: str
) -> None:
    for address in (*addresses(deployed.lab), site_address):
        for name in (f"https://{address}", f"https://{NAME}"):
            words = [
                "curl",
                "-sS",
                "--cacert",
                str(bundle),
                "--resolve",
                f"{NAME}:443:{address}",
                "-o",
                "/dev/null",
            ]
            assert run([*words, "-w", "%{http_code}", f"{name}/ping"], 20) == ("200", "", 0)
        strict = [
            "openssl",
            "s_client",
            "-connect",
            f"{address}:443",
            "-CAfile",
            str(bundle),
            "-x509_strict",
        ]
        assert run([*strict, "-verify_return_error", "-verify_ip", address], 20).code == 0
    assert run(["curl", "-sS", f"https://{site_address}/ping"], 20).code == 60, (
        "nobody else trusts it"
    )


def test_keys_are_where_they_belong(certs: Runner, deployed: Deployed, ssh: Ssh) -> None:
    store = deployed.lab.folder / "secrets/tls"
    lines = {name: key_line(store / f"{name}.pem") for name in ("ca", "leaf")}
    for edge in EDGES:
        assert (
            ssh(edge, f"grep -rlF -e '{lines['ca']}' /etc /var /root /tmp /run || true").out == ""
        )
        found = ssh(edge, f"grep -rlF -e '{lines['leaf']}' /etc /var /root /tmp").out.split()
        assert {path.rpartition("/")[2] for path in found} == {"key.pem"}, found
        stat = ssh(edge, "stat -Lc '%U:%G %a' /etc/nginx/tls /etc/nginx/tls/current/key.pem").out
        assert stat == "root:www-data 750\nroot:www-data 640\n"
    said = (
        deployed.first.out
        + deployed.first.err
        + run(["grep", "-rlF", "-e", lines["leaf"], str(deployed.runs)], 20).out
    )
    assert lines["leaf"] not in said
    assert "leaf.pem" not in said


def key_line(path: Path) -> str:
    """One line of the private key, which would be found wherever the key was left."""
    return path.read_text().partition("PRIVATE KEY-----\n")[2].splitlines()[0]


# -- renewing and rotating under load


def test_a_renewal_fails_nobody(
    certs: Runner, deployed: Deployed, bundle: Path, site_address: str
) -> None:
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
    assert "issued a certificate: requested" in outcome.out
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
    assert [one["next"] for one in json.loads(status.out)["problems"]] == [
        "inv certs.rotate-ca --finish"
    ]
    assert finished.code == 0, finished
    assert certs("status").code == 0
    with Clients(site_address, before) as late:
        late.wait(4)
    assert len(late.failed) == late.asked
    assert all("CERTIFICATE_VERIFY_FAILED" in one for one in late.failed)
    assert len(x509.load_pem_x509_certificates(bundle.read_bytes())) == 1


def test_a_public_authority_issues_and_renews_and_fails_nobody(
    certs: Runner,
    run_fab: Runner,
    variant: Variant,
    deployed: Deployed,
    bundle: Path,
    site_address: str,
    ssh: Ssh,
    tmp_path: Path,
) -> None:
    """From our own authority to Pebble, to a new key, and back at the end of the test."""
    with public_authority(deployed.lab, ssh, tmp_path) as acme:
        env, both = variant(tls={"acme": acme}), tmp_path / "both.pem"
        both.write_bytes(bundle.read_bytes() + Path(acme["ca"]).read_bytes())
        with NamedClients(site_address, both) as clients:
            clients.wait(20)
            issued = certs("issue", env=env)
            clients.wait(20)
            renewed = certs("renew", "--force", env=env)
            clients.wait(20)
        assert (issued.code, renewed.code) == (0, 0), (issued, renewed)
        assert (clients.failed, len(clients.seen)) == ([], 3)
        assert "issued a certificate: there is none yet" in issued.out
        assert "issued a certificate: requested" in renewed.out
        assert certs("status", env=env).code == 0
        assert_unchanged(certs("renew", env=env))
        assert_unchanged(run_fab("deploy", env=env))
        for edge in EDGES:
            assert ssh(edge, "find /run/runbook-acme -type f").out == ""
        said = issued.out + issued.err + renewed.out + renewed.err
        assert "PRIVATE" not in said
        strange = certs("renew", "--force", env=variant(tls={"acme": acme, "names": ["shop.lab"]}))
        assert strange.code == 1
        assert "does not certify shop.lab: " in complaint(strange).seen
        assert certs("status", env=env).code == 0, "the edges keep what they have"


@pytest.fixture
def two_pairs(certs: Runner, ssh: Ssh) -> None:
    """Every edge also has the pair that it served before."""
    if any(ssh(edge, "test -e /etc/nginx/tls/previous", check=False).code for edge in EDGES):
        assert certs("renew", "--force").code == 0


# -- status


@pytest.mark.usefixtures("two_pairs")
def test_status_sees_an_edge_that_serves_another(
    certs: Runner, deployed: Deployed, ssh: Ssh, run_fab: Runner
) -> None:
    ssh("edge2", "cd /etc/nginx/tls; ln -sfn $(readlink previous) current; systemctl reload nginx")
    until(
        lambda: len({served(address) for address in addresses(deployed.lab)}) == 2,
        "the old one on edge2",
    )
    outcome = certs("status")
    assert outcome.code == 2, outcome
    assert (
        "edge2 serves another certificate than the store holds   (inv certs.renew)" in outcome.out
    )
    plan = run_fab("plan")
    assert plan.code == 2
    assert "install the certificate in /etc/nginx/tls" in plan.out
    assert certs("renew").code == 0
    assert certs("status").code == 0


@pytest.mark.parametrize("harm", ["chmod 0", "chown ops:ops", "rm"])
def test_status_sees_a_key_that_nginx_could_not_read_again(
    certs: Runner, deployed: Deployed, ssh: Ssh, harm: str
) -> None:
    """It runs on with what it has in memory; its next start would fail."""
    ssh("edge1", f"{harm} /etc/nginx/tls/current/key.pem")
    outcome = certs("status", "--json", "-")
    assert outcome.code == 2, outcome
    told = json.loads(outcome.out)
    assert {one["where"]: one["state"] for one in told["certificates"]}["edge1"] == "broken"
    (problem,) = told["problems"]
    assert re.fullmatch(
        r"edge1: /etc/nginx/tls/[0-9a-f]{12}/key\.pem is (missing|\S+ \d+, not root:www-data 640); "
        "nginx still serves what it read at its start, but may not start again",
        problem["problem"],
    )
    assert certs("renew").code == 0
    assert certs("status").code == 0


@pytest.mark.usefixtures("two_pairs")
def test_a_reload_that_somebody_forgot_is_made_good(
    certs: Runner, deployed: Deployed, ssh: Ssh
) -> None:
    """The right pair lies there, but the daemon does not serve it: only the look at what is
    served finds out."""

    # Not the edge that holds the address: moving that away reloads nginx, and so mends it before
    # the step is reached.
    edge = next(edge for edge in EDGES if edge != holder(deployed.lab, ssh))

    def answers() -> set[str]:
        return {served(deployed.lab.address(edge)) for _ in range(10)}

    now = ssh(edge, "readlink /etc/nginx/tls/current").out.strip()
    asked = "openssl x509 -in /etc/nginx/tls/current/chain.pem -noout -fingerprint -sha256"
    good = ssh(edge, asked).out.strip().rpartition("=")[2].replace(":", "").lower()
    # The reload of an earlier test may still be under way, and while one is, old workers and new
    # ones answer side by side.
    until(lambda: answers() == {good}, "the right one")
    ssh(
        edge,
        "cd /etc/nginx/tls && ln -sfn $(readlink previous) current && systemctl reload nginx",
    )
    # A reload only signals nginx: the link may go back when the old pair is served, not before.
    until(lambda: good not in answers(), "the old one")
    ssh(edge, f"ln -sfn {now} /etc/nginx/tls/current")
    outcome = certs("renew")
    assert outcome.code == 0, outcome
    assert "reload nginx.service: " in outcome.out
    assert served(deployed.lab.address(edge)) == good


def test_status_and_deploy_know_when_it_is_due(
    certs: Runner, deployed: Deployed, run_fab: Runner
) -> None:
    store = Store(
        deployed.lab.folder / "secrets/tls",
        f"lab{deployed.lab.number}",
        datetime.now(UTC) - timedelta(days=61),
    )
    wanted = sort_names([NAME, deployed.url.removeprefix("http://"), *addresses(deployed.lab)])
    with store.hold_lock():
        store.renew(wanted, force=True)
    outcome = certs("status")
    assert outcome.code == 2
    assert "two thirds of its lifetime are over" in outcome.out
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
    cables.cut_cable("edge2")
    try:
        quick = variant(ssh={"timeout": 2.0})
        gone = certs("status", "--json", "-", env=quick)
        unfinished = certs("rotate-ca", "--finish", env=quick)
    finally:
        cables.plug_cable("edge2")
    assert gone.code == 4
    assert [one["state"] for one in json.loads(gone.out)["certificates"]] == [
        "",
        "right",
        "unreachable",
    ]
    assert unfinished.code == 1
    assert complaint(unfinished).seen == "no rotation is under way"
