"""A user's own certificate: taken when clients would take it, else refused by name, with nothing
installed."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from certmaking import DAY, MIDDLE, NOW, ROOT, Maker, key_pem, leaf, new_key, p12, pem, put
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from samples import site

from fabfile.certs import chain, provided, trust_bundle
from fabfile.engine.errors import RunbookError
from fabfile.engine.secret import mask_secrets
from fabfile.settings.settings import Settings, Tls
from fabfile.steps.cert import Material

USERS = ("shop.example", "192.0.2.10")
"""What users of the sample site call."""
PASSPHRASE = b"correct-horse-9"


def settings(
    folder: Path,
    certificate: bytes,
    key: bytes | None = None,
    passphrase: bytes | None = None,
    **changes: object,
) -> Settings:
    """The sample site with these files as its own certificate."""
    tls = Tls(
        names=("shop.example",),
        certificate=put(folder, "own", certificate),
        key=put(folder, "own.key", key) if key is not None else None,
        passphrase_file=(
            put(folder, "passphrase", passphrase + b"\n") if passphrase is not None else None
        ),
    )
    return replace(site(), tls=replace(tls, **changes))  # type: ignore[arg-type]


def taken(site: Settings) -> Material:
    return provided.load_provided(site, NOW).material


def parts(material: Material) -> list[str]:
    return [
        one.subject.rfc4514_string()
        for one in x509.load_pem_x509_certificates(material.chain.encode())
    ]


# -- taken

GOOD = leaf(*USERS)
CHAIN = [GOOD.make(), MIDDLE.make(), ROOT.make()]
INSTALLED = ["CN=shop.example", "CN=test intermediate"]


def test_pem_is_taken_without_its_root(tmp_path: Path) -> None:
    material = taken(settings(tmp_path, pem(*CHAIN), key_pem(GOOD.key)))
    assert parts(material) == INSTALLED
    assert material.fingerprint == CHAIN[0].fingerprint(hashes.SHA256()).hex()
    assert material.key.reveal() == key_pem(GOOD.key).decode()
    assert material.subject == "shop.example"
    assert trust_bundle(settings(tmp_path, b"")) is None, "clients trust whom they trusted before"


def test_order_does_not_matter_and_the_key_may_stand_in_the_same_file(tmp_path: Path) -> None:
    assert parts(taken(settings(tmp_path, key_pem(GOOD.key) + pem(*reversed(CHAIN))))) == INSTALLED


def test_a_key_as_openssl_writes_it_is_taken(tmp_path: Path) -> None:
    """Its parameters come first; here certificates come before both."""
    numbers = put(tmp_path, "k", key_pem(GOOD.key))
    words = ["openssl", "ec", "-in", str(numbers), "-param_enc", "named_curve"]
    text = subprocess.run(words, capture_output=True, check=True).stdout
    parameters = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1"], capture_output=True, check=True
    ).stdout
    assert b"BEGIN EC PRIVATE KEY" in text
    assert b"BEGIN EC PARAMETERS" in parameters
    assert parts(taken(settings(tmp_path, pem(*CHAIN) + parameters + text))) == INSTALLED


def test_an_encrypted_key_is_opened_and_installed_plain(tmp_path: Path) -> None:
    material = taken(settings(tmp_path, pem(*CHAIN), key_pem(GOOD.key, PASSPHRASE), PASSPHRASE))
    assert material.key.reveal() == key_pem(GOOD.key).decode()


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None])
def test_pkcs12_is_taken(tmp_path: Path, passphrase: bytes | None) -> None:
    content = p12(GOOD.key, CHAIN[0], CHAIN[:0:-1], passphrase)
    assert parts(taken(settings(tmp_path, content, None, passphrase))) == INSTALLED


def test_rsa_and_wildcards_are_taken(tmp_path: Path) -> None:
    wild = leaf("*.shop.example", "192.0.2.10", key=rsa.generate_private_key(65537, 2048))
    one = settings(
        tmp_path, pem(wild.make(), *CHAIN[1:]), key_pem(wild.key), names=("api.shop.example",)
    )
    assert parts(taken(one)) == ["CN=*.shop.example", "CN=test intermediate"]


def test_a_self_signed_one_is_taken(tmp_path: Path) -> None:
    alone = leaf(*USERS, issuer=None)
    assert parts(taken(settings(tmp_path, pem(alone.make()), key_pem(alone.key)))) == [
        "CN=shop.example"
    ]


def test_a_root_that_this_machine_trusts_need_not_be_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        chain,
        "MACHINE",
        put(tmp_path, "machine.pem", pem(Maker("other", authority=True).make(), CHAIN[2])),
    )
    assert parts(taken(settings(tmp_path, pem(*CHAIN[:2]), key_pem(GOOD.key)))) == INSTALLED


# -- refused

EDWARDS = leaf(*USERS, key=ed25519.Ed25519PrivateKey.generate())
SMALL = leaf(*USERS, key=rsa.generate_private_key(65537, 1024))
CURVE = leaf(*USERS, key=ec.generate_private_key(ec.SECP521R1()))
ENDED = Maker("ended intermediate", authority=True, issuer=ROOT, start=NOW - 9 * DAY, end=NOW - DAY)


def chained(maker: Maker, middle: Maker = MIDDLE) -> tuple[bytes, bytes]:
    return pem(replace(maker, issuer=middle).make(), middle.make(), ROOT.make()), key_pem(maker.key)


REFUSED = {
    "another's key": (
        pem(*CHAIN),
        key_pem(new_key()),
        None,
        "the key does not match the certificate in",
    ),
    "expired": (*chained(leaf(*USERS, end=NOW)), None, "the certificate in .* expired on"),
    "of tomorrow": (
        *chained(leaf(*USERS, start=NOW + DAY)),
        None,
        "the certificate in .* is valid only from",
    ),
    "expired intermediate": (
        *chained(leaf(*USERS), ENDED),
        None,
        "an intermediate certificate in .* expired on",
    ),
    "another name": (
        *chained(leaf("other.example", "192.0.2.10")),
        None,
        "is not for shop.example, but for other.example",
    ),
    "no address": (
        *chained(leaf("shop.example")),
        None,
        "is not for 192.0.2.10, but for shop.example",
    ),
    "name only as common name": (
        *chained(leaf(common="shop.example")),
        None,
        "but for no name at all",
    ),
    "no intermediate": (
        pem(CHAIN[0]),
        key_pem(GOOD.key),
        None,
        "incomplete: this machine does not know «CN=test intermediate»",
    ),
    "no root": (
        pem(*CHAIN[:2]),
        key_pem(GOOD.key),
        None,
        "incomplete: this machine does not know «CN=test root»",
    ),
    "forged intermediate": (
        pem(CHAIN[0], Maker("test intermediate", authority=True, issuer=ROOT).make(), CHAIN[2]),
        key_pem(GOOD.key),
        None,
        "incomplete: this machine does not know «CN=test intermediate»",
    ),
    "issued by a leaf": (
        *chained(leaf(*USERS), leaf("x")),
        None,
        "incomplete: this machine does not know «CN=x»",
    ),
    "for clients": (
        *chained(leaf(*USERS, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)),
        None,
        "is not for servers",
    ),
    "Ed25519": (*chained(EDWARDS), None, "browsers do not accept the key in "),
    "RSA 1024": (*chained(SMALL), None, "browsers do not accept the key in "),
    "P-521": (*chained(CURVE), None, "browsers do not accept the key in "),
    "encrypted key": (pem(*CHAIN), key_pem(GOOD.key, PASSPHRASE), None, "own.key is encrypted"),
    "wrong passphrase": (
        pem(*CHAIN),
        key_pem(GOOD.key, PASSPHRASE),
        b"wrong-horse-9",
        "passphrase does not open .*own.key",
    ),
    "no key": (pem(*CHAIN), None, None, "own holds no private key"),
    "broken key": (
        pem(*CHAIN),
        key_pem(GOOD.key)[:90] + b"\n-----END PRIVATE KEY-----\n",
        None,
        "own.key cannot be read",
    ),
    "broken certificate": (
        pem(*CHAIN)[:200],
        key_pem(GOOD.key),
        None,
        "certificate number 1 in .*own cannot be read",
    ),
    "cut off at its end": (
        pem(*CHAIN)[:-40],
        key_pem(GOOD.key),
        None,
        "certificate number 3 in .*own cannot be read",
    ),
    "only a key": (key_pem(GOOD.key), None, None, "own holds a private key, but no certificate"),
    "empty": (b"", None, None, "own is neither PEM nor PKCS#12"),
    "a picture": (b"\x89PNG\r\n" + bytes(300), None, None, "own is neither PEM nor PKCS#12"),
    "locked PKCS#12": (
        p12(GOOD.key, CHAIN[0], CHAIN[1:], PASSPHRASE),
        None,
        None,
        "own is encrypted",
    ),
    "PKCS#12, wrong passphrase": (
        p12(GOOD.key, CHAIN[0], CHAIN[1:], PASSPHRASE),
        None,
        b"nope",
        "does not open .*own",
    ),
    "PKCS#12 without chain": (
        p12(GOOD.key, CHAIN[0], [], None),
        None,
        None,
        "incomplete: this machine does not know",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_name(tmp_path: Path, case: str) -> None:
    certificate, key, passphrase, said = REFUSED[case]
    with pytest.raises(RunbookError, match=said) as caught:
        taken(settings(tmp_path, certificate, key, passphrase))
    assert caught.value.code == 1
    assert caught.value.why == "clients would reject the certificate; nothing was installed"
    assert caught.value.next
    shown = f"{caught.value.problem} {caught.value.next}"
    assert "PRIVATE KEY" not in shown
    assert not passphrase or passphrase.decode() not in shown


def test_weak_signatures_are_refused(tmp_path: Path) -> None:
    """SHA-1 needs openssl: cryptography signs with it no more."""
    put(tmp_path, "root", key_pem(ROOT.key) + pem(CHAIN[2]))
    put(tmp_path, "leaf", key_pem(GOOD.key))
    put(tmp_path, "names", b"subjectAltName=DNS:shop.example,IP:192.0.2.10")
    for command in (
        "openssl req -new -key leaf -subj /CN=shop.example -out request",
        (
            "openssl x509 -req -sha1 -days 9 -in request -CA root -CAkey root -CAcreateserial"
            " -extfile names -out weak"
        ),
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(RunbookError, match="is signed with SHA1"):
        provided.load_provided(
            settings(tmp_path, (tmp_path / "weak").read_bytes() + pem(CHAIN[2]), key_pem(GOOD.key))
        )


def test_an_odd_certificate_is_no_traceback(tmp_path: Path) -> None:
    names = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03odd")
    one = (
        x509.CertificateBuilder(extensions=[x509.Extension(names.oid, False, names)])
        .subject_name(CHAIN[0].subject)
        .issuer_name(CHAIN[2].subject)
        .public_key(GOOD.key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(ROOT.key, hashes.SHA256())
    )
    with pytest.raises(RunbookError, match="own cannot be understood: "):
        taken(settings(tmp_path, pem(one, CHAIN[2]), key_pem(GOOD.key)))


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    one = settings(tmp_path, pem(*CHAIN), key_pem(GOOD.key))
    for field in ("certificate", "key", "passphrase_file"):
        absent = replace(one, tls=replace(one.tls, **{field: tmp_path / "absent"}))
        with pytest.raises(RunbookError, match="absent cannot be read: No such file"):
            taken(absent)


def test_a_key_once_read_is_masked_everywhere(tmp_path: Path) -> None:
    material = taken(settings(tmp_path, pem(*CHAIN), key_pem(GOOD.key)))
    assert "PRIVATE KEY" not in mask_secrets(f"it was {material.key.reveal()}")
    assert "PRIVATE KEY" not in repr(material)
