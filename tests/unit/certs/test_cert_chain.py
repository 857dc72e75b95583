"""Paths to a root: cross-signed, expired, in any order, beside other certificates. openssl must
say the same."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from certmaking import DAY, MIDDLE, NOW, ROOT, Maker, key_pem, leaf, pem, put
from cryptography import x509
from test_cert_own import USERS, parts, settings, taken

from fabfile.certs import chain
from fabfile.engine.errors import RunbookError

LEAF = leaf(*USERS)
OLD = Maker("old root", authority=True, start=NOW - 4000 * DAY, end=NOW - DAY)
"""Expired, as DST Root CA X3 is; machines may still have it."""
OTHER = Maker("other root", authority=True, end=NOW + 3000 * DAY)
CROSS = replace(ROOT, issuer=OLD, end=NOW + 900 * DAY)
"""The root once more, with the same name and key, signed by the old one."""
CROSS_EXPIRED = replace(ROOT, issuer=OTHER, start=NOW - 900 * DAY, end=NOW - DAY)
MIDDLE_BY_OTHER = replace(MIDDLE, issuer=OTHER)
MIDDLE_ENDED = replace(MIDDLE, start=NOW - 900 * DAY, end=NOW - DAY)
NAMESAKE = Maker("test intermediate", authority=True, issuer=ROOT)
"""Another intermediate of the same name, with another key."""
SHORT = ["CN=shop.example", "CN=test intermediate"]
LONG = [*SHORT, "CN=test root"]

ACCEPTED: dict[str, tuple[list[Maker], list[Maker], list[str]]] = {
    "a root that is known": ([MIDDLE], [ROOT], SHORT),
    "cross-signed by an expired root, known": ([MIDDLE, CROSS], [ROOT], SHORT),
    "cross-signed by an expired root, that too": ([MIDDLE, CROSS, OLD], [OLD, ROOT], SHORT),
    "cross-signed, only the other root is known": (
        [MIDDLE, replace(CROSS, issuer=OTHER)],
        [OTHER],
        LONG,
    ),
    "an expired cross certificate first": (
        [MIDDLE, CROSS_EXPIRED, replace(CROSS, issuer=OTHER)],
        [OTHER],
        LONG,
    ),
    "both intermediates of one key": ([MIDDLE_BY_OTHER, MIDDLE], [ROOT], SHORT),
    "an expired intermediate of the same key first": ([MIDDLE_ENDED, MIDDLE], [ROOT], SHORT),
    "a namesake with another key first": ([NAMESAKE, MIDDLE], [ROOT], SHORT),
    "others that have no part in it": ([leaf("x"), OTHER, NAMESAKE, OLD, MIDDLE], [ROOT], SHORT),
    "an expired root of the same name and key": (
        [MIDDLE],
        [replace(ROOT, end=NOW - DAY), ROOT],
        SHORT,
    ),
}


def made(makers: Sequence[Maker]) -> list[x509.Certificate]:
    return [maker.make() for maker in makers]


def openssl(folder: Path, file: bytes, known: bytes) -> bool:
    """Whether openssl takes the leaf, with these files."""
    words = ["openssl", "verify", "-no-CAstore", "-no-CApath", "-purpose", "sslserver"]
    paths = [
        "-CAfile",
        str(put(folder, "known", known)),
        "-untrusted",
        str(put(folder, "file", file)),
    ]
    done = subprocess.run([*words, *paths, str(folder / "file")], capture_output=True, text=True)
    return done.returncode == 0


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("case", ACCEPTED)
def test_it_is_taken_and_openssl_takes_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, turned: bool
) -> None:
    file, known, installed = ACCEPTED[case]
    others = made(file)
    content, store = pem(LEAF.make(), *(others[::-1] if turned else others)), pem(*made(known))
    monkeypatch.setattr(chain, "MACHINE", put(tmp_path, "machine.pem", store))
    material = taken(settings(tmp_path, content, key_pem(LEAF.key)))
    assert parts(material) == installed
    assert openssl(tmp_path, material.chain.encode(), store), (
        "a client without our patience must take it too"
    )


def test_the_leaf_need_not_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MACHINE", put(tmp_path, "machine.pem", pem(ROOT.make())))
    content = pem(CROSS.make(), MIDDLE.make(), LEAF.make())
    assert parts(taken(settings(tmp_path, content, key_pem(LEAF.key)))) == SHORT


REFUSED: dict[str, tuple[list[Maker], list[Maker], str]] = {
    "the only root is expired": (
        [MIDDLE, CROSS],
        [OLD],
        "ends at a root that expired on .*: «CN=old root»",
    ),
    "the private root in the file is expired": (
        [MIDDLE, CROSS, OLD],
        [],
        "ends at a root that expired on",
    ),
    "the cross certificate is expired": (
        [MIDDLE, CROSS_EXPIRED],
        [OTHER],
        "an intermediate certificate in .* expired on",
    ),
    "no root is known": (
        [MIDDLE, CROSS],
        [OTHER],
        "incomplete: this machine does not know «CN=old root»",
    ),
    "a namesake only": (
        [NAMESAKE],
        [ROOT],
        "incomplete: this machine does not know «CN=test intermediate»",
    ),
    "two that sign each other": (
        [MIDDLE_BY_OTHER, replace(OTHER, issuer=MIDDLE)],
        [ROOT],
        "incomplete: this machine does not know",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_as_openssl_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    file, known, said = REFUSED[case]
    content, store = pem(LEAF.make(), *made(file)), pem(*made(known))
    assert not openssl(tmp_path, content, store or pem(NAMESAKE.make()))
    monkeypatch.setattr(chain, "MACHINE", put(tmp_path, "machine.pem", store))
    with pytest.raises(RunbookError, match=said) as caught:
        taken(settings(tmp_path, content, key_pem(LEAF.key)))
    assert caught.value.next


BROKEN = b"-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
CUT_OFF = pem(OTHER.make())[:300] + b"\n"
NO_TEXT = b"-----BEGIN CERTIFICATE-----\n\xff\xfe!\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("broken", [BROKEN, CUT_OFF, NO_TEXT, b"\x00" * 50])
@pytest.mark.parametrize("last", [False, True])
def test_a_broken_certificate_in_the_machines_store_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bytes, last: bool
) -> None:
    good = pem(OTHER.make(), ROOT.make())
    monkeypatch.setattr(
        chain, "MACHINE", put(tmp_path, "machine.pem", good + broken if last else broken + good)
    )
    content = pem(LEAF.make(), MIDDLE.make())
    assert parts(taken(settings(tmp_path, content, key_pem(LEAF.key)))) == SHORT


def test_a_store_that_is_not_there_or_not_readable_holds_no_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (tmp_path / "absent", tmp_path):
        monkeypatch.setattr(chain, "MACHINE", place)
        monkeypatch.setenv("SSL_CERT_FILE", str(place))
        assert chain.trusted_roots() == []
