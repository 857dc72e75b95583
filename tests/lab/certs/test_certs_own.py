"""A certificate of the users' own on real edges: what is taken, what is refused by name, and
what reissues."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from certmaking import DAY, MIDDLE, NOW, ROOT, leaf, new_key, p12, pem, put
from certmaking import key_pem as as_pem
from certtools import EDGES, NAME, addresses, fingerprint, served
from deployed import Deployed, Variant, complaint, untouched
from labtools import Runner, Ssh, run


@pytest.mark.parametrize("kind", ["PEM", "PKCS#12"])
def test_a_certificate_of_the_users_own(
    certs: Runner,
    variant: Variant,
    deployed: Deployed,
    users: tuple[str, str],
    tmp_path: Path,
    kind: str,
) -> None:
    own = leaf(*users)
    chain = [own.make(), MIDDLE.make(), ROOT.make()]
    secret = {"passphrase_file": str(put(tmp_path, "passphrase", b"correct-horse-9\n"))}
    if kind == "PEM":
        key = str(put(tmp_path, "own.key", as_pem(own.key, b"correct-horse-9")))
        tls = {"certificate": str(put(tmp_path, "own.pem", pem(*chain))), "key": key}
    else:
        tls = {
            "certificate": str(
                put(tmp_path, "own.p12", p12(own.key, chain[0], chain[1:], b"correct-horse-9"))
            )
        }
    env = variant(tls={**tls, **secret})
    outcome = certs("renew", env=env)
    assert outcome.code == 0, outcome
    assert "correct-horse-9" not in outcome.out + outcome.err
    root = put(tmp_path, "root.pem", pem(ROOT.make()))
    for address in (users[1], NAME):
        words = [
            "curl",
            "-sS",
            "--cacert",
            str(root),
            "--resolve",
            f"{NAME}:443:{users[1]}",
            "-w",
            "%{http_code}",
        ]
        assert run([*words, "-o", "/dev/null", f"https://{address}/ping"], 20) == ("200", "", 0)
    assert certs("status", env=env).code == 0
    assert {served(address) for address in addresses(deployed.lab)} == {fingerprint(chain[0])}
    assert complaint(certs("rotate-ca", env=env)).seen == "the site uses its own certificate"


def test_a_bad_certificate_is_refused_and_nothing_is_touched(
    certs: Runner,
    run_fab: Runner,
    variant: Variant,
    users: tuple[str, str],
    tmp_path: Path,
    ssh: Ssh,
) -> None:
    good, stale, other = leaf(*users), leaf(*users, end=NOW - DAY), leaf("other.example")
    cases: Mapping[str, tuple[bytes, bytes]] = {
        "the key does not match": (pem(good.make(), MIDDLE.make(), ROOT.make()), as_pem(new_key())),
        "expired on": (pem(stale.make(), MIDDLE.make(), ROOT.make()), as_pem(stale.key)),
        f"is not for {NAME}, {users[1]}, but for other.example": (
            pem(other.make(), MIDDLE.make(), ROOT.make()),
            as_pem(other.key),
        ),
        "is incomplete: this machine does not know «CN=test intermediate»": (
            pem(good.make()),
            as_pem(good.key),
        ),
        "is encrypted": (
            pem(good.make(), MIDDLE.make(), ROOT.make()),
            as_pem(good.key, b"correct-horse-9"),
        ),
    }
    before = untouched(ssh, EDGES)
    for said, (certificate, key) in cases.items():
        files = {
            "certificate": str(put(tmp_path, "own.pem", certificate)),
            "key": str(put(tmp_path, "own.key", key)),
        }
        env = variant(tls=files)
        for outcome in (
            run_fab("deploy", env=env),
            certs("renew", env=env),
            run_fab("plan", env=env),
        ):
            assert outcome.code == 1, outcome
            assert said in complaint(outcome).seen
        status = certs("status", env=env)
        assert (status.code, said in status.out.replace("\n", " ")) == (2, True), status
    assert untouched(ssh, EDGES) == before


def test_a_new_name_reissues(
    certs: Runner, variant: Variant, bundle: Path, users: tuple[str, str]
) -> None:
    env = variant(tls={"names": [NAME, "shop.lab"]})
    outcome = certs("renew", env=env)
    assert outcome.code == 0, outcome
    assert "issued a certificate: it lacks shop.lab" in outcome.out
    words = [
        "curl",
        "-sS",
        "--cacert",
        str(bundle),
        "--resolve",
        f"shop.lab:443:{users[1]}",
        "-o",
        "/dev/null",
    ]
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
