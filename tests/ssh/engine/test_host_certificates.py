"""A host whose key an authority of known_hosts signed needs no pin of its own; each other
certificate is refused, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sshhost import Host, fab, new_key, write_site

from fabfile.engine.errors import Unreachable
from fabfile.engine.link import Link

ADDRESS = "127.77.0.7"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def signed(
    tmp_path_factory: pytest.TempPathFactory, client_key: Path, authority: Path
) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("signed")
    with closing(Host("signed", ADDRESS, folder, client_key, authority=authority)) as host:
        yield host


def trust_authority(host: Host, key: Path, names: str = "127.77.0.*", more: str = "") -> None:
    public = key.with_suffix(".pub").read_text().strip()
    host.known_hosts.write_text(f"@cert-authority {names} {public}\n{more}")


def refusal_of(host: Host) -> Unreachable:
    before = host.logins()
    with pytest.raises(Unreachable) as caught:
        Link(host.reach()).run("true")
    assert host.logins() == before
    return caught.value


def test_a_signed_host_needs_no_pin(signed: Host, authority: Path) -> None:
    trust_authority(signed, authority)
    assert Link(signed.reach()).run("echo yes").out == "yes\n"


def test_another_authority_is_refused(signed: Host, tmp_path: Path) -> None:
    trust_authority(signed, new_key(tmp_path / "ca"))
    assert "another authority than the pinned one" in refusal_of(signed).problem


def test_an_authority_for_other_hosts_signs_nothing_here(signed: Host, authority: Path) -> None:
    trust_authority(signed, authority, "*.example.com")
    assert refusal_of(signed).problem == "the host key of signed is not pinned"


def test_a_revoked_authority_or_key_is_refused(signed: Host, authority: Path) -> None:
    for key, words in ((authority, "the authority that signed"), (signed.host_key, "its key is")):
        public = key.with_suffix(".pub").read_text()
        trust_authority(signed, authority, more=f"@revoked * {public}")
        assert words in refusal_of(signed).problem


def test_a_host_without_a_certificate_is_refused(host: Host, authority: Path) -> None:
    trust_authority(host, authority)
    try:
        assert "it shows no certificate" in refusal_of(host).problem
    finally:
        host.pin()


def test_a_pinned_key_counts_beside_an_authority(
    signed: Host, tmp_path: Path, authority: Path
) -> None:
    signed.pin()
    trust_authority(signed, new_key(tmp_path / "ca"), more=signed.known_hosts.read_text())
    assert Link(signed.reach()).run("echo yes").out == "yes\n"


def test_trust_pins_nothing_for_a_signed_host(
    signed: Host, authority: Path, tmp_path: Path
) -> None:
    trust_authority(signed, authority)
    before = signed.known_hosts.read_bytes()
    ssh = {"user": "ops", "key": str(signed.key), "known_hosts": str(signed.known_hosts)}
    site = write_site(tmp_path, {"signed": (ADDRESS, ["app"])}, port=signed.port, **ssh)
    done = fab(site, "trust")
    assert (done.returncode, "signed by a pinned authority" in done.stdout) == (0, True)
    assert signed.known_hosts.read_bytes() == before
