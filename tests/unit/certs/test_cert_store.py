"""The authority and what it issues: what openssl thinks of it, when it is due, and every state
of a rotation."""

from __future__ import annotations

import fcntl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from samples import site

from fabfile.certs import authority, ready_material, trust_bundle
from fabfile.certs.names import Names, called_names, wanted_names
from fabfile.certs.store import CURRENT, LEAF, Store
from fabfile.engine.errors import LOCKED, RunbookError
from fabfile.engine.secret import mask_secrets
from fabfile.settings.settings import Settings, Tls

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = Names(("shop.example", "*.shop.example"), ("192.0.2.10", "2001:db8::1"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that has issued for NAMES at START."""
    made = Store(tmp_path / "tls", "sample", START)
    with made.hold_lock():
        assert made.renew(NAMES) == "there is none"
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The sample site with a store of its own."""
    return replace(site(), tls=Tls(names=("shop.example",), store=tmp_path / "tls"))


def at(store: Store, later: timedelta) -> Store:
    return Store(store.folder, store.site, START + later)


def kept(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.folder.iterdir()}


def leaf(store: Store) -> x509.Certificate:
    found = store.load_certificate(LEAF)
    assert found
    return found


# -- names


@pytest.mark.parametrize(
    ("service", "names", "users", "all_"),
    [
        ("http://192.0.2.10", (), "192.0.2.10", "192.0.2.10, 192.0.2.11, 192.0.2.12"),
        (
            "http://192.0.2.10:8080",
            ("a.example",),
            "a.example, 192.0.2.10",
            "a.example, 192.0.2.10, 192.0.2.11, 192.0.2.12",
        ),
        (
            "http://shop.example",
            (),
            "shop.example",
            "shop.example, 192.0.2.10, 192.0.2.11, 192.0.2.12",
        ),
        (
            "http://198.51.100.7",
            (),
            "198.51.100.7",
            "192.0.2.10, 192.0.2.11, 192.0.2.12, 198.51.100.7",
        ),
        (
            "http://a.example",
            ("a.example", "a.example"),
            "a.example",
            "a.example, 192.0.2.10, 192.0.2.11, 192.0.2.12",
        ),
    ],
)
def test_names_are_what_users_call_and_every_edge(
    service: str, names: tuple[str, ...], users: str, all_: str
) -> None:
    one = replace(site(), service=service, tls=Tls(names=names))
    assert str(called_names(one)) == users
    assert str(wanted_names(one)) == all_


def test_a_wildcard_covers_one_label() -> None:
    has = Names(("*.shop.example",), ())
    assert Names(("a.shop.example", "*.shop.example"), ()).missing(has) == ()
    assert Names(("shop.example", "a.b.shop.example"), ("192.0.2.1",)).missing(has) == (
        "shop.example",
        "a.b.shop.example",
        "192.0.2.1",
    )


# -- what is issued


def test_openssl_accepts_it_strictly_for_every_name(store: Store, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_text(store.load_material(NAMES).chain)
    when = str(int(START.timestamp()))
    base = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-attime",
        when,
        "-CAfile",
        str(store.bundle),
    ]

    def verdict(*words: str) -> str:
        done = subprocess.run([*base, *words, str(chain)], capture_output=True, text=True)
        return done.stdout.strip() + done.stderr

    for name in ("shop.example", "any.shop.example"):
        assert verdict("-verify_hostname", name) == f"{chain}: OK"
    for one in NAMES.addresses:
        assert verdict("-verify_ip", one) == f"{chain}: OK"
    assert "hostname mismatch" in verdict("-verify_hostname", "other.example")
    assert "IP address mismatch" in verdict("-verify_ip", "192.0.2.99")


def test_the_authority_is_what_it_should_be(store: Store) -> None:
    one = store.load_certificate(CURRENT)
    assert one
    basic = one.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = one.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert usage.value.digital_signature is False
    assert one.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    assert 3650 <= (one.not_valid_after_utc - START).days <= 3653


def test_the_leaf_is_what_it_should_be(store: Store) -> None:
    one = leaf(store)
    usage = one.extensions.get_extension_for_class(x509.KeyUsage)
    purpose = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert one.not_valid_before_utc == START - timedelta(minutes=10)
    assert one.not_valid_after_utc - one.not_valid_before_utc == 90 * DAY
    assert usage.critical
    assert [
        name
        for name in ("digital_signature", "key_cert_sign", "key_encipherment")
        if getattr(usage.value, name)
    ] == ["digital_signature"]
    assert list(purpose) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert one.serial_number.bit_length() > 64
    assert authority.read_alternative_names(one) == NAMES


def test_a_common_name_fits_whatever_the_names_are(store: Store) -> None:
    long = ".".join(["x" * 60] * 4)
    with store.hold_lock():
        store.renew(Names((long,), ("192.0.2.1",)))
    assert authority.subject_name(leaf(store)) == "192.0.2.1"
    with store.hold_lock():
        store.renew(Names((long,), ()))
    assert store.load_material(Names((long,), ())).subject == "edge"


def test_nothing_of_the_authority_is_installed_and_files_are_its_owners_only(store: Store) -> None:
    pair = store.load_material(NAMES)
    assert pair.chain.count("BEGIN CERTIFICATE") == 1
    assert pair.key.reveal().encode() in (store.folder / LEAF).read_bytes()
    assert pair.key.reveal().encode() not in (store.folder / CURRENT).read_bytes()
    modes = {
        path.name: path.stat().st_mode & 0o777
        for path in store.folder.iterdir()
        if path.name != ".lock"
    }
    assert modes == {CURRENT: 0o600, LEAF: 0o600, "bundle.pem": 0o644}
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert "PRIVATE" not in mask_secrets(pair.key.reveal()) + store.bundle.read_text() + repr(pair)


# -- when it is due


@pytest.mark.parametrize(
    ("later", "names", "reason"),
    [
        (0 * DAY, NAMES, ""),
        (-timedelta(minutes=9), NAMES, ""),
        (59.9 * DAY, NAMES, ""),
        (60 * DAY, NAMES, "two thirds of its lifetime are over, it expires on 2026-05-30"),
        (90 * DAY, NAMES, "it expired on 2026-05-30"),
        (-1 * DAY, NAMES, "it is not valid before 2026-03-01 11:50 UTC"),
        (
            0 * DAY,
            Names((*NAMES.dns, "new.example"), (*NAMES.addresses, "192.0.2.13")),
            "it lacks new.example, 192.0.2.13",
        ),
        (0 * DAY, Names(NAMES.dns[:1], NAMES.addresses), "it also names *.shop.example"),
        (0 * DAY, Names(NAMES.dns[::-1], NAMES.addresses[::-1]), ""),
    ],
)
def test_due(store: Store, later: timedelta, names: Names, reason: str) -> None:
    assert at(store, later).find_renewal_reason(names) == reason


def test_nothing_is_written_while_it_is_good_and_all_is_new_when_it_is_due(store: Store) -> None:
    before, old = kept(store), leaf(store)
    with store.hold_lock():
        assert at(store, 59 * DAY).renew(NAMES) == ""
    assert kept(store) == before
    later = at(store, 61 * DAY)
    with later.hold_lock():
        assert later.renew(NAMES).startswith("two thirds")
    assert leaf(later).serial_number != old.serial_number
    assert leaf(later).public_key() != old.public_key()
    assert kept(later)[CURRENT] == before[CURRENT]
    with later.hold_lock():
        assert later.renew(NAMES, force=True) == "requested"


def test_a_leaf_does_not_outlive_its_authority_and_none_comes_after_it(store: Store) -> None:
    issuer = store.load_certificate(CURRENT)
    assert issuer
    last = at(store, issuer.not_valid_after_utc - START - 10 * DAY)
    with last.hold_lock():
        last.renew(NAMES)
    assert leaf(last).not_valid_after_utc == issuer.not_valid_after_utc
    ended = at(store, issuer.not_valid_after_utc - START)
    with ended.hold_lock(), pytest.raises(RunbookError, match="the authority expired") as caught:
        ended.renew(NAMES)
    assert caught.value.next == "inv certs.rotate-ca"


def test_a_plan_issues_nothing(settings: Settings) -> None:
    assert ready_material(settings, may_issue=False) is None
    assert not settings.tls.store.exists()
    assert trust_bundle(settings) is None
    made = ready_material(settings, may_issue=True)
    assert made
    assert ready_material(settings, may_issue=False) == made
    assert trust_bundle(settings) == settings.tls.store / "bundle.pem"


# -- what may be wrong with it


@pytest.mark.parametrize("name", [CURRENT, LEAF])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_damaged_file_is_named_and_left_alone(
    settings: Settings, name: str, content: bytes
) -> None:
    ready_material(settings, may_issue=True)
    (settings.tls.store / name).write_bytes(content)
    with pytest.raises(RunbookError, match=f"{name} is damaged") as caught:
        ready_material(settings, may_issue=True)
    assert "backup" in caught.value.next
    assert (settings.tls.store / name).read_bytes() == content


def test_a_leaf_with_another_key_is_not_installed(store: Store) -> None:
    one, other = store.load_pair(LEAF), store.load_pair(CURRENT)
    assert one
    assert other
    store.write_file(LEAF, authority.Pair(one.certificate, other.key))
    with pytest.raises(RunbookError, match="its key belongs to another certificate"):
        store.load_material(NAMES)


def test_what_a_strict_client_would_refuse_is_not_installed(store: Store) -> None:
    with pytest.raises(
        RunbookError, match=r"clients would reject the certificate in the store: other\.example"
    ):
        store.load_material(Names(("other.example",), ()))
    with pytest.raises(RunbookError, match="clients would reject"):
        at(store, 91 * DAY).load_material(NAMES)


def test_two_runs_at_once_exclude_each_other(store: Store) -> None:
    with (store.folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with (
            pytest.raises(RunbookError, match="another run is issuing") as caught,
            store.hold_lock(),
        ):
            pass
    assert caught.value.code == LOCKED
