"""Files that are almost a certificate or a key: each is called by its name, with the command
that makes one of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from certmaking import MIDDLE, ROOT, key_pem, leaf, pem, put
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from test_cert_own import USERS, parts, settings, taken

from fabfile.engine.errors import RunbookError

LEAF = leaf(*USERS)
CHAIN = [LEAF.make(), MIDDLE.make(), ROOT.make()]
KEY = key_pem(LEAF.key)
TAKEN = ["CN=shop.example", "CN=test intermediate"]

REQUEST = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(CHAIN[0].subject)
    .sign(LEAF.key, hashes.SHA256())
)  # type: ignore[arg-type]
PUBLIC = LEAF.key.public_key()
PLAIN = serialization.NoEncryption()
SSH = LEAF.key.private_bytes(Encoding.PEM, serialization.PrivateFormat.OpenSSH, PLAIN)
KEY_DER = LEAF.key.private_bytes(Encoding.DER, serialization.PrivateFormat.PKCS8, PLAIN)

CERTIFICATES = {
    "PKCS#7, PEM": (
        pkcs7.serialize_certificates(CHAIN, Encoding.PEM),
        "is PKCS#7",
        "openssl pkcs7 -inform PEM ",
    ),
    "PKCS#7, DER": (
        pkcs7.serialize_certificates(CHAIN, Encoding.DER),
        "is PKCS#7",
        "openssl pkcs7 -inform DER ",
    ),
    "request": (
        REQUEST.public_bytes(Encoding.PEM),
        r"is a certificate request \(CSR\)",
        "what comes back",
    ),
    "request, DER": (
        REQUEST.public_bytes(Encoding.DER),
        r"is a certificate request \(CSR\)",
        "what comes back",
    ),
    "public key": (
        PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "holds a public key",
        "tls.key",
    ),
    "DER": (
        CHAIN[0].public_bytes(Encoding.DER),
        "is a certificate in DER, not PEM",
        "openssl x509 -inform DER ",
    ),
    "key, DER": (KEY_DER, "is a private key in DER", "openssl pkey -inform DER "),
    "Java keystore": (
        b"\xfe\xed\xfe\xed\0\0\0\2" + bytes(99),
        "is a Java keystore",
        "keytool -importkeystore ",
    ),
    "web page": (b"\n<!DOCTYPE html><html></html>", "is a web page", "download"),
    "nothing of it": (b"hello\n", "is neither PEM nor PKCS#12", "openssl pkcs12"),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_a_file_that_is_no_certificate_is_called_by_its_name(tmp_path: Path, case: str) -> None:
    content, said, next_ = CERTIFICATES[case]
    with pytest.raises(RunbookError, match=f"own {said}") as caught:
        taken(settings(tmp_path, content, KEY))
    assert next_ in caught.value.next
    assert "{" not in caught.value.next


KEYS = {
    "certificate": (pem(CHAIN[0]), "own.key holds no private key"),
    "request": (REQUEST.public_bytes(Encoding.PEM), "own.key is a certificate request"),
    "public key": (
        PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "own.key holds a public key",
    ),
    "ssh": (SSH, "own.key is a key for ssh"),
    "DER": (KEY_DER, "own.key is a private key in DER"),
    "empty": (b"", "own.key holds no private key"),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_file_that_is_no_key_is_called_by_its_name(tmp_path: Path, case: str) -> None:
    content, said = KEYS[case]
    with pytest.raises(RunbookError, match=said) as caught:
        taken(settings(tmp_path, pem(*CHAIN), content))
    assert caught.value.next
    assert "PRIVATE KEY-----\n" not in caught.value.problem + caught.value.next


@pytest.mark.parametrize("case", ["PKCS#7, PEM", "PKCS#7, DER", "DER", "key, DER"])
def test_the_command_it_names_does_it(tmp_path: Path, case: str) -> None:
    content, _, _ = CERTIFICATES[case]
    with pytest.raises(RunbookError) as caught:
        taken(settings(tmp_path, content, KEY))
    subprocess.run(
        caught.value.next.partition(", then")[0].split(), check=True, capture_output=True
    )
    made = (tmp_path / "own.pem").read_bytes()
    if case == "key, DER":
        assert parts(taken(settings(tmp_path, pem(*CHAIN), made))) == TAKEN
    else:
        rest = pem(*CHAIN[1:]) if case == "DER" else b""
        assert parts(taken(settings(tmp_path, made + rest, KEY))) == TAKEN


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_what_windows_editors_make_of_pem_is_taken(tmp_path: Path, coding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(coding, b"")

    def rewritten(content: bytes) -> bytes:
        return mark + content.decode().replace("\n", "\r\n").encode(coding)

    assert parts(taken(settings(tmp_path, rewritten(pem(*CHAIN)), rewritten(KEY)))) == TAKEN


def test_a_file_that_holds_a_request_beside_all_else_is_taken(tmp_path: Path) -> None:
    everything = REQUEST.public_bytes(Encoding.PEM) + KEY + b"notes of mine\n" + pem(*CHAIN)
    assert parts(taken(settings(tmp_path, everything))) == TAKEN


def test_an_encrypted_key_in_openssls_old_form_wants_its_passphrase(tmp_path: Path) -> None:
    plain, locked = put(tmp_path, "plain", KEY), tmp_path / "locked"
    words = [
        "openssl",
        "ec",
        "-in",
        str(plain),
        "-aes256",
        "-passout",
        "pass:horse-9",
        "-out",
        str(locked),
    ]
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(RunbookError, match=r"own\.key is encrypted"):
        taken(settings(tmp_path, pem(*CHAIN), locked.read_bytes()))
    assert parts(taken(settings(tmp_path, pem(*CHAIN), locked.read_bytes(), b"horse-9"))) == TAKEN
